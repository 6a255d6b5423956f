/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll sim cluster`: its words. */
#include "tools/facts/facts.h"
#include "tools/sim/cluster.h"
#include "tools/vcoll/tools.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] =
    "Predicts, for many nodes, how long each algorithm takes, how many messages and bytes it sends within "
    "nodes "
    "and between them, and how many queue pairs and how much memory a rank needs; and which one the rules "
    "take. "
    "The plans are those that programs run; they are played against each other by the cost model. Nothing is "
    "measured, no rank is started."
    "\v"
    "A choice is an algorithm as in VCOLL_ALG: two_level_multi:leaders=4.\n"
    "\n"
    "--tune writes a table: the rules of --table, then one for each range of sizes in which an algorithm is\n"
    "predicted to be the fastest, for these nodes and ranks per node. Its provenance says which rules are\n"
    "simulated. Where the rules say native there is none, because native has no prediction.\n"
    "\n"
    "Examples:\n"
    "  vcoll sim cluster --nodes 1024 --ppn 16 --collective allreduce\n"
    "  vcoll sim cluster --nodes 65536 --collective alltoall --sizes 8\n"
    "  vcoll sim cluster --nodes 64 --ppn 32 --collective allreduce --sizes 1m \\\n"
    "      --compare two_level_multi:leaders=4,two_level_multi:leaders=16\n"
    "  vcoll sim cluster --nodes 16,64,256 --ppn 8 --table here.json --tune more.json\n"
    "  vcoll sim cluster --nodes 256 --collective allreduce --sizes 8 --noise 250:5,2:4000\n"
    "\n"
    "Exit status: 0 predicted, 1 a failure, 2 wrong words.";

enum {
    KEY_NODES = 256,
    KEY_PPN,
    KEY_NETWORK,
    KEY_COLLECTIVE,
    KEY_SIZES,
    KEY_TABLE,
    KEY_SET,
    KEY_LATENCY,
    KEY_OVERHEAD,
    KEY_BANDWIDTH,
    KEY_NOISE,
    KEY_RUNS,
    KEY_SEED,
    KEY_OBJECTIVE,
    KEY_COMPARE,
    KEY_PARAMETERS,
    KEY_TUNE,
    KEY_JSON,
    KEY_PLOT
};
enum { SETS_MAX = 32 };

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What is simulated:", 1},
    {"nodes", KEY_NODES, "LIST", 0, "numbers of nodes, as 64 or 16,64,256 (required)", 0},
    {"ppn", KEY_PPN, "N", 0, "ranks on each node (default: 1); in all at most 65536", 0},
    {"network", KEY_NETWORK, "verbs|mpi", 0, "what messages between nodes go over (default: verbs)", 0},
    {"collective", KEY_COLLECTIVE, "LIST", 0, "as allreduce,bcast (default: all)", 0},
    {"sizes", KEY_SIZES, "LIST", 0, "bytes, as 8,4k,1m (default: 8,1k,16k,64k,1m; --tune: more)", 0},
    {"compare", KEY_COMPARE, "CHOICES", 0, "these choices instead of all algorithms, with commas", 0},
    {"parameters", KEY_PARAMETERS, 0, 0,
     "of the faster algorithms other radices and segments, too; so does --tune", 0},
    {0, 0, 0, 0, "What things cost:", 2},
    {"table", KEY_TABLE, "FILE", 0, "a tuning table: its figures, and its rules before the built-in ones", 0},
    {"set", KEY_SET, "NAME=VALUE", 0, "a figure of the model by hand, as node.copy=4e-11", 0},
    {"latency", KEY_LATENCY, "US", 0,
     "between nodes, from the end of sending on (default without table: 1.2)", 0},
    {"overhead", KEY_OVERHEAD, "US", 0, "CPU time of a message on each side (0.3)", 0},
    {"bandwidth", KEY_BANDWIDTH, "GB/S", 0, "of each node (12.5)", 0},
    {0, 0, 0, 0, "Time that is taken away from ranks at random:", 3},
    {"noise", KEY_NOISE, "RATE:US,...", 0,
     "kinds of interruptions: how many a second of a CPU, microseconds of each; or table: as it has them", 0},
    {"runs", KEY_RUNS, "N", 0, "plays of each algorithm with noise (default: 100)", 0},
    {"seed", KEY_SEED, "N", 0, "of the noise (default: 1)", 0},
    {"objective", KEY_OBJECTIVE, "WHICH", 0,
     "latency or tail: what is fastest without noise, or by its 99th percentile with it (default: the "
     "table's, else latency)",
     0},
    {0, 0, 0, 0, "What is written:", 4},
    {"json", KEY_JSON, 0, 0, "one JSON object", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "also time over size as a picture", 0},
    {"tune", KEY_TUNE, "FILE", 0, "also a table with rules for these shapes, marked as simulated", 0},
    {0, 0, 0, 0, 0, 0}};

static int number(struct argp_state *st, const char *option, const char *word, int most)
{
    char *end;
    long n = strtol(word, &end, 10);
    if (end == word || *end || n < 1 || n > most)
        argp_error(st, "%s: '%s' is not a number of 1..%d", option, word, most);
    return (int)n;
}

static double amount(struct argp_state *st, const char *option, const char *word, double unit)
{
    char *end;
    double v = strtod(word, &end);
    if (end == word || *end || !(v > 0 && v <= 1e6))
        argp_error(st, "%s: '%s' is not a number above 0", option, word);
    return v * unit;
}

static void add_nodes(struct argp_state *st, struct sim_opts *sim, const char *word)
{
    struct cluster_opts *o = (struct cluster_opts *)(void *)sim; /* its first member */
    int n = number(st, "--nodes", word, VC_MODEL_SIM_RANKS), at = o->nshapes;
    if (o->nshapes == CLUSTER_SHAPES)
        argp_error(st, "--nodes: more than %d numbers", CLUSTER_SHAPES);
    while (at > 0 && o->nodes[at - 1] > n)
        at--;
    memmove(&o->nodes[at + 1], &o->nodes[at], (size_t)(o->nshapes++ - at) * sizeof o->nodes[0]);
    o->nodes[at] = n;
}

static error_t end_of_words(struct argp_state *st, const struct cluster_opts *o)
{
    if (o->nshapes == 0)
        argp_error(st, "--nodes is missing");
    if ((long)o->nodes[o->nshapes - 1] * o->ppn > VC_MODEL_SIM_RANKS)
        argp_error(st, "%d nodes of %d ranks are more than %d ranks", o->nodes[o->nshapes - 1], o->ppn,
                   VC_MODEL_SIM_RANKS);
    if ((long)o->nodes[0] * o->ppn < 2)
        argp_error(st, "one rank has nobody to talk to");
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    static const char *sets[SETS_MAX];
    struct cluster_opts *o = st->input;
    switch (key) {
    case KEY_NODES:
        sim_each_word(st, &o->sim, arg, add_nodes);
        return 0;
    case KEY_PPN:
        o->ppn = number(st, "--ppn", arg, 4096);
        return 0;
    case KEY_NETWORK:
        o->mpi = strcmp(arg, "mpi") == 0;
        if (!o->mpi && strcmp(arg, "verbs") != 0)
            argp_error(st, "--network: '%s' is neither verbs nor mpi", arg);
        return 0;
    case KEY_COLLECTIVE:
        sim_each_word(st, &o->sim, arg, sim_add_collective);
        return 0;
    case KEY_SIZES:
        sim_each_word(st, &o->sim, arg, sim_add_size);
        return 0;
    case KEY_TABLE:
        o->sim.table = arg;
        return 0;
    case KEY_SET:
        if (o->sim.nset == SETS_MAX)
            argp_error(st, "--set: more than %d", SETS_MAX);
        sets[o->sim.nset++] = arg;
        o->sim.set = sets;
        return 0;
    case KEY_LATENCY:
        o->latency = amount(st, "--latency", arg, 1e-6);
        return 0;
    case KEY_OVERHEAD:
        o->overhead = amount(st, "--overhead", arg, 1e-6);
        return 0;
    case KEY_BANDWIDTH:
        o->rate = amount(st, "--bandwidth", arg, 1e9);
        return 0;
    case KEY_COMPARE:
        o->compare = arg;
        return 0;
    case KEY_PARAMETERS:
        o->parameters = true;
        return 0;
    case KEY_TUNE:
        o->tune = arg;
        return 0;
    case KEY_NOISE:
        o->noise = arg;
        return 0;
    case KEY_RUNS:
        o->runs = number(st, "--runs", arg, 100000);
        return 0;
    case KEY_SEED:
        o->seed = (uint64_t)number(st, "--seed", arg, INT32_MAX);
        return 0;
    case KEY_OBJECTIVE:
        o->tail = strcmp(arg, "tail") == 0;
        o->objective_given = true;
        if (!o->tail && strcmp(arg, "latency") != 0)
            argp_error(st, "--objective: '%s' is neither latency nor tail", arg);
        return 0;
    case KEY_JSON:
        o->sim.json = true;
        return 0;
    case KEY_PLOT:
        o->sim.plot = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(st, "\"%s\" is too many", arg);
        return 0;
    case ARGP_KEY_END:
        return end_of_words(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* An exit code. */
static int run(struct cluster_report *r)
{
    const struct cluster_opts *o = r->o;
    int err = o->sim.table ? vc_table_doc_open(o->sim.table, &r->table) : VC_OK;
    if (err != VC_OK) {
        fprintf(stderr, "vcoll sim cluster: %s\n", vc_error_text());
        return EXIT_FAILURE;
    }
    err = cluster_predict(r);
    if (err == VC_OK && o->tune)
        err = cluster_tune(r, o->tune);
    if (err != VC_OK) {
        fprintf(stderr, "vcoll sim cluster: %s\n", vc_error_text());
        return err == VC_ERR_INVAL ? VC_EXIT_USAGE : EXIT_FAILURE;
    }
    if (o->sim.plot && !cluster_plot(r, o->sim.plot)) {
        fprintf(stderr, "vcoll sim cluster: cannot write %s: %s\n", o->sim.plot, strerror(errno));
        return EXIT_FAILURE;
    }
    if (o->sim.json)
        return cluster_json(r) ? EXIT_SUCCESS : EXIT_FAILURE;
    cluster_text(r);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    fprintf(stderr, "vcoll sim cluster: cannot write the output: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

/* Rules are for all sizes, so there are more than in a report. */
static void default_tune_sizes(struct sim_opts *o)
{
    static const size_t sizes[] = {8,        256,      512,      1 << 10,   2 << 10,   4 << 10,   8 << 10,
                                   16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20};
    memcpy(o->size, sizes, sizeof sizes);
    o->nsizes = (int)(sizeof sizes / sizeof sizes[0]);
}

int sim_cluster_main(int argc, char **argv)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    struct vc_param_report settings;
    struct cluster_opts o = {.ppn = 1, .runs = 100, .seed = 1};
    for (int i = 0; i < argc; i++)
        vc_append(o.command, sizeof o.command, "%s%s", i ? " " : "", argv[i]);
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return VC_EXIT_USAGE;
    if (o.tune && o.sim.nsizes == 0)
        default_tune_sizes(&o.sim);
    sim_default_lists(&o.sim);
    o.parameters |= o.tune != NULL && !o.compare;
    if (vc_params_load(&o.sim.params, NULL, &settings) != VC_OK) {
        fprintf(stderr, "vcoll sim cluster: %s\n", settings.error);
        return EXIT_FAILURE;
    }
    struct vc_costs_file here;
    if (o.sim.params.calibrate != VC_CALIBRATE_OFF && facts_costs(&here))
        o.sim.costs = &here.costs;
    struct cluster_report r = {.o = &o};
    int code = run(&r);
    vc_table_doc_close(&r.table);
    free(r.cell);
    return code;
}

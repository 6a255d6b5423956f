/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll sim node`: its words, and what follows from them. */
#include "tools/facts/facts.h"
#include "tools/sim/sim.h"
#include "tools/vcoll/tools.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] =
    "Predicts, for the ranks of one node, how long collectives take as a flat exchange of all ranks, over "
    "the "
    "tree of what they share (core, last cache, NUMA node), and by single copy; how many cache lines each "
    "moves, and how far; how many flags the busiest rank polls; and which of them vcoll takes. Nothing is "
    "measured, no rank is started."
    "\v"
    "A topology names, from the outside in, NUMA nodes, last caches in each, cores in\n"
    "each: numa:2 l3:4 core:8 has 64 cores. Ranks are dealt to it as VCOLL_TOPOLOGY\n"
    "deals them: one to each core in turn, or, if it names no cores, in equal blocks.\n"
    "`flat' is a node of which nothing is known, `auto' this machine.\n"
    "\n"
    "What things cost is asked of the table that `vcoll tune run' wrote (\"model\" and,\n"
    "for lines, \"levels\"). Without one, what programs\n"
    "measured on this machine at their start (VCOLL_CALIBRATE), or else built-in\n"
    "figures. The output says of each figure where it is from. NAME is a name of the table's model: "
    "node.base,\n"
    "node.flag, node.copy, node.reduce, node.cma_base, node.cma_copy, switch_cost, in\n"
    "seconds (per byte).\n"
    "\n"
    "Examples:\n"
    "  vcoll sim node                          this machine, a rank for each CPU\n"
    "  vcoll sim node --topology \"numa:2 l3:4 core:8\" --ranks 176\n"
    "                                          more ranks than cores: they take turns\n"
    "  vcoll sim node --topology \"l3:12 core:8\" --collective allreduce --sizes 8,64k\n"
    "  vcoll sim node --topology \"numa:2 core:32\" --table table.json --plot node.svg\n"
    "  vcoll sim node --topology \"numa:2 l3:8\" --ranks 128 --line node=300 --json\n"
    "\n"
    "Exit status: 0 predicted, 1 a failure, 2 wrong words.";

enum {
    KEY_TOPOLOGY = 256,
    KEY_COLLECTIVE,
    KEY_SIZES,
    KEY_TABLE,
    KEY_SET,
    KEY_LINE,
    KEY_LINK,
    KEY_JSON,
    KEY_PLOT
};
enum { SETS_MAX = 32 };

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What is simulated:", 1},
    {"topology", KEY_TOPOLOGY, "WORDS", 0,
     "as in VCOLL_TOPOLOGY: numa:N l3:N core:N, or flat, or auto (default: VCOLL_TOPOLOGY, otherwise this "
     "machine)",
     0},
    {"ranks", 'n', "N", 0, "ranks on the node, 2 to 2048 (default: one for each core)", 0},
    {"collective", KEY_COLLECTIVE, "LIST", 0, "as allreduce,bcast (default: all)", 0},
    {"sizes", KEY_SIZES, "LIST", 0, "bytes, as 8,4k,1m (default: 8,1k,16k,64k,1m)", 0},
    {0, 0, 0, 0, "What things cost:", 2},
    {"table", KEY_TABLE, "FILE", 0, "a tuning table: its figures, and its rules before the built-in ones", 0},
    {"set", KEY_SET, "NAME=VALUE", 0, "a figure by hand, as node.copy=4e-11", 0},
    {"line", KEY_LINE, "TIER=NS", 0,
     "nanoseconds that a cache line takes between ranks that share a core, a cache, a numa node, or only the "
     "node; several with commas",
     0},
    {"link", KEY_LINK, "TIER=GB/S", 0,
     "what the ways carry that all ranks have in common: between the caches of a numa node, or between NUMA "
     "nodes (node)",
     0},
    {0, 0, 0, 0, "What is printed:", 3},
    {"json", KEY_JSON, 0, 0, "one JSON object", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "also time over size as a picture", 0},
    {0, 0, 0, 0, 0, 0}};

/* ---- lists ---- */

/* "TIER=NUMBER" of an option, times `unit`. */
static void add_tier(struct argp_state *st, const char *option, const char *word, double unit, double *out)
{
    const char *eq = strchr(word, '=');
    char *end;
    for (int k = 0; eq && k < SIM_KINDS; k++) {
        const char *name = sim_kind_name(k);
        if (strlen(name) != (size_t)(eq - word) || strncmp(word, name, strlen(name)) != 0)
            continue;
        double v = strtod(eq + 1, &end);
        if (end == eq + 1 || *end || !(v > 0 && v <= 1e9))
            break;
        out[k] = v * unit;
        return;
    }
    argp_error(st, "%s: '%s' is not core, cache, numa or node with a number above 0, as in numa=90", option,
               word);
}

static void add_line(struct argp_state *st, struct sim_opts *o, const char *word)
{
    add_tier(st, "--line", word, 1e-9, o->line);
}

static void add_link(struct argp_state *st, struct sim_opts *o, const char *word)
{
    add_tier(st, "--link", word, 1e9, o->link);
}

/* ---- words ---- */

static error_t parse(int key, char *arg, struct argp_state *st)
{
    static const char *sets[SETS_MAX];
    struct sim_opts *o = st->input;
    char *end;
    switch (key) {
    case KEY_TOPOLOGY:
        o->topology = arg;
        return 0;
    case 'n': {
        long n = strtol(arg, &end, 10);
        if (end == arg || *end || n < 2 || n > SIM_RANKS_MAX)
            argp_error(st, "--ranks: '%s' is not a number of 2..%d", arg, SIM_RANKS_MAX);
        o->ranks = (int)n;
        return 0;
    }
    case KEY_COLLECTIVE:
        sim_each_word(st, o, arg, sim_add_collective);
        return 0;
    case KEY_SIZES:
        sim_each_word(st, o, arg, sim_add_size);
        return 0;
    case KEY_TABLE:
        o->table = arg;
        return 0;
    case KEY_SET:
        if (o->nset == SETS_MAX)
            argp_error(st, "--set: more than %d", SETS_MAX);
        sets[o->nset++] = arg;
        o->set = sets;
        return 0;
    case KEY_LINE:
        sim_each_word(st, o, arg, add_line);
        return 0;
    case KEY_LINK:
        sim_each_word(st, o, arg, add_link);
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_PLOT:
        o->plot = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(st, "\"%s\" is too many; a topology of several words needs quotes", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the run ---- */

/* An exit code. */
static int run(const struct sim_opts *o, struct sim_report *r)
{
    if (o->table && vc_table_doc_open(o->table, &r->table) != VC_OK) {
        fprintf(stderr, "vcoll sim node: %s\n", vc_error_text());
        return EXIT_FAILURE;
    }
    int err = sim_node_make(&r->node, o, r->table.rows);
    if (err == VC_OK)
        err = sim_figures_find(&r->figures, o, &r->table, &r->node);
    if (err == VC_OK)
        err = sim_predict(r);
    if (err != VC_OK) {
        fprintf(stderr, "vcoll sim node: %s\n", vc_error_text());
        return err == VC_ERR_INVAL ? VC_EXIT_USAGE : EXIT_FAILURE;
    }
    if (o->plot && !sim_plot(r, o->plot)) {
        fprintf(stderr, "vcoll sim node: cannot write %s: %s\n", o->plot, strerror(errno));
        return EXIT_FAILURE;
    }
    if (o->json)
        return sim_json(r) ? EXIT_SUCCESS : EXIT_FAILURE;
    sim_text(r);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_SUCCESS;
    fprintf(stderr, "vcoll sim node: cannot write the output: %s\n", strerror(errno));
    return EXIT_FAILURE;
}

int sim_node_main(int argc, char **argv)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    struct vc_param_report settings;
    struct sim_opts o = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return VC_EXIT_USAGE;
    sim_default_lists(&o);
    if (vc_params_load(&o.params, NULL, &settings) != VC_OK) {
        fprintf(stderr, "vcoll sim node: %s\n", settings.error);
        return EXIT_FAILURE;
    }
    struct vc_costs_file here;
    if (o.params.calibrate != VC_CALIBRATE_OFF && facts_costs(&here))
        o.costs = &here.costs;
    struct sim_report r = {.o = &o};
    int code = run(&o, &r);
    sim_node_free(&r.node);
    vc_table_doc_close(&r.table);
    free(r.point);
    return code;
}

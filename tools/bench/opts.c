/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of vcoll-bench. */
#include "tools/bench/args.h"
#include "include/vcoll/vcoll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) const char *argp_program_version;

static const char doc[] =
    "Compares vcoll's collectives with those of the MPI underneath, inside one process: blocks of both "
    "alternate in "
    "shuffled order on buffers that vary, each sample is the slowest rank's time, and what is printed are "
    "medians, "
    "99th percentiles and the median ratio native / vcoll with its 95% interval (above 1: vcoll is faster)."
    "\vCOLLECTIVES are barrier, bcast, reduce, allreduce, allgather and alltoall; all of them when none is "
    "named.\n"
    "\n"
    "Examples:\n"
    "  vcoll bench -n 2                            all six, 8 bytes to 1 MiB\n"
    "  vcoll bench -n 8 allreduce --sizes 8:4k     powers of two\n"
    "  vcoll bench -n 8 allreduce --sizes 8:1M:8 --alg rabenseifner --wait poll\n"
    "  vcoll bench -n 8 --split 4 bcast            as if on two nodes of four ranks\n"
    "  vcoll bench -n 8 --cpu                      CPU burnt while waiting for a late rank\n"
    "  vcoll bench -n 8 --cpu-per-op --wait event  CPU time of an allreduce\n"
    "  vcoll bench -n 16 --setup-cost              first collective on fresh communicators\n"
    "  vcoll bench -n 2 --overhead                 what a call costs that vcoll only passes through\n"
    "  vcoll bench -n 2 --set DISABLE=1            native against native: the noise of this machine\n"
    "  mpirun -n 4 --hostfile hosts vcoll bench    ranks started by your own mpirun\n"
    "\n"
    "Exit status: 0 measured, 1 a failure or a wrong result, 2 wrong words.";

enum {
    KEY_SIZES = 256,
    KEY_ALG,
    KEY_CHANNEL,
    KEY_WAIT,
    KEY_SPLIT,
    KEY_SET,
    KEY_MEASURE,
    KEY_TIME,
    KEY_ITERATIONS,
    KEY_SEED,
    KEY_ROOT,
    KEY_REUSE,
    KEY_JSON,
    KEY_PLOT,
    KEY_VERIFY,
    KEY_CPU,
    KEY_PER_OP,
    KEY_SETUP,
    KEY_OVERHEAD,
    KEY_FLOOR,
    KEY_MPIRUN,
    KEY_PROGRESS
};

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What runs:", 1},
    {"ranks", 'n', "N", 0,
     "start N ranks on this machine (default: one per CPU); under mpirun its own -n counts", 0},
    {"sizes", KEY_SIZES, "LIST", 0,
     "bytes, e.g. 8,64,1k,1M, or FROM:TO[:FACTOR], factor 2 by default; the block of one rank in allgather "
     "and "
     "alltoall, the whole vector otherwise (default 8,64,512,1k,4k,16k,64k,256k,1M)",
     0},
    {"root", KEY_ROOT, "RANK", 0, "root of bcast and reduce (default 0)", 0},
    {"mpirun-arg", KEY_MPIRUN, "WORD", 0, "a further word for mpirun; may be repeated", 0},
    {0, 0, 0, 0, "How vcoll runs it:", 2},
    {"alg", KEY_ALG, "LIST", 0,
     "algorithms as in VCOLL_ALG, e.g. allreduce=ring,bcast=chain:segment=64k; a bare name when one "
     "collective is "
     "measured",
     0},
    {"channel", KEY_CHANNEL, "LIST", 0, "channels as in VCOLL_CHANNELS, e.g. shm,mpi", 0},
    {"wait", KEY_WAIT, "POLICY", 0, "auto, poll, event or hybrid, as in VCOLL_WAIT", 0},
    {"split", KEY_SPLIT, "N", 0, "pretend that every N ranks are a node (VCOLL_NODE_SPLIT)", 0},
    {"set", KEY_SET, "NAME=VALUE", 0, "any other VCOLL_ parameter, without the prefix; may be repeated", 0},
    {0, 0, 0, 0, "How it is measured:", 3},
    {"measure", KEY_MEASURE, "WHICH", 0,
     "start: the slowest rank's time from a common start; b2b: many calls without a pause; both (default)",
     0},
    {"time", KEY_TIME, "SECONDS", 0, "spend about so long on each collective and size (default 0.3)", 0},
    {"iterations", KEY_ITERATIONS, "N", 0, "calls per implementation and measure, instead of --time", 0},
    {"seed", KEY_SEED, "N", 0, "order of the blocks and choice of buffers (default 1)", 0},
    {"reuse", KEY_REUSE, 0, 0, "the same buffers in every call (they stay in cache; flatters everybody)", 0},
    {"verify", KEY_VERIFY, 0, 0,
     "check the results of both before measuring; exit status 1 when one is wrong", 0},
    {0, 0, 0, 0, "What is printed:", 4},
    {"json", KEY_JSON, "FILE", 0,
     "everything as JSON into FILE; - is standard output (the table goes to standard error)", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "ratio over size as a picture, always SVG", 0},
    {"floor", KEY_FLOOR, 0, 0,
     "only what the hardware allows: a cache-line round trip, memcpy, one way of raw verbs (measured beside "
     "collectives anyway)",
     0},
    {0, 0, 0, 0, "Other questions (collectives are then measured only when named):", 5},
    {"cpu", KEY_CPU, "SECONDS", OPTION_ARG_OPTIONAL,
     "CPU time that waiting ranks burn while one computes for SECONDS (default 2)", 0},
    {"cpu-per-op", KEY_PER_OP, "SECONDS", OPTION_ARG_OPTIONAL,
     "CPU time of an 8-byte allreduce, of the ranks and of their hosts as a whole; each implementation runs "
     "for "
     "SECONDS (default 5)",
     0},
    {"setup-cost", KEY_SETUP, 0, 0, "time and memory of the first collective on fresh communicators", 0},
    {"overhead", KEY_OVERHEAD, 0, 0,
     "what a passed-through call costs through vcoll beyond calling it directly", 0},
    {"progress", KEY_PROGRESS, 0, OPTION_HIDDEN, 0, 0},
    {0, 0, 0, 0, 0, 0}};

static void finish(struct argp_state *st, struct bench_opts *o, const char *alg)
{
    bool extras = o->cpu || o->cpu_per_op || o->setup_cost || o->overhead || o->floor;
    o->points = o->ncoll > 0 || !extras;
    if (alg) {
        if (strchr(alg, '=') || strcmp(alg, "native") == 0) {
            bench_args_set(st, o, "ALG=", alg);
        } else {
            char *text = NULL;
            if (o->ncoll != 1)
                argp_error(
                    st,
                    "--alg %s: of which collective? Write e.g. --alg allreduce=%s, or name one collective",
                    alg, alg);
            if (asprintf(&text, "ALG=%s=", vc_coll_name(o->coll[0])) < 0)
                argp_failure(st, 1, ENOMEM, "settings");
            bench_args_set(st, o, text, alg);
            free(text);
        }
    }
    if (o->ncoll == 0)
        for (int c = 0; c < VC_COLL_ACCELERATED; c++)
            o->coll[o->ncoll++] = (enum vc_coll)c;
    if (o->plot && !o->points)
        argp_error(st, "--plot draws ratios over size, but no collective is measured");
}

struct parse_ctx {
    struct bench_opts *o;
    const char *alg;
};

static error_t parse_extra(int key, char *arg, struct argp_state *st)
{
    struct bench_opts *o = ((struct parse_ctx *)st->input)->o;
    switch (key) {
    case KEY_VERIFY:
        o->verify = true;
        return 0;
    case KEY_REUSE:
        o->reuse = true;
        return 0;
    case KEY_CPU:
        o->cpu = true;
        if (arg)
            o->cpu_seconds = bench_args_number(st, "--cpu", arg, 0.01, 600);
        return 0;
    case KEY_PER_OP:
        o->cpu_per_op = true;
        if (arg)
            o->op_seconds = bench_args_number(st, "--cpu-per-op", arg, 0.01, 600);
        return 0;
    case KEY_SETUP:
        o->setup_cost = true;
        return 0;
    case KEY_OVERHEAD:
        o->overhead = true;
        return 0;
    case KEY_FLOOR:
        o->floor = true;
        return 0;
    case KEY_PROGRESS:
        o->progress = true;
        return 0;
    case KEY_JSON:
        o->json = arg;
        return 0;
    case KEY_PLOT:
        o->plot = arg;
        return 0;
    case KEY_MPIRUN:
        bench_args_mpirun(st, o, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_one(int key, char *arg, struct argp_state *st)
{
    struct parse_ctx *ctx = st->input;
    struct bench_opts *o = ctx->o;
    switch (key) {
    case 'n':
        o->ranks = (int)bench_args_integer(st, "-n", arg, 1, 1e6);
        return 0;
    case KEY_SIZES:
        bench_args_sizes(st, o, arg);
        return 0;
    case KEY_ROOT:
        o->root = (int)bench_args_integer(st, "--root", arg, 0, 1e6);
        return 0;
    case KEY_ALG:
        ctx->alg = arg;
        return 0;
    case KEY_CHANNEL:
        bench_args_set(st, o, "CHANNELS=", arg);
        return 0;
    case KEY_WAIT:
        bench_args_set(st, o, "WAIT=", arg);
        return 0;
    case KEY_SPLIT:
        bench_args_integer(st, "--split", arg, 1, 1e6);
        bench_args_set(st, o, "NODE_SPLIT=", arg);
        return 0;
    case KEY_SET:
        bench_args_setting(st, o, arg);
        return 0;
    case KEY_MEASURE:
        o->measure[BENCH_START] = strcmp(arg, "b2b") != 0;
        o->measure[BENCH_B2B] = strcmp(arg, "start") != 0;
        if (strcmp(arg, "b2b") != 0 && strcmp(arg, "start") != 0 && strcmp(arg, "both") != 0)
            argp_error(st, "--measure: '%s' is none of start, b2b, both", arg);
        return 0;
    case KEY_TIME:
        o->seconds = bench_args_number(st, "--time", arg, 0.001, 3600);
        return 0;
    case KEY_ITERATIONS:
        o->iterations = bench_args_integer(st, "--iterations", arg, 1, 1e6);
        return 0;
    case KEY_SEED:
        o->seed = (uint64_t)bench_args_integer(st, "--seed", arg, 0, 9e15);
        return 0;
    case ARGP_KEY_ARG:
        bench_args_collective(st, o, arg);
        return 0;
    case ARGP_KEY_END:
        finish(st, o, ctx->alg);
        return 0;
    default:
        return parse_extra(key, arg, st);
    }
}

void bench_parse(struct bench_opts *o, int argc, char **argv)
{
    static const size_t sizes[] = {8, 64, 512, 1024, 4096, 16384, 65536, 262144, 1048576};
    static const struct argp argp = {options, parse_one, "[COLLECTIVES...]", doc, NULL, NULL, NULL};
    struct parse_ctx ctx = {o, NULL};
    static char version[64];
    *o = (struct bench_opts){
        .program = "vcoll bench", .seconds = 0.3, .seed = 1, .cpu_seconds = 2, .op_seconds = 5};
    o->measure[BENCH_START] = o->measure[BENCH_B2B] = true;
    memcpy(o->sizes, sizes, sizeof sizes);
    o->nsizes = (int)(sizeof sizes / sizeof sizes[0]);
    o->argc = argc;
    o->argv = argv;
    snprintf(version, sizeof version, "vcoll-bench %s", vcoll_version());
    argp_program_version = version;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &ctx);
}

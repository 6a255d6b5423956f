/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of vcoll-bench. */
#include "tools/bench/args.h"
#include "tools/bench/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] =
    "Compares vcoll's collectives with those of the MPI underneath, inside one process: blocks of both "
    "alternate in "
    "shuffled order on buffers that vary, each sample is the slowest rank's time, and what is printed are "
    "medians, "
    "99th percentiles and the median ratio native / vcoll with its 95% interval (above 1: vcoll is faster)."
    "\vCOLLECTIVES are those of vcoll info --algorithms, e.g. allreduce; all of them when none is named.\n"
    "\n"
    "Examples:\n"
    "  vcoll bench -n 2                            all collectives, 8 bytes to 1 MiB\n"
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
    KEY_RANKS = 256,
    KEY_ALG,
    KEY_CHANNEL,
    KEY_WAIT,
    KEY_MEASURE,
    KEY_TIME,
    KEY_ITERATIONS,
    KEY_ROOT,
    KEY_REUSE,
    KEY_UNEVEN,
    KEY_PLOT,
    KEY_VERIFY,
    KEY_CPU,
    KEY_OVERLAP,
    KEY_PER_OP,
    KEY_SETUP,
    KEY_OVERHEAD,
    KEY_FLOOR
};

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What runs:", 1},
    {"ranks", KEY_RANKS, "N", 0, "the same as -n", 1},
    {"root", KEY_ROOT, "RANK", 0, "root of bcast, reduce, gather and scatter (default 0)", 1},
    {0, 0, 0, 0, "How vcoll runs it:", 2},
    {"alg", KEY_ALG, "LIST", 0,
     "algorithms as in VCOLL_ALG, e.g. allreduce=ring,bcast=chain:segment=64k; a bare name when one "
     "collective is "
     "measured",
     0},
    {"channel", KEY_CHANNEL, "LIST", 0, "channels as in VCOLL_CHANNELS, e.g. shm,mpi", 0},
    {"wait", KEY_WAIT, "POLICY", 0, "auto, poll, event or hybrid, as in VCOLL_WAIT", 0},
    {0, 0, 0, 0, "How it is measured:", 3},
    {"measure", KEY_MEASURE, "WHICH", 0,
     "start: the slowest rank's time from a common start; b2b: many calls without a pause; both (default)",
     0},
    {"time", KEY_TIME, "SECONDS", 0, "spend about so long on each collective and size (default 0.3)", 0},
    {"iterations", KEY_ITERATIONS, "N", 0, "calls per implementation and measure, instead of --time", 0},
    {"uneven", KEY_UNEVEN, 0, 0,
     "allgatherv, alltoallv, alltoallw: blocks from none to twice the size, in equal steps (default: all "
     "alike)",
     0},
    {"reuse", KEY_REUSE, 0, 0, "the same buffers in every call (they stay in cache; flatters everybody)", 0},
    {"verify", KEY_VERIFY, 0, 0,
     "check the results of both before measuring; exit status 1 when one is wrong", 0},
    {0, 0, 0, 0, "What is printed:", 4},
    {"plot", KEY_PLOT, "FILE.svg", 0, "ratio over size as a picture, always SVG", 0},
    {"floor", KEY_FLOOR, 0, 0,
     "only what the hardware allows: a cache-line round trip, memcpy, one way of raw verbs (measured beside "
     "collectives "
     "anyway)",
     0},
    {0, 0, 0, 0, "Other questions (collectives are then measured only when named):", 5},
    {"overlap", KEY_OVERLAP, "sleep", OPTION_ARG_OPTIONAL,
     "how much of nonblocking collectives goes on while the program computes, or sleeps (see "
     "VCOLL_PROGRESS); the blocking ones are not measured",
     0},
    {"cpu", KEY_CPU, "SECONDS", OPTION_ARG_OPTIONAL,
     "CPU time that waiting ranks burn while one computes for SECONDS (default 2)", 0},
    {"cpu-per-op", KEY_PER_OP, "SECONDS", OPTION_ARG_OPTIONAL,
     "CPU time of an 8-byte allreduce, of the ranks and of their hosts as a whole; each implementation runs "
     "for SECONDS "
     "(default 5)",
     0},
    {"setup-cost", KEY_SETUP, 0, 0, "time and memory of the first collective on fresh communicators", 0},
    {"overhead", KEY_OVERHEAD, 0, 0,
     "what a passed-through call costs through vcoll beyond calling it directly", 0},
    {0, 0, 0, 0, 0, 0}};

static void finish(struct argp_state *st, struct bench_opts *o, const char *alg)
{
    bool extras = o->cpu || o->cpu_per_op || o->setup_cost || o->overhead || o->overlap || o->floor;
    o->points = (o->m.ncoll > 0 && o->overlap == BENCH_NO_OVERLAP) || !extras;
    if (alg) {
        if (strchr(alg, '=') || strcmp(alg, "native") == 0) {
            bench_args_set(st, &o->m, "ALG=", alg);
        } else {
            char *text = NULL;
            if (o->m.ncoll != 1)
                argp_error(
                    st,
                    "--alg %s: of which collective? Write e.g. --alg allreduce=%s, or name one collective",
                    alg, alg);
            if (asprintf(&text, "ALG=%s=", vc_coll_name(o->m.coll[0])) < 0)
                argp_failure(st, 1, ENOMEM, "settings");
            bench_args_set(st, &o->m, text, alg);
            free(text);
        }
    }
    bench_args_all(&o->m);
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
        o->m.reuse = true;
        return 0;
    case KEY_OVERLAP:
        if (arg && strcmp(arg, "sleep") != 0)
            argp_error(st, "--overlap=%s: only 'sleep' may stand there", arg);
        o->overlap = arg ? BENCH_SLEEPING : BENCH_COMPUTING;
        return 0;
    case KEY_UNEVEN:
        o->m.uneven = true;
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
    case KEY_PLOT:
        o->plot = arg;
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
    case KEY_RANKS:
        o->m.ranks = (int)bench_args_integer(st, "--ranks", arg, 1, 1e6);
        return 0;
    case KEY_ROOT:
        o->m.root = (int)bench_args_integer(st, "--root", arg, 0, 1e6);
        return 0;
    case KEY_ALG:
        ctx->alg = arg;
        return 0;
    case KEY_CHANNEL:
        bench_args_set(st, &o->m, "CHANNELS=", arg);
        return 0;
    case KEY_WAIT:
        bench_args_set(st, &o->m, "WAIT=", arg);
        return 0;
    case KEY_MEASURE:
        o->m.measure[VC_MEASURE_START] = strcmp(arg, "b2b") != 0;
        o->m.measure[VC_MEASURE_B2B] = strcmp(arg, "start") != 0;
        if (strcmp(arg, "b2b") != 0 && strcmp(arg, "start") != 0 && strcmp(arg, "both") != 0)
            argp_error(st, "--measure: '%s' is none of start, b2b, both", arg);
        return 0;
    case KEY_TIME:
        o->m.seconds = bench_args_number(st, "--time", arg, 0.001, 3600);
        return 0;
    case KEY_ITERATIONS:
        o->iterations = bench_args_integer(st, "--iterations", arg, 1, 1e6);
        return 0;
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->m;
        return 0;
    case ARGP_KEY_ARG:
        bench_args_collective(st, &o->m, arg);
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
    static const struct argp_child children[] = {{&bench_args_common, 0, NULL, 0}, {0, 0, 0, 0}};
    static const struct argp argp = {options, parse_one, "[COLLECTIVES...]", doc, children, NULL, NULL};
    struct parse_ctx ctx = {o, NULL};
    *o = (struct bench_opts){.cpu_seconds = 2, .op_seconds = 5};
    bench_args_parse(&argp, &o->m, "vcoll bench", argc, argv, &ctx);
}

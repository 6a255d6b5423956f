/* SPDX-License-Identifier: BSD-3-Clause */
/* The command lines of vcoll-tune: `run`, `check`, `validate --measure`. */
#include "tools/bench/args.h"
#include "tools/tune/tune.h"

#include "tune/params/params.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUN_BUDGET      600
#define QUICK_BUDGET    60
#define VC_CHECK_BUDGET 60
#define MEASURE_BUDGET  120

static const char run_doc[] =
    "Measures on the allocation it is given which algorithm, channel and wait policy is the best for each "
    "collective, size and communicator, and writes a table that later runs choose by. The MPI underneath is "
    "a "
    "candidate everywhere, and stays the choice wherever nothing is clearly better."
    "\vCOLLECTIVES are those of vcoll info --algorithms, e.g. allreduce; all of them when none is named.\n"
    "\n"
    "Objectives (--objective):\n"
    "  latency   (default) the time of a call: the geometric mean of its median\n"
    "            from a common start and of its time back to back\n"
    "  tail      the 99th percentile from a common start: for programs that\n"
    "            wait for the slowest call\n"
    "  cpu       CPU time that all ranks together burn in a call: for\n"
    "            overcommitted clusters, where ranks had better sleep\n"
    "  balanced  the geometric mean of latency and cpu\n"
    "Under all but cpu nothing is chosen that is clearly slower than native in\n"
    "either measure.\n"
    "\n"
    "Examples:\n"
    "  vcoll tune run -n 4 -o t.json               this machine, ten minutes\n"
    "  vcoll tune run -n 4 --quick                 one minute, roughly\n"
    "  vcoll tune run -n 4 allreduce --sizes 8:1M:4 --budget 2m\n"
    "  mpirun -n 16 --hostfile hosts vcoll tune run --budget 1h -o t.json\n"
    "  vcoll tune run -n 4 -o t.json --resume      goes on where it was stopped\n"
    "  vcoll tune run -n 4 --dry-run               what it would do\n"
    "  VCOLL_TABLE=t.json vcoll run -n 4 ./app     uses the table\n"
    "\n"
    "Exit status: 0 done, 1 a failure or a wrong result, 2 wrong words, 130 or 143 interrupted (the table "
    "holds "
    "what was finished; --resume goes on).";

static const char check_doc[] =
    "Measures whether the collectives keep performance guidelines: none slower than the MPI underneath, "
    "allreduce "
    "not slower than reduce and bcast, and the like; each violation with its figures and interval."
    "\vExamples:\n"
    "  vcoll tune check -n 4\n"
    "  vcoll tune check -n 4 allreduce bcast --sizes 8:64k\n"
    "  vcoll tune check -n 4 --table t.json\n"
    "\n"
    "Exit status: 0 all kept, 1 violations or a failure, 2 wrong words.";

static const char remeasure_doc[] = "Measures the rows of a table again, and reports those that no longer "
                                    "hold. This is what `vcoll tune validate "
                                    "--measure TABLE' runs."
                                    "\vExamples:\n"
                                    "  vcoll tune validate --measure t.json -n 4\n"
                                    "  vcoll tune validate --measure t.json -n 4 --seed 7 --budget 5m\n"
                                    "\n"
                                    "Exit status: 0 all hold, 1 some do not, or a failure, 2 wrong words.";

enum {
    KEY_BUDGET = 256,
    KEY_OBJECTIVE,
    KEY_RANKS,
    KEY_SAMPLES,
    KEY_RESUME,
    KEY_FORCE,
    KEY_EXHAUSTIVE,
    KEY_DEVICES,
    KEY_DRY,
    KEY_WAIT,
    KEY_QUICK,
    KEY_TABLE,
    KEY_NATIVE,
    KEY_ALL
};

static const struct argp_option common_options[] = {
    {0, 0, 0, 0, "What is measured:", 1},
    {"ranks", KEY_RANKS, "LIST", 0,
     "sizes of the communicators to measure, e.g. 2,3,4 (default: chosen within the allocation)", 1},
    {"budget", KEY_BUDGET, "TIME", 0, "how long it may take in all, e.g. 90s, 10m, 1h", 1},
    {"objective", KEY_OBJECTIVE, "WHICH", 0, "latency, tail, cpu or balanced", 1},
    {"verbose", 'v', 0, 0, "a line for each point as it is finished", 1},
    {"quiet", 'q', 0, 0, "no summary, no progress", 1},
    {0, 0, 0, 0, 0, 0}};

static const struct argp_option run_options[] = {
    {0, 0, 0, 0, "What is written:", 2},
    {"output", 'o', "FILE", 0, "the table (default vcoll-table.json)", 0},
    {"force", KEY_FORCE, 0, 0, "overwrite a table and samples that are there", 0},
    {"samples", KEY_SAMPLES, "FILE", 0, "raw samples, CSV (default: the table's name with .samples.csv)", 0},
    {"resume", KEY_RESUME, 0, 0, "take over the points that the samples file holds, and go on", 0},
    {0, 0, 0, 0, "How it searches:", 3},
    {"quick", KEY_QUICK, 0, 0, "a minute (unless --budget), few sizes, only the whole allocation", 0},
    {"exhaustive", KEY_EXHAUSTIVE, 0, 0,
     "every candidate to the end, none ruled out by the cost model or dropped: for comparison", 0},
    {"wait", KEY_WAIT, "LIST", 0,
     "wait policies to try: auto, poll, event, hybrid, hybrid:MICROSECONDS (default: all where they matter, "
     "short ones where ranks share CPUs)",
     0},
    {"devices", KEY_DEVICES, 0, 0,
     "also try interrupt moderation of the RDMA device; what was there is always put back", 0},
    {"dry-run", KEY_DRY, 0, 0, "print what would be measured, and end", 0},
    {0, 0, 0, 0, 0, 0}};

static const struct argp_option other_options[] = {
    {"table", KEY_TABLE, "FILE", 0, "the table to look at (default: the one in effect)", 2},
    {"native", KEY_NATIVE, 0, 0, "check: the MPI underneath alone, for comparison", 2},
    {"all", KEY_ALL, 0, 0,
     "validate --measure: against every candidate, not only native and the three that came closest", 2},
    {0, 0, 0, 0, 0, 0}};

static double parse_budget(struct argp_state *st, const char *arg)
{
    char *end;
    errno = 0;
    double v = strtod(arg, &end), unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : 1;
    if (*end == 's' || *end == 'm' || *end == 'h')
        end++;
    if (errno != 0 || end == arg || *end != '\0' || !(v * unit >= 0.1 && v * unit <= 7 * 86400.0))
        argp_error(st, "--budget: '%s' is no time from 0.1s to 168h, such as 90s, 10m or 1h", arg);
    return v * unit;
}

static enum vc_objective parse_objective(struct argp_state *st, const char *arg)
{
    const char *nearest = NULL;
    int i = vc_objective_by_name(arg, &nearest);
    if (i < 0)
        argp_error(st, "--objective: '%s' is none of latency, tail, cpu, balanced; did you mean %s?", arg,
                   nearest);
    return i < 0 ? VC_OBJECTIVE_LATENCY : (enum vc_objective)i;
}

static void check_ranks(struct argp_state *st, const char *list)
{
    for (const char *s = list; *s || s == list;) {
        char *end;
        long v = strtol(s, &end, 10);
        if (end == s || v < 2 || v > 1000000 || (*end != ',' && *end != '\0') ||
            (*end == ',' && end[1] == '\0'))
            argp_error(st, "--ranks: '%s' is no list of numbers from 2 on, such as 2,3,4", list);
        s = *end ? end + 1 : end;
    }
}

static void check_waits(struct argp_state *st, const char *list)
{
    for (const char *s = list; *s || s == list;) {
        size_t n = strcspn(s, ",");
        char word[64], text[VC_CHOICE_TEXT] = "";
        struct vc_choice c;
        snprintf(word, sizeof word, "%.*s", (int)n, s);
        vc_search_with_policy("dissemination", word, text, sizeof text);
        if (n == 0 || n >= sizeof word / 2 || vc_choice_parse(VC_BARRIER, text, &c) != VC_OK)
            argp_error(st, "--wait: '%s' is none of auto, poll, event, hybrid, hybrid:MICROSECONDS", word);
        s += s[n] ? n + 1 : n;
    }
}

static void add_word(struct argp_state *st, struct vc_search_opts *o, const char *arg)
{
    if (o->mode == VC_SEARCH_AGAIN && !o->table)
        o->table = arg;
    else
        bench_args_collective(st, &o->m, arg);
}

static void finish(struct argp_state *st, struct vc_search_opts *o)
{
    struct vc_measure_opts *b = &o->m;
    bench_args_all(b);
    if (o->mode == VC_SEARCH_AGAIN && !o->table)
        argp_error(st, "which table? Name its file");
    if (o->budget == 0)
        o->budget = o->mode == VC_SEARCH_CHECK   ? VC_CHECK_BUDGET
                    : o->mode == VC_SEARCH_AGAIN ? MEASURE_BUDGET
                    : o->quick                   ? QUICK_BUDGET
                                                 : RUN_BUDGET;
    if (o->mode == VC_SEARCH_CHECK && o->table)
        bench_args_set(st, b, "TABLE=", o->table);
    if (o->mode != VC_SEARCH_RUN)
        return;
    if (!o->table)
        o->table = "vcoll-table.json";
    if (!o->samples) {
        char *name;
        size_t n = strlen(o->table);
        if (n > 5 && strcmp(o->table + n - 5, ".json") == 0)
            n -= 5;
        if (asprintf(&name, "%.*s.samples.csv", (int)n, o->table) < 0)
            argp_failure(st, 1, ENOMEM, "--samples");
        o->samples = name;
    }
    if (o->resume && o->force)
        argp_error(st, "--resume goes on with what is there, --force overwrites it: which of the two?");
}

static error_t parse_common(int key, char *arg, struct argp_state *st)
{
    struct vc_search_opts *o = st->input;
    switch (key) {
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->m;
        return 0;
    case 'v':
        o->verbose = true;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case KEY_BUDGET:
        o->budget = parse_budget(st, arg);
        return 0;
    case KEY_OBJECTIVE:
        o->objective = parse_objective(st, arg);
        return 0;
    case KEY_RANKS:
        check_ranks(st, arg);
        o->ranks = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_run(int key, char *arg, struct argp_state *st)
{
    struct vc_search_opts *o = st->input;
    switch (key) {
    case ARGP_KEY_INIT:
        st->child_inputs[0] = o;
        return 0;
    case 'o':
    case KEY_TABLE:
        o->table = arg;
        return 0;
    case KEY_NATIVE:
        o->native = true;
        return 0;
    case KEY_ALL:
        o->all = true;
        return 0;
    case KEY_FORCE:
        o->force = true;
        return 0;
    case KEY_SAMPLES:
        o->samples = arg;
        return 0;
    case KEY_RESUME:
        o->resume = true;
        return 0;
    case KEY_QUICK:
        o->quick = true;
        return 0;
    case KEY_EXHAUSTIVE:
        o->exhaustive = true;
        return 0;
    case KEY_DEVICES:
        o->devices = true;
        return 0;
    case KEY_DRY:
        o->dry_run = true;
        return 0;
    case KEY_WAIT:
        check_waits(st, arg);
        o->waits = arg;
        return 0;
    case ARGP_KEY_ARG:
        add_word(st, o, arg);
        return 0;
    case ARGP_KEY_END:
        finish(st, o);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void tune_parse(struct vc_search_opts *o, enum vc_search_mode mode, int argc, char **argv)
{
    static const struct argp_child shared[] = {{&bench_args_common, 0, NULL, 0}, {0, 0, 0, 0}};
    static const struct argp common = {common_options, parse_common, 0, 0, shared, 0, 0};
    static const struct argp_child children[] = {{&common, 0, 0, 0}, {0, 0, 0, 0}};
    static const struct argp argps[] = {
        [VC_SEARCH_RUN] = {run_options, parse_run, "[COLLECTIVES...]", run_doc, children, 0, 0},
        [VC_SEARCH_CHECK] = {other_options, parse_run, "[COLLECTIVES...]", check_doc, children, 0, 0},
        [VC_SEARCH_AGAIN] = {other_options, parse_run, "TABLE [COLLECTIVES...]", remeasure_doc, children, 0,
                             0},
    };
    *o = (struct vc_search_opts){.mode = mode};
    /* Before what the user sets: a table, or trials of the online mode, would be measured instead of the
     * rules. */
    if (mode != VC_SEARCH_CHECK)
        o->m.set[o->m.nset++] = "TABLE=none";
    o->m.set[o->m.nset++] = "TUNE=off";
    bench_args_parse(&argps[mode], &o->m, "vcoll tune", argc, argv, o);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune`: finds the verb and hands it its words. */
#include "tools/table/tool.h"
#include "tools/vcoll/tools.h"

#include "tune/params/params.h"
#include <argp.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv)
{
    (void)argc;
    return vc_tool_start_tune("run", argv);
}

static int check(int argc, char **argv)
{
    (void)argc;
    return vc_tool_start_tune("check", argv);
}

static const struct vc_tool_verb verbs[] = {
    {"run", "vcoll tune run", run},
    {"check", "vcoll tune check", check},
    {"validate", "vcoll tune validate", table_validate},
    {"explain", "vcoll tune explain", table_explain},
    {"dump", "vcoll tune dump", table_dump},
    {"merge", "vcoll tune merge", table_merge},
    {"diff", "vcoll tune diff", table_diff},
};
enum { NVERBS = sizeof verbs / sizeof verbs[0] };

static const char doc[] =
    "Tuning tables: which algorithm, channel and wait policy each call gets on this cluster, measured once, "
    "used by every later run."
    "\v"
    "Verbs (each explains itself with --help):\n"
    "  run       measure on this allocation, and write a table\n"
    "  check     do the collectives keep their guidelines, is none slower\n"
    "            than the MPI underneath?\n"
    "  validate  is a file a valid table? --measure: does it still hold?\n"
    "  explain   what would run for a call, and why\n"
    "  dump      the table in effect, built-in rules included\n"
    "  merge     tables of several runs become one\n"
    "  diff      where two tables choose differently\n"
    "\n"
    "From nothing to a tuned cluster:\n"
    "  1. mpirun -n 8 --hostfile hosts vcoll tune run --budget 10m -o t.json\n"
    "       or on this machine alone: vcoll tune run -n 4 -o t.json;\n"
    "       interrupted? The same with --resume goes on where it stopped\n"
    "  2. vcoll tune explain t.json allreduce --bytes 64k --ranks 8\n"
    "       believe it? Rows, measurements and the reason\n"
    "  3. VCOLL_TABLE=t.json vcoll run -n 8 ./app        try it, or for good:\n"
    "  4. mkdir -p ~/.config/vcoll && cp t.json ~/.config/vcoll/table.json\n"
    "       for everybody: /etc/vcoll/table.json\n"
    "  5. vcoll tune check -n 4     after changes of the machine; and\n"
    "     vcoll tune validate --measure t.json -n 4\n"
    "  6. vcoll report t.json -o report.html    plots for people\n"
    "\n"
    "Exit status: 0 success, 1 failure, 2 wrong words; `vcoll tune diff': 0 the\n"
    "same, 1 different, 2 trouble; 126 and 127 when vcoll-tune cannot be\n"
    "started.";

static const struct argp argp = {.parser = vc_tool_parse_first, .args_doc = "VERB [WORDS...]", .doc = doc};

int vc_tool_tune(int argc, char **argv)
{
    int first = 0;
    argv[0] = (char *)"vcoll tune"; /* what argp calls us */
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &first) != 0 || first == 0)
        return VC_EXIT_USAGE;
    for (int i = 0; i < NVERBS; i++) {
        if (strcmp(argv[first], verbs[i].name) != 0)
            continue;
        argv[first] = (char *)verbs[i].shown;
        return verbs[i].run(argc - first, argv + first);
    }
    return vc_tool_unknown("vcoll tune", "verb", "", verbs, NVERBS, argv[first]);
}

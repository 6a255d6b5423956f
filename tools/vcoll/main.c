/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll`: finds the subcommand and hands it its words. */
#include "tools/vcoll/tools.h"

#include "tune/params/params.h"
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vc_tool_verb commands[] = {
    {"info", NULL, vc_tool_info}, {"run", NULL, vc_tool_run},       {"bench", NULL, vc_tool_bench},
    {"tune", NULL, vc_tool_tune}, {"report", NULL, vc_tool_report}, {"doctor", NULL, vc_tool_doctor},
    {"sim", NULL, vc_tool_sim},
};
enum { NCOMMANDS = sizeof commands / sizeof commands[0] };

static const char doc[] = "MPI collectives for virtualized clusters."
                          "\v"
                          "Commands (each explains itself with --help):\n"
                          "  info    shows what vcoll finds on this machine, its settings and algorithms\n"
                          "  run     runs a program under mpirun with vcoll preloaded into it\n"
                          "  bench   measures vcoll against the MPI underneath\n"
                          "  tune    measures which algorithms are fastest here and writes a table of them\n"
                          "  report  shows such a table as a page with plots\n"
                          "  doctor  says what is broken or slow on the nodes of a job, and what to do\n"
                          "  sim     predicts how long collectives take on machines that are not at hand\n"
                          "\n"
                          "Examples:\n"
                          "  vcoll run -n 8 ./app           run an unmodified MPI program with vcoll\n"
                          "  VCOLL_STATS=text vcoll run -n 8 ./app\n"
                          "                                 ... and print at its end which calls vcoll ran\n"
                          "  mpirun -n 8 vcoll doctor       look for problems on these nodes\n"
                          "  vcoll info --params            settings: value, default, where each is from\n"
                          "  vcoll bench -n 2 allreduce     is vcoll faster here?\n"
                          "  vcoll tune run -n 4 -o t.json  measure what is fastest here\n"
                          "\n"
                          "Exit status: 0 success, 1 failure, 2 wrong arguments; `vcoll run' returns\n"
                          "mpirun's; `vcoll doctor' 0 all is well, 1 slow, 2 broken, 64 wrong arguments.\n"
                          "\n"
                          "See vcoll(1), and vcoll(7) for the environment variables.";

/* The C library's argp looks this name up; all else of the project is hidden. */
__attribute__((visibility("default"))) const char *argp_program_version = "vcoll " VC_VERSION;

static const struct argp argp = {.parser = vc_tool_parse_first, .args_doc = "COMMAND [WORDS...]", .doc = doc};

int vc_tool_bench(int argc, char **argv)
{
    (void)argc;
    argv[0] = (char *)"vcoll bench";
    return vc_tool_start("vcoll-bench", argv[0], argv);
}

int vc_tool_doctor(int argc, char **argv)
{
    (void)argc;
    argv[0] = (char *)"vcoll doctor";
    return vc_tool_start("vcoll-doctor", argv[0], argv);
}

int vc_tool_sim(int argc, char **argv)
{
    (void)argc;
    argv[0] = (char *)"vcoll sim";
    return vc_tool_start("vcoll-sim", argv[0], argv);
}

int main(int argc, char **argv)
{
    argp_err_exit_status = VC_EXIT_USAGE;
    int first = 0;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &first) != 0 || first == 0)
        return VC_EXIT_USAGE;
    for (int i = 0; i < NCOMMANDS; i++)
        if (strcmp(argv[first], commands[i].name) == 0)
            return commands[i].run(argc - first, argv + first);
    return vc_tool_unknown("vcoll", "command", "[--help] [--version] ", commands, NCOMMANDS, argv[first]);
}

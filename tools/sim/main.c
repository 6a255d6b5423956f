/* SPDX-License-Identifier: BSD-3-Clause */
/* vcoll-sim, which `vcoll sim` starts: what is simulated is the first word. */
#include "tools/sim/cluster.h"
#include "tools/sim/sim.h"
#include "tools/vcoll/tools.h"

#include <argp.h>
#include <string.h>

static const struct vc_tool_verb forms[] = {{"node", "vcoll sim node", sim_node_main},
                                            {"cluster", "vcoll sim cluster", sim_cluster_main}};
enum { FORMS = sizeof forms / sizeof forms[0] };

static const char doc[] =
    "Predicts how long collectives take on machines that are not at hand, by the cost model."
    "\v"
    "Forms (each explains itself with --help):\n"
    "  node     one machine with many cores: flat exchanges against trees\n"
    "  cluster  many machines, to 65536 ranks: every algorithm, and what it takes\n"
    "\n"
    "Examples:\n"
    "  vcoll sim node --topology \"numa:2 l3:4 core:8\" --ranks 64\n"
    "  vcoll sim cluster --nodes 1024 --ppn 16 --collective allreduce\n"
    "\n"
    "Exit status: 0 predicted, 1 a failure, 2 wrong words.";

static const struct argp argp = {.parser = vc_tool_parse_first, .args_doc = "FORM [WORDS...]", .doc = doc};

int main(int argc, char **argv)
{
    int first = 0;
    argp_err_exit_status = VC_EXIT_USAGE;
    argv[0] = (char *)"vcoll sim";
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &first) != 0 || first == 0)
        return VC_EXIT_USAGE;
    for (int i = 0; i < FORMS; i++)
        if (strcmp(argv[first], forms[i].name) == 0) {
            argv[first] = (char *)forms[i].shown;
            return forms[i].run(argc - first, argv + first);
        }
    return vc_tool_unknown("vcoll sim", "form", "[--help] ", forms, FORMS, argv[first]);
}

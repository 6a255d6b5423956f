/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info`: the command line. */
#include "tools/info/info.h"

#include "tools/print/terminal.h"
#include "tools/vcoll/tools.h"
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS = 64 };
/* Sections, to be or-ed. */
enum { INFO_PLATFORM = 1 << 0, INFO_SETTINGS = 1 << 1, INFO_ALGORITHMS = 1 << 2, INFO_ALL = 7 };

/* ---- arguments ---- */

enum { KEY_PLATFORM = 256, KEY_PARAMS, KEY_ALGORITHMS, KEY_COST, KEY_PPN, KEY_JSON, KEY_MARKDOWN, KEY_MAN };

static const struct argp_option options[] = {
    {"platform", KEY_PLATFORM, 0, 0, "platform, CPUs, SR-IOV requirements, topology, devices, MPI", 0},
    {"params", KEY_PARAMS, 0, 0, "settings: value, default, where it is from, what is valid", 0},
    {"algorithms", KEY_ALGORITHMS, 0, 0, "algorithms of each collective with their restrictions", 0},
    {"cost", KEY_COST, 0, 0,
     "queue pairs and memory that the verbs channel of a rank takes; nothing else is shown", 0},
    {0, 'n', "RANKS", 0, "with --cost: for a job of so many ranks; without it for several sizes", 0},
    {"ppn", KEY_PPN, "RANKS", 0, "with --cost: ranks on each node (1)", 0},
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {"markdown", KEY_MARKDOWN, 0, 0, "with --params: the reference as Markdown", 0},
    {"man", KEY_MAN, 0, 0, "with --params: the reference as a piece of a man page", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] = "Shows what vcoll finds on this machine, its settings and its algorithms: all of "
                          "it, or what is asked for."
                          "\v"
                          "Examples:\n"
                          "  vcoll info                              all of it, for people\n"
                          "  vcoll info --json | jq .platform.class  the same for programs\n"
                          "  VCOLL_WAIT=poll vcoll info --params     is this setting understood?\n"
                          "  vcoll info --cost -n 256 --ppn 16       what 256 ranks on 16 nodes take\n"
                          "  mpirun -n 1 --host node7 vcoll info --platform\n"
                          "                                          what is found on another node\n"
                          "\n"
                          "Exit status: 0; 1 when a setting or the tuning table is bad; 2 wrong arguments.";

struct request {
    unsigned sections;
    int writer; /* 0: text, else the key of an option */
    bool cost;
    int ranks, ppn; /* 0: not given */
};

static int ranks_of(const char *arg, const char *option, int lo, struct argp_state *state)
{
    char *end;
    errno = 0;
    long n = strtol(arg, &end, 10);
    if (errno != 0 || end == arg || *end || n < lo || n > COST_RANKS_MAX)
        argp_error(state, "%s %s: not a number of ranks (%d..%d)", option, arg, lo, COST_RANKS_MAX);
    return (int)n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct request *r = state->input;
    switch (key) {
    case KEY_PLATFORM:
        r->sections |= INFO_PLATFORM;
        return 0;
    case KEY_PARAMS:
        r->sections |= INFO_SETTINGS;
        return 0;
    case KEY_ALGORITHMS:
        r->sections |= INFO_ALGORITHMS;
        return 0;
    case KEY_COST:
        r->cost = true;
        return 0;
    case 'n':
        r->ranks = ranks_of(arg, "-n", 2, state);
        return 0;
    case KEY_PPN:
        r->ppn = ranks_of(arg, "--ppn", 1, state);
        return 0;
    case KEY_JSON:
    case KEY_MARKDOWN:
    case KEY_MAN:
        if (r->writer && r->writer != key)
            argp_error(state, "only one of --json, --markdown and --man");
        r->writer = key;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not an option", arg);
        return 0;
    case ARGP_KEY_END:
        if ((r->writer == KEY_MARKDOWN || r->writer == KEY_MAN) && (r->sections != INFO_SETTINGS || r->cost))
            argp_error(state, "--markdown and --man need --params, and nothing else");
        if (r->cost && r->sections)
            argp_error(state, "--cost goes with -n, --ppn and --json only");
        if (!r->cost && (r->ranks || r->ppn))
            argp_error(state, "-n and --ppn belong to --cost");
        if (r->sections == 0)
            r->sections = INFO_ALL;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {.options = options, .parser = parse, .doc = doc};

/* Bad and unknown settings, on standard error. False when there is a bad one. */
static bool complain(const struct vc_param_report *report)
{
    for (const char *w = report->warnings; *w;) {
        int len = (int)strcspn(w, "\n");
        fprintf(stderr, "vcoll info: warning: %.*s\n", len, w);
        w += len + (w[len] == '\n');
    }
    if (report->error[0])
        fprintf(stderr, "vcoll info: error: %s\n", report->error);
    return report->error[0] == '\0';
}

/* False when the tuning table is bad. */
static bool show(unsigned sections, bool as_json, const struct vc_params *params,
                 const struct vc_param_value *value, const struct vc_param_report *report, bool *written)
{
    json_t *all = json_pack("{s:{s:s}}", "vcoll", "version", VC_VERSION);
    if (sections & INFO_PLATFORM)
        info_machine(all, params);
    if (sections & INFO_SETTINGS)
        info_settings(all, value, report);
    if (sections & INFO_ALGORITHMS)
        info_algorithms(all);
    bool bad_table = json_is_string(json_object_get(json_object_get(all, "table"), "error"));
    if (as_json)
        *written = json_print(json_incref(all));
    else
        info_print_text(all);
    json_decref(all);
    return !bad_table;
}

int vc_tool_info(int argc, char **argv)
{
    static struct vc_params params;
    static struct vc_param_value value[PARAMS];
    static struct vc_param_report report;
    struct request r = {.ranks = 0};
    bool good = true, written = true;
    argv[0] = (char *)"vcoll info"; /* what argp calls us */
    if (argp_parse(&argp, argc, argv, 0, NULL, &r) != 0)
        return VC_EXIT_USAGE;
    bool json = r.writer == KEY_JSON;
    /* Platform and cost depend on settings; algorithms alone do not. */
    if (r.cost || r.sections != INFO_ALGORITHMS)
        vc_params_load(&params, value, &report);
    if (r.writer == KEY_MARKDOWN)
        info_print_markdown();
    else if (r.writer == KEY_MAN)
        info_print_man();
    else if (r.cost)
        good = info_cost(&params, r.ranks, r.ppn ? r.ppn : 1, json, &written);
    else
        good = show(r.sections, json, &params, value, &report, &written);
    if (fflush(stdout) != 0 || ferror(stdout) || !written) {
        fprintf(stderr, "vcoll info: cannot write the output\n");
        good = false;
    }
    if (r.writer != KEY_MARKDOWN && r.writer != KEY_MAN)
        good = complain(&report) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

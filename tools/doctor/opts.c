/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/doctor/print.h"

#include "tools/doctor/doctor.h"
#include "tools/print/terminal.h"
#include "tools/vcoll/launch.h"
#include "transport/topology/cpus.h"
#include "tools/vcoll/tools.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_JSON = 256,
    KEY_ALL,
    KEY_LIST,
    KEY_MARKDOWN,
    KEY_ONLY,
    KEY_SKIP,
    KEY_PATIENCE,
    KEY_MPIRUN,
    KEY_TERMINAL
};
enum { RANKS_MAX = 1 << 20 };

static const struct argp_option options[] = {
    {0, 'n', "RANKS", 0, "start so many ranks with mpirun; ignored under mpirun", 0},
    {"mpirun", KEY_MPIRUN, "WORD", 0,
     "with -n: a further argument for mpirun, as --mpirun=--host --mpirun=a,b", 0},
    {"json", KEY_JSON, 0, 0, "print JSON", 0},
    {"all", KEY_ALL, 0, 0, "also show the checks that passed, and what they saw", 0},
    {"verbose", 'v', 0, OPTION_ALIAS, 0, 0},
    {"only", KEY_ONLY, "CHECK,...", 0, "run only these checks", 0},
    {"skip", KEY_SKIP, "CHECK,...", 0, "do not run these checks", 0},
    {"patience", KEY_PATIENCE, "SECONDS", 0, "how long ranks may take to answer (60)", 0},
    {"terminal", KEY_TERMINAL, "COLUMNS", OPTION_HIDDEN, "standard output ends in one that shows colors", 0},
    {"list", KEY_LIST, 0, 0, "print all checks, what they look at and what to do; run none", 0},
    {"markdown", KEY_MARKDOWN, 0, OPTION_HIDDEN, "with --list: as in docs/doctor.md", 0},
    {0, 0, 0, 0, 0, 0},
};

static const char doc[] = "Says what is broken or slow on the nodes of a job, on which nodes and ranks, what "
                          "it costs, and what to do."
                          "\v"
                          "Examples:\n"
                          "  mpirun -n 64 --hostfile hosts vcoll doctor\n"
                          "                               the nodes that a program will run on\n"
                          "  vcoll doctor -n 4            this machine, with four ranks\n"
                          "  vcoll doctor                 this machine, with one rank\n"
                          "  vcoll doctor --list          the checks\n"
                          "  mpirun -n 64 vcoll doctor --json | jq -r '.findings[] | .check+\": \"+.what'\n"
                          "\n"
                          "A finding is broken (something that was asked for does not work), slow, or a\n"
                          "hint. Nothing is changed. Other jobs on the nodes notice at most a third of a\n"
                          "second of computing on all ranks and two seconds of messages over RDMA devices.\n"
                          "\n"
                          "Exit status: 0 nothing found, or hints alone; 1 something is slow; 2 something\n"
                          "is broken; 64 wrong arguments; 70 the doctor itself failed; 126, 127 mpirun or\n"
                          "vcoll-doctor cannot be started. When it is not 0, mpirun adds lines of its own.";

static void choose(struct argp_state *st, const char *option, const char *list,
                   bool (*how)(const char *, char *, size_t))
{
    char bad[64];
    if (!how(list, bad, sizeof bad))
        argp_error(st, "%s: there is no check \"%s\"; --list shows their names", option, bad);
}

static double number(struct argp_state *st, const char *option, const char *arg, double low, double high)
{
    char *end;
    errno = 0;
    double v = strtod(arg, &end);
    if (errno != 0 || end == arg || *end || !(v >= low && v <= high))
        argp_error(st, "%s: '%s' is not a number from %g to %g", option, arg, low, high);
    return v;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct doc_opts *o = st->input;
    switch (key) {
    case 'n':
        o->ranks = (int)number(st, "-n", arg, 1, RANKS_MAX);
        if (strspn(arg, "0123456789") != strlen(arg))
            argp_error(st, "-n: '%s' is not a whole number", arg);
        return 0;
    case KEY_MPIRUN:
        if (o->nmpirun == DOC_MPIRUN_WORDS)
            argp_error(st, "more than %d arguments for mpirun", DOC_MPIRUN_WORDS);
        o->mpirun[o->nmpirun++] = arg;
        return 0;
    case KEY_JSON:
        o->json = true;
        return 0;
    case KEY_ALL:
    case 'v':
        o->all = true;
        return 0;
    case KEY_TERMINAL:
        o->terminal = (int)number(st, "--terminal", arg, 40, 1000);
        return 0;
    case KEY_LIST:
        o->list = true;
        return 0;
    case KEY_MARKDOWN:
        o->markdown = true;
        return 0;
    case KEY_ONLY:
        choose(st, "--only", arg, doc_want_only);
        return 0;
    case KEY_SKIP:
        choose(st, "--skip", arg, doc_want_skip);
        return 0;
    case KEY_PATIENCE:
        o->patience = number(st, "--patience", arg, 1, 3600);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(st, "\"%s\" is not an option", arg);
        return 0;
    case ARGP_KEY_END:
        if (o->markdown && !o->list)
            argp_error(st, "--markdown needs --list");
        if (o->nmpirun && !o->ranks)
            argp_error(st, "--mpirun belongs to -n");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {.options = options, .parser = parse, .doc = doc};

void doc_parse(struct doc_opts *o, int argc, char **argv)
{
    o->patience = 60;
    o->argc = argc;
    o->argv = argv;
    argp_err_exit_status = DOC_EXIT_USAGE;
    argv[0] = (char *)"vcoll doctor"; /* what argp calls us */
    if (argp_parse(&argp, argc, argv, 0, NULL, o) != 0)
        exit(DOC_EXIT_USAGE);
}

/* More ranks than CPUs are refused unless one insists; both launchers, that of Open MPI 4 and that of 5, look
 * at variables, where their options differ. And an exit code that is not 0 is no failure worth their words
 * here, though PRRTE, the launcher since Open MPI 5, has some for it even so. */
static void prepare(int ranks)
{
    if (ranks > vc_cpus_allowed(NULL)) {
        setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
        setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe", 0);
    }
    setenv("OMPI_MCA_orte_execute_quiet", "1", 0);
    setenv("PRTE_MCA_prte_execute_quiet", "1", 0);
    launch_allow_root();
}

int doc_launch(const struct doc_opts *o)
{
    struct words w = {0};
    struct terminal t = terminal_look();
    char self[PATH_MAX], text[32];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) {
        fprintf(stderr, "vcoll doctor: cannot find its own program: %s\n", strerror(errno));
        return DOC_EXIT_TROUBLE;
    }
    self[len] = '\0';
    snprintf(text, sizeof text, "%d", o->ranks);
    words_add(&w, "mpirun");
    words_add(&w, "-n");
    words_add(&w, text);
    for (int i = 0; i < o->nmpirun; i++)
        words_add(&w, o->mpirun[i]);
    words_add_settings(&w);
    words_add(&w, self);
    for (int i = 1; i < o->argc; i++)
        words_add(&w, o->argv[i]);
    snprintf(text, sizeof text, "--terminal=%d", t.columns);
    if (t.color)
        words_add(&w, text);
    prepare(o->ranks);
    fflush(NULL);
    if (w.failed)
        errno = ENOMEM;
    else
        execvp("mpirun", w.word);
    int code = errno == ENOENT ? VC_EXIT_NOT_FOUND : VC_EXIT_CANNOT_RUN;
    fprintf(stderr, "vcoll doctor: cannot start mpirun: %s\n", strerror(errno));
    words_free(&w);
    return code;
}

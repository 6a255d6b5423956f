/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll report`: the command line. The page is written in one go, so that a failure leaves no half of it. */
#include "tools/report/report.h"
#include "tools/vcoll/tools.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] =
    "Shows a tuning table as one HTML page: which algorithm was chosen for which calls and why, how much "
    "faster it "
    "is than the MPI underneath, how long the alternatives took, how much CPU time waiting takes, what "
    "interrupt "
    "moderation does, and how far the cost model was off."
    "\v"
    "The page is one file that needs no other: plots are part of it, nothing is loaded, no script runs. "
    "`vcoll tune run' writes tables with measurements; a table of rules alone gives a page of its rules.\n"
    "\n"
    "Examples:\n"
    "  vcoll tune run -n 4 -o table.json\n"
    "  vcoll report table.json -o report.html\n"
    "  vcoll report table.json -o - --title \"Cluster A\" >report.html\n"
    "  vcoll report vm.json --reference bare.json -o report.html\n"
    "                      ... with the gap to a machine without virtualization\n"
    "\n"
    "Exit status: 0 success, 1 failure (the table's first error is named), 2 wrong arguments.";

enum { KEY_TITLE = 256, KEY_REFERENCE, KEY_AS_FOUND };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0,
     "write the page to FILE, or to standard output (\"-\"); a file that exists is overwritten", 0},
    {"title", KEY_TITLE, "TEXT", 0, "the heading of the page", 0},
    {"reference", KEY_REFERENCE, "TABLE", 0,
     "a table measured with the same numbers of ranks on a machine without virtualization: the page shows "
     "the gap to it, as found and tuned",
     0},
    {"as-found", KEY_AS_FOUND, "TABLE", 0,
     "with --reference, a table measured on the same machines as they were found, under another setting of "
     "moderation, for example: the page shows what part of the gap tuning closes; may be repeated",
     0},
    {0}};

struct arguments {
    const char *table, *output, *title, *reference, *found[REP_FOUND];
    int nfound;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *w = state->input;
    switch (key) {
    case 'o':
        w->output = arg;
        return 0;
    case KEY_TITLE:
        w->title = arg;
        return 0;
    case KEY_REFERENCE:
        w->reference = arg;
        return 0;
    case KEY_AS_FOUND:
        if (w->nfound == REP_FOUND)
            argp_error(state, "--as-found can be given %d times at most", REP_FOUND);
        w->found[w->nfound++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (w->table)
            argp_error(state,
                       "only one table can be shown, but \"%s\" follows \"%s\"; `vcoll tune merge' makes one "
                       "of several",
                       arg, w->table);
        w->table = arg;
        return 0;
    case ARGP_KEY_END:
        if (!w->table)
            argp_error(state, "no table given; `vcoll tune run -o table.json' makes one");
        if (!w->output)
            argp_error(state, "no output file: -o report.html, or -o - for standard output");
        if (w->nfound && !w->reference)
            argp_error(state, "--as-found needs --reference: the gap is that to the machine it names");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, "TABLE -o FILE", doc, NULL, NULL, NULL};

static int write_page(const char *path, const char *page, size_t len)
{
    bool out = strcmp(path, "-") == 0;
    FILE *f = out ? stdout : fopen(path, "we");
    if (!f) {
        fprintf(stderr, "vcoll report: cannot write %s: %s\n", path, strerror(errno));
        return EXIT_FAILURE;
    }
    bool ok = fwrite(page, 1, len, f) == len && fflush(f) == 0;
    int err = errno;
    if (!out && fclose(f) != 0 && ok) {
        ok = false;
        err = errno;
    }
    if (!ok)
        fprintf(stderr, "vcoll report: cannot write %s: %s\n", out ? "standard output" : path, strerror(err));
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int make_page(struct report *r, const char *output)
{
    char *page = NULL;
    size_t len = 0;
    r->f = open_memstream(&page, &len);
    if (r->f)
        rep_page(r);
    bool ok = r->f && !ferror(r->f);
    if (r->f && fclose(r->f) != 0)
        ok = false;
    int rc = EXIT_FAILURE;
    if (ok)
        rc = write_page(output, page, len);
    else
        fprintf(stderr, "vcoll report: no memory for the page\n");
    free(page);
    return rc;
}

int vc_tool_report(int argc, char **argv)
{
    struct arguments w = {0};
    argv[0] = (char *)"vcoll report";
    argp_err_exit_status = VC_EXIT_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &w) != 0)
        return VC_EXIT_USAGE;
    struct report r = {.title = w.title};
    int rc = EXIT_FAILURE;
    bool good = rep_load(&r.d, w.table) == 0 && (!w.reference || rep_load(&r.ref, w.reference) == 0);
    for (int i = 0; good && i < w.nfound; i++) {
        good = rep_load(&r.found[i], w.found[i]) == 0;
        r.nfound = i + 1;
    }
    if (good)
        rc = make_page(&r, w.output);
    rep_free(&r.d);
    rep_free(&r.ref);
    for (int i = 0; i < r.nfound; i++)
        rep_free(&r.found[i]);
    return rc;
}

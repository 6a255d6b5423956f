/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the first word of a command line; becoming another program of vcoll. */
#include "tools/vcoll/tools.h"

#include "tools/facts/facts.h"
#include "tune/params/params.h"
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int vc_tool_unknown(const char *self, const char *kind, const char *options, const struct vc_tool_verb *verb,
                    int n, const char *word)
{
    const char *nearest = verb[0].name;
    for (int i = 1; i < n; i++)
        if (vc_word_distance(word, verb[i].name) < vc_word_distance(word, nearest))
            nearest = verb[i].name;
    fprintf(stderr, "%s: no %s \"%s\", did you mean %s?\nUsage: %s %s", self, kind, word, nearest, self,
            options);
    for (int i = 0; i < n; i++)
        fprintf(stderr, "%s%s", i ? "|" : "", verb[i].name);
    fprintf(stderr, " [WORDS...]\n`%s --help' explains the %ss.\n", self, kind);
    return VC_EXIT_USAGE;
}

error_t vc_tool_parse_first(int key, char *arg, struct argp_state *state)
{
    int *first = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        /* What follows belongs to it. */
        (void)arg;
        *first = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_state_help(state, stderr, ARGP_HELP_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC);
        exit(VC_EXIT_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Beside this program in a build tree, in libexec when installed. */
int vc_tool_start(const char *program, const char *shown, char **argv)
{
    static const char *const place[] = {"", VC_LIBEXEC_FROM_BIN "/"};
    char dir[PATH_MAX], path[2 * PATH_MAX];
    if (!facts_program_dir(dir, sizeof dir)) {
        fprintf(stderr, "vcoll: cannot find its own program: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    fflush(NULL);
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        snprintf(path, sizeof path, "%s/%s%s", dir, place[i], program);
        execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR) {
            fprintf(stderr, "%s: cannot start %s: %s\n", shown, path, strerror(errno));
            return VC_EXIT_CANNOT_RUN;
        }
    }
    fprintf(stderr, "%s: %s is neither in %s nor in %s/%s\n", shown, program, dir, dir, VC_LIBEXEC_FROM_BIN);
    return VC_EXIT_NOT_FOUND;
}

int vc_tool_start_tune(const char *mode, char **argv)
{
    /* One word more than argv has: the mode. */
    size_t n = 0;
    while (argv[n])
        n++;
    char **words = malloc((n + 2) * sizeof *words);
    if (!words) {
        fprintf(stderr, "vcoll tune: out of memory\n");
        return EXIT_FAILURE;
    }
    words[0] = (char *)"vcoll tune";
    words[1] = (char *)mode;
    memcpy(words + 2, argv + 1, n * sizeof *words); /* with the NULL */
    int code = vc_tool_start("vcoll-tune", "vcoll tune", words);
    free(words);
    return code;
}

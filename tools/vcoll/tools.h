/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of `vcoll`. Each gets its own words, argv[0] being its name, and returns the exit code. */
#ifndef VC_TOOLS_VCOLL_TOOLS_H
#define VC_TOOLS_VCOLL_TOOLS_H

#include <argp.h>
#include <stddef.h>
#include <stdbool.h>

int vc_tool_info(int argc, char **argv);
/** Does not return when mpirun could be started. */
int vc_tool_run(int argc, char **argv);
/** Becomes vcoll-bench, a program of its own because its calls must go through the shared library. */
int vc_tool_bench(int argc, char **argv);
/** `vcoll tune VERB`. The verbs that measure become vcoll-tune, for the same reason. */
int vc_tool_tune(int argc, char **argv);
int vc_tool_report(int argc, char **argv);
/** Becomes vcoll-doctor, a program of its own because ranks run it under mpirun. */
int vc_tool_doctor(int argc, char **argv);
/** Becomes vcoll-sim. */
int vc_tool_sim(int argc, char **argv);

/** A word that says what to do. */
struct vc_tool_verb {
    const char *name, *shown; /**< `shown`: argv[0] of its messages; NULL: it sets its own */
    int (*run)(int argc, char **argv);
};
/** Says that there is no such word, which of n is nearest, and how `self` is used: `kind` is what the words
 * are, `options` stands before them, with a blank behind. Returns VC_EXIT_USAGE. */
int vc_tool_unknown(const char *self, const char *kind, const char *options, const struct vc_tool_verb *verb,
                    int n, const char *word);

/** Parser of a command line of options, a word that says what to do, and what belongs to that. The input is
 * an int that gets the place of the word; without one the help is printed and the program ends. */
error_t vc_tool_parse_first(int key, char *arg, struct argp_state *state);

/**
 * Becomes a program that belongs to this one. argv is all of its words; `shown` is what messages call it.
 * Returns an exit code, after a message, when it cannot be started.
 */
int vc_tool_start(const char *program, const char *shown, char **argv);
/** Becomes `vcoll-tune MODE` with argv[1] and what follows. */
int vc_tool_start_tune(const char *mode, char **argv);

/** Exit codes: wrong words; and, as in shells, a program that cannot be started or is not there. */
enum { VC_EXIT_USAGE = 2, VC_EXIT_CANNOT_RUN = 126, VC_EXIT_NOT_FOUND = 127 };

#endif

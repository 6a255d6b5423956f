/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of `vcoll doctor`, and starting itself under mpirun. */
#ifndef VC_TOOLS_DOCTOR_OPTS_H
#define VC_TOOLS_DOCTOR_OPTS_H

#include <stdbool.h>

enum { DOC_MPIRUN_WORDS = 64 };

struct doc_opts {
    int ranks; /**< -n; 0: not given */
    bool json, all, list, markdown;
    int terminal;                         /**< columns of the one that the launching process saw; 0: none */
    double patience;                      /**< seconds that others are given */
    const char *mpirun[DOC_MPIRUN_WORDS]; /**< further words for it */
    int nmpirun;
    int argc;
    char **argv;
};

/** Wrong words end the program. */
void doc_parse(struct doc_opts *o, int argc, char **argv);
/** Whether this process was started by mpirun, or something like it. */
bool doc_under_launcher(void);
/** Becomes mpirun of this program. Returns an exit code, after a message, when that cannot be. */
int doc_launch(const struct doc_opts *o);

#endif

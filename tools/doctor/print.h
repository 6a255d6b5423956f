/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line, starting itself under mpirun, and the report. */
#ifndef VC_TOOLS_DOCTOR_PRINT_H
#define VC_TOOLS_DOCTOR_PRINT_H

#include "tools/doctor/facts.h"
#include "tools/print/terminal.h"
#include <jansson.h>

/* ---- opts.c ---- */

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
/** Becomes mpirun of this program. Returns an exit code, after a message, when that cannot be. */
int doc_launch(const struct doc_opts *o);

/* ---- print.c ---- */

/** The worst severity, DOC_OK when there is no finding. */
enum doc_severity doc_worst(const struct doc_findings *f);
/** Its exit code. */
int doc_exit_code(enum doc_severity worst);

/** For people; `f` is sorted. `all`: checks that passed, too. */
void doc_print_text(const struct doc_job *j, const struct doc_findings *f, const struct terminal *t,
                    bool all);
/** For programs: docs/doctor.md describes it. False when it could not be written. */
bool doc_print_json(const struct doc_job *j, const struct doc_findings *f);
/** levels.c: which ranks share a host, an operating system, a NUMA node, and by whose word. */
void doc_print_levels(const struct doc_job *j, const struct terminal *t);
json_t *doc_hosts_json(const struct doc_job *j);
/** --list, and --list --markdown for docs/doctor.md. */
void doc_print_list(const struct terminal *t);
void doc_print_markdown(void);

#endif

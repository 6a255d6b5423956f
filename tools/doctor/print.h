/* SPDX-License-Identifier: BSD-3-Clause */
/* The report, and the list of checks. */
#ifndef VC_TOOLS_DOCTOR_PRINT_H
#define VC_TOOLS_DOCTOR_PRINT_H

#include "tools/doctor/facts.h"
#include "tools/print/terminal.h"

/** The worst severity, DOC_OK when there is no finding. */
enum doc_severity doc_worst(const struct doc_findings *f);
/** Its exit code. */
int doc_exit_code(enum doc_severity worst);

/** For people; `f` is sorted. `all`: checks that passed, too. */
void doc_print_text(const struct doc_job *j, const struct doc_findings *f, const struct terminal *t,
                    bool all);
/** For programs: docs/doctor.md describes it. False when it could not be written. */
bool doc_print_json(const struct doc_job *j, const struct doc_findings *f);
/** --list, and --list --markdown for docs/doctor.md. */
void doc_print_list(const struct terminal *t);
void doc_print_markdown(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a message really arrives over verbs: from each node to the next in a ring, and once more to one
 * further away, on queue pairs of the doctor's own.
 */
#ifndef VC_TOOLS_DOCTOR_PATH_H
#define VC_TOOLS_DOCTOR_PATH_H

#include "tools/doctor/comm.h"

/** Seconds a message may take. */
#define DOC_PATH_SECONDS 2.0

/** All ranks call it; those that do not stand for a node return at once. Findings go to `to`. */
void doc_path_try(const struct doc_comm *c, const struct vc_params *p, struct doc_findings *to);

#endif

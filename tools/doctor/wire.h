/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels: from each rank to the first of its operating system, and from there to rank 0, as JSON, so
 * that doctors of different versions understand each other. What is read is believed in nothing: a field that
 * is missing or of another kind is left out.
 */
#ifndef VC_TOOLS_DOCTOR_WIRE_H
#define VC_TOOLS_DOCTOR_WIRE_H

#include "tools/doctor/facts.h"
#include <jansson.h>

/** "0-3,8" */
json_t *doc_json_set(const struct doc_set *s);
/** `all`: with what has passed. */
json_t *doc_json_findings(const struct doc_findings *f, bool all);
void doc_take_findings(const json_t *list, struct doc_findings *to);

/** malloc()ed. `all`: with what has passed. */
char *doc_write_rank(const struct doc_rank *r, const struct doc_findings *f, bool all);
/** Adds a peer to the node (in order), its facts to the job's groups, and its findings. False when the text
 * is no report. */
bool doc_take_rank(const char *text, size_t len, struct doc_node *n, struct doc_job *j,
                   struct doc_findings *to);

/** `j` holds the groups of this site alone. malloc()ed. */
char *doc_write_site(const struct doc_site *s, const struct doc_job *j, const struct doc_findings *f,
                     bool all);
bool doc_take_site(const char *text, size_t len, struct doc_job *j, struct doc_findings *to);

/** Counts ranks into the group of that value. */
void doc_group_add(struct doc_job *j, enum doc_same s, const char *value, const struct doc_set *ranks);

#endif

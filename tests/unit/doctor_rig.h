/* SPDX-License-Identifier: BSD-3-Clause */
/* Made-up machines for the checks of `vcoll doctor`, and what was found on them. */
#ifndef VC_TESTS_UNIT_DOCTOR_RIG_H
#define VC_TESTS_UNIT_DOCTOR_RIG_H

#include "tools/doctor/checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/** A directory for a made-up /proc and /sys. */
extern char rig_root[64];
int rig_new_tree(void **state);
int rig_drop_tree(void **state);
/** Writes a file below it. */
void rig_put(const char *name, const char *text);
void rig_link(const char *name, const char *target);

/** A rank with which nothing is wrong: rank 1 of 4. */
void rig_rank(struct doc_rank *r);
/** An operating system with four CPUs and so many ranks from rank 4 on, each bound to a CPU of its own. */
void rig_node(struct doc_node *n, int ranks);
void rig_node_free(struct doc_node *n);
/** A rank may use these CPUs. */
void rig_cpus(struct doc_node *n, int peer, const char *cpus);
/** Two nodes, "a" with ranks 0 and 1, "b" with ranks 2 and 3. All facts equal. */
void rig_job(struct doc_job *j);
/** Ranks say something else. */
void rig_differ(struct doc_job *j, enum doc_same s, const char *ranks, const char *value);

/** Run the checks, keep what they find until the next call. */
void rig_look_rank(const struct doc_rank *r);
void rig_look_node(const struct doc_node *n);
void rig_look_job(const struct doc_job *j);

/** The check said that about these ranks, with these words in what it found or in what is to be done. */
void rig_expect(const char *check, enum doc_severity severity, const char *ranks, const char *words);
/** The check found nothing worse than that. */
void rig_quiet(const char *check);
/** Every check but those that need other processes has been seen to fire, and to keep quiet. */
void rig_all_seen(void **state);

extern const struct CMUnitTest doctor_rank_tests[], doctor_node_tests[], doctor_job_tests[];
extern const size_t doctor_rank_ntests, doctor_node_ntests, doctor_job_ntests;

#endif

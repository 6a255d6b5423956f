/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of the checks, one for a row of doc_checks. Pure: they look at facts and say what they find.
 */
#ifndef VC_TOOLS_DOCTOR_CHECKS_H
#define VC_TOOLS_DOCTOR_CHECKS_H

#include "tools/doctor/facts.h"

/* check_rank.c */
void doc_check_bad_settings(const struct doc_rank *r, struct doc_out *out);
void doc_check_less(const struct doc_rank *r, struct doc_out *out);
void doc_check_no_library(const struct doc_rank *r, struct doc_out *out);
void doc_check_open_files(const struct doc_rank *r, struct doc_out *out);
void doc_check_locked_memory(const struct doc_rank *r, struct doc_out *out);
void doc_check_single_copy(const struct doc_rank *r, struct doc_out *out);
void doc_check_ptrace_scope(const struct doc_rank *r, struct doc_out *out);
void doc_check_userfaultfd(const struct doc_rank *r, struct doc_out *out);
void doc_check_timers(const struct doc_rank *r, struct doc_out *out);
/* check_cpus.c */
void doc_check_cpus(const struct doc_node *n, struct doc_out *out);
void doc_check_quota(const struct doc_node *n, struct doc_out *out);
void doc_check_binding(const struct doc_node *n, struct doc_out *out);
void doc_check_yield(const struct doc_node *n, struct doc_out *out);
void doc_check_steal(const struct doc_node *n, struct doc_out *out);
void doc_check_busy(const struct doc_node *n, struct doc_out *out);
/* check_node.c */
void doc_check_clones(const struct doc_node *n, struct doc_out *out);
void doc_check_memory(const struct doc_node *n, struct doc_out *out);
void doc_check_frequency(const struct doc_node *n, struct doc_out *out);
void doc_check_clock(const struct doc_node *n, struct doc_out *out);
void doc_check_idle(const struct doc_node *n, struct doc_out *out);
/* check_devices.c */
void doc_check_rdma_down(const struct doc_node *n, struct doc_out *out);
void doc_check_queue_pairs(const struct doc_node *n, struct doc_out *out);
void doc_check_moderation(const struct doc_node *n, struct doc_out *out);
/* check_host.c */
void doc_check_host_memory(const struct doc_node *n, struct doc_out *out);
void doc_check_hosts(const struct doc_job *j, struct doc_out *out);
/** Whether two operating systems share memory of one host: one has read the other's mark in it. */
bool doc_sites_share(const struct doc_site *a, const struct doc_site *b);
/* check_job.c */
void doc_check_same(const struct doc_job *j, struct doc_out *out);
void doc_check_containers(const struct doc_job *j, struct doc_out *out);
void doc_check_silent(const struct doc_job *j, struct doc_out *out);
void doc_check_table(const struct doc_job *j, struct doc_out *out);

/** CPUs that the ranks of a node may use together. */
void doc_node_cpus(const struct doc_node *n, struct doc_set *out);
/** Whether the ranks of a node are more than CPUs, or than the quota pays for. */
bool doc_node_crowded(const struct doc_node *n);

#endif

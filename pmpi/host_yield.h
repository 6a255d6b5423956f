/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the MPI underneath where ranks share CPUs (VCOLL_HOST_YIELD), so that its waits yield. By itself it
 * finds that out by counting ranks and slots, which says nothing of containers, of affinity masks and quotas,
 * or of several hosts' ranks on one machine.
 */
#ifndef VC_PMPI_HOST_YIELD_H
#define VC_PMPI_HOST_YIELD_H

#include <stdbool.h>

/** Decides, and tells the MPI. After vc_world_init() and vc_host_progress_init(). */
void vc_host_yield_init(void);
/** Whether this rank shares CPUs with others of the job. */
bool vc_host_shares(void);
/** Decides again if this process's mask or quota, or the stolen time, have changed. For one thread at a time.
 */
void vc_host_yield_again(void);

#endif

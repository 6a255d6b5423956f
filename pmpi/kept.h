/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two ranks on one CPU of which no mask tells: the scheduler or the program has put them there. One sleeps in
 * a collective, the other one waits in the MPI, which never gives the CPU up, and so the first one is awake
 * one time slice after it should be, each time. It says so, and where: in a word of the memory that ranks of
 * an operating system share. The MPI's progress looks at that word in every rank. A rank that finds itself on
 * that CPU yields from then on, in the MPI as well, and answers, so that the first one yields, too, instead
 * of burning its turns. Both stop once there was no question and answer for a while, which grows each time.
 */
#ifndef VC_PMPI_KEPT_H
#define VC_PMPI_KEPT_H

#include <stdbool.h>

/** After vc_memory_init() and vc_host_progress_init(). `changed` is called, by any thread, when
 * vc_kept_shares() has. Nothing is done where there is no shared memory, or no other rank in it. */
void vc_kept_init(void (*changed)(void));
/** Before vc_memory_fini(), after vc_host_progress_fini(). */
void vc_kept_fini(void);
/** Now and then: whether this rank has been kept waiting for its CPU since the call before. */
void vc_kept_note(bool kept);
/** Whether this rank shares its CPU with another one, as far as they have told each other. Thread-safe. */
bool vc_kept_shares(void);

#endif

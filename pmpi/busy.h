/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The teams whose queues (queue.h) are not empty, and how their operations move: for the host MPI's progress,
 * for a thread that waits, and for the helper.
 *
 * One lock guards all queues. It is never held while a request is completed, or while anything else of the
 * MPI's is called that could call the program, and with it this library. Progress within progress finds it
 * taken, and does nothing.
 */
#ifndef VC_PMPI_BUSY_H
#define VC_PMPI_BUSY_H

#include "pmpi/posted.h"

#include <pthread.h>

extern pthread_mutex_t vc_busy_lock;
/** The teams, by queue.next; with the lock. */
extern struct vc_team *vc_busy_teams;
/** Operations in queues, or still to be finished. Relaxed: whoever has to see one has posted it, or has been
 * told of it. */
extern _Atomic int vc_busy_count;

/* With the lock: */

/** Puts an operation at the end of its team's queue. */
void vc_busy_add(struct vc_posted *op);
/** Takes the first one out: it is over, by itself or by an error. */
void vc_busy_remove_first(struct vc_team *t, int err);
/** Takes a team whose queue is empty out of the list. Returns the next one. */
struct vc_team *vc_busy_unlist(struct vc_team *t);
/** An error of a wait on a team ends all of its operations. */
void vc_busy_fail(struct vc_team *t, int err);
/** Whether a thread waits for the team's queue to become empty. */
void vc_busy_drained(struct vc_team *t, bool on);
/** Moves all. How many operations are over. */
int vc_busy_move(void);
/** Those that are over. */
struct vc_posted *vc_busy_over(void);

/* Without it: */

/** Finishes those that are over, in a thread that may call the MPI. How many. */
int vc_busy_finish(struct vc_posted *over);
/** Moves and finishes what it can, as the host MPI does. How much there was to do. */
int vc_busy_progress(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonblocking collectives under way. Each team has a queue of them, first in, first out, of which one runs at
 * a time: calls come in the same order on all ranks, so the node's slots and the channel's messages need no
 * names of their own, and a plan is run by one call at a time.
 *
 * They move (busy.h) when the host MPI progresses, which calls the queue: in waits and tests of the
 * program's, in any other call that drives the MPI, and while vcoll itself waits.
 *
 * A queue that is empty belongs to the thread that makes the communicator's next call, as everything of a
 * team does: only a thread that has seen `count` at 0 may use the team without the lock. Requests are
 * completed, and results unpacked, with the lock released.
 */
#ifndef VC_PMPI_QUEUE_H
#define VC_PMPI_QUEUE_H

#include "pmpi/posted.h"

/** Whether nothing is under way: then this thread, whose call on the communicator is the only one, has the
 * team to itself. */
static inline bool vc_queue_empty(const struct vc_team *t)
{
    /* Acquire: pairs with the release after the last operation's last access to the team. */
    return atomic_load_explicit(&t->queue.count, memory_order_acquire) == 0;
}

/**
 * Starts an operation, which may be on the stack: what goes on is a copy. VC_OK and *request, or an error
 * with which nothing was started; the memory of *op is then still to be released.
 */
int vc_queue_post(struct vc_posted *op, MPI_Request *request);
/** The same for one in the node's memory, with nothing under way, whose `call` vc_node_small() has left
 * undone; op->begun says whether it has begun. */
int vc_queue_go_on(struct vc_posted *op, MPI_Request *request);

/** Waits until the team has nothing under way. VC_OK, or the error of an operation. */
int vc_queue_drain(struct vc_team *t);
/** Of a request that the program is about to wait for: if it is of an operation under way, waits until that
 * is over, as a blocking call waits. What that led to is the request's. Thread-safe. */
void vc_queue_wait(MPI_Request request);
/** Likewise of requests of which the program waits for any: if all are of operations under way on one
 * communicator, until the first of them is over. Others are left to the MPI: any of them may end first. */
void vc_queue_wait_any(int n, const MPI_Request requests[]);
/** The error of an earlier operation, or VC_OK; only of an empty queue. *why: its text. */
int vc_queue_failed(const struct vc_team *t, const char **why);

/** At the end of MPI: waits until nothing is under way any more, but not for ranks that do not come. */
void vc_queue_finish(void);

#endif

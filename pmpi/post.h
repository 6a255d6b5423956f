/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonblocking calls: whether vcoll takes them, and what they need until they are over. Nothing here waits.
 *
 * A call is taken where the blocking one would be, on communicators that are set up, if its algorithm can
 * begin without another exchange. Users' operators pass through, because the program may free one at once.
 * All of that is equal on all ranks.
 *
 * Each run file has, besides vc_run_X(), vc_post_X() for the same form of arguments: vc_post_enter(), the
 * looks at the arguments of the blocking call, vc_post_begin(), the buffers in op.w and in room that is the
 * operation's own, vc_post_result() where the result has to be moved at the end, and vc_post_launch().
 */
#ifndef VC_PMPI_POST_H
#define VC_PMPI_POST_H

#include "pmpi/posted.h"
#include "pmpi/quick.h"
#include "pmpi/requests.h"

/** Not an error of the MPI: the underlying MPI gets the call; k->why says why. */
#define VC_POST_PASSES (-1)

/** Takes a call: MPI_SUCCESS and *request, an error of the MPI, or VC_POST_PASSES. */
typedef int vc_post_fn(struct vc_call *k, MPI_Request *request);

/** In the run files; as vc_run_barrier() and the others. */
vc_post_fn vc_post_barrier, vc_post_bcast, vc_post_reduce, vc_post_allreduce, vc_post_blocks,
    vc_post_allgatherv, vc_post_alltoallv, vc_post_gather, vc_post_scatter, vc_post_gatherv, vc_post_scatterv,
    vc_post_exscan, vc_post_reduce_blocks, vc_post_reduce_scatter;

/** Around each of them: the gate, and the statistics. */
int vc_post(vc_post_fn *fn, struct vc_call *k, MPI_Request *request);

/* ---- for the run files ---- */

/** The communicator's state, if it is set up; broken ones too. NULL: the call passes through. */
struct vc_comm *vc_post_enter(struct vc_call *k);

/** VC_POST_PASSES, with the reason. */
static inline int vc_post_pass(struct vc_call *k, enum vc_pass why)
{
    k->why = why;
    return VC_POST_PASSES;
}

/** A call whose preparation has failed before vc_post_begin(). The MPI's error. */
int vc_post_fail(struct vc_comm *c, struct vc_call *k, int err, MPI_Request *request);

/**
 * Finds what runs the call of k->bytes, as vc_select_call() does, and makes it *op. MPI_SUCCESS: it is to be
 * launched. Otherwise the result of the call. `state`: NULL, or memory from malloc() that k and op lead to:
 * the operation's from now on, freed where it does not begin.
 */
int vc_post_begin(struct vc_posted *op, struct vc_comm *c, struct vc_call *k, void *state, size_t esize,
                  bool commutative, MPI_Request *request);

/** Room for packed copies that is the operation's own. */
static inline struct vc_room vc_post_room(struct vc_posted *op)
{
    return (struct vc_room){.team = op->team, .own = op->mem};
}

/**
 * At the end the result is to be moved by `finish`. What that needs is copied to op->state, with its `type`,
 * which the program may free meanwhile. VC_OK or an error.
 */
int vc_post_result(struct vc_posted *op, vc_posted_finish *finish, const void *state, size_t bytes,
                   struct vc_dtype *type);

/** Starts the operation, unless its preparation has failed. MPI_SUCCESS, or an error of the MPI. */
int vc_post_launch(struct vc_posted *op, int err, struct vc_call *k, MPI_Request *request);

/* ---- quick ones ---- */

/** Whether a call may be quick (quick.h) at all. */
static inline bool vc_post_may_be_quick(const MPI_Request *request)
{
    return vc_gate_open() && request && vc_params.nonblocking != VC_NONBLOCKING_OFF;
}

/** The rest of vc_post_quick(), after vc_node_small() returned `begun`. */
int vc_post_quick_on(struct vc_comm *c, enum vc_coll coll, int begun, MPI_Request *request);

/** Posts a quick call, of a communicator with nothing under way. An error of the MPI, or MPI_SUCCESS. */
static inline int vc_post_quick(struct vc_comm *c, enum vc_coll coll, MPI_Request *request)
{
    struct vc_team *t = c->team;
    int rc = vc_node_small(t->node, &t->quick[coll].call);
    return VC_LIKELY(rc > 0) ? vc_request_done(coll, request) : vc_post_quick_on(c, coll, rc, request);
}

#endif

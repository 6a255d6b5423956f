/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nonblocking calls: whether vcoll takes them, and what they need until they are over. Nothing here waits.
 *
 * A call is taken where the blocking one would be, on communicators that are set up, if its algorithm can
 * begin without another exchange. Users' operators pass through, because the program may free one at once.
 * All of that is equal on all ranks.
 */
#ifndef VC_PMPI_POST_H
#define VC_PMPI_POST_H

#include "pmpi/posted.h"
#include "pmpi/quick.h"
#include "pmpi/requests.h"

/** Takes a call: true, with *rc and *request. False: the underlying MPI gets it; k->why says why. */
typedef bool vc_post_fn(struct vc_call *k, MPI_Request *request, int *rc);

/** In the order of vc_run_barrier() and the others. */
vc_post_fn vc_post_barrier, vc_post_bcast, vc_post_reduce, vc_post_allreduce, vc_post_blocks;

/** Around each of them: the gate, and the statistics. */
bool vc_post(vc_post_fn *fn, struct vc_call *k, MPI_Request *request, int *rc);

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
    return VC_LIKELY(rc > 0) ? vc_request_done(request) : vc_post_quick_on(c, coll, rc, request);
}

#endif

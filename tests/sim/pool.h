/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of one simulated rank: those of plans and those of node phases wait in one place, because a rank
 * that waits is moved on by whichever comes first. Simulated time passes in pool_wait() alone. */
#ifndef VC_TESTS_SIM_POOL_H
#define VC_TESTS_SIM_POOL_H

#include "transport/channel.h"

#include <mpi.h>

enum pool_tag { POOL_PLAN = 1, POOL_PHASE = 2 };

struct pool {
    struct vc_chan chan; /**< what plans send and receive through; first, so that it is the pool */
    MPI_Comm comm;
    MPI_Request *req;         /**< [room] under way */
    struct vc_chan_req **who; /**< [room] whose they are */
    int n, room;
};

/** A channel among the ranks of `comm`, which outlives it. */
void pool_init(struct pool *p, MPI_Comm comm);
void pool_free(struct pool *p);
void pool_send(struct pool *p, enum pool_tag tag, int peer, const void *buf, size_t len,
               struct vc_chan_req *r);
void pool_recv(struct pool *p, enum pool_tag tag, int peer, void *buf, size_t len, struct vc_chan_req *r);
/** Waits until one message is done. There is one. */
void pool_wait(struct pool *p);

#endif

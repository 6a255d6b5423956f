/* SPDX-License-Identifier: BSD-3-Clause */
/* One end of the connection that raw verbs are measured on. */
#ifndef VC_TOOLS_BENCH_VERBS_IMPL_H
#define VC_TOOLS_BENCH_VERBS_IMPL_H

#include "tools/bench/verbs.h"
#include "transport/verbs/device.h"
#include "tune/params/params.h"

#define BENCH_RECVS 32 /* receives that are posted at any time */
#define BENCH_SENDS 32 /* room in the send queue */

/* A message. */
struct bench_ball {
    uint32_t number, last;
};

struct bench_end {
    int other; /* rank at the other end, -1: this rank only looks on */
    struct vc_verbs_dev dev;
    struct ibv_pd *pd;
    struct ibv_comp_channel *events; /* of recv_cq */
    struct ibv_cq *send_cq, *recv_cq;
    struct ibv_qp *qp;
    struct ibv_mr *mr;
    struct bench_ball *mem; /* the outgoing one, then BENCH_RECVS places for incoming ones */
    bool inlined;           /* sends carry their data along */
    unsigned unacked;       /* events taken from the channel */
};

/** The rank that answers rank 0; -1 where messages would not go over verbs. */
int bench_end_peer(const struct vc_measure_world *w, const struct vc_params *p);
/** Both ends: connects to e->other. False when it takes anything that is not there, maybe at one end alone.
 */
bool bench_end_meet(struct vc_measure_world *w, struct bench_end *e, const struct vc_params *p);
/** Posts a receive to a place. 0 or an errno value. */
int bench_end_recv(struct bench_end *e, int place);
/** Also what was made in part, or never. */
void bench_end_free(struct bench_end *e);

#endif

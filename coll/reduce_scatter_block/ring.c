/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

int vc_reduce_scatter_ring_plan(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_layout lay = vc_layout_ranks(s, VC_BUF_SEND);
    int segments = vc_segments(s->bytes, s->esize, s->segment);
    vc_plan_begin(p, s, rank);
    vc_x_reduce_scatter_ring(p, &all, &lay, s->esize,
                             segments < VC_REDUCE_SCATTER_SEGMENTS ? segments : VC_REDUCE_SCATTER_SEGMENTS,
                             vc_reduce_scatter_mine(s, rank));
    return vc_plan_finish(p);
}

long vc_reduce_scatter_ring_steps(const struct vc_shape *s)
{
    long segments = vc_bound_segments(s, 0);
    return 1 + 3L * (s->size - 1) *
                   (segments < VC_REDUCE_SCATTER_SEGMENTS ? segments : VC_REDUCE_SCATTER_SEGMENTS);
}

const struct vc_alg vc_alg_reduce_scatter_block_ring = {
    .name = "ring",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "around a ring, reduced on the way: large blocks; segmented on request",
    .build = vc_reduce_scatter_ring_plan,
    .scales = true,
    .steps = vc_reduce_scatter_ring_steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments go up two trees by turns; no rank is an inner node of both. */
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), acc = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    int segments = vc_double_tree_segments(s);
    vc_plan_begin(p, s, rank);
    if (rank != s->root)
        acc = vc_plan_tmp(p, s->bytes);
    struct vc_pipe pipe = vc_pipe_of(s->bytes / (size_t)(segments ? segments : 1));
    for (int i = 0; i < segments; i++)
        vc_x_reduce_double_tree(p, &all, vc_slices(own, s->esize, segments, i, i + 1),
                                vc_slices(acc, s->esize, segments, i, i + 1), s->root, i, &pipe);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 4 * vc_bound_double_tree(s);
}

const struct vc_alg vc_alg_reduce_double_tree = {
    .name = "double_tree",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "pipeline of segments up two trees by turns (Sanders et al. 2009): large messages, any number of "
            "ranks",
    .build = build,
    .steps = steps,
};

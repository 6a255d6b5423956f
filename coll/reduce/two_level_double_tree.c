/* SPDX-License-Identifier: BSD-3-Clause */
/* Each node's memory reduces segment after segment to its leader, and these go up two trees of leaders by
 * turns. */
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(s, rank, s->root);
    int leader = vc_group_rank(&g, g.me), local = s->hier->local_of[leader];
    int segments = vc_double_tree_segments(s);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), sum = VC_NOTHING;
    vc_plan_begin(p, s, rank);
    if (rank == s->root)
        sum = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    else if (rank == leader)
        sum = vc_plan_tmp(p, s->bytes);
    struct vc_pipe pipe = vc_pipe_of(s->bytes / (size_t)(segments ? segments : 1));
    for (int i = 0; i < segments; i++) {
        struct vc_ref in = vc_slices(own, s->esize, segments, i, i + 1);
        struct vc_ref part = rank == leader ? vc_ref_sub(sum, in.off, in.len) : VC_NOTHING;
        vc_plan_node(p, VC_PHASE_REDUCE, local, 0, in.len, in, part);
        if (rank == leader)
            vc_x_reduce_double_tree(p, &g, part, part, g.root_node, i, &pipe);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 4 * vc_bound_double_tree(s);
}

const struct vc_alg vc_alg_reduce_two_level_double_tree = {
    .name = "two_level_double_tree",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE,
    .params = VC_PARAM_SEGMENT,
    .help =
        "segments reduced in the node's memory, then up two trees of leaders by turns; for large messages",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory to its leader, then along a binomial tree of leaders; optionally in
 * segments. */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, shape->root);
    int leader = vc_group_rank(&g, g.me), local = shape->hier->local_of[leader];
    int segments = shape->bytes ? vc_segments(shape->bytes, shape->esize, shape->segment) : 0;
    vc_plan_begin(p, shape, rank);
    struct vc_ref vec = VC_NOTHING;
    if (rank == shape->root)
        vec = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    else if (rank == leader)
        vec = vc_plan_tmp(p, shape->bytes);
    for (int i = 0; i < segments; i++) {
        struct vc_ref own =
            vc_slices(vc_ref_of(VC_BUF_SEND, 0, shape->bytes), shape->esize, segments, i, i + 1);
        struct vc_ref part = rank == leader ? vc_ref_sub(vec, own.off, own.len) : VC_NOTHING;
        vc_plan_node(p, VC_PHASE_REDUCE, local, 0, own.len, own, part);
        if (rank == leader)
            vc_x_reduce_binomial(p, &g, shape, part, g.root_node);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return (1 + vc_bound_tree(s->hier->nnodes, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_reduce_two_level = {
    .name = "two_level",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "reduction in the node's memory, then a binomial (with `radix` k-nomial) tree among one leader "
            "per node",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory to its leader, then along a binomial tree of leaders; optionally in
 * segments. */
#include "coll/bounds.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, shape->root);
    return vc_reduce_two_level(shape, rank, p, &g);
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

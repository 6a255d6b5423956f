/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in each node's memory, then the tree of coll/postal.h among the nodes' leaders. */
#include "coll/bounds.h"
#include "coll/postal.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, shape->root);
    g.postal = true;
    return vc_reduce_two_level(shape, rank, p, &g);
}

static long steps(const struct vc_shape *s)
{
    long most = vc_bound_postal(s->hier->nnodes, s->radix);
    return (1 + vc_bound_reduce_steps(most, vc_postal_radix(s->radix))) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_reduce_two_level_postal = {
    .name = "two_level_postal",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "reduction in the node's memory, then the tree of `postal` among one leader per node",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of coll/postal.h among the nodes' leaders, then a broadcast in each node. */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/postal.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_bcast_segmented(shape, rank, p, 0, vc_x_bcast_postal);
}

static long steps(const struct vc_shape *s)
{
    return (2 + vc_bound_postal(s->hier->nnodes, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_two_level_postal = {
    .name = "two_level_postal",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "the tree of `postal` among one leader per node, then the node's memory",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Binomial tree of leaders, then the node. With a segment size, the node gets one while the tree moves the
 * next. */
#include "coll/bounds.h"
#include "coll/two_level.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_bcast_segmented(shape, rank, p, 0, vc_x_bcast_binomial);
}

static long steps(const struct vc_shape *s)
{
    return (2 + vc_bound_lg(s->hier->nnodes)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_two_level = {
    .name = "two_level",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT,
    .help = "binomial tree among one leader per node, then the node's memory",
    .build = build,
    .steps = steps,
};

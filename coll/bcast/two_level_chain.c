/* SPDX-License-Identifier: BSD-3-Clause */
/* A pipeline: segments go from leader to leader, and each leader broadcasts them in its node as they come. */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"

#define SEGMENT (32 * 1024)

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_bcast_segmented(shape, rank, p, SEGMENT, vc_x_bcast_chain);
}

static long steps(const struct vc_shape *s)
{
    return 3 * vc_bound_segments(s, SEGMENT);
}

const struct vc_alg vc_alg_bcast_two_level_chain = {
    .name = "two_level_chain",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT,
    .help = "segments along a chain of leaders, each node's memory as they come; for large messages",
    .build = build,
    .steps = steps,
};

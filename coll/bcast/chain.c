/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"

#define DEFAULT_SEGMENT 65536

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_bcast_flat(s, rank, p, DEFAULT_SEGMENT, vc_x_bcast_chain);
}

static long steps(const struct vc_shape *s)
{
    return 2 * vc_bound_segments(s, DEFAULT_SEGMENT);
}

const struct vc_alg vc_alg_bcast_chain = {
    .name = "chain",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "pipeline of segments (64k) from rank to rank: large messages, few ranks",
    .build = build,
    .steps = steps,
};

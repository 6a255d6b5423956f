/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bcast/exchange.h"

#define DEFAULT_SEGMENT 32768

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_bcast_flat(s, rank, p, DEFAULT_SEGMENT, vc_x_bcast_binary);
}

const struct vc_alg vc_alg_bcast_binary = {
    .name = "binary",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "pipeline of segments (32k) down a complete binary tree: medium messages, many ranks",
    .build = build,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_bcast_flat(s, rank, p, 0, vc_x_bcast_binomial);
}

static long steps(const struct vc_shape *s)
{
    return (1 + vc_bound_children(s->size, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_binomial = {
    .name = "binomial",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "binomial tree, log2(n) hops, or with `radix` a k-nomial one: small messages; not segmented by "
            "default",
    .build = build,
    .steps = steps,
};

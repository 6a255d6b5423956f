/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of coll/postal.h among all ranks. */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/postal.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_bcast_flat(s, rank, p, 0, vc_x_bcast_postal);
}

static long steps(const struct vc_shape *s)
{
    return (1 + vc_bound_postal(s->size, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_postal = {
    .name = "postal",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "the tree that reaches all soonest if `radix` (8) - 1 sends fit into the way of a message: small "
            "messages (Bar-Noy & Kipnis 1994)",
    .build = build,
    .steps = steps,
};

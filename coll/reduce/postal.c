/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of coll/postal.h among all ranks. */
#include "coll/bounds.h"
#include "coll/postal.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    all.postal = true;
    vc_plan_begin(p, s, rank);
    vc_reduce_flat(p, s, &all, s->root, vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_reduce_steps(vc_bound_postal(s->size, s->radix), vc_postal_radix(s->radix)) *
           vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_reduce_postal = {
    .name = "postal",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help =
        "the tree that hears of all soonest if `radix` (8) - 1 receives fit into the way of a message: small "
        "messages (Bar-Noy & Kipnis 1994)",
    .build = build,
    .scales = true,
    .steps = steps,
};

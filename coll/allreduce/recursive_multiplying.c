/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"

#define DEFAULT_RADIX 4

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    vc_plan_begin(p, s, rank);
    vc_x_allreduce_multiply(p, &all, vc_ref_of(VC_BUF_SEND, 0, s->bytes), vc_ref_of(VC_BUF_RECV, 0, s->bytes),
                            vc_allreduce_radix(s, DEFAULT_RADIX));
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_multiply(s->size, s->radix < 2 ? DEFAULT_RADIX : s->radix);
}

const struct vc_alg vc_alg_allreduce_recursive_multiplying = {
    .name = "recursive_multiplying",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help =
        "exchanges among up to `radix` (4, at most 64) ranks a round: small messages, latency-bound networks",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/barrier/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    vc_plan_begin(p, s, rank);
    vc_x_barrier_dissemination(p, &all, s->radix, -1);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_tokens(s->size, s->radix);
}

const struct vc_alg vc_alg_barrier_dissemination = {
    .name = "dissemination",
    .coll = VC_BARRIER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help =
        "log_radix(n) rounds of tokens to ranks at growing distance (Hensgen, Finkel, Manber 1988); radix 2",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* ceil(log_radix n) rounds, n - 1 blocks, one more pass over memory. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allgather_plan(shape, rank, p, vc_x_allgather_bruck);
}

static long steps(const struct vc_shape *s)
{
    return 1 + vc_bound_allgather_log(s->size, s->radix);
}

const struct vc_alg vc_alg_allgatherv_bruck = {
    .name = "bruck",
    .coll = VC_ALLGATHERV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "multiplying what is held by `radix` (2) each round, any number of ranks (Bruck et al. 1997)",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/allreduce/multiply.h"
#include "coll/registry.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_allreduce_multiply(p, s, rank, 2);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_multiply(s->size, 2);
}

const struct vc_alg vc_alg_allreduce_recursive_doubling = {
    .name = "recursive_doubling",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "exchanges of the whole vector at doubling distance: small messages",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/parts.h"

long vc_alg_part_rounds(const struct vc_alg *alg, const struct vc_shape *shape)
{
    if (!alg->part)
        return 0;
    long rounds = alg->rounds(shape), steps = alg->steps(shape);
    if (steps <= VC_PART_STEPS || rounds < 2)
        return 0;
    long each = rounds * VC_PART_STEPS / steps;
    return each > 1 ? each : 1;
}

int vc_plan_of_parts(const struct vc_alg *alg, const struct vc_shape *shape, int rank, long rounds,
                     struct vc_plan *plan)
{
    long n = alg->rounds(shape);
    vc_plan_begin(plan, shape, rank);
    for (long at = 0; at < n; at += rounds) {
        vc_plan_fence(plan);
        alg->part(shape, rank, at, at + rounds < n ? at + rounds : n, plan);
    }
    return vc_plan_finish(plan);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    vc_plan_begin(p, s, rank);
    vc_x_allreduce_multiply(p, &all, vc_ref_of(VC_BUF_SEND, 0, s->bytes), vc_ref_of(VC_BUF_RECV, 0, s->bytes),
                            2);
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
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    vc_plan_begin(p, s, rank);
    vc_x_allreduce_rabenseifner(p, &all, s, vc_ref_of(VC_BUF_SEND, 0, s->bytes),
                                vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_rabenseifner(s->size, s->radix);
}

const struct vc_alg vc_alg_allreduce_rabenseifner = {
    .name = "rabenseifner",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "reduce-scatter by halving, allgather by doubling (Rabenseifner 2004): medium and large messages",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_reduce_scatter_pairwise, s, rank, s->size, p);
}

const struct vc_alg vc_alg_reduce_scatter_pairwise = {
    .name = "pairwise",
    .coll = VC_REDUCE_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "each block straight to its owner, with one distance after another: large blocks, any operator",
    .build = build,
    .scales = true,
    .rounds = vc_reduce_scatter_pairwise_rounds,
    .part = vc_reduce_scatter_pairwise_part,
    .steps = vc_reduce_scatter_pairwise_steps,
};

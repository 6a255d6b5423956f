/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

const struct vc_alg vc_alg_reduce_scatter_pairwise = {
    .name = "pairwise",
    .coll = VC_REDUCE_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "each block straight to its owner, with one distance after another: large blocks, any operator",
    .build = vc_reduce_scatter_pairwise_plan,
    .steps = vc_reduce_scatter_pairwise_steps,
};

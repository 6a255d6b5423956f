/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

const struct vc_alg vc_alg_reduce_scatter_recursive_halving = {
    .name = "recursive_halving",
    .coll = VC_REDUCE_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "exchanges of halves at doubling distance, in ascending order: small and medium blocks",
    .build = vc_reduce_scatter_halving_plan,
    .steps = vc_reduce_scatter_halving_steps,
};

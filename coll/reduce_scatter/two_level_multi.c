/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

const struct vc_alg vc_alg_reduce_scatter_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_REDUCE_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES | VC_NEEDS_BLOCK_OR_COMM,
    .help = "all ranks of a node reduce a part in its memory, then halving among ranks of equal index",
    .build = vc_reduce_scatter_two_level_multi_plan,
    .steps = vc_reduce_scatter_two_level_multi_steps,
};

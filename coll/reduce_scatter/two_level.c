/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

const struct vc_alg vc_alg_reduce_scatter_two_level = {
    .name = "two_level",
    .coll = VC_REDUCE_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .help = "reduction in the node's memory, halving among one leader per node, blocks out of its memory",
    .build = vc_reduce_scatter_two_level_plan,
    .steps = vc_reduce_scatter_two_level_steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

const struct vc_alg vc_alg_reduce_scatter_ring = {
    .name = "ring",
    .coll = VC_REDUCE_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "around a ring, reduced on the way: large blocks; segmented on request",
    .build = vc_reduce_scatter_ring_plan,
    .scales = true,
    .steps = vc_reduce_scatter_ring_steps,
};

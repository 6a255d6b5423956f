/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/alltoall/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout out = {.buf = VC_BUF_SEND, .unit = shape->bytes, .stride = shape->bytes};
    struct vc_layout in = {.buf = VC_BUF_RECV, .unit = shape->bytes, .stride = shape->bytes};
    vc_plan_begin(p, shape, rank);
    if (shape->bytes) {
        vc_plan_copy(p, vc_layout_block(&out, rank), vc_layout_block(&in, rank));
        vc_x_alltoall_bruck(p, &g, &out, &in, shape->radix);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_alltoall_bruck(s->size, s->radix);
}

const struct vc_alg vc_alg_alltoall_bruck = {
    .name = "bruck",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "blocks travel digit by digit, log_radix(n) phases; for small messages (Bruck et al. 1997)",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/alltoall/exchange.h"

static void bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                  const struct vc_layout *in, const struct vc_shape *shape)
{
    vc_x_alltoall_bruck(p, g, out, in, shape->radix);
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_alltoall_multi(shape, rank, p, bruck);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_alltoall_multi(s) + vc_bound_alltoall_bruck(s->hier->nnodes, s->radix);
}

const struct vc_alg vc_alg_alltoall_two_level_multi_bruck = {
    .name = "two_level_multi_bruck",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES,
    .params = VC_PARAM_RADIX,
    .help = "as two_level_multi, in log_radix(nodes) phases between the nodes: small messages, many nodes",
    .build = build,
    .steps = steps,
    .scales = true,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory to its leader, recursive doubling among leaders, broadcast in the node. */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, -1);
    bool leads = rank == vc_group_rank(&g, g.me);
    struct vc_ref vec = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, shape->bytes);
    vc_plan_begin(p, shape, rank);
    if (!shape->bytes)
        return vc_plan_finish(p);
    if (g.n == 1) {
        vc_plan_node(p, VC_PHASE_ALLREDUCE, 0, 0, vec.len, own, vec);
        return vc_plan_finish(p);
    }
    vc_plan_node(p, VC_PHASE_REDUCE, 0, 0, vec.len, own, leads ? vec : VC_NOTHING);
    if (leads)
        vc_x_allreduce_multiply(p, &g, vec, vec, vc_allreduce_radix(shape, 2));
    vc_x_node_bcast(p, shape, rank, 0, vec);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_multiply(s->hier->nnodes, s->radix);
}

const struct vc_alg vc_alg_allreduce_two_level = {
    .name = "two_level",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .params = VC_PARAM_RADIX,
    .help =
        "reduction in the node's memory, recursive doubling among one leader per node, broadcast in the node",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrive at the node's leader, dissemination among leaders, release. */
#include "coll/barrier/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, -1);
    vc_plan_begin(p, shape, rank);
    int arrived = vc_plan_node(p, VC_PHASE_GATHER, 0, 0, 0, VC_NOTHING, VC_NOTHING);
    if (rank == vc_group_rank(&g, g.me))
        vc_x_barrier_dissemination(p, &g, shape->radix, arrived);
    int steps = p->nsteps;
    int released = vc_plan_node(p, VC_PHASE_BCAST, 0, 0, 0, VC_NOTHING, VC_NOTHING);
    for (int i = arrived; i < steps; i++)
        vc_plan_after(p, released, i);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_tokens(s->hier->nnodes, s->radix);
}

const struct vc_alg vc_alg_barrier_two_level = {
    .name = "two_level",
    .coll = VC_BARRIER,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_RADIX,
    .help = "arrive in the node, dissemination among leaders, release (Hensgen et al. 1988)",
    .build = build,
    .steps = steps,
};

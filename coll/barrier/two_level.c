/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrive at the node's leader, dissemination among leaders, release. In the round of stride s a leader tells
 * those s, 2s, ... (radix - 1) * s further on that it and all it has heard of have arrived: ceil(log_radix N)
 * rounds.
 */
#include "coll/bounds.h"
#include "coll/two_level.h"

static void disseminate(const struct vc_shape *shape, const struct vc_group *g, struct vc_plan *p,
                        int arrived)
{
    int n = g->n, radix = shape->radix < 2 ? 2 : shape->radix > n ? n : shape->radix;
    int first = arrived + 1,
        heard = first; /* steps: receives, each followed by a send, from `first` to `heard` */
    for (long long s = 1; s < n; s *= radix) {
        int round = heard;
        for (int j = 1; j < radix && j * s < n; j++) {
            int far = (int)(j * s);
            vc_plan_recv(p, vc_group_rank(g, (g->me - far + n) % n), VC_NOTHING);
            int out = vc_plan_send(p, vc_group_rank(g, (g->me + far) % n), VC_NOTHING);
            vc_plan_after(p, out, arrived);
            for (int r = first; r < round; r += 2)
                vc_plan_after(p, out, r);
            heard += 2;
        }
    }
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, -1);
    vc_plan_begin(p, shape, rank);
    int arrived = vc_plan_node(p, VC_NODE_GATHER, 0, 0, 0, VC_NOTHING, VC_NOTHING);
    if (rank == vc_group_rank(&g, g.me))
        disseminate(shape, &g, p, arrived);
    int steps = p->nsteps;
    int released = vc_plan_node(p, VC_NODE_BCAST, 0, 0, 0, VC_NOTHING, VC_NOTHING);
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

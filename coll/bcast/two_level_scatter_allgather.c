/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leaders scatter the message in N slices along a binomial tree and gather them around a ring: each sends and
 * receives little more than the message once. The ring leaves out slices that a leader has from the scatter.
 * A leader broadcasts each slice in its node as it comes.
 */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_leaders(shape, rank, shape->root);
    int leader = vc_group_rank(&g, g.me), local = shape->hier->local_of[leader], before = -1;
    int n = g.n, v = vc_relative(g.me, g.root_node, n);
    struct vc_ref msg = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    vc_plan_begin(p, shape, rank);
    if (rank == leader)
        before = vc_x_bcast_scatter(p, &g, msg, g.root_node);
    vc_x_node_bcast(p, shape, rank, local, vc_slices(msg, 1, n, v, v + vc_binomial_size(v, n)));
    for (int k = 0; k < n - 1; k++) {
        if (rank == leader)
            before = vc_x_bcast_ring_step(p, &g, msg, g.root_node, k, before);
        int in = vc_bcast_ring_slice(n, v, k);
        if (in >= 0)
            vc_x_node_bcast(p, shape, rank, local, vc_slices(msg, 1, n, in, in + 1));
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->hier->nnodes;
    return 2 + vc_bound_lg(n) + 3 * (n - 1);
}

const struct vc_alg vc_alg_bcast_two_level_scatter_allgather = {
    .name = "two_level_scatter_allgather",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .help = "leaders scatter and ring-allgather slices, each node's memory as they come; for large messages",
    .build = build,
    .steps = steps,
};

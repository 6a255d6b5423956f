/* SPDX-License-Identifier: BSD-3-Clause */
/* A binomial tree of leaders, then a broadcast in each node; of segments, the node gets one while the next
 * crosses the network. */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

int vc_bcast_segmented(const struct vc_shape *shape, int rank, struct vc_plan *p, size_t segment,
                       vc_bcast_exchange *exchange)
{
    struct vc_group g = vc_group_leaders(shape, rank, shape->root);
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    int leader = vc_group_rank(&g, g.me);
    int segments = all.len ? vc_segments(all.len, 1, shape->segment ? shape->segment : segment) : 0;
    vc_plan_begin(p, shape, rank);
    for (int i = 0; i < segments; i++) {
        struct vc_ref msg = vc_slices(all, 1, segments, i, i + 1);
        if (rank == leader)
            exchange(p, &g, msg, g.root_node);
        vc_x_node_bcast(p, shape, rank, shape->hier->local_of[leader], msg);
    }
    return vc_plan_finish(p);
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_bcast_segmented(shape, rank, p, 0, vc_x_bcast_binomial);
}

static long steps(const struct vc_shape *s)
{
    return (2 + vc_bound_children(s->hier->nnodes, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_two_level = {
    .name = "two_level",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "binomial (with `radix` k-nomial) tree among one leader per node, then the node's memory",
    .build = build,
    .steps = steps,
};

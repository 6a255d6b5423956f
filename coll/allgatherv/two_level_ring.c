/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole nodes' blocks travel around a ring of leaders; a leader shares one with its node while the next is on
 * its way. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_leaders(shape, rank, -1);
    bool leads = rank == vc_group_rank(&g, g.me);
    size_t total = vc_shape_total(shape), own = vc_shape_block(shape, rank);
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    struct vc_grouped blocks;
    int q = vc_hier_node_size(h, g.me);
    if (!total || !vc_group_blocks(p, shape, g.me, &blocks))
        return vc_plan_finish(p);
    struct vc_ref grouped = h->block ? all : vc_plan_tmp(p, total);
    struct vc_layout lay = {.buf = grouped.buf, .off = grouped.off, .at = blocks.nodes};
    vc_plan_node_blocks(p, VC_PHASE_ALLGATHERV, 0, q, blocks.local, vc_ref_of(VC_BUF_SEND, 0, own),
                        vc_layout_block(&lay, g.me));
    for (int k = 0; k < g.n - 1; k++) {
        if (leads)
            vc_x_allgather_ring_step(p, &g, &lay, k);
        vc_x_node_bcast(p, shape, rank, 0, vc_layout_block(&lay, vc_x_allgather_ring_in(&g, k)));
    }
    if (!h->block)
        vc_copy_ungrouped(p, shape, grouped, all);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 3L * s->hier->nnodes + vc_bound_regroup(s);
}

const struct vc_alg vc_alg_allgatherv_two_level_ring = {
    .name = "two_level_ring",
    .coll = VC_ALLGATHERV,
    .kind = VC_ALG_PLAN,
    .help = "nodes' blocks around a ring of one leader per node, each node's memory as they come",
    .build = build,
    .steps = steps,
};

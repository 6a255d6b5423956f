/* SPDX-License-Identifier: BSD-3-Clause */
/* Gather to the node's leader, leaders exchange whole nodes' blocks in log_radix N rounds, broadcast in the
 * node. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_leaders(shape, rank, -1);
    bool leads = rank == vc_group_rank(&g, g.me);
    size_t total = vc_shape_total(shape), own = vc_shape_block(shape, rank);
    struct vc_ref mine = vc_ref_of(VC_BUF_SEND, 0, own), all = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    struct vc_grouped blocks;
    int q = vc_hier_node_size(h, g.me);
    if (!total || !vc_group_blocks(p, shape, g.me, &blocks))
        return vc_plan_finish(p);
    if (g.n == 1) {
        vc_plan_node_blocks(p, VC_PHASE_ALLGATHERV, 0, q, blocks.local, mine, all);
        return vc_plan_finish(p);
    }
    struct vc_ref grouped = h->block ? all : vc_plan_tmp(p, total);
    struct vc_layout lay = {.buf = grouped.buf, .off = grouped.off, .at = blocks.nodes};
    vc_plan_node_blocks(p, VC_PHASE_GATHERV, 0, q, blocks.local, mine,
                        leads ? vc_layout_block(&lay, g.me) : VC_NOTHING);
    if (leads)
        vc_x_allgather_log(p, &g, &lay);
    vc_x_node_bcast(p, shape, rank, 0, grouped);
    if (!h->block)
        vc_copy_ungrouped(p, shape, grouped, all);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_allgather_log(s->hier->nnodes, s->radix) + vc_bound_regroup(s);
}

const struct vc_alg vc_alg_allgatherv_two_level = {
    .name = "two_level",
    .coll = VC_ALLGATHERV,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_RADIX,
    .help = "gather to one leader per node, recursive multiplying by `radix` (2) or Bruck among leaders, "
            "broadcast in the node",
    .build = build,
    .steps = steps,
};

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
    size_t b = shape->bytes, total = (size_t)shape->size * b;
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    if (!b)
        return vc_plan_finish(p);
    struct vc_ref grouped = h->block ? all : vc_plan_tmp(p, total);
    struct vc_layout lay = {.buf = grouped.buf, .off = grouped.off, .unit = b, .first = h->first};
    vc_plan_node(p, VC_PHASE_ALLGATHER, 0, 0, b, vc_ref_of(VC_BUF_SEND, 0, b), vc_layout_block(&lay, g.me));
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

const struct vc_alg vc_alg_allgather_two_level_ring = {
    .name = "two_level_ring",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .help = "nodes' blocks around a ring of one leader per node, each node's memory as they come",
    .build = build,
    .scales = true,
    .steps = steps,
};

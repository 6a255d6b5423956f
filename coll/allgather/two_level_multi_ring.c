/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every rank passes the blocks of its local index around a ring of nodes; a node phase shares one node's
 * blocks while the next are on their way. Blocks come into scratch: if they came into RECV, the node phase,
 * which writes there, would have to wait until they have been passed on.
 */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_of_local(shape, rank, h->local_of[rank]);
    size_t b = shape->bytes, total = (size_t)shape->size * b;
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, b), all = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    if (!b)
        return vc_plan_finish(p);
    struct vc_ref part = vc_plan_tmp(p, (size_t)g.n * b), grouped = h->block ? all : vc_plan_tmp(p, total);
    struct vc_layout lay = {.buf = part.buf, .off = part.off, .unit = b, .stride = b};
    struct vc_layout nodes = {.buf = grouped.buf, .off = grouped.off, .unit = b, .first = h->first};
    vc_plan_copy(p, own, vc_layout_block(&lay, g.me));
    /* Round k brings one node's block; before the first, the own node's is there. */
    for (int k = -1; k < g.n - 1; k++) {
        if (k >= 0)
            vc_x_allgather_ring_step(p, &g, &lay, k);
        int in = vc_x_allgather_ring_in(&g, k);
        vc_plan_node(p, VC_PHASE_ALLGATHER, 0, 0, b, vc_layout_block(&lay, in), vc_layout_block(&nodes, in));
    }
    if (!h->block)
        vc_copy_ungrouped(p, shape, grouped, all);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + 3L * s->hier->nnodes + vc_bound_regroup(s);
}

const struct vc_alg vc_alg_allgather_two_level_multi_ring = {
    .name = "two_level_multi_ring",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES,
    .help = "every rank's blocks around a ring of nodes, each node's memory as they come; for large messages",
    .build = build,
    .scales = true,
    .steps = steps,
};

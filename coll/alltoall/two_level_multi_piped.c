/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As two_level_multi, but node by node: while the blocks for one node cross the network, the ranks swap those
 * for the next. Only node phases copy.
 */
#include "coll/alltoall/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_of_local(shape, rank, h->local_of[rank]);
    int n = g.n;
    size_t b = shape->bytes, total = (size_t)shape->size * b;
    struct vc_ref send = vc_ref_of(VC_BUF_SEND, 0, total), recv = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    if (!b)
        return vc_plan_finish(p);
    struct vc_ref from = h->block ? send : vc_plan_tmp(p, total),
                  to = h->block ? recv : vc_plan_tmp(p, total);
    struct vc_ref swapped = vc_plan_tmp(p, total);
    if (!h->block)
        vc_copy_grouped(p, shape, send, from);
    struct vc_layout mine = {.buf = from.buf, .off = from.off, .unit = b, .first = h->first};
    struct vc_layout theirs = {.buf = to.buf, .off = to.off, .unit = b, .first = h->first};
    struct vc_layout out = {.buf = swapped.buf, .off = swapped.off, .unit = b, .first = h->first};
    for (int k = 1; k < n; k++) {
        int dest = (g.me + k) % n, src = (g.me - k + n) % n;
        int ready = vc_plan_node(p, VC_PHASE_ALLTOALL, 0, 0, b, vc_layout_block(&mine, dest),
                                 vc_layout_block(&out, dest));
        int r = vc_plan_recv(p, vc_group_rank(&g, src), vc_layout_block(&theirs, src));
        vc_plan_after(p, r, ready); /* receives are posted one by one, not all at the start */
        vc_plan_send(p, vc_group_rank(&g, dest), vc_layout_block(&out, dest));
    }
    /* Blocks that stay in the node are swapped last, while the network still works. */
    vc_plan_node(p, VC_PHASE_ALLTOALL, 0, 0, b, vc_layout_block(&mine, g.me), vc_layout_block(&theirs, g.me));
    if (!h->block)
        vc_copy_ungrouped(p, shape, to, recv);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 3L * (s->hier->nnodes - 1) + 2 * vc_bound_regroup(s);
}

const struct vc_alg vc_alg_alltoall_two_level_multi_piped = {
    .name = "two_level_multi_piped",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES,
    .help = "as two_level_multi, node by node: swapping overlaps with the network; for large messages",
    .build = build,
    .scales = true,
    .steps = steps,
};

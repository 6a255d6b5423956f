/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory to its leader, halving among leaders, each block to its rank in the node. */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    struct vc_group g = vc_group_leaders(s, rank, -1);
    bool leads = rank == vc_group_rank(&g, g.me);
    size_t all = s->bytes * (size_t)s->size, q = (size_t)vc_hier_node_size(h, h->node_of[rank]);
    struct vc_ref send = vc_ref_of(VC_BUF_SEND, 0, all), recv = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    struct vc_ref sum = send, mine = recv;
    vc_plan_begin(p, s, rank);
    if (!all)
        return vc_plan_finish(p);
    if (g.n == 1) {
        vc_plan_node(p, VC_PHASE_REDUCE_BLOCKS, 0, 0, s->bytes, send, recv);
        return vc_plan_finish(p);
    }
    if (q > 1) {
        sum = leads ? vc_plan_tmp(p, all) : VC_NOTHING;
        vc_plan_node(p, VC_PHASE_REDUCE, 0, 0, all, send, sum);
        mine = leads ? vc_plan_tmp(p, q * s->bytes) : VC_NOTHING;
    }
    if (leads) {
        if (!h->block) {
            struct vc_ref grouped = vc_plan_tmp(p, all);
            vc_copy_grouped(p, s, sum, grouped);
            sum = grouped;
        }
        struct vc_layout lay = {.buf = sum.buf, .off = sum.off, .unit = s->bytes, .first = h->first};
        vc_x_reduce_scatter_halving(p, &g, &lay, s->esize, mine);
    }
    if (q > 1)
        vc_plan_node(p, VC_PHASE_SCATTER, 0, 0, s->bytes, mine, recv);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_regroup(s) + vc_x_reduce_scatter_halving_steps(s->hier->nnodes);
}

const struct vc_alg vc_alg_reduce_scatter_block_two_level = {
    .name = "two_level",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .help = "reduction in the node's memory, halving among one leader per node, blocks out of its memory",
    .build = build,
    .steps = steps,
};

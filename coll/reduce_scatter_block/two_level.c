/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory to its leader, halving among leaders, each block to its rank in the node. */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

/* One node: its phase does all of it. */
static void plan_node(struct vc_plan *p, const struct vc_shape *s, struct vc_ref send, struct vc_ref mine)
{
    if (s->offsets)
        vc_plan_node_blocks(p, VC_PHASE_REDUCE_BLOCKSV, 0, s->size, s->offsets, send, mine);
    else
        vc_plan_node(p, VC_PHASE_REDUCE_BLOCKS, 0, 0, s->bytes, send, mine);
}

int vc_reduce_scatter_two_level_plan(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    struct vc_group g = vc_group_leaders(s, rank, -1);
    bool leads = rank == vc_group_rank(&g, g.me);
    int q = vc_hier_node_size(h, g.me);
    size_t all = vc_shape_total(s);
    struct vc_ref send = vc_ref_of(VC_BUF_SEND, 0, all), recv = vc_reduce_scatter_mine(s, rank);
    struct vc_ref sum = send, mine = recv;
    vc_plan_begin(p, s, rank);
    if (!all)
        return vc_plan_finish(p);
    if (g.n == 1) {
        plan_node(p, s, send, recv);
        return vc_plan_finish(p);
    }
    struct vc_grouped blocks = {0};
    size_t ours = (size_t)q * s->bytes; /* bytes of the node's blocks */
    if (s->offsets) {
        if (!vc_group_blocks(p, s, g.me, &blocks))
            return vc_plan_finish(p);
        ours = blocks.local[q];
    }
    if (q > 1) {
        sum = leads ? vc_plan_tmp(p, all) : VC_NOTHING;
        vc_plan_node(p, VC_PHASE_REDUCE, 0, 0, all, send, sum);
        mine = leads && ours ? vc_plan_tmp(p, ours) : VC_NOTHING;
    }
    if (leads) {
        if (!h->block) {
            struct vc_ref grouped = vc_plan_tmp(p, all);
            vc_copy_grouped(p, s, sum, grouped);
            sum = grouped;
        }
        struct vc_layout lay = {
            .buf = sum.buf, .off = sum.off, .unit = s->bytes, .first = h->first, .at = blocks.nodes};
        vc_x_reduce_scatter_halving(p, &g, &lay, s->esize, mine);
    }
    if (q > 1 && s->offsets)
        vc_plan_node_blocks(p, VC_PHASE_SCATTERV, 0, q, blocks.local, mine, recv);
    else if (q > 1)
        vc_plan_node(p, VC_PHASE_SCATTER, 0, 0, s->bytes, mine, recv);
    return vc_plan_finish(p);
}

long vc_reduce_scatter_two_level_steps(const struct vc_shape *s)
{
    return 2 + vc_bound_regroup(s) + vc_x_reduce_scatter_halving_steps(s->hier->nnodes);
}

const struct vc_alg vc_alg_reduce_scatter_block_two_level = {
    .name = "two_level",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .help = "reduction in the node's memory, halving among one leader per node, blocks out of its memory",
    .build = vc_reduce_scatter_two_level_plan,
    .steps = vc_reduce_scatter_two_level_steps,
};

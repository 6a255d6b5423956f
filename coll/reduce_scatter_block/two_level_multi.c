/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each rank of a node reduces, in its memory, the blocks of all ranks that have its local index, and then
 * those of its own among these ranks: every rank has the same share of the work and of the network.
 */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

/* Copies blocks into the order of local indices, of each those of all nodes. Where those of an index begin,
 * in part[q + 1]; where those of the own one do, from there on, in own[nnodes + 1]. */
static void copy_by_index(struct vc_plan *p, const struct vc_shape *s, int local, struct vc_ref sorted,
                          size_t *part, size_t *own)
{
    const struct vc_hier *h = s->hier;
    struct vc_copier c = {.plan = p};
    size_t at = 0;
    for (int l = 0; l < vc_hier_node_size(h, 0); l++) {
        part[l] = at;
        for (int node = 0; node < h->nnodes; node++) {
            int r = vc_hier_rank(h, node, l);
            size_t b = vc_shape_block(s, r);
            if (b)
                vc_copier_add(&c, vc_ref_of(VC_BUF_SEND, vc_shape_at(s, r), b), vc_ref_sub(sorted, at, b));
            at += b;
            if (l == local)
                own[node + 1] = at - part[l];
        }
        part[l + 1] = at;
    }
    vc_copier_flush(&c);
}

int vc_reduce_scatter_two_level_multi_plan(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    int q = vc_hier_node_size(h, 0), local = h->local_of[rank];
    size_t all = vc_shape_total(s);
    vc_plan_begin(p, s, rank);
    if (!all)
        return vc_plan_finish(p);
    size_t *part = vc_plan_array(p, (size_t)q + 1), *own = vc_plan_array(p, (size_t)h->nnodes + 1);
    if (!part || !own)
        return vc_plan_finish(p);
    struct vc_ref sorted = vc_plan_tmp(p, all), sum = VC_NOTHING, mine = vc_reduce_scatter_mine(s, rank);
    copy_by_index(p, s, local, sorted, part, own);
    size_t len = part[local + 1] - part[local];
    if (h->nnodes == 1)
        sum = mine;
    else if (q == 1)
        sum = sorted;
    else if (len)
        sum = vc_plan_tmp(p, len);
    if (q > 1 && s->offsets)
        vc_plan_node_blocks(p, VC_PHASE_REDUCE_BLOCKSV, 0, q, part, sorted, sum);
    else if (q > 1)
        vc_plan_node(p, VC_PHASE_REDUCE_BLOCKS, 0, 0, part[1], sorted, sum);
    if (h->nnodes > 1) {
        struct vc_group g = vc_group_of_local(s, rank, local);
        struct vc_layout lay = {.buf = sum.buf, .off = sum.off, .at = own};
        vc_x_reduce_scatter_halving(p, &g, &lay, s->esize, mine);
    } else if (q == 1) {
        vc_plan_copy(p, sorted, mine);
    }
    return vc_plan_finish(p);
}

long vc_reduce_scatter_two_level_multi_steps(const struct vc_shape *s)
{
    return 1 + s->size + vc_x_reduce_scatter_halving_steps(s->hier->nnodes);
}

const struct vc_alg vc_alg_reduce_scatter_block_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES | VC_NEEDS_BLOCK_OR_COMM,
    .help = "all ranks of a node reduce a part in its memory, then halving among ranks of equal index",
    .build = vc_reduce_scatter_two_level_multi_plan,
    .steps = vc_reduce_scatter_two_level_multi_steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each rank of a node reduces, in its memory, the blocks of all ranks that have its local index, and then
 * those of its own among these ranks: every rank has the same share of the work and of the network.
 */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

/* Blocks in the order of local indices, of each those of all nodes. */
static void copy_by_index(struct vc_plan *p, const struct vc_shape *s, struct vc_ref ranks,
                          struct vc_ref sorted)
{
    const struct vc_hier *h = s->hier;
    struct vc_copier c = {.plan = p};
    size_t b = s->bytes, at = 0;
    for (int l = 0; l < vc_hier_node_size(h, 0); l++)
        for (int node = 0; node < h->nnodes; node++, at += b)
            vc_copier_add(&c, vc_ref_sub(ranks, (size_t)vc_hier_rank(h, node, l) * b, b),
                          vc_ref_sub(sorted, at, b));
    vc_copier_flush(&c);
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    struct vc_group g = vc_group_of_local(s, rank, h->local_of[rank]);
    size_t all = s->bytes * (size_t)s->size, part = s->bytes * (size_t)h->nnodes;
    struct vc_ref sum = vc_ref_of(VC_BUF_SEND, 0, all), recv = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    vc_plan_begin(p, s, rank);
    if (!all)
        return vc_plan_finish(p);
    if (h->nnodes == 1) {
        vc_plan_node(p, VC_PHASE_REDUCE_BLOCKS, 0, 0, s->bytes, sum, recv);
        return vc_plan_finish(p);
    }
    if (h->nnodes < s->size) {
        struct vc_ref sorted = vc_plan_tmp(p, all);
        copy_by_index(p, s, sum, sorted);
        sum = vc_plan_tmp(p, part);
        vc_plan_node(p, VC_PHASE_REDUCE_BLOCKS, 0, 0, part, sorted, sum);
    }
    struct vc_layout lay = {.buf = sum.buf, .off = sum.off, .unit = s->bytes, .stride = s->bytes};
    vc_x_reduce_scatter_halving(p, &g, &lay, s->esize, recv);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + s->size + vc_x_reduce_scatter_halving_steps(s->hier->nnodes);
}

const struct vc_alg vc_alg_reduce_scatter_block_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES | VC_NEEDS_BLOCK_OR_COMM,
    .help = "all ranks of a node reduce a part in its memory, then halving among ranks of equal index",
    .build = build,
    .steps = steps,
};

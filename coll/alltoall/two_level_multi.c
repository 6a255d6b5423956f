/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In the node, each rank collects the blocks that the node's ranks have for the ranks of its own local index
 * on the other nodes. Then it exchanges one message with the rank of that local index of every other node.
 */
#include "coll/alltoall/exchange.h"
#include "coll/bounds.h"

int vc_alltoall_multi(const struct vc_shape *shape, int rank, struct vc_plan *p,
                      void (*exchange)(struct vc_plan *p, const struct vc_group *g,
                                       const struct vc_layout *out, const struct vc_layout *in,
                                       const struct vc_shape *shape))
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_of_local(shape, rank, h->local_of[rank]);
    int n = g.n, q = shape->size / n;
    size_t b = shape->bytes, total = (size_t)shape->size * b;
    struct vc_ref send = vc_ref_of(VC_BUF_SEND, 0, total), recv = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    if (!b)
        return vc_plan_finish(p);
    /* By destination's local index, then by its node. */
    struct vc_ref sorted = vc_plan_tmp(p, total), mixed = vc_plan_tmp(p, total);
    struct vc_copier c = {.plan = p, .rows = true};
    for (int i = 0; i < shape->size; i++)
        vc_copier_add(&c, vc_ref_sub(send, (size_t)vc_hier_rank(h, i % n, i / n) * b, b),
                      vc_ref_sub(sorted, (size_t)i * b, b));
    vc_copier_flush(&c);
    /* By source's local index, then by destination's node. */
    vc_plan_node(p, VC_PHASE_ALLTOALL, 0, 0, (size_t)n * b, sorted, mixed);
    /* By destination's node, then by source's local index. */
    struct vc_ref ready = vc_plan_tmp(p, total), came = h->block ? recv : vc_plan_tmp(p, total);
    struct vc_layout out = {
        .buf = ready.buf, .off = ready.off, .unit = (size_t)q * b, .stride = (size_t)q * b};
    struct vc_layout in = {.buf = came.buf, .off = came.off, .unit = (size_t)q * b, .stride = (size_t)q * b};
    c.reads = mixed;
    for (int k = 0; k < n; k++) {
        int node = (g.me + k) % n;
        struct vc_ref dst = vc_layout_block(k ? &out : &in, node);
        for (int l = 0; l < q; l++)
            vc_copier_add(&c, vc_ref_sub(mixed, ((size_t)l * (size_t)n + (size_t)node) * b, b),
                          vc_ref_sub(dst, (size_t)l * b, b));
    }
    vc_copier_flush(&c);
    exchange(p, &g, &out, &in, shape);
    if (!h->block)
        vc_copy_ungrouped(p, shape, came, recv);
    return vc_plan_finish(p);
}

long vc_bound_alltoall_multi(const struct vc_shape *s)
{
    long sorted = s->hier->block ? vc_bound_ppn(s) : s->size;
    return 2 + sorted + s->hier->nnodes + vc_bound_regroup(s);
}

/* Nodes that a rank exchanges with at a time. */
#define WINDOW 32

static void linear(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                   const struct vc_layout *in, const struct vc_shape *shape)
{
    (void)shape;
    vc_x_alltoall_linear(p, g, out, in, WINDOW, 1, g->n);
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_alltoall_multi(shape, rank, p, linear);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_alltoall_multi(s) + 2L * (s->hier->nnodes - 1);
}

const struct vc_alg vc_alg_alltoall_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES,
    .help = "ranks of a node swap blocks, then each sends one message per other node (Traff & Hunold 2020)",
    .build = build,
    .scales = true,
    .steps = steps,
};

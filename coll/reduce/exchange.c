/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce/exchange.h"

#include "coll/patterns.h"

bool vc_reduce_leaf(const struct vc_group *g, int top)
{
    int v = vc_relative(g->me, top, g->n);
    return v != 0 && vc_knomial_size(v, g->n, vc_tree_radix(g->radix)) == 1;
}

void vc_x_reduce_tree(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref acc,
                      int top)
{
    int n = g->n, v = vc_relative(g->me, top, n), k = vc_tree_radix(g->radix),
        end = v + vc_knomial_size(v, n, k);
    bool in_place = vc_ref_same(own, acc), several = k > 2 && end > v + 2;
    struct vc_ref parts = several ? vc_plan_tmp(p, (size_t)(k - 1) * acc.len) : VC_NOTHING;
    if (v == 0)
        vc_plan_move(p, own, acc);
    for (int w = 1, at = v + 1, i = 0; at < end; at += w, w = at < v + k * w ? w : k * w, i++) {
        int child = vc_group_rank(g, vc_absolute(at, top, n));
        if (v > 0 && i == 0 && !in_place) {
            /* The first child's part lands in the sum itself: no scratch, and no copy of the own part. */
            vc_plan_recv(p, child, acc);
            vc_plan_reduce(p, own, acc, false);
        } else if (several) {
            /* Children of one weight come at about the same time: each has a place of its own. */
            struct vc_ref part = vc_ref_sub(parts, (size_t)(i % (k - 1)) * acc.len, acc.len);
            vc_plan_recv(p, child, part);
            vc_plan_reduce(p, part, acc, true);
        } else {
            vc_plan_recv_reduce(p, child, acc, true);
        }
    }
    if (v > 0)
        vc_plan_send(p, vc_group_rank(g, vc_absolute(vc_knomial_parent(v, n, k), top, n)), acc);
}

void vc_x_reduce_binomial(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                          struct vc_ref vec, int root)
{
    if (g->n < 2 || !vec.len)
        return;
    /* A tree turned towards the root would put participants behind their successors. */
    int top = shape->commutative ? root : 0;
    vc_x_reduce_tree(p, g, vec, vec, top);
    if (top == root)
        return;
    if (g->me == top)
        vc_plan_send(p, vc_group_rank(g, root), vec);
    else if (g->me == root)
        vc_plan_recv(p, vc_group_rank(g, top), vec);
}

void vc_x_reduce_double_tree(struct vc_plan *p, const struct vc_group *g, struct vc_ref own,
                             struct vc_ref acc, int root, int i, struct vc_pipe *pipe)
{
    int n = g->n, v = vc_relative(g->me, root, n);
    struct vc_double_tree t = vc_double_tree_of(n, v, i % 2);
    bool in_place = vc_ref_same(own, acc), leaf = t.child[0] < 0;
    if (v == 0)
        vc_plan_move(p, own, acc);
    for (int c = 0; c < 2; c++) {
        if (t.child[c] < 0)
            continue;
        int child = vc_group_rank(g, vc_absolute(t.child[c], root, n));
        if (v > 0 && c == 0 && !in_place) {
            vc_plan_recv(p, child, acc);
            vc_plan_reduce(p, own, acc, false);
        } else {
            vc_plan_recv_reduce(p, child, acc, true);
        }
    }
    if (v > 0)
        vc_pipe_send(pipe, p, vc_group_rank(g, vc_absolute(t.parent, root, n)), leaf ? own : acc);
}

void vc_reduce_flat(struct vc_plan *p, const struct vc_shape *s, int rank, int top, struct vc_ref at_top)
{
    struct vc_group all = vc_group_all(s, rank);
    int segments = vc_segments(s->bytes, s->esize, s->segment);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), acc = own;
    if (rank == top)
        acc = at_top;
    else if (!vc_reduce_leaf(&all, top))
        acc = vc_plan_tmp(p, s->bytes);
    for (int i = 0; i < segments; i++)
        vc_x_reduce_tree(p, &all, vc_slices(own, s->esize, segments, i, i + 1),
                         vc_slices(acc, s->esize, segments, i, i + 1), top);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce/exchange.h"

#include "coll/patterns.h"
#include "coll/postal.h"

/* A participant's place in the group's tree, relative to `top`, its root. */
struct place {
    int parent;                            /* -1: none */
    int nchildren, child[VC_POSTAL_TURNS]; /* ascending */
};

_Static_assert(VC_POSTAL_TURNS > 6 * (VC_MAX_RADIX - 1),
               "the children of a k-nomial tree of 2^31 participants");

static int radix_of(const struct vc_group *g)
{
    return g->postal ? vc_postal_radix(g->radix) : vc_tree_radix(g->radix);
}

static void place_of(const struct vc_group *g, int top, struct place *at)
{
    int n = g->n, v = vc_relative(g->me, top, n), k = radix_of(g);
    if (g->postal) {
        struct vc_postal_tree t;
        vc_postal_tree_of(n, v, k, &t);
        at->parent = t.parent;
        at->nchildren = t.nchildren;
        for (int i = 0; i < t.nchildren; i++)
            at->child[i] = t.child[t.nchildren - 1 - i];
        return;
    }
    int end = v + vc_knomial_size(v, n, k);
    at->parent = v ? vc_knomial_parent(v, n, k) : -1;
    at->nchildren = 0;
    for (int w = 1, child = v + 1; child < end; child += w, w = child < v + k * w ? w : k * w)
        at->child[at->nchildren++] = child;
}

bool vc_reduce_leaf(const struct vc_group *g, int top)
{
    struct place at;
    place_of(g, top, &at);
    return at.parent >= 0 && at.nchildren == 0;
}

void vc_x_reduce_tree(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref acc,
                      int top)
{
    struct place at;
    place_of(g, top, &at);
    int n = g->n, k = radix_of(g), places = at.nchildren < k - 1 ? at.nchildren : k - 1;
    bool in_place = vc_ref_same(own, acc), several = places > 1;
    struct vc_ref parts = several ? vc_plan_tmp(p, (size_t)places * acc.len) : VC_NOTHING;
    if (at.parent < 0)
        vc_plan_move(p, own, acc);
    for (int i = 0; i < at.nchildren; i++) {
        int child = vc_group_rank(g, vc_absolute(at.child[i], top, n));
        if (at.parent >= 0 && i == 0 && !in_place) {
            /* The first child's part lands in the sum itself: no scratch, and no copy of the own part. */
            vc_plan_recv(p, child, acc);
            vc_plan_reduce(p, own, acc, false);
        } else if (several) {
            /* Children of one weight come at about the same time: each has a place of its own. */
            struct vc_ref part = vc_ref_sub(parts, (size_t)(i % places) * acc.len, acc.len);
            vc_plan_recv(p, child, part);
            vc_plan_reduce(p, part, acc, true);
        } else {
            vc_plan_recv_reduce(p, child, acc, true);
        }
    }
    if (at.parent >= 0)
        vc_plan_send(p, vc_group_rank(g, vc_absolute(at.parent, top, n)), acc);
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

void vc_reduce_flat(struct vc_plan *p, const struct vc_shape *s, const struct vc_group *all, int top,
                    struct vc_ref at_top)
{
    int segments = vc_segments(s->bytes, s->esize, s->segment);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), acc = own;
    if (all->me == top)
        acc = at_top;
    else if (!vc_reduce_leaf(all, top))
        acc = vc_plan_tmp(p, s->bytes);
    for (int i = 0; i < segments; i++)
        vc_x_reduce_tree(p, all, vc_slices(own, s->esize, segments, i, i + 1),
                         vc_slices(acc, s->esize, segments, i, i + 1), top);
}

int vc_reduce_two_level(const struct vc_shape *shape, int rank, struct vc_plan *p, const struct vc_group *g)
{
    int leader = vc_group_rank(g, g->me), local = shape->hier->local_of[leader];
    int segments = shape->bytes ? vc_segments(shape->bytes, shape->esize, shape->segment) : 0;
    vc_plan_begin(p, shape, rank);
    struct vc_ref vec = VC_NOTHING;
    if (rank == shape->root)
        vec = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    else if (rank == leader)
        vec = vc_plan_tmp(p, shape->bytes);
    for (int i = 0; i < segments; i++) {
        struct vc_ref own =
            vc_slices(vc_ref_of(VC_BUF_SEND, 0, shape->bytes), shape->esize, segments, i, i + 1);
        struct vc_ref part = rank == leader ? vc_ref_sub(vec, own.off, own.len) : VC_NOTHING;
        vc_plan_node(p, VC_PHASE_REDUCE, local, 0, own.len, own, part);
        if (rank == leader)
            vc_x_reduce_binomial(p, g, shape, part, g->root_node);
    }
    return vc_plan_finish(p);
}

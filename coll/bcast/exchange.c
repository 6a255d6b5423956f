/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bcast/exchange.h"

#include "coll/patterns.h"
#include "coll/postal.h"

void vc_x_bcast_binomial(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root)
{
    int n = g->n, v = vc_relative(g->me, root, n), k = vc_tree_radix(g->radix);
    struct vc_pipe pipe = vc_pipe_of_copies(msg.len, k - 1);
    if (v)
        vc_plan_recv(p, vc_group_rank(g, vc_absolute(vc_knomial_parent(v, n, k), root, n)), msg);
    /* The children with the largest subtrees first. */
    for (int w = vc_knomial_weight(v, n, k); w; w /= k)
        for (int child = v + w; child < n && child < v + k * w; child += w)
            vc_pipe_send(&pipe, p, vc_group_rank(g, vc_absolute(child, root, n)), msg);
}

void vc_x_bcast_postal(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root)
{
    int k = vc_postal_radix(g->radix);
    struct vc_pipe pipe = vc_pipe_of_copies(msg.len, k - 1);
    struct vc_postal_tree t;
    vc_postal_tree_of(g->n, vc_relative(g->me, root, g->n), k, &t);
    if (t.parent >= 0)
        vc_plan_recv(p, vc_group_rank(g, vc_absolute(t.parent, root, g->n)), msg);
    for (int i = 0; i < t.nchildren; i++)
        vc_pipe_send(&pipe, p, vc_group_rank(g, vc_absolute(t.child[i], root, g->n)), msg);
}

void vc_x_bcast_chain(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root)
{
    int n = g->n, v = vc_relative(g->me, root, n);
    if (v)
        vc_plan_recv(p, vc_group_rank(g, (g->me - 1 + n) % n), msg);
    if (v < n - 1)
        vc_plan_send(p, vc_group_rank(g, (g->me + 1) % n), msg);
}

void vc_x_bcast_binary(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root)
{
    int n = g->n, v = vc_relative(g->me, root, n);
    if (v)
        vc_plan_recv(p, vc_group_rank(g, vc_absolute((v - 1) / 2, root, n)), msg);
    for (int child = 2 * v + 1; child <= 2 * v + 2 && child < n; child++)
        vc_plan_send(p, vc_group_rank(g, vc_absolute(child, root, n)), msg);
}

int vc_bcast_flat(const struct vc_shape *shape, int rank, struct vc_plan *p, size_t segment,
                  vc_bcast_exchange *exchange)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    int segments = vc_segments(all.len, 1, shape->segment ? shape->segment : segment);
    vc_plan_begin(p, shape, rank);
    for (int i = 0; i < segments; i++)
        exchange(p, &g, vc_slices(all, 1, segments, i, i + 1), shape->root);
    return vc_plan_finish(p);
}

int vc_bcast_double_tree(const struct vc_shape *shape, int rank, struct vc_plan *p, const struct vc_group *g,
                         int root, bool node)
{
    int n = g->n, v = vc_relative(g->me, root, n), segments = vc_double_tree_segments(shape);
    int leader = vc_group_rank(g, g->me);
    struct vc_double_tree trees[2] = {vc_double_tree_of(n, v, 0), vc_double_tree_of(n, v, 1)};
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    struct vc_pipe pipe = vc_pipe_of(shape->bytes / (size_t)(segments ? segments : 1));
    vc_plan_begin(p, shape, rank);
    for (int i = 0; i < segments; i++) {
        const struct vc_double_tree *t = &trees[i % 2];
        struct vc_ref msg = vc_slices(all, 1, segments, i, i + 1);
        if (rank == leader && t->parent >= 0)
            vc_plan_recv(p, vc_group_rank(g, vc_absolute(t->parent, root, n)), msg);
        for (int c = 0; c < 2 && rank == leader; c++)
            if (t->child[c] >= 0)
                vc_pipe_send(&pipe, p, vc_group_rank(g, vc_absolute(t->child[c], root, n)), msg);
        if (node)
            vc_x_node_bcast(p, shape, rank, shape->hier->local_of[leader], msg);
    }
    return vc_plan_finish(p);
}

static struct vc_ref slices(const struct vc_group *g, struct vc_ref msg, int i, int j)
{
    return vc_slices(msg, 1, g->n, i, j);
}

int vc_x_bcast_scatter(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root)
{
    int n = g->n, v = vc_relative(g->me, root, n), before = -1;
    struct vc_ref in = slices(g, msg, v, v + vc_binomial_size(v, n));
    if (v && in.len)
        vc_plan_recv(p, vc_group_rank(g, vc_absolute(vc_binomial_parent(v), root, n)), in);
    for (int k = vc_binomial_span(v, n) / 2; k; k /= 2) {
        int child = v + k;
        if (child >= n)
            continue;
        struct vc_ref out = slices(g, msg, child, child + vc_binomial_size(child, n));
        if (out.len)
            before = vc_x_send_next(p, vc_group_rank(g, vc_absolute(child, root, n)), out, before);
    }
    return before;
}

/* Whether v has slices i to j - 1 from the scatter, whose inner nodes keep what they pass on. */
static bool holds(int n, int v, int i, int j)
{
    return i >= v && j <= v + vc_binomial_size(v, n);
}

int vc_bcast_ring_slice(int n, int v, int k)
{
    int slice = (v - k - 1 + n) % n;
    return holds(n, v, slice, slice + 1) ? -1 : slice;
}

int vc_x_bcast_ring_step(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root, int k,
                         int before)
{
    int n = g->n, v = vc_relative(g->me, root, n);
    int in = vc_bcast_ring_slice(n, v, k), out = vc_bcast_ring_slice(n, (v + 1) % n, k);
    if (in >= 0 && slices(g, msg, in, in + 1).len)
        vc_plan_recv(p, vc_group_rank(g, (g->me - 1 + n) % n), slices(g, msg, in, in + 1));
    if (out >= 0 && slices(g, msg, out, out + 1).len)
        before = vc_x_send_next(p, vc_group_rank(g, (g->me + 1) % n), slices(g, msg, out, out + 1), before);
    return before;
}

int vc_x_bcast_doubling(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root, int before)
{
    int n = g->n, v = vc_relative(g->me, root, n);
    for (int k = 1; k < n; k *= 2) {
        int peer = v ^ k, mine = v & ~(k - 1), theirs = peer & ~(k - 1);
        int rank = vc_group_rank(g, vc_absolute(peer, root, n));
        struct vc_ref in = slices(g, msg, theirs, theirs + k), out = slices(g, msg, mine, mine + k);
        if (!holds(n, v, theirs, theirs + k) && in.len)
            vc_plan_recv(p, rank, in);
        if (!holds(n, peer, mine, mine + k) && out.len)
            before = vc_x_send_next(p, rank, out, before);
    }
    return before;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions to all participants of a group: the network phases of two-level allreduce. */
#include "coll/two_level.h"

#include "coll/bounds.h"
#include "coll/patterns.h"

/*
 * A group folded into fewer members: of each few neighbours the first takes in the others' vectors, goes on,
 * and hands them the result. Members keep their order, so adjacent members stand for adjacent ranges of
 * participants.
 */
struct folded {
    const struct vc_group *g;
    int n; /* members */
    struct vc_fold own;
};

/* The rank of a member. */
static int member(const struct folded *f, int v)
{
    return vc_group_rank(f->g, vc_fold_first(f->g->n, f->n, v));
}

/* Whether the participant is a member. */
static bool fold_in(struct vc_plan *p, struct folded *f, struct vc_ref vec)
{
    f->own = vc_fold_of(f->g->n, f->n, f->g->me);
    if (f->g->me != f->own.first) {
        vc_plan_send(p, vc_group_rank(f->g, f->own.first), vec);
        return false;
    }
    for (int i = 1; i < f->own.size; i++)
        vc_plan_recv_reduce(p, vc_group_rank(f->g, f->own.first + i), vec, true);
    return true;
}

static void fold_out(struct vc_plan *p, const struct folded *f, struct vc_ref vec)
{
    if (f->g->me != f->own.first)
        vc_plan_recv(p, vc_group_rank(f->g, f->own.first), vec);
    else
        for (int i = 1; i < f->own.size; i++)
            vc_plan_send(p, vc_group_rank(f->g, f->own.first + i), vec);
}

/*
 * All of a round send before they reduce, so what comes in needs a place of its own. Digits below the own one
 * are reduced among themselves first: everybody computes ((0 op 1) op 2) .. and gets the same bits.
 */
static void round_of(struct vc_plan *p, struct vc_ref vec, const int *peers, int factor, int me,
                     struct vc_ref in)
{
    struct vc_ref from[VC_MAX_RADIX];
    for (int j = 0, at = 0; j < factor; j++) {
        if (j == me)
            continue;
        from[j] = vc_ref_sub(in, vec.len * (size_t)at++, vec.len);
        vc_plan_recv(p, peers[j], from[j]);
    }
    for (int j = 1; j < factor; j++)
        vc_plan_send(p, peers[(me + j) % factor], vec);
    for (int j = 1; j < me; j++)
        vc_plan_reduce(p, from[j], from[0], true);
    if (me)
        vc_plan_reduce(p, from[0], vec, false);
    for (int j = me + 1; j < factor; j++)
        vc_plan_reduce(p, from[j], vec, true);
}

void vc_x_allreduce_multiply(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                             struct vc_ref vec)
{
    int radix = shape->radix < 2 ? 2 : shape->radix > VC_MAX_RADIX ? VC_MAX_RADIX : shape->radix;
    if (g->n < 2 || !vec.len)
        return;
    struct folded f = {.g = g, .n = vc_smooth_below(g->n, radix)};
    if (fold_in(p, &f, vec)) {
        /* Two places take turns, so that a round's receives need not wait for the reductions of the round
         * before. */
        struct vc_ref in[2] = {VC_NOTHING, VC_NOTHING};
        int peers[VC_MAX_RADIX];
        for (int rest = f.n, stride = 1, k = 0; rest > 1; k ^= 1) {
            int factor = vc_smooth_factor(rest, radix), me = f.own.group / stride % factor;
            for (int j = 0; j < factor; j++)
                peers[j] = member(&f, f.own.group + (j - me) * stride);
            size_t need = vec.len * (size_t)(factor - 1); /* factors do not grow */
            if (!in[k].len)
                in[k] = vc_plan_tmp(p, need);
            round_of(p, vec, peers, factor, me, in[k]);
            stride *= factor;
            rest /= factor;
        }
    }
    fold_out(p, &f, vec);
}

/* A message and its counterpart are empty on both sides or on neither. */
static void send_some(struct vc_plan *p, int peer, struct vc_ref src)
{
    if (src.len)
        vc_plan_send(p, peer, src);
}

static void recv_some(struct vc_plan *p, int peer, struct vc_ref dst)
{
    if (dst.len)
        vc_plan_recv(p, peer, dst);
}

void vc_x_allreduce_rabenseifner(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                                 struct vc_ref vec)
{
    if (g->n < 2 || !vec.len)
        return;
    struct folded f = {.g = g, .n = vc_pow2_below(g->n)};
    if (fold_in(p, &f, vec)) {
        int n = f.n, me = f.own.group, lo = 0, hi = n;
        /* Adjacent partners first, so that what is reduced are adjacent ranges and ascending order is kept.
         */
        for (int m = 1; m < n; m *= 2) {
            int mid = (lo + hi) / 2, peer = member(&f, me ^ m);
            bool low = !(me & m);
            struct vc_ref lower = vc_slices(vec, shape->esize, n, lo, mid),
                          upper = vc_slices(vec, shape->esize, n, mid, hi);
            struct vc_ref keep = low ? lower : upper;
            if (keep.len)
                vc_plan_recv_reduce(p, peer, keep, low);
            send_some(p, peer, low ? upper : lower);
            *(low ? &hi : &lo) = mid;
        }
        for (int m = n / 2; m; m /= 2) {
            int peer = member(&f, me ^ m), len = hi - lo;
            bool low = !(me & m);
            recv_some(p, peer,
                      low ? vc_slices(vec, shape->esize, n, hi, hi + len)
                          : vc_slices(vec, shape->esize, n, lo - len, lo));
            send_some(p, peer, vc_slices(vec, shape->esize, n, lo, hi));
            if (low)
                hi += len;
            else
                lo -= len;
        }
    }
    fold_out(p, &f, vec);
}

static struct vc_ref slice(const struct vc_shape *shape, struct vc_ref vec, int n, int i)
{
    return vc_slices(vec, shape->esize, n, i, i + 1);
}

void vc_x_allreduce_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                         struct vc_ref vec)
{
    int n = g->n;
    if (n < 2 || !vec.len)
        return;
    int left = vc_group_rank(g, (g->me + n - 1) % n), right = vc_group_rank(g, (g->me + 1) % n);
    for (int k = 0; k < n - 1; k++) {
        struct vc_ref in = slice(shape, vec, n, (g->me - k - 1 + n) % n);
        if (in.len)
            vc_plan_recv_reduce(p, left, in, false);
        send_some(p, right, slice(shape, vec, n, (g->me - k + n) % n));
    }
    /* Now the slice after the own one is complete here. */
    for (int k = 0; k < n - 1; k++) {
        recv_some(p, left, slice(shape, vec, n, (g->me - k + n) % n));
        send_some(p, right, slice(shape, vec, n, (g->me + 1 - k + n) % n));
    }
}

/* Enough for node and network to overlap; more would only add steps. */
#define MAX_SEGMENTS 16

long vc_allreduce_multi_steps(const struct vc_shape *shape, long exchange)
{
    long segments = vc_bound_segments(shape, 0);
    return (2 + exchange) * (segments < MAX_SEGMENTS ? segments : MAX_SEGMENTS);
}

int vc_allreduce_multi(const struct vc_shape *shape, int rank, struct vc_plan *p,
                       vc_allreduce_exchange *exchange)
{
    vc_plan_begin(p, shape, rank);
    int lanes = vc_lanes(shape), local = shape->hier->local_of[rank];
    struct vc_group g = vc_group_lane(shape, rank, local);
    int segments = shape->bytes ? vc_segments(shape->bytes, shape->esize, shape->segment) : 0;
    if (segments > MAX_SEGMENTS)
        segments = MAX_SEGMENTS;
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, shape->bytes), before = VC_NOTHING;
    /* The node gathers a segment when the next one is already on its way through the network. */
    for (int i = 0; i <= segments; i++) {
        struct vc_ref vec = VC_NOTHING;
        if (i < segments) {
            vec = vc_slices(all, shape->esize, segments, i, i + 1);
            vc_plan_node(p, VC_NODE_REDUCE_SCATTER, 0, lanes, vec.len,
                         vc_ref_of(VC_BUF_SEND, vec.off, vec.len), vec);
            if (local < lanes)
                exchange(p, &g, shape, vc_slices(vec, shape->esize, lanes, local, local + 1));
        }
        if (before.len)
            vc_plan_node(p, VC_NODE_ALLGATHER_SLICES, 0, lanes, before.len, VC_NOTHING, before);
        before = vec;
    }
    return vc_plan_finish(p);
}

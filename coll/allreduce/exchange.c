/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/exchange.h"

#include "coll/allreduce/halving.h"
#include "coll/patterns.h"

/*
 * One exchange among `factor` participants whose numbers differ in one digit only; `me` is the own digit. All
 * compute ((0 op 1) op 2) .. in that order, so that all get the same bits. All send before they reduce, so
 * vectors that come in need places of their own.
 */
static void multiply_round(struct vc_plan *p, struct vc_ref vec, const int *peers, int factor, int me,
                           struct vc_ref in)
{
    for (int j = 0, slot = 0; j < factor; j++)
        if (j != me)
            vc_plan_recv(p, peers[j], vc_ref_sub(in, vec.len * (size_t)slot++, vec.len));
    /* Each begins with the next digit, so that not all send to the same one first. */
    for (int j = 1; j < factor; j++)
        vc_plan_send(p, peers[(me + j) % factor], vec);
    vc_reduce_in_order(p, vec, me, in, factor - 1);
}

int vc_allreduce_radix(const struct vc_shape *shape, int otherwise)
{
    return shape->radix < 2 ? otherwise : shape->radix > VC_MAX_RADIX ? VC_MAX_RADIX : shape->radix;
}

/*
 * The group is folded into a number of members that factors: of a few neighbours the first reduces the
 * others' vectors, takes part, and sends them the result. Members keep their order, so adjacent members stand
 * for adjacent ranges of participants.
 */
void vc_x_allreduce_multiply(struct vc_plan *p, const struct vc_group *g, struct vc_ref own,
                             struct vc_ref vec, int radix)
{
    if (!vec.len)
        return;
    radix = vc_smooth_radix(g->n, radix);
    int n = vc_smooth_below(g->n, radix), peers[VC_MAX_RADIX];
    struct vc_fold f = vc_fold_of(g->n, n, g->me);
    if (g->me != f.first) {
        vc_plan_send(p, vc_group_rank(g, f.first), own);
        vc_plan_recv(p, vc_group_rank(g, f.first), vec);
        return;
    }
    vc_plan_move(p, own, vec);
    for (int i = 1; i < f.size; i++)
        vc_plan_recv_reduce(p, vc_group_rank(g, f.first + i), vec, true);
    /* Two places take turns, so that a round's receives do not wait for the reductions of the round before.
     */
    struct vc_ref in[2] = {VC_NOTHING, VC_NOTHING};
    for (int rest = n, stride = 1, k = 0; rest > 1; k ^= 1) {
        int factor = vc_smooth_factor(rest, radix), me = f.group / stride % factor;
        for (int j = 0; j < factor; j++)
            peers[j] = vc_group_rank(g, vc_fold_first(g->n, n, f.group + (j - me) * stride));
        if (!in[k].len)
            in[k] = vc_plan_tmp(p, vec.len * (size_t)(factor - 1)); /* factors do not grow */
        multiply_round(p, vec, peers, factor, me, in[k]);
        stride *= factor;
        rest /= factor;
    }
    for (int i = 1; i < f.size; i++)
        vc_plan_send(p, vc_group_rank(g, f.first + i), vec);
}

/* Messages of no bytes are left out, by the sender and by the receiver. */
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
                                 struct vc_ref own, struct vc_ref vec)
{
    struct vc_halving h;
    if (!vec.len)
        return;
    vc_halving_init(&h, g, shape->esize, -1, shape->radix);
    vc_halving_fold(&h, p, own, vec);
    if (h.me < 0) {
        vc_plan_recv(p, vc_group_rank(g, g->me ^ 1), vec);
        return;
    }
    vc_halving_scatter(&h, p, own, vec);
    for (int i = h.rounds - 1; i >= 0; i--) {
        int n = h.factor[i], me = vc_halving_place(&h, i, h.me);
        for (int j = 1; j < n; j++) {
            int peer = vc_halving_peer(&h, i, (me + j) % n);
            recv_some(p, vc_halving_rank(&h, peer), vc_halving_window(&h, vec, peer, i));
            send_some(p, vc_halving_rank(&h, peer), vc_halving_window(&h, vec, h.me, i));
        }
    }
    if (g->me < h.paired)
        vc_plan_send(p, vc_group_rank(g, g->me ^ 1), vec);
}

/* Segment i of a chunk of the vector. */
static struct vc_ref ring_part(struct vc_ref vec, size_t esize, int n, int chunk, int segments, int i)
{
    return vc_slices(vc_slices(vec, esize, n, chunk, chunk + 1), esize, segments, i, i + 1);
}

/* Chunk i starts at participant i and is reduced on its way around the ring; then the results go around. */
void vc_x_allreduce_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                         struct vc_ref own, struct vc_ref vec, int segments, long from, long to)
{
    int n = g->n, right = vc_group_rank(g, (g->me + 1) % n), left = vc_group_rank(g, (g->me + n - 1) % n);
    size_t esize = shape->esize;
    if (n == 1)
        vc_plan_move(p, own, vec);
    for (int k = (int)from; n > 1 && k < to; k++) {
        int out = ((g->me - k) % n + n) % n, in = (out + n - 1) % n;
        for (int i = 0; i < segments; i++) {
            struct vc_ref take = ring_part(vec, esize, n, in, segments, i);
            send_some(p, right, ring_part(k == 0 ? own : vec, esize, n, out, segments, i));
            if (take.len && k < n - 1) {
                vc_plan_move(p, ring_part(own, esize, n, in, segments, i), take);
                vc_plan_recv_reduce(p, left, take, false);
            } else {
                recv_some(p, left, take);
            }
        }
    }
}

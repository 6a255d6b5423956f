/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/halving.h"

#include "coll/patterns.h"

void vc_halving_init(struct vc_halving *h, const struct vc_shape *shape, int rank, int keep)
{
    h->shape = shape;
    h->rank = rank;
    h->n = vc_pow2_below(shape->size);
    h->paired = 2 * (shape->size - h->n);
    h->keep = keep;
    h->me = vc_halving_member(h, rank);
    if (vc_halving_rank(h, h->me) != rank)
        h->me = -1;
}

int vc_halving_member(const struct vc_halving *h, int rank)
{
    return rank < h->paired ? rank / 2 : rank - h->paired / 2;
}

int vc_halving_rank(const struct vc_halving *h, int member)
{
    if (member >= h->paired / 2)
        return member + h->paired / 2;
    return h->keep == 2 * member + 1 ? h->keep : 2 * member;
}

struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int dist)
{
    int first = 0, count = h->n;
    for (int k = 1; k <= dist; k *= 2) {
        count /= 2;
        if (member & k)
            first += count;
    }
    size_t at = vc_slice(vector.len, h->shape->esize, h->n, first);
    return vc_ref_sub(vector, at, vc_slice(vector.len, h->shape->esize, h->n, first + count) - at);
}

void vc_halving_fold(const struct vc_halving *h, struct vc_plan *p, struct vc_ref sum)
{
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, sum.len);
    size_t esize = h->shape->esize, half = vc_slice(sum.len, esize, 2, 1), rest = sum.len - half;
    if (h->rank >= h->paired) {
        if (h->n == 1)
            vc_plan_copy(p, own, sum);
        return;
    }
    /* Each reduces one half; the one that does not take part then hands its half over. */
    int peer = h->rank ^ 1;
    bool lower = h->rank < peer;
    if (h->me < 0) {
        struct vc_ref part = vc_plan_tmp(p, rest), mine = vc_ref_sub(own, half, rest);
        if (half)
            vc_plan_send(p, peer, vc_ref_sub(own, 0, half));
        if (rest == 0)
            return;
        vc_plan_recv(p, peer, part);
        vc_plan_reduce(p, mine, part, !lower);
        vc_plan_send(p, peer, part);
        return;
    }
    if (rest)
        vc_plan_send(p, peer, vc_ref_sub(own, half, rest));
    if (half) {
        vc_plan_copy(p, vc_ref_sub(own, 0, half), vc_ref_sub(sum, 0, half));
        vc_plan_recv_reduce(p, peer, vc_ref_sub(sum, 0, half), lower);
    }
    if (rest)
        vc_plan_recv(p, peer, vc_ref_sub(sum, half, rest));
}

void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref sum)
{
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, sum.len);
    bool folded = h->rank < h->paired;
    for (int k = 1; k < h->n; k *= 2) {
        int peer = vc_halving_rank(h, h->me ^ k);
        struct vc_ref mine = vc_halving_window(h, sum, h->me, k),
                      theirs = vc_halving_window(h, sum, h->me ^ k, k);
        if (k == 1 && !folded) {
            /* What is given away leaves from where it is; only what is kept needs a place to be reduced in.
             */
            vc_plan_copy(p, vc_halving_window(h, own, h->me, k), mine);
            theirs = vc_halving_window(h, own, h->me ^ k, k);
        }
        if (theirs.len)
            vc_plan_send(p, peer, theirs);
        if (mine.len)
            vc_plan_recv_reduce(p, peer, mine, h->me < (h->me ^ k));
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/halving.h"

#include "coll/patterns.h"

/* The virtual rank of a member. */
static int virtual_of(const struct vc_halving *h, int member)
{
    if (member >= h->paired / 2)
        return member + h->paired / 2;
    return h->keep == 2 * member + 1 ? h->keep : 2 * member;
}

void vc_halving_init(struct vc_halving *h, const struct vc_group *g, size_t esize, int keep)
{
    h->g = g;
    h->esize = esize;
    h->n = vc_pow2_below(g->n);
    h->paired = 2 * (g->n - h->n);
    h->keep = keep;
    h->at = NULL;
    h->me = vc_halving_member(h, g->me);
    if (virtual_of(h, h->me) != g->me)
        h->me = -1;
}

int vc_halving_member(const struct vc_halving *h, int v)
{
    return v < h->paired ? v / 2 : v - h->paired / 2;
}

int vc_halving_rank(const struct vc_halving *h, int member)
{
    return vc_group_rank(h->g, virtual_of(h, member));
}

struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int dist)
{
    int first = 0, count = h->n;
    for (int k = 1; k <= dist; k *= 2) {
        count /= 2;
        if (member & k)
            first += count;
    }
    if (h->at)
        return vc_ref_sub(vector, h->at[first], h->at[first + count] - h->at[first]);
    return vc_slices(vector, h->esize, h->n, first, first + count);
}

void vc_halving_fold(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum)
{
    if (h->g->me >= h->paired) {
        if (h->n == 1)
            vc_plan_move(p, own, sum);
        return;
    }
    /* Each of the pair reduces one half; the one that is no member then sends its half. */
    struct vc_ref first = vc_slices(own, h->esize, 2, 0, 1), second = vc_slices(own, h->esize, 2, 1, 2);
    int peer = vc_group_rank(h->g, h->g->me ^ 1);
    bool lower = !(h->g->me & 1);
    if (h->me < 0) {
        if (first.len)
            vc_plan_send(p, peer, first);
        if (second.len == 0)
            return;
        struct vc_ref part = vc_plan_tmp(p, second.len);
        vc_plan_recv(p, peer, part);
        vc_plan_reduce(p, second, part, !lower);
        vc_plan_send(p, peer, part);
        return;
    }
    if (second.len)
        vc_plan_send(p, peer, second);
    if (first.len) {
        vc_plan_move(p, first, vc_slices(sum, h->esize, 2, 0, 1));
        vc_plan_recv_reduce(p, peer, vc_slices(sum, h->esize, 2, 0, 1), lower);
    }
    if (second.len)
        vc_plan_recv(p, peer, vc_slices(sum, h->esize, 2, 1, 2));
}

void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum)
{
    bool folded = h->g->me < h->paired;
    for (int k = 1; k < h->n; k *= 2) {
        int peer = vc_halving_rank(h, h->me ^ k);
        struct vc_ref mine = vc_halving_window(h, sum, h->me, k),
                      theirs = vc_halving_window(h, sum, h->me ^ k, k);
        if (k == 1 && !folded) {
            /* The half that is sent leaves from where it is; only the half that is kept needs a place to be
             * reduced in.
             */
            vc_plan_move(p, vc_halving_window(h, own, h->me, k), mine);
            theirs = vc_halving_window(h, own, h->me ^ k, k);
        }
        if (theirs.len)
            vc_plan_send(p, peer, theirs);
        if (mine.len)
            vc_plan_recv_reduce(p, peer, mine, h->me < (h->me ^ k));
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/halving.h"

#include "coll/bounds.h"
#include "coll/patterns.h"

/* The virtual rank of a member. */
static int virtual_of(const struct vc_halving *h, int member)
{
    if (member >= h->paired / 2)
        return member + h->paired / 2;
    return h->keep == 2 * member + 1 ? h->keep : 2 * member;
}

/* Such a round sends more messages than the radix asks for: 30 that go out at once cost less than folding 24
 * KiB does. */
#define ODD_FACTOR 31

/* Factors of n, large ones first; how many, or -1: one would be too large. */
static int divide(int n, int most, int factor[VC_HALVING_ROUNDS])
{
    int rounds = 0;
    for (int f = most; f > 1; f--)
        for (; n % f == 0; n /= f)
            factor[rounds++] = f;
    if (most >= 4)
        for (int f = most + 1; f <= ODD_FACTOR; f++)
            for (; n % f == 0; n /= f)
                factor[rounds++] = f;
    return n == 1 ? rounds : -1;
}

static int most_of(int radix)
{
    return radix < 4 ? 2 : vc_pow2_below(radix < VC_MAX_RADIX ? radix : VC_MAX_RADIX);
}

long vc_bound_rabenseifner(long n, int radix)
{
    struct vc_halving h;
    struct vc_group g = {.n = (int)n};
    long bound = 8;
    vc_halving_init(&h, &g, 1, -1, radix);
    for (int i = 0; i < h.rounds; i++)
        bound += h.factor[i] == 2 ? 4 : 5 * (h.factor[i] - 1);
    return bound;
}

void vc_halving_init(struct vc_halving *h, const struct vc_group *g, size_t esize, int keep, int radix)
{
    int most = most_of(radix);
    h->g = g;
    h->esize = esize;
    h->n = g->n;
    h->rounds = divide(h->n, most, h->factor);
    if (h->rounds < 0) {
        h->n = vc_pow2_below(g->n);
        h->rounds = divide(h->n, most, h->factor);
    }
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

struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int round)
{
    int first = 0, count = h->n;
    for (int i = 0; i <= round; i++) {
        count /= h->factor[i];
        first += vc_halving_place(h, i, member) * count;
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

void vc_reduce_in_order(struct vc_plan *p, struct vc_ref vec, int me, struct vc_ref in, int others)
{
    struct vc_ref low = vc_ref_sub(in, 0, vec.len);
    for (int j = 1; j < me; j++)
        vc_plan_reduce(p, vc_ref_sub(in, vec.len * (size_t)j, vec.len), low, true);
    if (me > 0)
        vc_plan_reduce(p, low, vec, false);
    for (int j = me; j < others; j++)
        vc_plan_reduce(p, vc_ref_sub(in, vec.len * (size_t)j, vec.len), vec, true);
}

/* What comes from several needs places of its own. */
static void reduce_several(const struct vc_halving *h, struct vc_plan *p, struct vc_ref mine, int round)
{
    int n = h->factor[round], me = vc_halving_place(h, round, h->me);
    struct vc_ref in = vc_plan_tmp(p, mine.len * (size_t)(n - 1));
    for (int j = 0, slot = 0; j < n; j++)
        if (j != me)
            vc_plan_recv(p, vc_halving_rank(h, vc_halving_peer(h, round, j)),
                         vc_ref_sub(in, mine.len * (size_t)slot++, mine.len));
    vc_reduce_in_order(p, mine, me, in, n - 1);
}

void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum)
{
    bool folded = h->g->me < h->paired;
    for (int i = 0; i < h->rounds; i++) {
        int n = h->factor[i], me = vc_halving_place(h, i, h->me);
        /* What is sent first leaves from where it is; only what is kept needs a place to be reduced in. */
        bool first = i == 0 && !folded;
        struct vc_ref mine = vc_halving_window(h, sum, h->me, i);
        if (first)
            vc_plan_move(p, vc_halving_window(h, own, h->me, i), mine);
        /* Each begins with the next one, so that not all send to the same one first. */
        for (int j = 1; j < n; j++) {
            int peer = vc_halving_peer(h, i, (me + j) % n);
            struct vc_ref theirs = vc_halving_window(h, first ? own : sum, peer, i);
            if (theirs.len)
                vc_plan_send(p, vc_halving_rank(h, peer), theirs);
        }
        if (mine.len && n == 2)
            vc_plan_recv_reduce(p, vc_halving_rank(h, vc_halving_peer(h, i, 1 - me)), mine, me == 0);
        else if (mine.len)
            reduce_several(h, p, mine, i);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/allreduce/halving.h"

/* Those who agree with the root in all higher digits still hold slices; its own of this round gets them. */
static void gather_round(const struct vc_halving *h, struct vc_plan *p, struct vc_ref sum, int top, int i)
{
    int n = h->factor[i], at = vc_halving_place(h, i, top), above = n * vc_halving_distance(h, i);
    if (h->me / above != top / above)
        return;
    struct vc_ref mine = vc_halving_window(h, sum, h->me, i);
    if (vc_halving_place(h, i, h->me) != at) {
        if (mine.len)
            vc_plan_send(p, vc_halving_rank(h, vc_halving_peer(h, i, at)), mine);
        return;
    }
    for (int j = 1; j < n; j++) {
        int peer = vc_halving_peer(h, i, (at + j) % n);
        struct vc_ref theirs = vc_halving_window(h, sum, peer, i);
        if (theirs.len)
            vc_plan_recv(p, vc_halving_rank(h, peer), theirs);
    }
}

/*
 * Pairs of consecutive ranks reduce the number of participants, where rounds do not have all of them; of its
 * pair the root stays. These reduce-scatter by halving, and the slices go to the root on the same ways back.
 */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), sum = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    struct vc_halving h;
    vc_plan_begin(p, s, rank);
    vc_halving_init(&h, &all, s->esize, s->root, s->radix);
    if (h.me >= 0 && rank != s->root)
        sum = vc_plan_tmp(p, s->bytes);
    vc_halving_fold(&h, p, own, sum);
    if (h.me >= 0) {
        int top = vc_halving_member(&h, s->root);
        vc_halving_scatter(&h, p, own, sum);
        for (int i = h.rounds - 1; i >= 0; i--)
            gather_round(&h, p, sum, top, i);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_rabenseifner(s->size, s->radix);
}

const struct vc_alg vc_alg_reduce_rabenseifner = {
    .name = "rabenseifner",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "reduce-scatter by halving, then gather to the root (Rabenseifner 2004): large messages",
    .build = build,
    .steps = steps,
};

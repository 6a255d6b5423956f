/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/allreduce/halving.h"

/*
 * Pairs of consecutive ranks reduce the number of participants to a power of two; of its pair the root stays.
 * These reduce-scatter by halving, and the slices go to the root on the same ways back.
 */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), sum = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    struct vc_halving h;
    vc_plan_begin(p, s, rank);
    vc_halving_init(&h, &all, s->esize, s->root);
    if (h.me >= 0 && rank != s->root)
        sum = vc_plan_tmp(p, s->bytes);
    vc_halving_fold(&h, p, own, sum);
    if (h.me >= 0) {
        int top = vc_halving_member(&h, s->root);
        vc_halving_scatter(&h, p, own, sum);
        for (int k = h.n / 2; k >= 1; k /= 2) {
            /* Ranks that agree with the root in all higher bits still hold slices. */
            if ((h.me ^ top) / (2 * k))
                break;
            struct vc_ref low = vc_halving_window(&h, sum, h.me & ~k, k),
                          high = vc_halving_window(&h, sum, h.me | k, k);
            struct vc_ref mine = h.me & k ? high : low, theirs = h.me & k ? low : high;
            bool gone = ((h.me ^ top) & k) != 0;
            if (gone && mine.len)
                vc_plan_send(p, vc_halving_rank(&h, h.me ^ k), mine);
            else if (!gone && theirs.len)
                vc_plan_recv(p, vc_halving_rank(&h, h.me ^ k), theirs);
        }
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_rabenseifner(s->size);
}

const struct vc_alg vc_alg_reduce_rabenseifner = {
    .name = "rabenseifner",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "reduce-scatter by halving, then gather to the root (Rabenseifner 2004): large messages",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/allreduce/multiply.h"
#include "coll/patterns.h"
#include "coll/registry.h"

#define DEFAULT_RADIX 4

/*
 * One exchange among `factor` participants whose numbers differ in one digit only; `me` is the own digit. All
 * compute
 * ((0 op 1) op 2) .. in that order, so that all get the same bits.
 */
static void exchange(struct vc_plan *p, struct vc_ref sum, const int *peers, int factor, int me,
                     struct vc_ref in)
{
    for (int j = 0, slot = 0; j < factor; j++)
        if (j != me)
            vc_plan_recv(p, peers[j], vc_ref_sub(in, sum.len * (size_t)slot++, sum.len));
    /* Beginning after oneself spreads the load: not all send to the same one first. */
    for (int j = 1; j < factor; j++)
        vc_plan_send(p, peers[(me + j) % factor], sum);
    struct vc_ref low = vc_ref_sub(in, 0, sum.len);
    for (int j = 1; j < me; j++)
        vc_plan_reduce(p, vc_ref_sub(in, sum.len * (size_t)j, sum.len), low, true);
    if (me > 0)
        vc_plan_reduce(p, low, sum, false);
    for (int j = me + 1; j < factor; j++)
        vc_plan_reduce(p, vc_ref_sub(in, sum.len * (size_t)(j - 1), sum.len), sum, true);
}

void vc_allreduce_multiply(struct vc_plan *p, const struct vc_shape *s, int rank, int radix)
{
    struct vc_ref sum = vc_ref_of(VC_BUF_RECV, 0, s->bytes), own = vc_ref_of(VC_BUF_SEND, 0, s->bytes);
    int n = vc_smooth_below(s->size, radix), peers[VC_MAX_RADIX];
    struct vc_fold f = vc_fold_of(s->size, n, rank);
    if (rank != f.first) {
        vc_plan_send(p, f.first, own);
        vc_plan_recv(p, f.first, sum);
        return;
    }
    vc_plan_copy(p, own, sum);
    for (int i = 1; i < f.size; i++)
        vc_plan_recv_reduce(p, rank + i, sum, true);
    /* Two sets of scratch, so that a round's receives need not wait for the reductions of the round before.
     */
    struct vc_ref in[2] = {{VC_BUF_NONE, 0, 0}, {VC_BUF_NONE, 0, 0}};
    for (int rest = n, stride = 1, round = 0; rest > 1; round++) {
        int factor = vc_smooth_factor(rest, radix), me = f.group / stride % factor;
        for (int j = 0; j < factor; j++)
            peers[j] = vc_fold_first(s->size, n, f.group + (j - me) * stride);
        if (in[round % 2].buf == VC_BUF_NONE)
            in[round % 2] = vc_plan_tmp(p, s->bytes * (size_t)(factor - 1));
        exchange(p, sum, peers, factor, me, in[round % 2]);
        stride *= factor;
        rest /= factor;
    }
    for (int i = 1; i < f.size; i++)
        vc_plan_send(p, rank + i, sum);
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int radix = s->radix < 2 ? DEFAULT_RADIX : s->radix > VC_MAX_RADIX ? VC_MAX_RADIX : s->radix;
    vc_plan_begin(p, s, rank);
    vc_allreduce_multiply(p, s, rank, radix);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_multiply(s->size, s->radix < 2 ? DEFAULT_RADIX : s->radix);
}

const struct vc_alg vc_alg_allreduce_recursive_multiplying = {
    .name = "recursive_multiplying",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help =
        "exchanges among up to `radix` (4, at most 64) ranks a round: small messages, latency-bound networks",
    .build = build,
    .steps = steps,
};

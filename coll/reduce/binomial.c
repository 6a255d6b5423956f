/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/reduce/tree.h"
#include "coll/registry.h"

void vc_reduce_tree(struct vc_plan *p, const struct vc_shape *s, int rank, int top, struct vc_ref at_top)
{
    int n = s->size, v = vc_relative(rank, top, n), span = vc_binomial_span(v, n);
    int segments = vc_segments(s->bytes, s->esize, s->segment);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), acc = own;
    bool leaf = vc_binomial_size(v, n) == 1;
    if (v == 0)
        acc = at_top;
    else if (!leaf)
        acc = vc_plan_tmp(p, s->bytes);
    for (int i = 0; i < segments; i++) {
        size_t at = vc_slice(s->bytes, s->esize, segments, i);
        size_t len = vc_slice(s->bytes, s->esize, segments, i + 1) - at;
        struct vc_ref sum = vc_ref_sub(acc, at, len), mine = vc_ref_sub(own, at, len);
        if (v == 0)
            vc_plan_copy(p, mine, sum);
        for (int k = 1; k < span && v + k < n; k *= 2) {
            int child = vc_absolute(v + k, top, n);
            if (v > 0 && k == 1) {
                /* The first child's part lands in the sum itself: no scratch, and no copy of the own part. */
                vc_plan_recv(p, child, sum);
                vc_plan_reduce(p, mine, sum, false);
            } else {
                vc_plan_recv_reduce(p, child, sum, true);
            }
        }
        if (v > 0)
            vc_plan_send(p, vc_absolute(vc_binomial_parent(v), top, n), sum);
    }
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    vc_plan_begin(p, s, rank);
    vc_reduce_tree(p, s, rank, s->root, vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_tree(s->size) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_reduce_binomial = {
    .name = "binomial",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "binomial tree rooted at the root: small messages; not segmented by default",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/registry.h"

/* The largest subtree is served first. With segments, each goes down the tree on its own. */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, v = vc_relative(rank, s->root, n), span = vc_binomial_span(v, n);
    int segments = vc_segments(s->bytes, 1, s->segment);
    vc_plan_begin(p, s, rank);
    for (int i = 0; i < segments; i++) {
        size_t at = vc_slice(s->bytes, 1, segments, i), end = vc_slice(s->bytes, 1, segments, i + 1);
        struct vc_ref msg = vc_ref_of(VC_BUF_RECV, at, end - at);
        if (v > 0)
            vc_plan_recv(p, vc_absolute(vc_binomial_parent(v), s->root, n), msg);
        for (int k = span / 2; k >= 1; k /= 2)
            if (v + k < n)
                vc_plan_send(p, vc_absolute(v + k, s->root, n), msg);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return (1 + vc_bound_lg(s->size)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_binomial = {
    .name = "binomial",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "binomial tree, log2(n) hops: small messages; not segmented by default",
    .build = build,
    .steps = steps,
};

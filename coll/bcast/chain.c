/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/registry.h"

#define DEFAULT_SEGMENT 65536

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, v = vc_relative(rank, s->root, n);
    int segments = vc_segments(s->bytes, 1, s->segment ? s->segment : DEFAULT_SEGMENT);
    vc_plan_begin(p, s, rank);
    for (int i = 0; i < segments; i++) {
        size_t at = vc_slice(s->bytes, 1, segments, i), end = vc_slice(s->bytes, 1, segments, i + 1);
        struct vc_ref msg = vc_ref_of(VC_BUF_RECV, at, end - at);
        if (v > 0)
            vc_plan_recv(p, vc_absolute(v - 1, s->root, n), msg);
        if (v + 1 < n)
            vc_plan_send(p, vc_absolute(v + 1, s->root, n), msg);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 * vc_bound_segments(s, DEFAULT_SEGMENT);
}

const struct vc_alg vc_alg_bcast_chain = {
    .name = "chain",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "pipeline of segments (64k) from rank to rank: large messages, few ranks",
    .build = build,
    .steps = steps,
};

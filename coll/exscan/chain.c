/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/scan/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    int segments = vc_segments(s->bytes, s->esize, s->segment ? s->segment : VC_SCAN_SEGMENT);
    vc_plan_begin(p, s, rank);
    vc_x_exscan_chain(p, &all, s->esize, segments, vc_ref_of(VC_BUF_SEND, 0, s->bytes), vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 4 * vc_bound_segments(s, VC_SCAN_SEGMENT);
}

const struct vc_alg vc_alg_exscan_chain = {
    .name = "chain",
    .coll = VC_EXSCAN,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "pipeline of segments (64k) up the ranks: large vectors",
    .build = build,
    .steps = steps,
};

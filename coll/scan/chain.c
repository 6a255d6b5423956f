/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments go up the ranks; each rank reduces its own operand to them. */
#include "coll/bounds.h"
#include "coll/scan/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_scan_chain_plan(s, rank, p, vc_x_scan_chain);
}

static long steps(const struct vc_shape *s)
{
    return 3 * vc_bound_segments(s, VC_SCAN_SEGMENT);
}

const struct vc_alg vc_alg_scan_chain = {
    .name = "chain",
    .coll = VC_SCAN,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "pipeline of segments (64k) up the ranks: large vectors",
    .build = build,
    .steps = steps,
};

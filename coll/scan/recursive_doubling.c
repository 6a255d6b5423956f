/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/scan/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    vc_plan_begin(p, s, rank);
    vc_x_scan_doubling(p, &all, vc_ref_of(VC_BUF_SEND, 0, s->bytes), vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 3 * vc_bound_lg(s->size);
}

const struct vc_alg vc_alg_scan_recursive_doubling = {
    .name = "recursive_doubling",
    .coll = VC_SCAN,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "reductions of twice as many operands from twice as far in each round: small vectors",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments go down two trees by turns; no rank is an inner node of both. */
#include "coll/bcast/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    return vc_bcast_double_tree(s, rank, p, &all, s->root, false);
}

static long steps(const struct vc_shape *s)
{
    return 3 * vc_bound_double_tree(s);
}

const struct vc_alg vc_alg_bcast_double_tree = {
    .name = "double_tree",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help =
        "pipeline of segments down two trees by turns (Sanders et al. 2009): large messages, any number of "
        "ranks",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments go down two trees of leaders by turns, and each leader broadcasts them in its node as they come.
 */
#include "coll/bcast/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group leaders = vc_group_leaders(s, rank, s->root);
    return vc_bcast_double_tree(s, rank, p, &leaders, leaders.root_node, true);
}

static long steps(const struct vc_shape *s)
{
    return 4 * vc_bound_double_tree(s);
}

const struct vc_alg vc_alg_bcast_two_level_double_tree = {
    .name = "two_level_double_tree",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT,
    .help =
        "segments down two trees of leaders by turns, each node's memory as they come; for large messages",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* A binomial tree among hosts, one among the nodes of each host, then the node's memory. */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_host_groups g;
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    int segments = all.len ? vc_segments(all.len, 1, shape->segment) : 0;
    vc_plan_begin(p, shape, rank);
    if (!segments || !vc_group_hosts(p, shape, rank, shape->root, &g))
        return vc_plan_finish(p);
    int leader = vc_group_rank(&g.within, g.within.me);
    for (int i = 0; i < segments; i++) {
        struct vc_ref msg = vc_slices(all, 1, segments, i, i + 1);
        if (g.is_lead)
            vc_x_bcast_binomial(p, &g.across, msg, g.top);
        if (g.is_leader)
            vc_x_bcast_binomial(p, &g.within, msg, g.lead);
        vc_x_node_bcast(p, shape, rank, shape->hier->local_of[leader], msg);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return (3 + 2 * vc_bound_children(s->hier->nnodes, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_bcast_three_level = {
    .name = "three_level",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "two_level, with a binomial tree among hosts and one among the nodes of each host",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory, along a tree of the host's nodes, along a tree of hosts. */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_host_groups g;
    int segments = shape->bytes ? vc_segments(shape->bytes, shape->esize, shape->segment) : 0;
    vc_plan_begin(p, shape, rank);
    if (!segments || !vc_group_hosts(p, shape, rank, shape->root, &g))
        return vc_plan_finish(p);
    int local = shape->hier->local_of[vc_group_rank(&g.within, g.within.me)];
    struct vc_ref vec = VC_NOTHING;
    if (rank == shape->root)
        vec = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    else if (g.is_leader)
        vec = vc_plan_tmp(p, shape->bytes);
    for (int i = 0; i < segments; i++) {
        struct vc_ref own =
            vc_slices(vc_ref_of(VC_BUF_SEND, 0, shape->bytes), shape->esize, segments, i, i + 1);
        struct vc_ref part = g.is_leader ? vc_ref_sub(vec, own.off, own.len) : VC_NOTHING;
        vc_plan_node(p, VC_PHASE_REDUCE, local, 0, own.len, own, part);
        if (g.is_leader)
            vc_x_reduce_binomial(p, &g.within, shape, part, g.lead);
        if (g.is_lead)
            vc_x_reduce_binomial(p, &g.across, shape, part, g.top);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    /* Hosts and the nodes of one host: of n nodes one of both numbers is at most half of n + 1. */
    int n = s->hier->nnodes;
    return (1 + vc_bound_tree(n, s->radix) + vc_bound_tree((n + 1) / 2, s->radix)) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_reduce_three_level = {
    .name = "three_level",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX,
    .help = "two_level, with a binomial tree among the nodes of each host and one among hosts",
    .build = build,
    .steps = steps,
    .scales = true,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Reduction in the node's memory, then among the nodes of a host; recursive doubling among hosts; back. */
#include "coll/allreduce/exchange.h"
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_host_groups g;
    struct vc_ref vec = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    vc_plan_begin(p, shape, rank);
    if (!shape->bytes || !vc_group_hosts(p, shape, rank, -1, &g))
        return vc_plan_finish(p);
    vc_plan_node(p, VC_PHASE_REDUCE, 0, 0, vec.len, vc_ref_of(VC_BUF_SEND, 0, shape->bytes),
                 g.is_leader ? vec : VC_NOTHING);
    if (g.is_leader) {
        vc_x_reduce_binomial(p, &g.within, shape, vec, g.lead);
        if (g.is_lead)
            vc_x_allreduce_multiply(p, &g.across, vec, vec, vc_allreduce_radix(shape, 2));
        vc_x_bcast_binomial(p, &g.within, vec, g.lead);
    }
    vc_x_node_bcast(p, shape, rank, 0, vec);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->hier->nnodes;
    return 3 + vc_bound_tree(n, s->radix) + vc_bound_children(n, s->radix) + vc_bound_multiply(n, s->radix);
}

const struct vc_alg vc_alg_allreduce_three_level = {
    .name = "three_level",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE,
    .params = VC_PARAM_RADIX,
    .help = "two_level, with a binomial tree among the nodes of each host and recursive doubling among hosts",
    .build = build,
    .steps = steps,
    .scales = true,
};

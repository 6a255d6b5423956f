/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/reduce/exchange.h"

/* The tree of rank 0 has subtrees of consecutive ranks; the result then moves on to the root. */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_ref result = vc_ref_of(VC_BUF_RECV, 0, s->bytes), top = result;
    vc_plan_begin(p, s, rank);
    if (s->root != 0 && rank == 0)
        top = vc_plan_tmp(p, s->bytes);
    vc_reduce_flat(p, s, &all, 0, top);
    if (s->root != 0 && rank == 0)
        vc_plan_send(p, s->root, top);
    if (s->root != 0 && rank == s->root)
        vc_plan_recv(p, 0, result);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_tree(s->size, 0) * vc_bound_segments(s, 0);
}

const struct vc_alg vc_alg_reduce_binomial_ordered = {
    .name = "binomial_ordered",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "binomial tree of rank 0, operands in rank order, result forwarded to the root: any operator",
    .build = build,
    .scales = true,
    .steps = steps,
};

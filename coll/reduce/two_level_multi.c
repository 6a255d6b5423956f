/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each leader of a node reduces one slice, first in the node's memory, then across the network along a
 * binomial tree of the ranks of its local index. On the root's node the leaders send their slices to the
 * root.
 */
#include "coll/bounds.h"
#include "coll/reduce/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    int local = h->local_of[rank], root_node = h->node_of[shape->root], leaders = vc_leaders(shape);
    vc_plan_begin(p, shape, rank);
    if (!shape->bytes)
        return vc_plan_finish(p);
    struct vc_ref vec =
        rank == shape->root ? vc_ref_of(VC_BUF_RECV, 0, shape->bytes) : vc_plan_tmp(p, shape->bytes);
    vc_plan_node(p, VC_PHASE_REDUCE_SCATTER, 0, leaders, vec.len, vc_ref_of(VC_BUF_SEND, 0, vec.len), vec);
    if (local < leaders) {
        struct vc_group g = vc_group_of_local(shape, rank, local);
        struct vc_ref own = vc_slices(vec, shape->esize, leaders, local, local + 1);
        vc_x_reduce_binomial(p, &g, shape, own, root_node);
        if (h->node_of[rank] == root_node && rank != shape->root && own.len)
            vc_plan_send(p, shape->root, own);
    }
    if (rank == shape->root) {
        for (int l = 0; l < leaders; l++) {
            struct vc_ref part = vc_slices(vec, shape->esize, leaders, l, l + 1);
            if (l != local && part.len)
                vc_plan_recv(p, vc_hier_rank(h, root_node, l), part);
        }
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_tree(s->hier->nnodes, 0) + vc_bound_ppn(s);
}

const struct vc_alg vc_alg_reduce_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .params = VC_PARAM_LEADERS,
    .help =
        "several ranks per node reduce a slice each across the network (after DPML, Bayatpour et al. 2017)",
    .build = build,
    .steps = steps,
};

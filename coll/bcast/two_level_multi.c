/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The root's node shares the message in its memory. Then each leader of a node gets one slice across the
 * network, along a binomial tree of the ranks of its local index, and the node gathers the slices.
 */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    int local = h->local_of[rank], root_node = h->node_of[shape->root], leaders = vc_leaders(shape);
    struct vc_ref msg = vc_ref_of(VC_BUF_RECV, 0, shape->bytes);
    vc_plan_begin(p, shape, rank);
    if (!shape->bytes)
        return vc_plan_finish(p);
    if (h->node_of[rank] == root_node)
        vc_x_node_bcast(p, shape, rank, h->local_of[shape->root], msg);
    struct vc_ref slice =
        vc_slices(msg, 1, leaders, local < leaders ? local : 0, local < leaders ? local + 1 : 0);
    if (slice.len) {
        struct vc_group g = vc_group_of_local(shape, rank, local);
        vc_x_bcast_binomial(p, &g, slice, root_node);
    }
    if (h->node_of[rank] != root_node)
        vc_plan_node(p, VC_PHASE_ALLGATHER_SLICES, 0, leaders, msg.len, VC_NOTHING, msg);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 3 + vc_bound_lg(s->hier->nnodes);
}

const struct vc_alg vc_alg_bcast_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_LEADERS,
    .help = "several ranks per node carry a slice each across the network (Traff & Hunold 2020)",
    .build = build,
    .steps = steps,
};

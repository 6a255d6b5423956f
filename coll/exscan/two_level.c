/* SPDX-License-Identifier: BSD-3-Clause */
/* Exscan in the node's memory, and of the nodes' sums, which their last ranks have; these to all of a node.
 */
#include "coll/bounds.h"
#include "coll/scan/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    int node = h->node_of[rank], q = vc_hier_node_size(h, node), local = h->local_of[rank];
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), vec = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    struct vc_ref sum = own, before = vec;
    bool last = local == q - 1, between = h->nnodes > 1;
    bool adds = last && node + 1 < h->nnodes; /* the nodes behind need the sum of this one */
    vc_plan_begin(p, s, rank);
    if (!s->bytes)
        return vc_plan_finish(p);
    if (adds) { /* SEND may be RECV, and is needed after the phase */
        sum = vc_plan_tmp(p, own.len);
        vc_plan_copy(p, own, sum);
    }
    if (q > 1) {
        vc_plan_node(p, VC_PHASE_EXSCAN, 0, 0, vec.len, own, vec);
        if (adds)
            vc_plan_reduce(p, vec, sum, false);
    }
    if (!between)
        return vc_plan_finish(p);
    struct vc_group g = vc_group_last(s, rank);
    if (node == 0)
        before = VC_NOTHING;
    else if (q > 1)
        before = vc_plan_tmp(p, vec.len);
    if (last)
        vc_x_exscan_doubling(p, &g, sum, before);
    vc_x_node_bcast(p, s, rank, q - 1, before);
    if (node > 0 && local > 0)
        vc_plan_reduce(p, before, vec, false);
    else if (node > 0)
        vc_plan_move(p, before, vec);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 6 + 4 * vc_bound_lg(s->hier->nnodes);
}

const struct vc_alg vc_alg_exscan_two_level = {
    .name = "two_level",
    .coll = VC_EXSCAN,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_NODES,
    .help = "exscan in the node's memory, recursive doubling among the last ranks of nodes, broadcast in the "
            "node",
    .build = build,
    .scales = true,
    .steps = steps,
};

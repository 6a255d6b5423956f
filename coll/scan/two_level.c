/* SPDX-License-Identifier: BSD-3-Clause */
/* Scan in the node's memory; exscan of the nodes' sums, which their last ranks have; these to all of a node.
 */
#include "coll/bounds.h"
#include "coll/scan/exchange.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    int node = h->node_of[rank], q = vc_hier_node_size(h, node);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), vec = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    vc_plan_begin(p, s, rank);
    if (!s->bytes)
        return vc_plan_finish(p);
    if (q > 1)
        vc_plan_node(p, VC_PHASE_SCAN, 0, 0, vec.len, own, vec);
    else
        vc_plan_move(p, own, vec);
    if (h->nnodes == 1)
        return vc_plan_finish(p);
    struct vc_group g = vc_group_last(s, rank);
    struct vc_ref before = node > 0 ? vc_plan_tmp(p, vec.len) : VC_NOTHING;
    if (h->local_of[rank] == q - 1)
        vc_x_exscan_doubling(p, &g, vec, before);
    vc_x_node_bcast(p, s, rank, q - 1, before);
    if (node > 0)
        vc_plan_reduce(p, before, vec, false);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 4 + 4 * vc_bound_lg(s->hier->nnodes);
}

const struct vc_alg vc_alg_scan_two_level = {
    .name = "two_level",
    .coll = VC_SCAN,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_NODES,
    .help =
        "scan in the node's memory, recursive doubling among the last ranks of nodes, broadcast in the node",
    .build = build,
    .scales = true,
    .steps = steps,
};

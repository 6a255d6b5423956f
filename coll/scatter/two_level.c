/* SPDX-License-Identifier: BSD-3-Clause */
/* A binomial tree of leaders brings each node its ranks' blocks, which the leader scatters. The root leads
 * its own node. */
#include "coll/bounds.h"
#include "coll/rooted.h"

/* The blocks of the root's node, from their places in `all` to all its ranks. */
static void scatter_home(struct vc_plan *p, const struct vc_shape *s, int rank, struct vc_ref all)
{
    const struct vc_hier *h = s->hier;
    int node = h->node_of[rank], q = vc_hier_node_size(h, node), local = h->local_of[s->root];
    bool root = rank == s->root;
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, b), mine = vc_ref_sub(all, (size_t)rank * b, b);
    if (q == 1) {
        vc_plan_copy(p, mine, own);
    } else if (vc_node_consecutive(h, node)) {
        vc_plan_node(p, VC_PHASE_SCATTER, local, 0, b, root ? vc_node_blocks(s, node, all) : VC_NOTHING, own);
    } else if ((size_t)q * b <= VC_NODE_REGROUPED) {
        struct vc_ref tmp = root ? vc_plan_tmp(p, (size_t)q * b) : VC_NOTHING;
        for (int l = 0; root && l < q; l++)
            vc_plan_copy(p, vc_ref_sub(all, (size_t)vc_hier_rank(h, node, l) * b, b),
                         vc_ref_sub(tmp, (size_t)l * b, b));
        vc_plan_node(p, VC_PHASE_SCATTER, local, 0, b, tmp, own);
    } else if (root) {
        for (int l = 0; l < q; l++)
            if (l != local)
                vc_plan_send(p, vc_hier_rank(h, node, l),
                             vc_ref_sub(all, (size_t)vc_hier_rank(h, node, l) * b, b));
        vc_plan_copy(p, mine, own);
    } else {
        vc_plan_recv(p, s->root, own);
    }
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    struct vc_group g = vc_group_leaders(s, rank, s->root);
    int leader = vc_group_rank(&g, g.me), q = vc_hier_node_size(h, g.me);
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, b), part = own;
    struct vc_rooted x = {
        .plan = p,
        .group = &g,
        .root = g.root_node,
        .unit = b,
        .first = h->first,
        .members = h->block ? NULL : h->members,
        .window = s->segment,
        .all = vc_ref_of(VC_BUF_SEND, 0, (size_t)s->size * b),
    };
    vc_plan_begin(p, s, rank);
    if (!b)
        return vc_plan_finish(p);
    if (rank == leader) {
        if (g.me != g.root_node && q > 1) {
            part = vc_rooted_place(&x);
            if (part.len == 0)
                part = vc_plan_tmp(p, (size_t)q * b);
        }
        vc_x_scatter_binomial(&x, part);
    }
    if (g.me == g.root_node)
        scatter_home(p, s, rank, x.all);
    else if (q > 1)
        vc_plan_node(p, VC_PHASE_SCATTER, h->local_of[leader], 0, b, rank == leader ? part : VC_NOTHING, own);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_ppn(s) + vc_bound_rooted(s, s->hier->nnodes) + vc_bound_regroup(s);
}

const struct vc_alg vc_alg_scatter_two_level = {
    .name = "two_level",
    .coll = VC_SCATTER,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT,
    .help = "a binomial tree of one leader per node, then the node's memory",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* All ranks' lengths to all. Then a binomial tree of leaders brings each node its ranks' blocks, which the
 * leader scatters. The root leads its own node. */
#include "coll/bounds.h"
#include "coll/rooted.h"

/* The blocks of the root's node, from their places in `all` to all its ranks. */
static void scatter_home(struct vc_plan *p, const struct vc_shape *s, int rank, const size_t *at,
                         struct vc_ref all)
{
    const struct vc_hier *h = s->hier;
    int node = h->node_of[rank], q = vc_hier_node_size(h, node), local = h->local_of[s->root];
    bool root = rank == s->root;
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, vc_shape_block(s, rank)), from = VC_NOTHING;
    if (q == 1) {
        vc_plan_copy(p, vc_ref_sub(all, vc_shape_at(s, rank), own.len), own);
    } else if (vc_node_consecutive(h, node)) {
        if (root)
            from = vc_ref_sub(all, vc_shape_at(s, vc_hier_rank(h, node, 0)), at[q]);
        vc_plan_node_blocks(p, VC_PHASE_SCATTERV, local, q, at, from, own);
    } else {
        if (root)
            from = vc_plan_tmp(p, at[q]);
        for (int l = 0; root && l < q; l++)
            vc_plan_copy(p, vc_ref_sub(all, vc_shape_at(s, vc_hier_rank(h, node, l)), at[l + 1] - at[l]),
                         vc_ref_sub(from, at[l], at[l + 1] - at[l]));
        vc_plan_node_blocks(p, VC_PHASE_SCATTERV, local, q, at, from, own);
    }
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    struct vc_group g = vc_group_leaders(s, rank, s->root);
    int leader = vc_group_rank(&g, g.me), q = vc_hier_node_size(h, g.me);
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, vc_shape_block(s, rank)), part = own;
    struct vc_rooted x = {.plan = p,
                          .group = &g,
                          .root = g.root_node,
                          .window = s->segment,
                          .all = vc_ref_of(VC_BUF_SEND, 0, vc_shape_total(s))};
    vc_plan_begin(p, s, rank);
    vc_rooted_uneven(&x, s, true);
    const size_t *at = vc_node_offsets(p, s, g.me);
    if (!x.at || !at || x.all.len == 0)
        return vc_plan_finish(p);
    if (rank == leader) {
        if (g.me != g.root_node && q > 1) {
            part = vc_rooted_place(&x);
            if (part.len == 0)
                part = vc_plan_tmp(p, at[q]);
        }
        vc_x_scatter_binomial(&x, part);
    }
    if (g.me == g.root_node)
        scatter_home(p, s, rank, at, x.all);
    else if (q > 1 && at[q])
        vc_plan_node_blocks(p, VC_PHASE_SCATTERV, h->local_of[leader], q, at,
                            rank == leader ? part : VC_NOTHING, own);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + vc_bound_ppn(s) + vc_bound_rooted_uneven(s->hier->nnodes) + vc_bound_regroup(s);
}

const struct vc_alg vc_alg_scatterv_two_level = {
    .name = "two_level",
    .coll = VC_SCATTERV,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_SEGMENT,
    .lengths = VC_LENGTHS_OF_ALL,
    .help = "all ranks' lengths to all, a binomial tree of one leader per node, then the node's memory",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Every rank gathers the blocks of its local index from all nodes in log_radix N rounds, then the node shares
 * all of them. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

/*
 * The nodes in an order in which multiplying exchanges with the farthest first, so that most bytes go between
 * neighbours: the digits backwards. The blocks are put in their places behind the node phase anyway. NULL: as
 * they are.
 */
static const size_t *far_first(struct vc_plan *p, int n, int radix)
{
    size_t *order = vc_x_allgather_multiplies(n, radix) ? vc_plan_array(p, (size_t)n) : NULL;
    for (int have = 1, step = n, factor; order && have < n; have *= factor) {
        factor = vc_smooth_factor(n / have, vc_tree_radix(radix));
        step /= factor;
        for (int i = have; i < have * factor; i++)
            order[i] = order[i % have] + (size_t)(i / have * step);
    }
    return order;
}

static int place_of(const size_t *order, int node)
{
    int at = 0;
    while (order[at] != (size_t)node)
        at++;
    return at;
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_of_local(shape, rank, h->local_of[rank]);
    size_t b = shape->bytes, total = (size_t)shape->size * b;
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, b), all = vc_ref_of(VC_BUF_RECV, 0, total);
    vc_plan_begin(p, shape, rank);
    if (!b)
        return vc_plan_finish(p);
    if (g.n == 1) {
        vc_plan_node(p, VC_PHASE_ALLGATHER, 0, 0, b, own, all);
        return vc_plan_finish(p);
    }
    if (g.n < shape->size && (g.nodes = far_first(p, g.n, g.radix)))
        g.me = place_of(g.nodes, g.me);
    struct vc_ref part = vc_plan_tmp(p, (size_t)g.n * b);
    struct vc_layout lay = {.buf = part.buf, .off = part.off, .unit = b, .stride = b};
    vc_plan_copy(p, own, vc_layout_block(&lay, g.me));
    vc_x_allgather_log(p, &g, &lay);
    struct vc_ref parts = vc_plan_tmp(p, total); /* by local index, then by node */
    vc_plan_node(p, VC_PHASE_ALLGATHER, 0, 0, part.len, part, parts);
    struct vc_copier c = {.plan = p};
    for (int i = 0; i < shape->size; i++) {
        int node = g.nodes ? (int)g.nodes[i % g.n] : i % g.n, r = vc_hier_rank(h, node, i / g.n);
        vc_copier_add(&c, vc_ref_sub(parts, (size_t)i * b, b), vc_ref_sub(all, (size_t)r * b, b));
    }
    vc_copier_flush(&c);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long in_place = s->hier->nnodes == s->size ? 1 : s->size;
    return 2 + vc_bound_allgather_log(s->hier->nnodes, s->radix) + in_place;
}

const struct vc_alg vc_alg_allgather_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_UNIFORM_NODES,
    .params = VC_PARAM_RADIX,
    .help = "every rank gathers from its peers of the other nodes, multiplying by `radix` (2), then in the "
            "node (Traff & Hunold 2020)",
    .build = build,
    .scales = true,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leaders exchange the blocks that their nodes' ranks have for each other, one message per pair of nodes and
 * direction. A message holds blocks by source, then by destination. The receiving leader reorders them by
 * destination before its node scatters them.
 */
#include "coll/alltoall/exchange.h"
#include "coll/bounds.h"

static int largest_node(const struct vc_hier *h)
{
    int most = 0;
    for (int i = 0; i < h->nnodes; i++)
        if (vc_hier_node_size(h, i) > most)
            most = vc_hier_node_size(h, i);
    return most;
}

/* Transposes `rows` rows of `cols` blocks. */
static void transpose(struct vc_plan *p, struct vc_ref from, struct vc_ref to, int rows, int cols, size_t b)
{
    struct vc_copier c = {.plan = p};
    for (int j = 0; j < cols; j++)
        for (int i = 0; i < rows; i++)
            vc_copier_add(&c, vc_ref_sub(from, (size_t)(i * cols + j) * b, b),
                          vc_ref_sub(to, (size_t)(j * rows + i) * b, b));
    vc_copier_flush(&c);
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = shape->hier;
    struct vc_group g = vc_group_leaders(shape, rank, -1);
    bool leads = rank == vc_group_rank(&g, g.me);
    int n = g.n, q = vc_hier_node_size(h, g.me);
    size_t b = shape->bytes, total = (size_t)shape->size * b;
    vc_plan_begin(p, shape, rank);
    if (!b)
        return vc_plan_finish(p);
    struct vc_ref send = vc_ref_of(VC_BUF_SEND, 0, total), recv = vc_ref_of(VC_BUF_RECV, 0, total);
    struct vc_ref from = h->block ? send : vc_plan_tmp(p, total),
                  to = h->block ? recv : vc_plan_tmp(p, total);
    if (!h->block)
        vc_copy_grouped(p, shape, send, from);
    struct vc_layout mine = {.buf = from.buf, .off = from.off, .unit = b, .first = h->first};
    struct vc_layout theirs = {.buf = to.buf, .off = to.off, .unit = b, .first = h->first};
    struct vc_layout out = {.buf = VC_BUF_TMP, .unit = (size_t)q * b, .first = h->first}, in = out;
    struct vc_ref turned[2] = {VC_NOTHING, VC_NOTHING};
    if (leads && n > 1) {
        out.off = vc_plan_tmp(p, total * (size_t)q).off;
        in.off = vc_plan_tmp(p, total * (size_t)q).off;
        for (int i = 0; i < 2; i++)
            turned[i] = vc_plan_tmp(p, (size_t)largest_node(h) * (size_t)q * b);
    }
    for (int k = 1; k < n; k++) {
        int dest = (g.me + k) % n;
        struct vc_ref part = vc_layout_block(&mine, dest);
        vc_plan_node(p, VC_PHASE_GATHER, 0, 0, part.len, part,
                     leads ? vc_layout_block(&out, dest) : VC_NOTHING);
        if (leads)
            vc_plan_send(p, vc_group_rank(&g, dest), vc_layout_block(&out, dest));
    }
    vc_plan_node(p, VC_PHASE_ALLTOALL, 0, 0, b, vc_layout_block(&mine, g.me), vc_layout_block(&theirs, g.me));
    for (int k = 1; k < n; k++) {
        int src = (g.me - k + n) % n, qs = vc_hier_node_size(h, src);
        struct vc_ref part = VC_NOTHING;
        if (leads) {
            part = vc_ref_sub(turned[k % 2], 0, (size_t)q * (size_t)qs * b);
            vc_plan_recv(p, vc_group_rank(&g, src), vc_layout_block(&in, src));
            transpose(p, vc_layout_block(&in, src), part, qs, q, b);
        }
        vc_plan_node(p, VC_PHASE_SCATTER, 0, 0, (size_t)qs * b, part, vc_layout_block(&theirs, src));
    }
    if (!h->block)
        vc_copy_ungrouped(p, shape, to, recv);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->hier->nnodes, q = vc_bound_ppn(s);
    return 1 + (n - 1) * (4 + q * q) + 2 * vc_bound_regroup(s);
}

const struct vc_alg vc_alg_alltoall_two_level = {
    .name = "two_level",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .help = "one leader per node exchanges all of its node's blocks; fewest messages, for small ones",
    .build = build,
    .scales = true,
    .steps = steps,
};

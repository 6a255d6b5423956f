/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leaders exchange the short blocks that their nodes' ranks have for each other, one message per pair of
 * nodes and direction. The ranks of a node know each other's lengths (VC_LENGTHS_OF_NODE), and no others.
 * Each rank packs its blocks for a node, in the order of that node's ranks, and the leader gathers what they
 * pack: a message holds blocks by source, then by destination. The receiving leader reorders them by
 * destination, and its ranks take them apart. Long blocks, and those between ranks of one node, go from rank
 * to rank: all who have to do with a block know its length.
 */
#include "coll/alltoall/exchange.h"
#include "coll/bounds.h"

/* Blocks of at most so many bytes go by the leaders. */
#define SHORT_BLOCK 1024
/* Peers that a rank exchanges long blocks with at a time. */
#define WINDOW 32

/* What is the same for all phases of a plan. */
struct exchange {
    struct vc_plan *plan;
    const struct vc_shape *shape;
    int rank, node, q;
    bool leads;
};

/* What a rank of the node sends to `other`, or receives from it. */
static size_t length(const struct exchange *x, int rank, int other, bool sends)
{
    const struct vc_shape *s = x->shape;
    if (s->node_pairs)
        return s
            ->node_pairs[((size_t)s->hier->local_of[rank] * 2 + !sends) * (size_t)s->size + (size_t)other];
    return sends ? vc_shape_pair(s, rank, other) : vc_shape_pair(s, other, rank);
}

/* The same of what goes by the leaders, to another node or from there. */
static size_t by_leader(const struct exchange *x, int rank, int other, bool sends)
{
    size_t len = length(x, rank, other, sends);
    return len <= SHORT_BLOCK ? len : 0;
}

/* Bytes between a rank of this node and all ranks of another, by the leaders. */
static size_t between(const struct exchange *x, int rank, int node, bool sends)
{
    const struct vc_hier *h = x->shape->hier;
    size_t sum = 0;
    for (int l = 0; l < vc_hier_node_size(h, node); l++)
        sum += by_leader(x, rank, vc_hier_rank(h, node, l), sends);
    return sum;
}

/* Where what each rank of this node has for another node, or gets from there, begins: [q + 1]. */
static const size_t *parts_of(const struct exchange *x, int node, bool sends)
{
    size_t *at = vc_plan_array(x->plan, (size_t)x->q + 1);
    for (int l = 0; at && l < x->q; l++)
        at[l + 1] = at[l] + between(x, vc_hier_rank(x->shape->hier, x->node, l), node, sends);
    return at;
}

/* This rank's blocks for a node, or from there, into scratch or out of it. */
static void move_blocks(const struct exchange *x, int node, struct vc_ref tmp, bool sends)
{
    const struct vc_hier *h = x->shape->hier;
    size_t at = 0;
    for (int l = 0; l < vc_hier_node_size(h, node); l++) {
        int other = vc_hier_rank(h, node, l);
        size_t len = by_leader(x, x->rank, other, sends);
        struct vc_ref part = vc_ref_sub(tmp, at, len),
                      block = vc_ref_of(sends ? VC_BUF_SEND_BLOCK : VC_BUF_RECV_BLOCK, (size_t)other, 0);
        if (len)
            vc_plan_copy(x->plan, sends ? block : part, sends ? part : block);
        at += len;
    }
}

static void send_to(const struct exchange *x, int node)
{
    const struct vc_hier *h = x->shape->hier;
    const size_t *at = parts_of(x, node, true);
    if (!at)
        return;
    int l = h->local_of[x->rank];
    struct vc_ref own = vc_plan_tmp(x->plan, at[l + 1] - at[l]), all = own;
    move_blocks(x, node, own, true);
    if (x->leads && x->q > 1)
        all = vc_plan_tmp(x->plan, at[x->q]);
    if (x->q > 1 && at[x->q])
        vc_plan_node_blocks(x->plan, VC_PHASE_GATHERV, 0, x->q, at, own, x->leads ? all : VC_NOTHING);
    if (x->leads)
        vc_plan_send(x->plan, vc_hier_rank(h, node, 0), all);
}

/* A message, by source, then by destination, turned around. */
static void reorder(const struct exchange *x, int node, const size_t *at, struct vc_ref from,
                    struct vc_ref to)
{
    const struct vc_hier *h = x->shape->hier;
    struct vc_copier c = {.plan = x->plan};
    for (int l = 0; l < x->q; l++) {
        size_t done = at[l], in = 0;
        for (int s = 0; s < vc_hier_node_size(h, node); s++) {
            int source = vc_hier_rank(h, node, s);
            for (int d = 0; d < x->q; d++) {
                size_t len = by_leader(x, vc_hier_rank(h, x->node, d), source, false);
                if (d == l && len) {
                    vc_copier_add(&c, vc_ref_sub(from, in, len), vc_ref_sub(to, done, len));
                    done += len;
                }
                in += len;
            }
        }
    }
    vc_copier_flush(&c);
}

static void receive_from(const struct exchange *x, int node)
{
    const struct vc_hier *h = x->shape->hier;
    const size_t *at = parts_of(x, node, false);
    if (!at)
        return;
    int l = h->local_of[x->rank];
    struct vc_ref own = VC_NOTHING, all = VC_NOTHING;
    if (x->leads) {
        struct vc_ref message = own = vc_plan_tmp(x->plan, at[x->q]);
        vc_plan_recv(x->plan, vc_hier_rank(h, node, 0), message);
        if (x->q > 1) {
            all = vc_plan_tmp(x->plan, at[x->q]);
            reorder(x, node, at, message, all);
        }
    }
    if (x->q > 1) {
        own = vc_plan_tmp(x->plan, at[l + 1] - at[l]);
        if (at[x->q])
            vc_plan_node_blocks(x->plan, VC_PHASE_SCATTERV, 0, x->q, at, all, own);
    }
    move_blocks(x, node, own, false);
}

static bool goes_directly(const struct exchange *x, int other, bool sends)
{
    return x->shape->hier->node_of[other] == x->node || length(x, x->rank, other, sends) > SHORT_BLOCK;
}

/* Blocks that go from rank to rank, nearest first. */
static void exchange_directly(const struct exchange *x)
{
    int n = x->shape->size, came[WINDOW], went[WINDOW], ncame = 0, nwent = 0;
    for (int i = 1; i < n; i++) {
        int from = vc_absolute(n - i, x->rank, n), to = vc_absolute(i, x->rank, n), step;
        if (goes_directly(x, from, false)) {
            step = vc_plan_recv(x->plan, from, vc_ref_of(VC_BUF_RECV_BLOCK, (size_t)from, 0));
            if (ncame >= WINDOW)
                vc_plan_after(x->plan, step, came[ncame % WINDOW]);
            came[ncame++ % WINDOW] = step;
        }
        if (goes_directly(x, to, true)) {
            step = vc_plan_send(x->plan, to, vc_ref_of(VC_BUF_SEND_BLOCK, (size_t)to, 0));
            if (nwent >= WINDOW)
                vc_plan_after(x->plan, step, went[nwent % WINDOW]);
            went[nwent++ % WINDOW] = step;
        }
    }
    vc_plan_copy(x->plan, vc_ref_of(VC_BUF_SEND_BLOCK, (size_t)x->rank, 0),
                 vc_ref_of(VC_BUF_RECV_BLOCK, (size_t)x->rank, 0));
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    const struct vc_hier *h = s->hier;
    struct exchange x = {.plan = p,
                         .shape = s,
                         .rank = rank,
                         .node = h->node_of[rank],
                         .q = vc_hier_node_size(h, h->node_of[rank]),
                         .leads = h->local_of[rank] == 0};
    vc_plan_begin(p, s, rank);
    for (int i = 1; i < h->nnodes; i++)
        send_to(&x, (x.node + i) % h->nnodes);
    for (int i = 1; i < h->nnodes; i++)
        receive_from(&x, (x.node - i + h->nnodes) % h->nnodes);
    exchange_directly(&x); /* on both sides of a pair of leaders behind their message */
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->size, q = vc_bound_ppn(s);
    return 1 + 4 * n + q * n + 4L * s->hier->nnodes;
}

const struct vc_alg vc_alg_alltoallv_two_level = {
    .name = "two_level",
    .coll = VC_ALLTOALLV,
    .kind = VC_ALG_PLAN,
    .lengths = VC_LENGTHS_OF_NODE,
    .help =
        "blocks of at most 1 KiB by leaders, one message per pair of nodes; longer ones from rank to rank",
    .build = build,
    .steps = steps,
};

const struct vc_alg vc_alg_alltoallw_two_level = {
    .name = "two_level",
    .coll = VC_ALLTOALLW,
    .kind = VC_ALG_PLAN,
    .lengths = VC_LENGTHS_OF_NODE,
    .help =
        "blocks of at most 1 KiB by leaders, one message per pair of nodes; longer ones from rank to rank",
    .build = build,
    .steps = steps,
};

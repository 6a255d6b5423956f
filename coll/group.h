/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups of participants. An exchange among a group (coll/<collective>/exchange.h) is written once, for flat
 * algorithms (the group is the communicator) and for the network phase of two-level ones (one rank of each
 * node). Each exchange appends the steps of the calling rank. A "virtual rank" is a position in the group;
 * where the group has one rank of each node, they stand in the order of the nodes.
 */
#ifndef VC_COLL_GROUP_H
#define VC_COLL_GROUP_H

#include "coll/parts.h"
#include "coll/plan.h"
#include "coll/registry.h"
#include "transport/base.h"

/** Who takes part: virtual ranks 0..n-1. The rank that builds must be one of them. */
struct vc_group {
    int n, me;
    const struct vc_hier *hier; /**< NULL: virtual ranks are communicator ranks */
    int local;                  /**< of each node the rank of this local index ... */
    int root_node, root;        /**< ... except of this node (-1: none), where it is this rank */
    bool last;                  /**< of each node its last rank instead */
    int radix;                  /**< of trees among them: the shape's */
    bool postal;         /**< reductions among them go along the trees of coll/postal.h, not k-nomial ones */
    const size_t *nodes; /**< [n] nodes that they are on, ascending, memory of the plan; root_node is a
                            position        there. NULL: all nodes */
};

/** All ranks of the communicator. */
struct vc_group vc_group_all(const struct vc_shape *shape, int rank);

/** The ranks of local index `local`, one of each node. Every node must have one. */
struct vc_group vc_group_of_local(const struct vc_shape *shape, int rank, int local);

/** The leaders of the nodes: local index 0, but the root on the root's node. `root` is ignored when negative.
 */
struct vc_group vc_group_leaders(const struct vc_shape *shape, int rank, int root);

/** The last rank of each node. */
struct vc_group vc_group_last(const struct vc_shape *shape, int rank);

/** The communicator rank of virtual rank v. */
static inline int vc_group_rank(const struct vc_group *g, int v)
{
    if (!g->hier)
        return v;
    int node = g->nodes ? (int)g->nodes[v] : v;
    if (g->last)
        return vc_hier_rank(g->hier, node, vc_hier_node_size(g->hier, node) - 1);
    return v == g->root_node ? g->root : vc_hier_rank(g->hier, node, g->local);
}

/**
 * The leaders of the nodes (vc_group_leaders()) on two levels. Each host has a lead among them: that of its
 * lowest node, but on the root's host the root.
 */
struct vc_host_groups {
    struct vc_group within;  /**< leaders of this host's nodes */
    int lead;                /**< position of the host's lead there */
    struct vc_group across;  /**< the hosts' leads, in the order of the hosts */
    int top;                 /**< position of the root's host there, 0 without a root */
    bool is_leader, is_lead; /**< what this rank is */
};

/** `root` is ignored when negative. False: the plan failed. */
bool vc_group_hosts(struct vc_plan *p, const struct vc_shape *shape, int rank, int root,
                    struct vc_host_groups *out);

/** How many leaders each node has in a multi-leader network phase: what the shape says, or 4, 8 or 16 by the
 * bytes, but not more than the smallest node has ranks. */
int vc_leaders(const struct vc_shape *shape);

/* ---- where the participants' blocks lie ---- */

/** Block i is the i-th unit at i * stride, or units first[i] to first[i + 1], or bytes at[i] to at[i + 1]. */
struct vc_layout {
    enum vc_buf buf;
    size_t off;       /**< of block 0 */
    size_t unit;      /**< bytes */
    size_t stride;    /**< bytes from block to block where `first` is NULL */
    const int *first; /**< [n + 1], or NULL */
    const size_t *at; /**< [n + 1], or NULL */
};

static inline size_t vc_layout_off(const struct vc_layout *lay, int i)
{
    if (lay->at)
        return lay->at[i];
    return lay->first ? (size_t)lay->first[i] * lay->unit : (size_t)i * lay->stride;
}

/** Blocks i to j - 1, which must be adjacent (stride == unit, `first` or `at`) when they are more than one.
 */
static inline struct vc_ref vc_layout_range(const struct vc_layout *lay, int i, int j)
{
    if (lay->buf == VC_BUF_SEND_BLOCK || lay->buf == VC_BUF_RECV_BLOCK) /* one only */
        return vc_ref_of(lay->buf, (size_t)i, 0);
    size_t at = vc_layout_off(lay, i);
    size_t len = lay->first || lay->at || j - i != 1 ? vc_layout_off(lay, j) - at : lay->unit;
    return vc_ref_of(lay->buf, lay->off + at, len);
}

static inline struct vc_ref vc_layout_block(const struct vc_layout *lay, int i)
{
    return vc_layout_range(lay, i, i + 1);
}

/** The blocks of all ranks in rank order, as the shape has them. */
static inline struct vc_layout vc_layout_ranks(const struct vc_shape *s, enum vc_buf buf)
{
    return (struct vc_layout){.buf = buf, .unit = s->bytes, .stride = s->bytes, .at = s->offsets};
}

/** Where unequal blocks begin that stand in the order of vc_hier.members. */
struct vc_grouped {
    const size_t *nodes; /**< [nodes + 1] those of each node, from the start */
    const size_t *local; /**< [ranks of one node + 1] those of its ranks, from where the node's begin */
};
/** Those of all nodes and of the ranks of `node`, in memory of the plan; false, and the plan failed, without
 * memory. */
bool vc_group_blocks(struct vc_plan *p, const struct vc_shape *shape, int node, struct vc_grouped *out);

/** Slices i to j - 1 of n, see vc_slice(). */
static inline struct vc_ref vc_slices(struct vc_ref vec, size_t grain, int n, int i, int j)
{
    size_t at = vc_slice(vec.len, grain, n, i);
    return vc_ref_sub(vec, at, vc_slice(vec.len, grain, n, j) - at);
}

/** Appends copies, as few as possible: neighbours that stay neighbours become one. Zero-initialize but for
 * `plan`, `rows` and `reads`. */
struct vc_copier {
    struct vc_plan *plan;
    bool rows; /**< pieces of one length at equal distances become one step, too, which then waits for all */
    struct vc_ref reads;    /**< with rows: what each counts as reading, see vc_plan_copy_pieces() */
    struct vc_ref src, dst; /**< what was added and not yet appended: one piece, or the first of several */
    ptrdiff_t src_step, dst_step;
    int pieces; /**< 0 and 1: one */
};
void vc_copier_add(struct vc_copier *c, struct vc_ref src, struct vc_ref dst);
void vc_copier_flush(struct vc_copier *c);

/** Blocks of all ranks from rank order to the order of vc_hier.members, and back. */
void vc_copy_grouped(struct vc_plan *p, const struct vc_shape *shape, struct vc_ref ranks,
                     struct vc_ref grouped);
void vc_copy_ungrouped(struct vc_plan *p, const struct vc_shape *shape, struct vc_ref grouped,
                       struct vc_ref ranks);

/** What a node step does not use on this rank. */
#define VC_NOTHING vc_ref_of(VC_BUF_NONE, 0, 0)

/**
 * For messages of one rank to several, the most urgent first: sends, but a long one not before the step
 * `before` (-1: none) is complete, because messages that share a link are all late. Returns the step, for the
 * next one.
 */
int vc_x_send_next(struct vc_plan *p, int peer, struct vc_ref msg, int before);

/** VC_PHASE_BCAST of ref from local index `root`; nothing where the rank is alone on its node. */
void vc_x_node_bcast(struct vc_plan *p, const struct vc_shape *shape, int rank, int root, struct vc_ref ref);

#endif

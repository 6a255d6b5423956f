/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What gathers and scatters share: a binomial tree over the members of a group, each of which has a part of
 * the root's buffer. Parts travel in the order of the members, beginning with the root's, cut at multiples of
 * a window. So a rank between root and leaves holds a few windows at most, however long its subtree's parts
 * are together, and the root holds nothing but its own buffer where parts are in its order.
 */
#ifndef VC_COLL_ROOTED_H
#define VC_COLL_ROOTED_H

#include "coll/group.h"

/** Bytes of a window where the shape names no segment, unless everything together is more than
 * VC_MAX_SEGMENTS of them; and how many an inner rank holds. */
#define VC_ROOTED_WINDOW ((size_t)64 << 10)
#define VC_ROOTED_HELD   4

/** Filled up to `all`, the rest zero. */
struct vc_rooted {
    struct vc_plan *plan;
    const struct vc_group *group;
    int root;           /**< virtual rank */
    size_t unit;        /**< bytes of one communicator rank's block */
    const int *first;   /**< [n + 1] blocks in front of each member's; NULL: one each */
    const int *members; /**< the rank of each of these blocks, where the root's buffer has another order */
    /** Unequal blocks: [blocks + 1] where each begins in the order of the members' blocks, and [size + 1]
     * where that of each rank is in the root's buffer. NULL: equal ones, of `unit`. */
    const size_t *at, *places;
    size_t window;      /**< 0: VC_ROOTED_WINDOW */
    struct vc_ref all;  /**< the root's buffer */
    struct vc_ref held; /**< scratch of this rank */
    bool placed;
    int turn; /**< root: next window of `held` */
};

/** Where the calling member's part lies best, its length included: the caller gathers it there, or finds it
 * there after a scatter, and hands it to the exchange. Of length 0: anywhere. Reserves scratch. */
struct vc_ref vc_rooted_place(struct vc_rooted *x);

/** `own`: the calling member's part. At the root it is ignored: the caller puts it into `all`, or takes it
 * from there. */
void vc_x_gather_binomial(struct vc_rooted *x, struct vc_ref own);
void vc_x_scatter_binomial(struct vc_rooted *x, struct vc_ref own);

/** Steps of either on any rank, among n members. */
long vc_bound_rooted(const struct vc_shape *s, long n);
/** The same of unequal blocks, whose sizes decide nothing. */
long vc_bound_rooted_uneven(long n);

/** gatherv and scatterv, whose ranks know all sizes: fills in `first`, `members`, `at` and `places`. `nodes`:
 * the members are the leaders of nodes. */
void vc_rooted_uneven(struct vc_rooted *x, const struct vc_shape *s, bool nodes);
/** Where the blocks of a node's ranks begin, one behind the other: [q + 1], memory of the plan. NULL where it
 * failed. */
size_t *vc_node_offsets(struct vc_plan *p, const struct vc_shape *s, int node);

/** Whether the ranks of a node are consecutive, so that their blocks are one. */
bool vc_node_consecutive(const struct vc_hier *h, int node);
/** The blocks of a node that is, in a buffer of all ranks. */
struct vc_ref vc_node_blocks(const struct vc_shape *s, int node, struct vc_ref all);
/** Of a node that is not: up to so many bytes go through the node's memory and scratch, more go as messages.
 */
#define VC_NODE_REGROUPED ((size_t)64 << 10)

#endif

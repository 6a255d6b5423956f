/* SPDX-License-Identifier: BSD-3-Clause */
/* Broadcasts among the participants of a group. Ranks are virtual, `root` too. */
#ifndef VC_COLL_BCAST_EXCHANGE_H
#define VC_COLL_BCAST_EXCHANGE_H

#include "coll/double_tree.h"

/** One message from `root` to all: along a k-nomial tree, one of the postal model, a chain, down a complete
 * binary tree. */
typedef void vc_bcast_exchange(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root);
vc_bcast_exchange vc_x_bcast_binomial, vc_x_bcast_postal, vc_x_bcast_chain, vc_x_bcast_binary;

/** A broadcast among all ranks in segments of the shape's size (0: `segment`; 0: one). A whole build(). */
int vc_bcast_flat(const struct vc_shape *shape, int rank, struct vc_plan *p, size_t segment,
                  vc_bcast_exchange *exchange);
/** Single-leader bcast in segments with that exchange between the nodes. A whole build(). */
int vc_bcast_segmented(const struct vc_shape *shape, int rank, struct vc_plan *p, size_t segment,
                       vc_bcast_exchange *exchange);

/** In segments down two trees of the group by turns (vc_double_tree_of()); `node`: each leader's node gets
 * them as they come, and ranks that lead no node take part in that alone. A whole build(). */
int vc_bcast_double_tree(const struct vc_shape *shape, int rank, struct vc_plan *p, const struct vc_group *g,
                         int root, bool node);

/* Scatter and allgather. Long sends of a rank take turns over both (vc_x_send_next()), for the root has all
 * slices from the start: each of these returns the last send, for the next one's `before`. */

/** Scatters the message in n slices along a binomial tree: the v-th after the root gets those of its subtree.
 */
int vc_x_bcast_scatter(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root);
/** The slice that round k of n - 1 of the ring brings to the v-th behind the root; -1: it has that slice
 * already. */
int vc_bcast_ring_slice(int n, int v, int k);
/** That round: passes a slice on, unless the next participant has it already. */
int vc_x_bcast_ring_step(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root, int k,
                         int before);
/** Gathers the slices on all by recursive doubling; a power of two only. */
int vc_x_bcast_doubling(struct vc_plan *p, const struct vc_group *g, struct vc_ref msg, int root, int before);

#endif

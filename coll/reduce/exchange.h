/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions to one participant of a group. `own` is where a participant's operand lies, `acc` where it
 * reduces: the result at the top of the tree, elsewhere scratch, or own, which is then overwritten.
 */
#ifndef VC_COLL_REDUCE_EXCHANGE_H
#define VC_COLL_REDUCE_EXCHANGE_H

#include "coll/double_tree.h"

/** Along a k-nomial tree, or the group's other one, to virtual rank `top`. Operands stay in ascending order
 * when that is 0. */
void vc_x_reduce_tree(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref acc,
                      int top);
/** Whether this participant only passes its operand on and reduces nothing: its `acc` is then `own`. */
bool vc_reduce_leaf(const struct vc_group *g, int top);

/**
 * In place, to virtual rank `root`; the others' vec is undefined afterwards. Operators that do not commute
 * take the tree of virtual rank 0 and one more message.
 */
void vc_x_reduce_binomial(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                          struct vc_ref vec, int root);

/** Segment `i` up one of two trees, by its parity (vc_double_tree_of()), for operators that commute. `pipe`:
 * of the whole message. */
void vc_x_reduce_double_tree(struct vc_plan *p, const struct vc_group *g, struct vc_ref own,
                             struct vc_ref acc, int root, int i, struct vc_pipe *pipe);

/** The reduction of a group of all ranks in segments along the tree of rank `top`, whose result goes to
 * `at_top` there. */
void vc_reduce_flat(struct vc_plan *p, const struct vc_shape *shape, const struct vc_group *all, int top,
                    struct vc_ref at_top);

/** In each node's memory to its leader, then, segment by segment, along a tree of the leaders, which are `g`.
 * A whole build(). */
int vc_reduce_two_level(const struct vc_shape *shape, int rank, struct vc_plan *p, const struct vc_group *g);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two binary trees over the same participants, of which each is an inner node in at most one (Sanders, Speck,
 * Traff 2009): half of a message goes along each, so that every participant sends and receives it about once.
 */
#ifndef VC_COLL_DOUBLE_TREE_H
#define VC_COLL_DOUBLE_TREE_H

#include "coll/group.h"

/** Neighbours of one participant in one of the trees, as participants relative to the root, which is 0 in
 * both; -1: none. */
struct vc_double_tree {
    int parent, child[2];
};

/** In tree 0 or 1 over n participants. The root has one child in each. */
struct vc_double_tree vc_double_tree_of(int n, int v, int tree);

/** How many pieces a message goes in, each along the tree of its parity: of shape->segment bytes, or of what
 * is usual. Even, or 1, or 0 for no bytes. */
int vc_double_tree_segments(const struct vc_shape *shape);
/** At least as many, for every rank: for vc_alg.steps. */
long vc_bound_double_tree(const struct vc_shape *shape);

/**
 * Sends of a pipeline, in the order in which they are urgent: one begins when those are complete that stand
 * some places before it. Messages that share a link would all be late, and one at a time would leave it idle.
 */
struct vc_pipe {
    int step[8]; /**< the last ones */
    int width, n;
};

/** For messages of about `bytes`. */
struct vc_pipe vc_pipe_of(size_t bytes);
void vc_pipe_send(struct vc_pipe *pipe, struct vc_plan *p, int peer, struct vc_ref msg);

#endif

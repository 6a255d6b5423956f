/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two binary trees over the same participants, of which each is an inner node in at most one (Sanders, Speck,
 * Traff 2009): half of a message goes along each, so that every participant sends and receives it about once.
 */
#ifndef VC_COLL_DOUBLE_TREE_H
#define VC_COLL_DOUBLE_TREE_H

#include "coll/group.h"
#include "coll/pipe.h"

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

#endif

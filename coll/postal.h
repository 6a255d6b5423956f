/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trees for networks in which a rank begins several messages while one is on its way (the postal model:
 * Bar-Noy & Kipnis, "Designing broadcasting algorithms in the postal model for message-passing systems",
 * Mathematical Systems Theory 27, 1994; in LogP: Karp, Sahay, Santos & Schauser, SPAA 1993). If a message
 * takes as long as lambda beginnings of one, t beginnings reach N(t) = N(t - 1) + N(t - lambda) participants,
 * and no tree reaches more. Here lambda is radix - 1: radix 2 gives the binomial tree, and where a k-nomial
 * tree has k - 1 children on each of its levels, as many as the way of a message hides, this one never waits
 * for a level to end.
 */
#ifndef VC_COLL_POSTAL_H
#define VC_COLL_POSTAL_H

/** No participant has more children, nor is a tree of 2^31 - 1 participants built in more turns. */
enum { VC_POSTAL_TURNS = 640 };

/** Neighbours of one participant, as participants relative to the root, which is 0. The subtree of a child is
 * a range that begins with it. */
struct vc_postal_tree {
    int parent; /**< -1: none */
    int nchildren;
    int child[VC_POSTAL_TURNS]; /**< in descending order, which is that of their messages: the largest first
                                 */
};

/** The radix to build with, 2 to VC_MAX_RADIX, of a shape's. A shape without one (0) gets 8, which is right
 * where messages take about 1.5 us and a rank begins one each 0.2 us. */
int vc_postal_radix(int radix);

/** Of participant v of n; radix: of vc_postal_radix(). */
void vc_postal_tree_of(int n, int v, int radix, struct vc_postal_tree *out);

/** How many children the root has, and nobody more, with a shape's radix: for vc_alg.steps. */
long vc_bound_postal(int n, int radix);

#endif

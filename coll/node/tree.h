/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to coll/node. The tree of a node whose levels are known, and operations over it.
 *
 * Tiers: on tier 0 the groups are those of the finest level, all ranks are in one. A group's leader is its
 * lowest member. On tier t the leaders of the groups of tier t - 1 meet, in groups of level t; on the last
 * tier, the top, all leaders that are left. So a rank is in one group on each of its tiers, and leads it on
 * all but its last.
 *
 * Each group is a flat node (struct vc_node) of its members: rings, positions, polling, `done` and wake-ups
 * are among them alone. It has two sets of slots, each with an order of operations of its own: `up`, in which
 * every member has slots, and `down`, in which the leader alone has some. So results go down while operands
 * of the same operation still come up. The top has `up` alone.
 *
 * An operation is a few flat ones, one to each group and direction, called tracks. A track takes what an
 * earlier one, its supplier, has brought to this rank. Long vectors stream: a track may write whatever chunks
 * its supplier has completed. Since a track finds its slots in the order of the operations, no rank needs to
 * know where the others are.
 *
 * Reductions: operands come up to the leaders, the top reduces what they bring (each group by slices where
 * vectors are long), and results go down. A rooted one goes down only towards its root; leaders that are not
 * the root need memory for what passes, two blocks of VC_TREE_BLOCK bytes, so longer vectors go block by
 * block. Broadcasts go from the root to its group, up from leader to leader, and down in all other groups.
 * Allgather of small blocks collects them padded: each member of a group brings as much as the largest could.
 * Everything else, single copy, and reductions whose order the levels would change, goes over the flat node.
 */
#ifndef VC_COLL_NODE_TREE_H
#define VC_COLL_NODE_TREE_H

#include "coll/node/impl.h"

#define VC_TREE_TIERS (VC_LEVEL_KINDS + 1)
/* Of a rooted reduction a leader keeps two such blocks. */
#define VC_TREE_BLOCK ((size_t)128 << 10)

/* One of this rank's groups. */
struct vc_tier {
    struct vc_node *up, *down; /* down: NULL at the top */
    int *member;               /* local indexes, ascending */
    int n, me;                 /* index 0 leads */
};

/* One flat operation of the one that runs. */
struct vc_track {
    struct vc_node *node;
    struct vc_node_call call;
    char *src, *dst;
    bool src_passes, dst_passes; /* memory of the tree, of which two blocks are there */
    bool skips;                  /* takes no part, but counts the slots */
    bool active;                 /* the call has begun */
    bool fed;                    /* all of its src is there */
    int supplier;                /* an earlier track, or -1: src is there */
    int blocks;                  /* so many are done */
};

struct vc_tree {
    int n, top;              /* ranks of the node, the last tier */
    int last;                /* this rank's last tier */
    bool ordered;            /* groups are ranges of local indexes */
    bool keep_flat;          /* reductions are not for the tree */
    int *lead;               /* [top][n]: the leader of a rank's group on each tier but the top */
    int *index;              /* [top + 1][n]: of a rank in its group on a tier, for ranks that are on it */
    int *padded;             /* [n] place of a rank's block among padded blocks */
    int most[VC_TREE_TIERS]; /* members of the largest group on each tier */
    size_t padded_blocks;
    struct vc_tier tier[VC_TREE_TIERS];
    char *scratch; /* two blocks where this rank leads, otherwise what a padded allgather needs */

    /* The operation that runs. */
    struct vc_track track[2 * VC_TREE_TIERS];
    int ntracks, nblocks;
    size_t len, block; /* bytes of the vector, of a block */
    bool direct;       /* may poll for a moment */
};

/* tree.c */
int vc_tree_create(struct vc_node *nd, const struct vc_node_cfg *cfg);
/* As vc_flat_place(), of all its groups; bulk: the node's. */
void vc_tree_place(struct vc_node *nd, char *const *mem, size_t bulk);
void vc_tree_destroy(struct vc_tree *tree); /* NULL is legal */
/* Whether the operation goes over the tree. The same on all ranks. */
bool vc_tree_takes(const struct vc_node *nd, const struct vc_node_call *c);
/* Whether it would with some length. */
bool vc_tree_takes_some(const struct vc_node *nd, const struct vc_node_call *c);
/* An operation that goes over the flat node, or not through the node: see vc_node_pass(). */
void vc_tree_pass(struct vc_tree *tree, size_t len);
/* As vc_node_start(). */
int vc_tree_start(struct vc_node *nd, struct vc_node_call *c, bool direct);

/* tree_tracks.c: fills in the tracks of the operation. */
void vc_tree_plan(struct vc_tree *tree, const struct vc_node_call *c, int me);

/* tree_run.c: as vc_node_progress(). */
int vc_tree_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* The rank that has on tier t what comes from rank r, or goes to it, while it is on its way: r, its group's
 * leader, the leader of that one's group, and so on. */
static inline int vc_tree_ancestor(const struct vc_tree *tree, int r, int t)
{
    return t == 0 ? r : tree->lead[(size_t)(t - 1) * (size_t)tree->n + (size_t)r];
}

/* Whether rank r is below or in the group on tier t that rank `me` is in. */
static inline bool vc_tree_below(const struct vc_tree *tree, int r, int t, int me)
{
    return t == tree->top || vc_tree_ancestor(tree, r, t + 1) == vc_tree_ancestor(tree, me, t + 1);
}

/* The index in that group of the rank that stands for r. */
static inline int vc_tree_index(const struct vc_tree *tree, int r, int t)
{
    return tree->index[(size_t)t * (size_t)tree->n + (size_t)vc_tree_ancestor(tree, r, t)];
}

#endif

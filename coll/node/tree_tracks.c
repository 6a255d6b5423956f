/* SPDX-License-Identifier: BSD-3-Clause */
/* Which flat operations, in which groups, an operation over the tree is for this rank. */
#include "coll/node/tree.h"

#define NONE (-1)

/* What a barrier's reductions have as src: nobody reads it, and a leader whose src is not its dst publishes
 * nothing. */
static char nothing[1];

/* Memory of a track: the user's or the tree's. */
struct memory {
    char *at;
    bool passes; /* see struct vc_track */
};

static int add_track(struct vc_tree *tree, struct vc_node *node, enum vc_node_phase kind, int root,
                     int supplier)
{
    struct vc_track *t = &tree->track[tree->ntracks];
    /* Field by field: the state of the call, most of it, is set when it begins. */
    t->node = node;
    t->supplier = supplier;
    t->skips = t->active = t->fed = false;
    t->blocks = 0;
    t->call.kind = kind;
    t->call.alg = VC_NODE_SLOTS;
    t->call.root = root;
    t->call.parts = 1;
    t->call.view = NULL;
    return tree->ntracks++;
}

static void give_memory(struct vc_tree *tree, int track, struct memory src, struct memory dst)
{
    struct vc_track *t = &tree->track[track];
    t->src = src.at;
    t->src_passes = src.passes;
    t->dst = dst.at;
    t->dst_passes = dst.passes;
}

/* The slots in which member `root` of a group broadcasts. */
static struct vc_node *bcast_node(const struct vc_tier *tier, int root)
{
    return root == 0 && tier->down ? tier->down : tier->up;
}

static int add_bcast(struct vc_tree *tree, int t, int root, int supplier, struct memory data)
{
    int track = add_track(tree, bcast_node(&tree->tier[t], root), VC_PHASE_BCAST, root, supplier);
    give_memory(tree, track, data, data);
    return track;
}

/* What the top, or this rank's last tier, has brought goes to all below this rank. */
static void add_downs(struct vc_tree *tree, int supplier, struct memory data)
{
    if (tree->last < tree->top)
        supplier = add_bcast(tree, tree->last, 0, NONE, data);
    for (int t = tree->last; t >= 0; t--)
        if (t < tree->last && tree->tier[t].n > 1)
            add_bcast(tree, t, 0, supplier, data);
}

/*
 * Operands come up: this rank's from `src` on, reduced to `acc` wherever it leads. `kind` is what the top
 * does; its root is the member that stands for rank `root`. Returns the track that brings the top's result to
 * this rank; NONE where there is none.
 */
static int add_ups(struct vc_tree *tree, enum vc_node_phase kind, int root, struct memory src,
                   struct memory acc)
{
    int supplier = NONE;
    for (int t = 0; t <= tree->last; t++) {
        struct vc_tier *tier = &tree->tier[t];
        bool top = t == tree->top;
        int to = top && kind == VC_PHASE_REDUCE ? vc_tree_index(tree, root, t) : 0;
        if (tier->n == 1)
            continue;
        int track = add_track(tree, tier->up, top ? kind : VC_PHASE_REDUCE, to, supplier);
        bool mine = tier->me == to || (top && kind != VC_PHASE_REDUCE);
        give_memory(tree, track, src, mine ? acc : (struct memory){0});
        supplier = mine ? track : NONE;
        src = acc;
    }
    return tree->last == tree->top ? supplier : NONE;
}

/* A rooted reduction's result comes down to its root, by way of the leaders above it. `have`: the track that
 * brings it to this rank, if it is one of them. */
static void add_way_to_root(struct vc_tree *tree, int root, int me, int have, struct memory data)
{
    for (int t = tree->last < tree->top ? tree->last : tree->top - 1; t >= 0; t--) {
        struct vc_tier *tier = &tree->tier[t];
        int to = vc_tree_index(tree, root, t);
        if (!vc_tree_below(tree, root, t, me) || to == 0)
            continue; /* not the root's group, or the result is where it must be on this tier */
        int track = add_bcast(tree, t, 0, tier->me == 0 ? have : NONE, data);
        tree->track[track].skips = tier->me != 0 && tier->me != to;
        if (tier->me == to)
            have = track;
    }
}

static void plan_bcast(struct vc_tree *tree, const struct vc_node_call *c, int me)
{
    struct memory data = {.at = c->dst};
    int source[VC_TREE_TIERS], from = NONE, supplier = NONE;
    for (int t = 0; t <= tree->last; t++)
        source[t] = vc_tree_below(tree, c->root, t, me) ? vc_tree_index(tree, c->root, t) : 0;
    /* This rank has one source, on one of its tiers, and is the source on all others. */
    for (int t = tree->last; t >= 0; t--)
        if (source[t] != tree->tier[t].me)
            from = t;
    if (from != NONE)
        supplier = add_bcast(tree, from, source[from], NONE, data);
    for (int t = tree->last; t >= 0; t--)
        if (t != from && tree->tier[t].n > 1)
            add_bcast(tree, t, source[t], supplier, data);
    /* What a rank passes on lies packed in its dst, and is unpacked in the end. */
    for (int i = 0; i < tree->ntracks && (from == NONE || tree->ntracks == 1); i++)
        tree->track[i].call.view = c->view;
}

/* Padded blocks are collected where they have to be at the end; on the way down all of them go as one. */
static void plan_allgather(struct vc_tree *tree, const struct vc_node_call *c)
{
    struct memory all = {.at = tree->scratch}, mine = all, src = {.at = (char *)(uintptr_t)c->src};
    int supplier = NONE;
    size_t len = c->len;
    if (tree->last == tree->top) {
        size_t block = len;
        for (int t = 0; t < tree->top; t++)
            block *= (size_t)tree->most[t];
        mine.at += (size_t)tree->tier[tree->top].me * block;
    }
    if (tree->last > 0) {
        if (len > 0)
            memcpy(mine.at, src.at, len);
        src = mine;
    }
    for (int t = 0; t <= tree->last; t++) {
        struct vc_tier *tier = &tree->tier[t];
        bool top = t == tree->top;
        if (tier->n > 1) {
            int track = add_track(tree, tier->up, top ? VC_PHASE_ALLGATHER : VC_PHASE_GATHER, 0, supplier);
            give_memory(tree, track, src, top ? all : tier->me == 0 ? mine : (struct memory){0});
            tree->track[track].call.len = len;
            supplier = track;
        }
        len *= (size_t)tree->most[t];
    }
    int downs = tree->ntracks;
    add_downs(tree, supplier, all);
    for (int i = downs; i < tree->ntracks; i++)
        tree->track[i].call.len = tree->padded_blocks * c->len;
}

void vc_tree_plan(struct vc_tree *tree, const struct vc_node_call *c, int me)
{
    struct memory src = {.at = (char *)(uintptr_t)c->src}, dst = {.at = c->dst};
    struct memory passing = {.at = tree->scratch, .passes = true};
    tree->ntracks = 0;
    tree->nblocks = 1;
    tree->len = tree->block = c->len;
    switch (c->kind) {
    case VC_PHASE_BARRIER:
        src.at = nothing;
        dst.at = NULL;
        tree->len = tree->block = 0;
        add_downs(tree, add_ups(tree, VC_PHASE_BARRIER, 0, src, dst), dst);
        break;
    case VC_PHASE_ALLREDUCE:
        add_downs(tree, add_ups(tree, VC_PHASE_ALLREDUCE, 0, src, dst), dst);
        break;
    case VC_PHASE_REDUCE: {
        struct memory acc = me == c->root ? dst : passing;
        if (c->len > VC_TREE_BLOCK) {
            tree->block = VC_TREE_BLOCK / vc_grain(c) * vc_grain(c);
            tree->nblocks = (int)((c->len + tree->block - 1) / tree->block);
        }
        int have = add_ups(tree, VC_PHASE_REDUCE, c->root, src, acc);
        add_way_to_root(tree, c->root, me, have, acc);
        break;
    }
    case VC_PHASE_BCAST:
        plan_bcast(tree, c, me);
        break;
    default: /* allgather: each track has a length of its own */
        plan_allgather(tree, c);
        break;
    }
    for (int i = 0; i < tree->ntracks; i++) {
        struct vc_node_call *call = &tree->track[i].call;
        call->op = c->op;
        call->grain = c->grain;
        if (c->kind != VC_PHASE_ALLGATHER)
            call->len = tree->block;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the tracks of an operation over the tree. */
#include "coll/node/tree.h"

#include <limits.h>

/* Whom to wait for: nobody found yet. Several at once are VC_WAIT_ANY. */
#define NOBODY INT_MIN

/* Whether a track of this kind delivers its result from the first byte to the last, and can be told how many
 * bytes of its src are there. */
static bool streams(const struct vc_track *t)
{
    return t->call.kind == VC_PHASE_REDUCE || t->call.kind == VC_PHASE_ALLREDUCE ||
           t->call.kind == VC_PHASE_BCAST;
}

static bool supplied(const struct vc_tree *tree, const struct vc_track *t)
{
    return t->supplier < 0 || tree->track[t->supplier].blocks > t->blocks;
}

/* Whether a track may begin its next block. */
static bool may_begin(const struct vc_tree *tree, const struct vc_track *t)
{
    if (t->blocks == tree->nblocks)
        return false;
    if (tree->nblocks > 2) /* memory for two blocks is there: the last but one must have left it */
        for (int i = 0; i < tree->ntracks; i++)
            if (tree->track[i].blocks < t->blocks - 1)
                return false;
    if (supplied(tree, t))
        return true;
    const struct vc_track *s = &tree->track[t->supplier];
    return t->call.len > VC_SMALL_SLOT && s->active && streams(s) && streams(t);
}

/* Where the block is that a track is at. */
static char *block_at(const struct vc_tree *tree, const struct vc_track *t, char *memory, bool passes)
{
    if (!memory || t->blocks == 0)
        return memory;
    return memory + (passes ? (size_t)(t->blocks & 1) * VC_TREE_BLOCK : (size_t)t->blocks * tree->block);
}

/* 1: the block is done. 0: begun. */
static int begin(const struct vc_tree *tree, struct vc_track *t)
{
    t->call.src = block_at(tree, t, t->src, t->src_passes);
    t->call.dst = block_at(tree, t, t->dst, t->dst_passes);
    if (tree->nblocks > 1)
        t->call.len = vc_min_size(tree->block, tree->len - (size_t)t->blocks * tree->block);
    t->fed = supplied(tree, t);
    if (t->skips) {
        int err = vc_node_slots_skip(t->node, &t->call);
        return err == VC_OK ? 1 : err;
    }
    int rc = tree->direct && t->fed ? vc_node_small(t->node, &t->call) : -1;
    return rc >= 0 ? rc : vc_flat_start(t->node, &t->call);
}

/* Tells the track what has come. */
static void feed(const struct vc_tree *tree, struct vc_track *t)
{
    if (t->fed)
        return;
    const struct vc_node_call *s = &tree->track[t->supplier].call;
    t->fed = supplied(tree, t);
    vc_node_slots_feed(t->node, &t->call, (size_t)s->st.rd * s->st.chunk, t->fed);
}

/* Moves a track as far as it goes. 1: by a block at least. 0: not; *whom: the one that it waits for, if it
 * does. */
static int move(const struct vc_tree *tree, struct vc_track *t, int *whom)
{
    int moved = 0;
    while (t->active || may_begin(tree, t)) {
        int rc = 0, who = NOBODY;
        if (!t->active)
            rc = begin(tree, t);
        t->active = true;
        if (rc == 0) {
            feed(tree, t);
            rc = vc_flat_progress(t->node, &t->call, &who);
        }
        if (rc < 0)
            return rc;
        if (rc == 0) {
            if (who != NOBODY) {
                who = vc_node_index(t->node, who);
                *whom = *whom == NOBODY || *whom == who ? who : VC_WAIT_ANY;
            }
            break;
        }
        t->active = false;
        t->blocks++;
        moved = 1;
    }
    return moved;
}

/* Padded blocks to where they belong. */
static void unpack(const struct vc_tree *tree, const struct vc_node_call *c)
{
    for (int r = 0; r < tree->n && c->len > 0; r++)
        memcpy((char *)c->dst + (size_t)r * c->len, tree->scratch + (size_t)tree->padded[r] * c->len, c->len);
}

int vc_tree_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_tree *tree = nd->tree;
    int moved, who;
    do {
        moved = 0;
        who = NOBODY;
        for (int i = 0; i < tree->ntracks; i++) {
            int rc = move(tree, &tree->track[i], &who);
            if (rc < 0)
                return rc;
            moved |= rc;
        }
    } while (moved);
    for (int i = 0; i < tree->ntracks; i++)
        if (tree->track[i].blocks < tree->nblocks) {
            *whom = who == NOBODY ? VC_WAIT_ANY : who;
            return 0;
        }
    if (c->kind == VC_PHASE_ALLGATHER)
        unpack(tree, c);
    if (c->view && c->view->dst && tree->ntracks > 1)
        c->view->put(c->view->dst, 0, c->len, c->dst);
    c->st.phase = -1;
    return 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of a node: the groups that its levels make, their memory, and which operations go over it. */
#include "coll/node/tree.h"

#include <stdlib.h>

/* A group's bulk slots are half as long as the flat node's: a chunk of a pipeline is not longer, and a leader
 * has several of them. */
static size_t group_bulk(size_t bulk)
{
    return bulk / 2;
}

/* Whether no lower rank is in r's group. */
static bool leads(const struct vc_level *level, int r)
{
    for (int i = 0; i < r; i++)
        if (level->group_of[i] == level->group_of[r])
            return false;
    return true;
}

/* Each tier of a rank takes the same: the slots of `up`, then those of `down`. On the last one it does not
 * lead, so it has no slots in `down`, or it is the top. */
static size_t tier_offset(int t, size_t bulk)
{
    return (size_t)t * 2 * vc_group_bytes(true, group_bulk(bulk));
}

static int last_tier(const struct vc_levels *levels, int r)
{
    int last = 0;
    while (last < levels->depth && leads(&levels->level[last], r))
        last++;
    return last;
}

size_t vc_node_tree_bytes(const struct vc_levels *levels, int n, int r, size_t bulk)
{
    if (!levels || levels->depth == 0 || n < 2)
        return 0;
    int last = last_tier(levels, r);
    return tier_offset(last, bulk) + vc_group_bytes(true, group_bulk(bulk)) +
           (last < levels->depth ? vc_group_bytes(false, 0) : 0);
}

void vc_node_tree_prepare(char *mem, const struct vc_levels *levels, int n, int r, size_t bulk)
{
    if (!levels || levels->depth == 0 || n < 2)
        return;
    int last = last_tier(levels, r);
    size_t half = group_bulk(bulk), up = vc_group_bytes(true, half);
    for (int t = 0; t <= last; t++) {
        vc_group_prepare(mem + tier_offset(t, bulk), true, half);
        if (t < levels->depth)
            vc_group_prepare(mem + tier_offset(t, bulk) + up, t < last, half);
    }
}

int vc_node_parts(const struct vc_levels *levels, int n, int r, size_t bulk, bool later,
                  struct vc_node_part part[VC_NODE_PARTS])
{
    size_t half = group_bulk(bulk), flat = vc_node_bytes(n, bulk), few = vc_node_bytes(n, 0);
    size_t up = vc_group_bytes(true, half), first = vc_group_bytes(true, 0);
    int count = 0;
    part[count++] = later ? (struct vc_node_part){few, flat - few} : (struct vc_node_part){0, few};
    if (!levels || levels->depth == 0 || n < 2)
        return count;
    int last = last_tier(levels, r);
    for (int t = 0; t <= last; t++) {
        size_t at = flat + tier_offset(t, bulk);
        part[count++] =
            later ? (struct vc_node_part){at + first, up - first} : (struct vc_node_part){at, first};
        if (t == levels->depth || (later && t == last))
            continue;
        at += up;
        part[count++] = later      ? (struct vc_node_part){at + first, up - first}
                        : t < last ? (struct vc_node_part){at, first}
                                   : (struct vc_node_part){at, vc_group_bytes(false, 0)};
    }
    return count;
}

void vc_node_prepare_parts(char *mem, const struct vc_levels *levels, int n, int r, size_t bulk, bool later)
{
    if (!later)
        vc_node_prepare(mem, n, 0); /* where the bulk slots would be is not touched */
    else
        vc_flat_prepare_bulk(mem, bulk);
    if (!levels || levels->depth == 0 || n < 2)
        return;
    int last = last_tier(levels, r);
    size_t half = group_bulk(bulk), up = vc_group_bytes(true, half);
    for (int t = 0; t <= last; t++) {
        char *at = mem + vc_node_bytes(n, bulk) + tier_offset(t, bulk);
        if (later)
            vc_flat_prepare_bulk(at, half);
        else
            vc_group_prepare(at, true, 0);
        if (t == levels->depth)
            continue;
        if (!later)
            vc_group_prepare(at + up, t < last, 0);
        else if (t < last)
            vc_flat_prepare_bulk(at + up, half);
    }
}

/* ---- who is where ---- */

static bool on_tier(const struct vc_tree *tree, int r, int t)
{
    return vc_tree_ancestor(tree, r, t) == r;
}

/* Leaders, indexes, sizes. `seen`: [n], clear. */
static void find_groups(struct vc_tree *tree, const struct vc_levels *levels, int *seen)
{
    size_t n = (size_t)tree->n;
    for (int t = 0; t < tree->top; t++) {
        const int *group = levels->level[t].group_of;
        int *lead = tree->lead + (size_t)t * n;
        for (int r = 0; r < tree->n; r++) /* groups are numbered by their lowest member */
            seen[group[r]] = -1;
        for (int r = 0; r < tree->n; r++) {
            int *first = &seen[group[r]];
            if (*first < 0)
                *first = r;
            lead[r] = *first;
            tree->ordered &= *first == r || lead[r - 1] == *first;
        }
    }
    for (int t = 0; t <= tree->top; t++) {
        memset(seen, 0, n * sizeof *seen);
        for (int r = 0; r < tree->n; r++) {
            if (!on_tier(tree, r, t))
                continue;
            int *members = &seen[t == tree->top ? 0 : vc_tree_ancestor(tree, r, t + 1)];
            tree->index[(size_t)t * n + (size_t)r] = (*members)++;
            if (tree->most[t] < *members)
                tree->most[t] = *members;
        }
    }
}

/* Where blocks lie that are collected padded. */
static void place_padded(struct vc_tree *tree)
{
    size_t unit = 1;
    for (int t = 0; t <= tree->top; t++) {
        for (int r = 0; r < tree->n; r++)
            tree->padded[r] += (int)unit * vc_tree_index(tree, r, t);
        unit *= (size_t)tree->most[t];
        if (unit > 4 * (size_t)tree->n) { /* never used, and the numbers must stay small */
            tree->padded_blocks = SIZE_MAX;
            return;
        }
    }
    tree->padded_blocks = unit;
}

/* ---- creation ---- */

static int create_tier(struct vc_node *nd, const struct vc_node_cfg *cfg, int t)
{
    struct vc_tree *tree = nd->tree;
    struct vc_tier *tier = &tree->tier[t];
    size_t bulk = group_bulk(cfg->bulk);
    tier->member = malloc((size_t)nd->n * sizeof *tier->member);
    if (!tier->member)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", nd->n);
    for (int r = 0; r < nd->n; r++) {
        if (!on_tier(tree, r, t) || !vc_tree_below(tree, r, t, nd->me))
            continue;
        if (r == nd->me)
            tier->me = tier->n;
        tier->member[tier->n++] = r;
    }
    int err = vc_group_create(nd, tier->member, tier->n, tier->me, -1, bulk, &tier->up);
    if (err == VC_OK && t < tree->top)
        err = vc_group_create(nd, tier->member, tier->n, tier->me, 0, bulk, &tier->down);
    return err;
}

void vc_tree_place(struct vc_node *nd, char *const *mem, size_t bulk)
{
    size_t flat = vc_node_bytes(nd->n, bulk), half = group_bulk(bulk), up = vc_group_bytes(true, half);
    for (int t = 0; t <= nd->tree->last; t++) {
        struct vc_tier *tier = &nd->tree->tier[t];
        size_t at = flat + tier_offset(t, bulk);
        vc_flat_place(tier->up, mem, at, half);
        if (tier->down)
            vc_flat_place(tier->down, mem, at + up, half);
    }
}

static struct vc_tree *alloc_tree(int n, int depth)
{
    size_t ints = (size_t)n * (2 * (size_t)depth + 2);
    struct vc_tree *tree = calloc(1, sizeof *tree);
    int *table = calloc(ints, sizeof *table);
    if (!tree || !table) {
        free(tree);
        free(table);
        return NULL;
    }
    tree->n = n;
    tree->top = depth;
    tree->ordered = true;
    tree->lead = table;
    tree->index = table + (size_t)n * (size_t)depth;
    tree->padded = tree->index + (size_t)n * ((size_t)depth + 1);
    return tree;
}

int vc_tree_create(struct vc_node *nd, const struct vc_node_cfg *cfg)
{
    struct vc_tree *tree = nd->tree = alloc_tree(nd->n, cfg->levels->depth);
    int *seen = malloc((size_t)nd->n * sizeof *seen);
    if (!tree || !seen) {
        free(seen);
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", nd->n);
    }
    tree->keep_flat = cfg->reproducible;
    find_groups(tree, cfg->levels, seen);
    free(seen);
    place_padded(tree);
    while (tree->last < tree->top && on_tier(tree, nd->me, tree->last + 1))
        tree->last++;
    for (int t = 0; t <= tree->last; t++) {
        int err = create_tier(nd, cfg, t);
        if (err != VC_OK)
            return err;
    }
    tree->scratch = calloc(1, tree->last > 0 ? 2 * VC_TREE_BLOCK : VC_NODE_PADDED);
    return tree->scratch ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", nd->n);
}

void vc_tree_destroy(struct vc_tree *tree)
{
    if (!tree)
        return;
    for (int t = 0; t <= tree->last; t++) {
        free(tree->tier[t].up);
        free(tree->tier[t].down);
        free(tree->tier[t].member);
    }
    free(tree->scratch);
    free(tree->lead);
    free(tree);
}

/* ---- operations ---- */

bool vc_tree_takes_some(const struct vc_node *nd, const struct vc_node_call *c)
{
    const struct vc_tree *tree = nd->tree;
    if (!tree)
        return false;
    switch (c->kind) {
    case VC_PHASE_BARRIER:
    case VC_PHASE_BCAST:
        return true;
    case VC_PHASE_REDUCE:
    case VC_PHASE_ALLREDUCE:
        return !tree->keep_flat && (tree->ordered || !c->op || c->op->commutative);
    case VC_PHASE_ALLGATHER:
        return tree->padded_blocks <= 2 * (size_t)nd->n;
    default:
        return false;
    }
}

bool vc_tree_takes(const struct vc_node *nd, const struct vc_node_call *c)
{
    if (!vc_tree_takes_some(nd, c) || vc_node_cma_wanted(nd, c))
        return false;
    /* Padded blocks are not made of data with gaps, for which alone an allgather leaves single copy. */
    return c->kind != VC_PHASE_ALLGATHER ||
           (c->len <= VC_NODE_PADDED / nd->tree->padded_blocks && !nd->by_slots);
}

int vc_node_way(const struct vc_node_cfg *cfg, const struct vc_node_call *c)
{
    pid_t nobody = 0;
    struct vc_node *nd = calloc(1, sizeof *nd);
    int *seen = malloc((size_t)cfg->n * sizeof *seen), way = VC_NODE_WAY_FLAT;
    bool levels = cfg->levels && cfg->levels->depth > 0 && cfg->n > 1;
    if (nd && levels)
        nd->tree = alloc_tree(cfg->n, cfg->levels->depth);
    if (!nd || !seen || (levels && !nd->tree)) {
        way = vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", cfg->n);
    } else {
        nd->n = cfg->n;
        nd->cma_pids = cfg->cma_pids ? &nobody : NULL;
        nd->cma_min = cfg->cma_min;
        if (levels) {
            nd->tree->keep_flat = cfg->reproducible;
            find_groups(nd->tree, cfg->levels, seen);
            place_padded(nd->tree);
        }
        if (vc_tree_takes(nd, c))
            way = VC_NODE_WAY_TREE;
        else if (vc_node_cma_wanted(nd, c))
            way = VC_NODE_WAY_CMA;
    }
    if (nd && nd->tree) {
        free(nd->tree->lead);
        free(nd->tree);
    }
    free(seen);
    free(nd);
    return way;
}

void vc_tree_pass(struct vc_tree *tree, size_t len)
{
    for (int t = 0; t <= tree->last; t++) {
        vc_pass_flat(tree->tier[t].up, len);
        if (tree->tier[t].down)
            vc_pass_flat(tree->tier[t].down, len);
    }
}

int vc_tree_start(struct vc_node *nd, struct vc_node_call *c, bool direct)
{
    struct vc_tree *tree = nd->tree;
    c->st.ring = NULL;
    c->st.phase = VC_ON_TREE;
    tree->direct = direct;
    /* Ranks that come with another length may wait in the flat node: by single copy, or because they open
     * bulk slots. Where all wait for all, those in the tree hear of that by vc_tree_pass(), and tell them. */
    bool rooted = c->kind == VC_PHASE_BCAST || c->kind == VC_PHASE_REDUCE;
    if (rooted && (nd->cma_pids || nd->opening))
        vc_pass_flat(nd, c->len);
    vc_tree_plan(tree, c, nd->me);
    return VC_OK;
}

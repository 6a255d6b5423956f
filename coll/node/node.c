/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/node/impl.h"
#include "coll/node/tree.h"

#include <sched.h>
#include <stdlib.h>

/* Tells the others which CPU this rank is on. Numbers are kept plus one: 0, as in fresh memory, is unknown.
 */
static void publish_cpu(struct vc_node *nd)
{
    int cpu = sched_getcpu();
    uint16_t now = cpu >= 0 && cpu < UINT16_MAX ? (uint16_t)(cpu + 1) : 0;
    if (now != nd->own_cpu) {
        nd->own_cpu = now;
        atomic_store_explicit(&nd->cpu[nd->me], now, memory_order_relaxed);
    }
}

enum { TINY, SMALL, BULK, RINGS };

/* Sizes of the rings; at[]: where the parts of each begin in a rank's memory. Returns the size of that. */
static size_t node_layout(struct vc_node *nd, size_t bulk, size_t at[RINGS])
{
    at[TINY] = 0;
    at[SMALL] = vc_ring_layout(&nd->tiny, VC_TINY_SLOT, VC_TINY_DEPTH);
    at[BULK] = at[SMALL] + vc_ring_layout(&nd->small, VC_SMALL_SLOT, VC_SMALL_DEPTH);
    /* No bulk ring unless its slots are larger than the small ones. */
    size_t cap = bulk / VC_BULK_DEPTH / VC_CACHELINE * VC_CACHELINE;
    return at[BULK] + (cap > VC_SMALL_SLOT ? vc_ring_layout(&nd->bulk, cap, VC_BULK_DEPTH) : 0);
}

size_t vc_node_bytes(int n, size_t bulk)
{
    struct vc_node nd = {0};
    size_t at[RINGS];
    (void)n;
    return node_layout(&nd, bulk, at);
}

size_t vc_node_common_bytes(int n)
{
    return vc_round_up((size_t)n * sizeof(_Atomic uint16_t), VC_LINE_PAIR);
}

void vc_node_prepare(char *mem, int n, size_t bulk)
{
    struct vc_node nd = {0};
    size_t at[RINGS];
    (void)n;
    node_layout(&nd, bulk, at);
    vc_ring_clear(&nd.tiny, mem + at[TINY]);
    vc_ring_clear(&nd.small, mem + at[SMALL]);
    vc_ring_clear(&nd.bulk, mem + at[BULK]);
}

/* Where the slots lie. A rank without slots has the beginnings of its parts alone. */
static void place_parts(struct vc_node *nd, char *const *mem, size_t bulk)
{
    struct vc_node_ring *ring[RINGS] = {&nd->tiny, &nd->small, &nd->bulk};
    size_t at[RINGS];
    node_layout(nd, bulk, at);
    for (int i = 0; i < RINGS; i++) {
        ring[i]->part = nd->parts + (size_t)i * (size_t)nd->n;
        for (int r = 0; r < nd->n; r++) {
            bool slots = nd->writer < 0 || r == nd->writer;
            ring[i]->part[r] = mem[r] + (slots ? at[i] : (size_t)i * sizeof(struct vc_ring_part));
        }
        ring[i]->own = ring[i]->part[nd->me];
    }
}

size_t vc_group_bytes(bool has_slots, size_t bulk)
{
    return has_slots ? vc_node_bytes(1, bulk) : RINGS * sizeof(struct vc_ring_part);
}

void vc_group_prepare(char *mem, bool has_slots, size_t bulk)
{
    struct vc_node nd = {0};
    const struct vc_node_ring *ring[RINGS] = {&nd.tiny, &nd.small, &nd.bulk};
    size_t at[RINGS];
    node_layout(&nd, bulk, at);
    for (size_t i = 0; i < RINGS; i++)
        if (has_slots)
            vc_ring_clear(ring[i], mem + at[i]);
        else
            memset(mem + i * sizeof(struct vc_ring_part), 0, sizeof(struct vc_ring_part));
}

static struct vc_node *alloc_node(int n)
{
    struct vc_node *nd = calloc(1, sizeof *nd + RINGS * (size_t)n * sizeof nd->parts[0]);
    if (!nd) {
        vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", n);
        return NULL;
    }
    nd->n = n;
    nd->plain = n > 1;
    nd->whole = nd;
    nd->writer = -1;
    return nd;
}

int vc_group_create(struct vc_node *whole, const int *member, int n, int me, int writer, char *const *mem,
                    size_t bulk, struct vc_node **out)
{
    struct vc_node *nd = alloc_node(n);
    if (!nd)
        return VC_ERR_NOMEM;
    nd->me = me;
    nd->member = member;
    nd->whole = whole;
    nd->writer = writer;
    nd->parking = whole->parking;
    nd->wait = whole->wait;
    nd->own_cpus = whole->own_cpus;
    place_parts(nd, mem, bulk);
    vc_node_small_init(nd);
    *out = nd;
    return VC_OK;
}

int vc_node_create(const struct vc_node_cfg *cfg, struct vc_node **out)
{
    struct vc_node *nd = alloc_node(cfg->n);
    if (!nd)
        return VC_ERR_NOMEM;
    nd->me = cfg->me;
    nd->parking = cfg->parking;
    nd->wait = cfg->wait;
    nd->own_cpus = cfg->own_cpus;
    nd->cpu = cfg->common;
    place_parts(nd, cfg->mem, cfg->bulk);
    publish_cpu(nd);
    if (cfg->cma_pids) {
        nd->cma_pids = malloc((size_t)cfg->n * sizeof *nd->cma_pids);
        nd->cma_scratch = aligned_alloc(4096, VC_CMA_PAIR_BLOCK);
        if (!nd->cma_pids || !nd->cma_scratch) {
            vc_node_destroy(nd);
            return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", cfg->n);
        }
        memcpy(nd->cma_pids, cfg->cma_pids, (size_t)cfg->n * sizeof *nd->cma_pids);
        nd->cma_min = cfg->cma_min;
    }
    if (cfg->levels && cfg->levels->depth > 0 && cfg->n > 1) {
        int err = vc_tree_create(nd, cfg);
        if (err != VC_OK) {
            vc_node_destroy(nd);
            return err;
        }
        nd->plain = false;
    }
    vc_node_small_init(nd);
    *out = nd;
    return VC_OK;
}

void vc_node_destroy(struct vc_node *nd)
{
    if (!nd)
        return;
    vc_tree_destroy(nd->tree);
    free(nd->cma_pids);
    free(nd->cma_scratch);
    free(nd);
}

/* On a node of one rank a phase is a copy. */
static void copy_alone(const struct vc_node_call *c)
{
    if (c->src && c->dst && c->src != c->dst && vc_phase_info[c->kind].src != VC_EXTENT_NONE)
        memcpy(c->dst, c->src, c->len);
}

/* What is not on a node of several ranks without tree. 1: begun or done. 0: to be begun as there. */
static int start_otherwise(struct vc_node *nd, struct vc_node_call *c, bool direct)
{
    if (nd->n == 1) {
        copy_alone(c);
        c->st.phase = -1;
        return 1;
    }
    if (vc_tree_takes(nd, c)) {
        int err = vc_tree_start(nd, c, direct);
        return err == VC_OK ? 1 : err;
    }
    /* Ranks that expect a broadcast of another length may wait for it in their group. */
    if (c->kind == VC_PHASE_BCAST)
        vc_tree_pass(nd->tree, c->len);
    return 0;
}

/* vc_node_start(). `direct`: from vc_node_run(), which may poll for a moment. */
static inline int start(struct vc_node *nd, struct vc_node_call *c, bool direct)
{
    if (!nd->plain) {
        int rc = start_otherwise(nd, c, direct);
        if (rc != 0)
            return rc < 0 ? rc : VC_OK;
    }
    c->st.phase = 0;
    if (vc_node_cma_wanted(nd, c)) {
        c->st.ring = NULL;
        c->st.base = nd->tiny.pos;
        c->st.rd_next = 0;
        c->st.idle = 0;
        nd->tiny.pos += VC_CMA_SLOTS;
        return VC_OK;
    }
    return vc_node_slots_start(nd, c);
}

int vc_node_start(struct vc_node *nd, struct vc_node_call *c)
{
    return start(nd, c, false);
}

void vc_node_pass(struct vc_node *nd, size_t len)
{
    vc_pass_flat(nd, len);
    if (nd->tree)
        vc_tree_pass(nd->tree, len);
}

int vc_node_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    if (c->st.phase < 0)
        return 1;
    if (!c->st.ring && c->st.phase == VC_ON_TREE)
        return vc_tree_progress(nd, c, whom);
    int rc = c->st.ring ? vc_node_slots_progress(nd, c, whom) : vc_node_cma_progress(nd, c, whom);
    if (rc != 0)
        return rc;
    if (c->kind != VC_PHASE_BCAST)
        return vc_kind_check(nd, c, *whom);
    return nd->me == c->root ? vc_root_check(nd, c, *whom) : vc_bcast_check(nd, c);
}

int vc_node_run_on(struct vc_node *nd, struct vc_node_call *c, int begun)
{
    int whom = VC_WAIT_ANY, rc = VC_OK;
    if (begun < 0 && (rc = start(nd, c, true)) != VC_OK)
        return rc;
    rc = vc_node_progress(nd, c, &whom);
    if (rc != 0)
        return rc < 0 ? rc : VC_OK;
    struct vc_waiter w;
    vc_wait_begin(&w, nd->wait, nd->parking);
    int last = whom;
    do {
        if (nd->wait->crowded) {
            publish_cpu(nd);
            if (whom >= 0 && vc_shares_cpu(nd, whom))
                vc_wait_hurry(&w);
        }
        int err = vc_wait_idle(&w, whom);
        if (err != VC_OK) {
            rc = err;
            break;
        }
        rc = vc_node_progress(nd, c, &whom);
        if (rc == 0 && whom != last) { /* a rank arrived: the wait for the next one begins anew */
            last = whom;
            if (!w.announced)
                vc_wait_begin(&w, nd->wait, nd->parking);
        }
    } while (rc == 0);
    vc_wait_end(&w);
    return rc < 0 ? rc : VC_OK;
}

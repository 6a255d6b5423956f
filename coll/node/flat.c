/* SPDX-License-Identifier: BSD-3-Clause */
/* A flat node: slots of n ranks and operations among all of them, by slots or by single copy. It is a node
 * without levels, or a group of a tree. */
#include "coll/node/impl.h"

#include <stdlib.h>

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

void vc_flat_prepare_bulk(char *mem, size_t bulk)
{
    struct vc_node nd = {0};
    size_t at[RINGS];
    node_layout(&nd, bulk, at);
    vc_ring_clear(&nd.bulk, mem + at[BULK]);
}

void vc_flat_layout(struct vc_node *nd, size_t bulk)
{
    struct vc_node_ring *ring[RINGS] = {&nd->tiny, &nd->small, &nd->bulk};
    size_t at[RINGS];
    node_layout(nd, bulk, at);
    for (size_t i = 0; i < RINGS; i++)
        ring[i]->part = nd->parts + i * (size_t)nd->n;
}

/* A rank without slots has the beginnings of its parts alone. */
void vc_flat_place(struct vc_node *nd, char *const *mem, size_t offset, size_t bulk)
{
    struct vc_node_ring *ring[RINGS] = {&nd->tiny, &nd->small, &nd->bulk};
    struct vc_node layout = {0};
    size_t at[RINGS];
    node_layout(&layout, bulk, at);
    for (int i = 0; i < RINGS; i++) {
        for (int r = 0; r < nd->n; r++) {
            bool slots = nd->writer < 0 || r == nd->writer;
            ring[i]->part[r] = mem[vc_node_index(nd, r)] + offset +
                               (slots ? at[i] : (size_t)i * sizeof(struct vc_ring_part));
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

struct vc_node *vc_flat_alloc(int n)
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

int vc_group_create(struct vc_node *whole, const int *member, int n, int me, int writer, size_t bulk,
                    struct vc_node **out)
{
    struct vc_node *nd = vc_flat_alloc(n);
    if (!nd)
        return VC_ERR_NOMEM;
    nd->me = me;
    nd->member = member;
    nd->whole = whole;
    nd->writer = writer;
    nd->parking = whole->parking;
    nd->wait = whole->wait;
    nd->own_cpus = whole->own_cpus;
    vc_flat_layout(nd, bulk);
    vc_node_small_init(nd);
    *out = nd;
    return VC_OK;
}

/* Through slots: which file begins an operation of this kind, and goes on with it. */
static int start_slots(struct vc_node *nd, struct vc_node_call *c)
{
    switch (c->kind) {
    case VC_PHASE_REDUCE_BLOCKS:
    case VC_PHASE_REDUCE_BLOCKSV:
        return vc_node_blocks_start(nd, c);
    case VC_PHASE_SCAN:
    case VC_PHASE_EXSCAN:
        return vc_node_scan_start(nd, c);
    default:
        return vc_node_slots_start(nd, c);
    }
}

static int progress_slots(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    switch (c->kind) {
    case VC_PHASE_REDUCE_BLOCKS:
    case VC_PHASE_REDUCE_BLOCKSV:
        return vc_node_blocks_progress(nd, c, whom);
    case VC_PHASE_SCAN:
    case VC_PHASE_EXSCAN:
        return vc_node_scan_progress(nd, c, whom);
    default:
        return vc_node_slots_progress(nd, c, whom);
    }
}

int vc_flat_start(struct vc_node *nd, struct vc_node_call *c)
{
    c->st.vain = 0;
    c->st.says = vc_call_says(c);
    c->st.since = 0;
    if (vc_node_any(c->kind)) {
        vc_node_any_start(nd, c);
        return VC_OK;
    }
    c->st.phase = 0;
    if (c->kind == VC_PHASE_ALLTOALLV)
        return vc_node_pairs_start(nd, c);
    if (vc_node_cma_wanted(nd, c)) {
        c->st.ring = NULL;
        c->st.base = nd->tiny.pos;
        c->st.rd_next = 0;
        c->st.idle = 0;
        nd->tiny.pos += VC_CMA_SLOTS;
        return VC_OK;
    }
    return start_slots(nd, c);
}

int vc_flat_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    if (c->st.phase < 0)
        return 1;
    if (vc_node_any(c->kind))
        return vc_node_any_progress(nd, c, whom);
    if (c->kind == VC_PHASE_ALLTOALLV) {
        int done = vc_node_pairs_progress(nd, c, whom);
        return done != 0 ? done : vc_call_check(nd, c, *whom);
    }
    int rc = c->st.ring ? progress_slots(nd, c, whom) : vc_node_cma_progress(nd, c, whom);
    if (rc != 0)
        return rc;
    rc = c->kind != VC_PHASE_BCAST ? vc_call_check(nd, c, *whom)
         : nd->me == c->root       ? vc_root_check(nd, c, *whom)
                                   : vc_bcast_check(nd, c);
    return rc == VC_OK ? vc_stuck_look(nd, c, *whom) : rc;
}

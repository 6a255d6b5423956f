/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Direct code for messages of at most one tiny or small slot on nodes that are not large: the protocol and
 * the slots of slots.c, without its cursors. If another rank is late, this leaves the state that slots.c
 * would have, and the operation goes on there. Each rank of an operation does so for itself.
 */
#include "coll/node/impl.h"

/* Polls per peer before the generic path and its wait policy take over. */
#define POLLS         400
#define POLLS_CROWDED 8

/* How many slots ahead lines are fetched for writing: so few that they stay in the cache, so many that no
 * rank polls them yet. */
#define FETCH_AHEAD 4
/* How many bytes of the next small slot are fetched for writing. */
#define FETCH_BYTES 1024

/* Asks for the line in a writable state. Ranks that read it 64 slots ago still hold it, and taking it from
 * them costs as much as sending does. */
static inline void fetch_for_writing(const void *p)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" ::"m"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

/* memcpy() of unknown length costs most in proportion for a scalar of eight bytes, so that is a case of its
 * own. */
static inline void copy(void *to, const void *from, size_t len)
{
    if (len == 8)
        memcpy(to, from, 8);
    else if (len)
        memcpy(to, from, len);
}

static inline void publish_as(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, uint64_t flag,
                              size_t bytes)
{
    vc_publish_as(nd, ring, g, flag);
    fetch_for_writing(vc_flag(ring, nd->me, g + FETCH_AHEAD));
    if (bytes <= VC_TINY_SLOT)
        return;
    const char *next = vc_payload(ring, nd->me, g + 1);
    for (size_t at = 0; at < bytes && at < FETCH_BYTES; at += VC_CACHELINE)
        fetch_for_writing(next + at);
}

static inline void publish(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, size_t bytes)
{
    publish_as(nd, ring, g, g + 1, bytes);
}

static inline bool arrives_as(const struct vc_node *nd, const struct vc_node_ring *ring, int r, uint64_t g,
                              uint64_t flag)
{
    int polls = nd->wait->crowded ? POLLS_CROWDED : POLLS;
    do {
        if (vc_flag_value(ring, r, g) == flag)
            return true;
    } while (--polls);
    return false;
}

static inline bool arrives(const struct vc_node *nd, const struct vc_node_ring *ring, int r, uint64_t g)
{
    return arrives_as(nd, ring, r, g, g + 1);
}

/* Hands the operation over to slots.c, which goes on behind the first `taken` ranks. */
static int hand_over(struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g, int taken)
{
    struct vc_node_state st = {.ring = ring,
                               .base = g,
                               .chunk = c->len,
                               .nchunks = 1,
                               .window = 1,
                               .wr = 1,
                               .rd_next = taken,
                               .stages = 1};
    c->st = st;
    return 0;
}

static inline int reduce_all(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring,
                             uint64_t g)
{
    size_t count = c->len ? c->len / c->op->esize : 0;
    const char *acc = NULL, *own = vc_root_reads_src(nd, c) ? c->src : vc_payload(ring, nd->me, g);
    for (int r = nd->n - 1; r >= 0; r--) {
        if (r != nd->me && !arrives(nd, ring, r, g))
            return hand_over(c, ring, g, nd->n - 1 - r);
        if (count == 0)
            continue;
        const char *v = r == nd->me ? own : vc_payload(ring, r, g);
        if (acc) {
            c->op->fn(v, acc, c->dst, count, c->op->ctx);
            v = c->dst;
        }
        acc = v;
    }
    return 1;
}

static inline int gather_all(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring,
                             uint64_t g)
{
    bool personal = c->kind == VC_PHASE_ALLTOALL;
    size_t len = c->len, mine = personal ? (size_t)nd->me * len : 0;
    for (int i = 1; i < nd->n; i++) {
        int r = nd->me + i < nd->n ? nd->me + i : nd->me + i - nd->n;
        if (!arrives(nd, ring, r, g))
            return hand_over(c, ring, g, i);
        copy((char *)c->dst + (size_t)r * len, vc_payload(ring, r, g) + mine, len);
    }
    return 1;
}

int vc_node_small(struct vc_node *nd, struct vc_node_call *c)
{
    const ptrdiff_t *max = nd->straight_max[c->kind];
    struct vc_node_ring *ring = (ptrdiff_t)c->len <= max[0] ? &nd->tiny : &nd->small;
    uint64_t g = ring->pos;
    int behind, rc = 1;
    /* Length and algorithm are equal on all ranks. Whether the slot is free is not, but slots.c waits for the
     * same slot. */
    if ((ptrdiff_t)c->len > max[1] || c->alg == VC_NODE_CMA || !vc_may_write(nd, ring, g, &behind))
        return -1;
    size_t len = c->len, own = (size_t)nd->me * len;
    char *slot = vc_payload(ring, nd->me, g);
    ring->pos = g + 1;
    switch (c->kind) {
    case VC_PHASE_BARRIER:
    case VC_PHASE_ALLREDUCE:
        copy(slot, c->src, len);
        publish(nd, ring, g, len);
        rc = reduce_all(nd, c, ring, g);
        break;
    case VC_PHASE_REDUCE:
        if (!vc_root_reads_src(nd, c)) {
            copy(slot, c->src, len);
            publish(nd, ring, g, len);
        }
        if (nd->me == c->root)
            rc = reduce_all(nd, c, ring, g);
        break;
    case VC_PHASE_BCAST:
        if (nd->me == c->root) {
            copy(slot, c->dst, len);
            publish_as(nd, ring, g, vc_bcast_flag(g, len), len);
        } else if (arrives_as(nd, ring, c->root, g, vc_bcast_flag(g, len))) {
            copy(c->dst, vc_payload(ring, c->root, g), len);
        } else {
            rc = hand_over(c, ring, g, 0);
        }
        break;
    case VC_PHASE_ALLGATHER:
        copy(slot, c->src, len);
        publish(nd, ring, g, len);
        if ((char *)c->dst + own != c->src)
            copy((char *)c->dst + own, c->src, len);
        rc = gather_all(nd, c, ring, g);
        break;
    default: /* alltoall */
        copy(slot, c->src, len * (size_t)nd->n);
        publish(nd, ring, g, len * (size_t)nd->n);
        if (c->dst != c->src)
            copy((char *)c->dst + own, (const char *)c->src + own, len);
        rc = gather_all(nd, c, ring, g);
        break;
    }
    if (rc == 1) {
        if (c->kind != VC_PHASE_BCAST && (c->kind != VC_PHASE_REDUCE || nd->me == c->root))
            vc_learned(ring, g);
        vc_set_done(nd, ring, g + 1);
    }
    return rc;
}

void vc_node_small_init(struct vc_node *nd)
{
    static const enum vc_node_phase kinds[] = {VC_PHASE_BARRIER,   VC_PHASE_BCAST,     VC_PHASE_REDUCE,
                                               VC_PHASE_ALLREDUCE, VC_PHASE_ALLGATHER, VC_PHASE_ALLTOALL};
    for (int k = 0; k < VC_PHASE_COUNT; k++)
        nd->straight_max[k][0] = nd->straight_max[k][1] = -1;
    if (nd->n < 2 || nd->n > vc_flat_ranks(nd->own_cpus))
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ptrdiff_t *max = nd->straight_max[kinds[i]];
        max[0] = VC_TINY_SLOT;
        max[1] = VC_SMALL_SLOT;
    }
    nd->straight_max[VC_PHASE_ALLTOALL][0] /= nd->n;
    nd->straight_max[VC_PHASE_ALLTOALL][1] /= nd->n;
    /* Longer ones are reduced by slices, which slots.c does. */
    ptrdiff_t *allreduce = nd->straight_max[VC_PHASE_ALLREDUCE];
    if (nd->n > 2 && allreduce[1] > VC_FLAT_BYTES / (nd->n - 1))
        allreduce[1] = VC_FLAT_BYTES / (nd->n - 1);
    ptrdiff_t *bcast = nd->straight_max[VC_PHASE_BCAST];
    for (int i = 0; nd->cma_pids && i < 2; i++)
        if (bcast[i] >= (ptrdiff_t)nd->cma_min)
            bcast[i] = (ptrdiff_t)nd->cma_min - 1;
}

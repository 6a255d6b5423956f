/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Direct code for messages of at most one tiny or small slot on nodes that are not large: the protocol and
 * the slots of slots.c, without its cursors. If another rank is late, this leaves the state that slots.c
 * would have, and the operation goes on there. Each rank of an operation does so for itself.
 */
#include "coll/node/impl.h"
#include "transport/copy/copy.h"

/* A function for each kind of operation, and in it all that the kind needs. */
#define INLINE  static inline __attribute__((always_inline))
#define OUTLINE static VC_HOT __attribute__((noinline))

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

/* memcpy() of unknown length costs most in proportion for one or two scalars, so these are cases of their
 * own. The two words of the second overlap. */
static inline void copy_as(void *to, const void *from, size_t len, enum vc_copy_role role)
{
    uint64_t first, last;
    if (VC_LIKELY(len == 8)) {
        memcpy(to, from, 8);
    } else if (len > 8 && len <= 16) {
        memcpy(&first, from, 8);
        memcpy(&last, (const char *)from + len - 8, 8);
        memcpy(to, &first, 8);
        memcpy((char *)to + len - 8, &last, 8);
    } else {
        vc_copy(to, from, len, role);
    }
}

/* From a slot that another core has written. */
static inline void copy(void *to, const void *from, size_t len)
{
    copy_as(to, from, len, VC_COPY_TAKE);
}

/* Into a slot, whose lines other cores hold. */
static inline void give(void *slot, const void *from, size_t len)
{
    copy_as(slot, from, len, VC_COPY_GIVE);
}

/*
 * The slot that an operation takes. What lies in shared memory is written through pointers that may point
 * anywhere, as far as the compiler knows, so what is needed after such a store is kept here.
 */
struct place {
    struct vc_node *nd;
    struct vc_node_ring *ring;
    uint64_t g;
    uint64_t value; /* of this rank's flag, and of those of all that say the same */
    size_t at;      /* where it lies in each rank's part */
    char *flag;     /* of this rank */
    char *ahead;    /* the flag of this rank's slot FETCH_AHEAD from here */
};

/* `value`: of the flags. */
INLINE struct place place_as(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, uint64_t value)
{
    size_t at = vc_slot_at(ring, g), ahead = vc_slot_at(ring, g + FETCH_AHEAD);
    return (struct place){.nd = nd,
                          .ring = ring,
                          .g = g,
                          .value = value,
                          .at = at,
                          .flag = ring->own + at,
                          .ahead = ring->own + ahead};
}

/* In which a rank says `len`. No operation here is longer than a small slot. */
INLINE struct place place_of(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, size_t len)
{
    return place_as(nd, ring, g, vc_call_flag(g, len));
}

INLINE char *own_slot(const struct place *p)
{
    return p->flag + p->ring->payload;
}

INLINE void publish(const struct place *p, size_t bytes)
{
    /* Release: pairs with vc_flag_value() and arrives_as(). */
    atomic_store_explicit((_Atomic uint64_t *)(void *)p->flag, p->value, memory_order_release);
    vc_wake_all(p->nd->parking);
    fetch_for_writing(p->ahead);
    if (VC_LIKELY(bytes <= VC_FIRST_LINE))
        return;
    fetch_for_writing(p->ahead + VC_CACHELINE);
    if (bytes <= VC_TINY_SLOT)
        return;
    const char *next = vc_payload(p->ring, p->nd->me, p->g + 1);
    for (size_t at = 0; at < bytes && at < FETCH_BYTES; at += VC_CACHELINE)
        fetch_for_writing(next + at);
}

INLINE const char *slot_of(const struct place *p, size_t r)
{
    return p->ring->part[r] + p->at;
}

/* Whether the flag of rank r's slot has this value, or gets it soon. */
INLINE bool arrives_as(const struct place *p, const struct vc_node_call *c, int r, const char *slot,
                       uint64_t value)
{
    const _Atomic uint64_t *flag = (const _Atomic uint64_t *)(const void *)slot;
    /* Acquire: pairs with the release in publish() and vc_publish_as(), the payload is then visible. */
    return VC_LIKELY(atomic_load_explicit(flag, memory_order_acquire) == value) ||
           vc_small_waits(p->nd, c, p->ring, p->g, r, value);
}

INLINE bool arrives(const struct place *p, const struct vc_node_call *c, int r, const char *slot)
{
    return arrives_as(p, c, r, slot, p->value);
}

INLINE const char *payload_of(const struct place *p, const char *slot)
{
    return slot + p->ring->payload;
}

/* Hands the operation over to slots.c, which goes on behind the first `taken` ranks. */
static __attribute__((noinline)) int hand_over(struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g,
                                               int taken)
{
    c->st = (struct vc_node_state){.ring = ring,
                                   .base = g,
                                   .chunk = c->len,
                                   .says = vc_call_says(c),
                                   .nchunks = 1,
                                   .window = 1,
                                   .ready = 1,
                                   .wr = 1,
                                   .rd_next = taken,
                                   .stages = 1};
    return 0;
}

/* This rank needs nobody's slot any more. */
INLINE int leave(const struct place *p)
{
    struct vc_ring_part *own = (struct vc_ring_part *)(void *)p->ring->own;
    /* Release: pairs with vc_all_done(), as in vc_set_done(). */
    atomic_store_explicit(&own->done, p->g + 1, memory_order_release);
    vc_wake_all(p->nd->parking);
    return 1;
}

/* The same after an operation in which it has heard from everybody. */
INLINE int leave_all(const struct place *p)
{
    vc_learned(p->ring, p->g);
    return leave(p);
}

/* How many elements; without a division, which takes longer than all else, for most types. */
INLINE size_t elements(size_t len, size_t esize)
{
    if (VC_LIKELY(len == esize))
        return 1;
    return (esize & (esize - 1)) == 0 ? len >> __builtin_ctzl(esize) : len / esize;
}

/* The last rank that does not come soon; -1: all come. */
INLINE int late_one(const struct vc_node_call *c, const struct place *p)
{
    int r = p->nd->n - 1;
    for (; r >= 0; r--)
        if (r != p->nd->me && VC_UNLIKELY(!arrives(p, c, r, slot_of(p, (size_t)r))))
            break;
    return r;
}

INLINE int meet_all(struct vc_node_call *c, const struct place *p)
{
    int late = late_one(c, p);
    return VC_LIKELY(late < 0) ? leave_all(p) : hand_over(c, p->ring, p->g, p->nd->n - 1 - late);
}

/*
 * Of operands that lie with their flags all flags are read first: then the core fetches many lines at a time,
 * which it would not between kernels. What the loop needs stands in variables of its own, since a kernel may
 * write anything, as far as the compiler knows. `own` is this rank's operand.
 */
OUTLINE int reduce_tiny(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g,
                        const char *own)
{
    const struct place p = place_of(nd, ring, g, c->len);
    const struct vc_redop *op = c->op;
    char *const *part = ring->part;
    const vc_kernel_fn fn = op->fn;
    void *const ctx = op->ctx, *const dst = c->dst;
    const size_t count = elements(c->len, op->esize), at = p.at + ring->payload;
    const int me = nd->me;
    int r = nd->n - 1;
    /* While the others come. The program may not have touched it for long. */
    fetch_for_writing(dst);
    if (VC_UNLIKELY(late_one(c, &p) >= 0))
        return hand_over(c, ring, g, 0);
    const char *acc = r == me ? own : part[r] + at;
    while (--r >= 0) {
        fn(r == me ? own : part[r] + at, acc, dst, count, ctx);
        acc = dst;
    }
    return leave_all(&p);
}

/* From the last rank's operand to the first one's, as they come. */
OUTLINE int reduce_many(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g,
                        const char *own)
{
    const struct place p = place_of(nd, ring, g, c->len);
    const struct vc_redop *op = c->op;
    size_t count = elements(c->len, op->esize);
    const char *acc = NULL;
    for (int r = nd->n - 1; r >= 0; r--) {
        const char *v = own;
        if (r != nd->me) {
            v = slot_of(&p, (size_t)r);
            if (VC_UNLIKELY(!arrives(&p, c, r, v)))
                return hand_over(c, ring, g, nd->n - 1 - r);
            v = payload_of(&p, v);
        }
        if (VC_LIKELY(acc != NULL)) {
            op->fn(v, acc, c->dst, count, op->ctx);
            v = c->dst;
        }
        acc = v;
    }
    return leave_all(&p);
}

/* The same of two ranks. */
INLINE int reduce_two(struct vc_node_call *c, const struct place *p, const char *own, size_t len)
{
    const struct vc_redop *op = c->op;
    int me = p->nd->me;
    const char *other = slot_of(p, (size_t)(1 - me));
    if (VC_UNLIKELY(!arrives(p, c, 1 - me, other)))
        return hand_over(c, p->ring, p->g, me); /* rank 1 has its own operand, the first of all */
    other = payload_of(p, other);
    size_t count = elements(len, op->esize);
    if (me == 0)
        op->fn(own, other, c->dst, count, op->ctx);
    else
        op->fn(other, own, c->dst, count, op->ctx);
    return leave_all(p);
}

INLINE int reduce_all(struct vc_node_call *c, const struct place *p, const char *own, size_t len)
{
    /* Without data there may be no operator either. */
    if (VC_UNLIKELY(len == 0))
        return meet_all(c, p);
    if (p->nd->n == 2)
        return reduce_two(c, p, own, len);
    return len <= VC_TINY_SLOT ? reduce_tiny(p->nd, c, p->ring, p->g, own)
                               : reduce_many(p->nd, c, p->ring, p->g, own);
}

INLINE int allreduce_of(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g,
                        size_t len)
{
    const struct place p = place_of(nd, ring, g, len);
    char *own = own_slot(&p);
    give(own, c->src, len);
    publish(&p, len);
    return reduce_all(c, &p, len > VC_TINY_SLOT && vc_can_read_src(nd, c) ? c->src : own, len);
}

/* The commonest length is a case of its own, in which all questions about it are answered. */
OUTLINE int allreduce(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    return VC_LIKELY(c->len == 8) ? allreduce_of(nd, c, ring, g, 8) : allreduce_of(nd, c, ring, g, c->len);
}

OUTLINE int reduce(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len;
    char *own = own_slot(&p);
    if (vc_root_reads_src(nd, c))
        return reduce_all(c, &p, c->src, len);
    give(own, c->src, len);
    publish(&p, len);
    return nd->me == c->root ? reduce_all(c, &p, own, len) : leave(&p);
}

OUTLINE int barrier(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, 0);
    publish(&p, 0);
    return meet_all(c, &p);
}

OUTLINE int bcast(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_as(nd, ring, g, vc_bcast_flag(g, c->len));
    if (nd->me == c->root) {
        give(own_slot(&p), c->dst, c->len);
        publish(&p, c->len);
        return leave(&p);
    }
    const char *from = slot_of(&p, (size_t)c->root);
    if (VC_UNLIKELY(!arrives(&p, c, c->root, from)))
        return hand_over(c, ring, g, 0);
    copy(c->dst, payload_of(&p, from), c->len);
    return leave(&p);
}

/* Blocks of unequal lengths, none longer than c->len. */
OUTLINE int allgatherv(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const size_t *at = c->at;
    int n = nd->n, me = nd->me;
    size_t len = at[me + 1] - at[me];
    const struct place p = place_of(nd, ring, g, len);
    char *dst = c->dst, *own = dst + at[me];
    if (len > 0) /* without data there may be no buffer either */
        give(own_slot(&p), c->src, len);
    publish(&p, len);
    if (own != c->src && len > 0)
        copy_as(own, c->src, len, VC_COPY_OWN);
    for (int r = me + 1, i = 1; i < n; r++, i++) {
        if (r == n)
            r = 0;
        const char *from = slot_of(&p, (size_t)r);
        if (VC_UNLIKELY(!arrives_as(&p, c, r, from, vc_call_flag(g, at[r + 1] - at[r]))))
            return hand_over(c, ring, g, i);
        copy(dst + at[r], payload_of(&p, from), at[r + 1] - at[r]);
    }
    return leave_all(&p);
}

/* The blocks of the other ranks, which lie at `mine` in their slots. */
INLINE int gather_all(struct vc_node_call *c, const struct place *p, size_t mine)
{
    size_t len = c->len;
    int n = p->nd->n;
    for (int r = p->nd->me + 1, i = 1; i < n; r++, i++) {
        if (r == n)
            r = 0;
        const char *from = slot_of(p, (size_t)r);
        if (VC_UNLIKELY(!arrives(p, c, r, from)))
            return hand_over(c, p->ring, p->g, i);
        copy((char *)c->dst + (size_t)r * len, payload_of(p, from) + mine, len);
    }
    return leave_all(p);
}

OUTLINE int allgather(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len;
    char *own = (char *)c->dst + (size_t)nd->me * len;
    give(own_slot(&p), c->src, len);
    publish(&p, len);
    if (own != c->src)
        copy_as(own, c->src, len, VC_COPY_OWN);
    return gather_all(c, &p, 0);
}

OUTLINE int alltoall(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len, all = len * (size_t)nd->n, mine = len * (size_t)nd->me;
    give(own_slot(&p), c->src, all);
    publish(&p, all);
    if (c->dst != c->src)
        copy_as((char *)c->dst + mine, (const char *)c->src + mine, len, VC_COPY_OWN);
    return gather_all(c, &p, mine);
}

OUTLINE int gather(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len;
    if (nd->me != c->root) {
        give(own_slot(&p), c->src, len);
        publish(&p, len);
        return leave(&p);
    }
    char *own = (char *)c->dst + (size_t)nd->me * len;
    if (own != c->src)
        copy_as(own, c->src, len, VC_COPY_OWN);
    return gather_all(c, &p, 0);
}

OUTLINE int scatter(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len, mine = len * (size_t)nd->me;
    if (nd->me == c->root) {
        size_t all = len * (size_t)nd->n;
        const char *own = (const char *)c->src + mine;
        give(own_slot(&p), c->src, all);
        publish(&p, all);
        if (c->dst != own)
            copy_as(c->dst, own, len, VC_COPY_OWN);
        return leave(&p);
    }
    const char *from = slot_of(&p, (size_t)c->root);
    if (VC_UNLIKELY(!arrives(&p, c, c->root, from)))
        return hand_over(c, ring, g, 0);
    copy(c->dst, payload_of(&p, from) + mine, len);
    return leave(&p);
}

/* As reduce_many(), of the blocks that lie at `mine` in the others' slots; `own` is this rank's. */
INLINE int reduce_block(struct vc_node_call *c, const struct place *p, size_t mine, size_t len)
{
    const struct vc_redop *op = c->op;
    size_t count = len ? elements(len, op->esize) : 0;
    const char *own = (const char *)c->src + mine, *acc = NULL;
    for (int r = p->nd->n - 1; r >= 0; r--) {
        const char *v = own;
        if (r != p->nd->me) {
            v = slot_of(p, r);
            if (VC_UNLIKELY(!arrives(p, c, r, v)))
                return hand_over(c, p->ring, p->g, p->nd->n - 1 - r);
            v = payload_of(p, v) + mine;
        }
        if (VC_LIKELY(acc != NULL)) {
            if (VC_LIKELY(count != 0))
                op->fn(v, acc, c->dst, count, op->ctx);
            v = c->dst;
        }
        acc = v;
    }
    return leave_all(p);
}

OUTLINE int reduce_blocks(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len, mine = len * (size_t)nd->me;
    if (nd->n == 2) /* nobody else reads the own block */
        give(own_slot(&p) + (len - mine), (const char *)c->src + (len - mine), len);
    else
        give(own_slot(&p), c->src, len * (size_t)nd->n);
    publish(&p, len * (size_t)nd->n);
    return reduce_block(c, &p, mine, len);
}

/* Of blocks of unequal lengths. */
OUTLINE int reduce_blocksv(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    const size_t *at = c->at;
    size_t mine = at[nd->me], len = at[nd->me + 1] - mine;
    give(own_slot(&p), c->src, at[nd->n]);
    publish(&p, at[nd->n]);
    return reduce_block(c, &p, mine, len);
}

/* The operands of the ranks below this one, from the nearest on, with `acc` on their right, if there is one.
 */
INLINE int reduce_below(struct vc_node_call *c, const struct place *p, const char *acc)
{
    const struct vc_redop *op = c->op;
    size_t count = c->len ? elements(c->len, op->esize) : 0;
    int me = p->nd->me;
    for (int r = me - 1; r >= 0; r--) {
        const char *v = slot_of(p, r);
        if (VC_UNLIKELY(!arrives(p, c, r, v)))
            return hand_over(c, p->ring, p->g, me - 1 - r);
        v = payload_of(p, v);
        if (acc && VC_LIKELY(count != 0))
            op->fn(v, acc, c->dst, count, op->ctx);
        acc = acc ? c->dst : v;
    }
    if (acc != c->dst && count != 0)
        copy(c->dst, acc, c->len);
    return leave(p);
}

OUTLINE int scan(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len;
    if (nd->me + 1 < nd->n) {
        give(own_slot(&p), c->src, len);
        publish(&p, len);
    }
    return reduce_below(c, &p, c->src);
}

OUTLINE int exscan(struct vc_node *nd, struct vc_node_call *c, struct vc_node_ring *ring, uint64_t g)
{
    const struct place p = place_of(nd, ring, g, c->len);
    size_t len = c->len;
    if (nd->me + 1 < nd->n) {
        give(own_slot(&p), c->src, len);
        publish(&p, len);
    }
    return nd->me == 0 ? leave(&p) : reduce_below(c, &p, NULL);
}

/* The slot may not be free yet. */
static __attribute__((noinline)) int look_whether_free(struct vc_node *nd, struct vc_node_call *c,
                                                       struct vc_node_ring *ring)
{
    int behind;
    return vc_all_done(nd, ring, ring->pos - ring->depth + 1, &behind) ? vc_node_small(nd, c) : -1;
}

VC_HOT int vc_node_small(struct vc_node *nd, struct vc_node_call *c)
{
    typedef int run(struct vc_node * nd, struct vc_node_call * c, struct vc_node_ring * ring, uint64_t g);
    static run *const of_kind[VC_PHASE_COUNT] = {[VC_PHASE_BARRIER] = barrier,
                                                 [VC_PHASE_BCAST] = bcast,
                                                 [VC_PHASE_REDUCE] = reduce,
                                                 [VC_PHASE_ALLREDUCE] = allreduce,
                                                 [VC_PHASE_ALLGATHER] = allgather,
                                                 [VC_PHASE_ALLTOALL] = alltoall,
                                                 [VC_PHASE_REDUCE_BLOCKS] = reduce_blocks,
                                                 [VC_PHASE_SCAN] = scan,
                                                 [VC_PHASE_EXSCAN] = exscan,
                                                 [VC_PHASE_REDUCE_BLOCKSV] = reduce_blocksv,
                                                 [VC_PHASE_ALLGATHERV] = allgatherv,
                                                 [VC_PHASE_GATHER] = gather,
                                                 [VC_PHASE_SCATTER] = scatter};
    const ptrdiff_t *max = nd->straight_max[c->kind];
    struct vc_node_ring *ring = (ptrdiff_t)c->len <= max[0] ? &nd->tiny : &nd->small;
    uint64_t g = ring->pos;
    if (VC_UNLIKELY((ptrdiff_t)c->len > max[1] || c->alg == VC_NODE_CMA))
        return -1;
    /* Length and algorithm are equal on all ranks. Whether the slot is free is not, but slots.c waits for the
     * same slot. */
    if (VC_UNLIKELY(!vc_known_free(ring, g)))
        return look_whether_free(nd, c, ring);
    ring->pos = g + 1;
    return of_kind[c->kind](nd, c, ring, g);
}

void vc_node_small_init(struct vc_node *nd)
{
    static const enum vc_node_phase kinds[] = {
        VC_PHASE_BARRIER,   VC_PHASE_BCAST,          VC_PHASE_REDUCE,        VC_PHASE_ALLREDUCE,
        VC_PHASE_ALLGATHER, VC_PHASE_ALLTOALL,       VC_PHASE_REDUCE_BLOCKS, VC_PHASE_SCAN,
        VC_PHASE_EXSCAN,    VC_PHASE_REDUCE_BLOCKSV, VC_PHASE_ALLGATHERV,    VC_PHASE_GATHER,
        VC_PHASE_SCATTER};
    for (int k = 0; k < VC_PHASE_COUNT; k++)
        nd->straight_max[k][0] = nd->straight_max[k][1] = -1;
    bool large = nd->n > vc_flat_ranks(nd->own_cpus);
    if (nd->member && large) { /* of a large group of a tree: what only the leader hears, or says */
        nd->straight_max[VC_PHASE_BCAST][0] = nd->straight_max[VC_PHASE_REDUCE][0] = VC_TINY_SLOT;
        nd->straight_max[VC_PHASE_BCAST][1] = nd->straight_max[VC_PHASE_REDUCE][1] = VC_SMALL_SLOT;
    }
    if (!nd->plain || large)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ptrdiff_t *max = nd->straight_max[kinds[i]];
        max[0] = VC_TINY_SLOT;
        max[1] = VC_SMALL_SLOT;
    }
    for (int i = 0; i < 2; i++) { /* whose slots have a block for each rank */
        nd->straight_max[VC_PHASE_ALLTOALL][i] /= nd->n;
        nd->straight_max[VC_PHASE_SCATTER][i] /= nd->n;
        nd->straight_max[VC_PHASE_REDUCE_BLOCKS][i] /= nd->n;
        nd->straight_max[VC_PHASE_REDUCE_BLOCKSV][i] /= nd->n;
    }
    if (!nd->own_cpus) /* slots.c takes tiny slots for some of those that need more than one */
        nd->straight_max[VC_PHASE_SCATTER][1] = nd->straight_max[VC_PHASE_SCATTER][0];
    /* Longer ones are reduced by slices, which slots.c does. */
    ptrdiff_t *allreduce = nd->straight_max[VC_PHASE_ALLREDUCE];
    if (nd->n > 2 && allreduce[1] > VC_FLAT_BYTES / (nd->n - 1))
        allreduce[1] = VC_FLAT_BYTES / (nd->n - 1);
    ptrdiff_t *bcast = nd->straight_max[VC_PHASE_BCAST];
    for (int i = 0; nd->cma_pids && i < 2; i++)
        if (bcast[i] >= 0 && (size_t)bcast[i] >= nd->cma_min) /* SIZE_MAX: none goes by single copy */
            bcast[i] = (ptrdiff_t)nd->cma_min - 1;
}

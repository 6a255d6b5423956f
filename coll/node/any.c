/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gathers and scatters of blocks whose lengths only their owner and the root know (VC_PHASE_GATHER_ANY,
 * VC_PHASE_SCATTER_ANY). Lengths travel with the data, so no rank decides anything that another one has to
 * know.
 *
 * An operation takes one tiny slot, one small slot, and VC_ANY_TURNS slots of the ring for long messages,
 * whether it needs them or not. What goes into the small slot has no flag: the tiny slot, which is published
 * behind it, says that it is there. In the ring for long messages chunk k goes by slot k % VC_ANY_TURNS of
 * these. That is twice as many as the ring has, so two chunks that use the same memory after one another have
 * different flags. Whoever reads more chunks than the ring has slots says how far it is in a word of its own
 * first slot, which the writer looks at.
 *
 * Gather: each rank that gives something puts its length into its tiny slot, and the data behind it, into the
 * small slot, or into chunks; by single copy the address. The root takes one rank after the other.
 *
 * Scatter: the root's tiny slots (one, or SCATTER_SLOTS, to which ranks belong in turn) have all blocks and a
 * byte with the length of each; or say that the small slot has them, in the same way; or that they come in
 * chunks, of which each has a part for every rank. The first such part begins with the block's length, and
 * with its address where the rank is to copy it itself.
 */
#include "coll/node/impl.h"
#include "transport/shm/single.h"

/* A length, in the slot of its block. The highest bit: an address follows instead of the data. */
#define HEAD      sizeof(uint64_t)
#define BY_COPY   (UINT64_C(1) << 63)
#define SHORT_LEN (VC_TINY_SLOT - HEAD)
/* The first byte of a scatter's tiny slot where blocks do not fit into it. How many bytes the small slot has
 * for each follows. */
#define IN_CHUNKS 255u
#define IN_SMALL  254u
/* Tiny slots of a scatter where ranks share CPUs. The root runs ahead as far as the ring has room, and there
 * are many tiny slots and few others: so blocks that fit into these do not need another. */
#define SCATTER_SLOTS 3
/* Where blocks begin in a chunk's part. */
#define PART_HEAD (2 * sizeof(uint64_t))

enum { POST, MOVE, CONFIRM };

_Static_assert(VC_SMALL_DEPTH == VC_BULK_DEPTH, "either ring is turned twice");

static struct vc_node_ring *long_ring(struct vc_node *nd)
{
    return nd->bulk.cap ? &nd->bulk : &nd->small;
}

/* The slot of chunk k in the long ring. */
static uint64_t chunk_slot(const struct vc_node_call *c, int k)
{
    return c->st.more + (uint64_t)k % VC_ANY_TURNS;
}

static int chunks_of(size_t len, size_t room)
{
    return (int)((len + room - 1) / room);
}

/* Without a ring of larger slots chunks go by the small ones, and there is no slot between. */
static bool has_small(const struct vc_node *nd)
{
    return nd->bulk.cap > 0;
}

/* Whether a block that does not go by single copy goes by the small slot. */
static bool goes_by_small(const struct vc_node *nd, size_t len)
{
    return has_small(nd) && len > SHORT_LEN && len <= nd->small.cap;
}

static int tiny_slots(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_SCATTER_ANY && !nd->own_cpus && nd->n > 2 ? SCATTER_SLOTS : 1;
}

static int finish(struct vc_node *nd, struct vc_node_call *c)
{
    if (has_small(nd))
        vc_set_done(nd, &nd->small, c->st.mid + 1);
    vc_set_done(nd, &nd->tiny, c->st.base + (uint64_t)tiny_slots(nd, c));
    vc_set_done(nd, long_ring(nd), c->st.more + VC_ANY_TURNS);
    c->st.phase = -1;
    return 1;
}

static bool copies_alone(const struct vc_node *nd, const struct vc_node_call *c, size_t len)
{
    return c->alg != VC_NODE_SLOTS && nd->cma_pids && len > SHORT_LEN && len >= nd->cma_min;
}

/* Whether rank r has left the operation without publishing its tiny slot: it has another length than this
 * rank thinks. */
static bool left_silently(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    uint64_t done = atomic_load_explicit(&vc_ring_part(&nd->tiny, r)->done, memory_order_acquire);
    return done > c->st.base && !vc_ready(&nd->tiny, r, c->st.base);
}

/* Rank r says that a block has `theirs` bytes, where this rank says `mine`. */
static int differs(const struct vc_node *nd, int r, uint64_t theirs, size_t mine)
{
    return vc_fail(VC_ERR_TRUNCATE, "a block has %zu bytes on rank %d and %zu on rank %d: the counts differ",
                   (size_t)theirs, vc_node_rank(nd, r), mine, vc_node_rank(nd, nd->me));
}

/* ---- how far a reader is ---- */

static _Atomic uint64_t *reader_word(const struct vc_node_ring *ring, int r, uint64_t slot)
{
    return (_Atomic uint64_t *)(void *)vc_payload(ring, r, slot);
}

/* This rank's word is there, once its slot is free. */
static bool begin_word(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_ring *ring = long_ring(nd);
    if (c->st.ready)
        return true;
    if (!vc_may_write(nd, ring, c->st.more, whom))
        return false;
    atomic_store_explicit(reader_word(ring, nd->me, c->st.more), 0, memory_order_relaxed);
    vc_publish(nd, ring, c->st.more);
    c->st.ready = 1;
    return true;
}

/* Release: the chunk was read before its writer, which acquires the word, overwrites it. */
static void set_word(struct vc_node *nd, struct vc_node_call *c, uint64_t word)
{
    if (!c->st.ready)
        return;
    atomic_store_explicit(reader_word(long_ring(nd), nd->me, c->st.more), word, memory_order_release);
    vc_node_wake(nd);
}

/* 0: nothing yet. */
static uint64_t word_of(struct vc_node *nd, const struct vc_node_call *c, int r)
{
    struct vc_node_ring *ring = long_ring(nd);
    if (!vc_ready(ring, r, c->st.more))
        return 0;
    return atomic_load_explicit(reader_word(ring, r, c->st.more), memory_order_acquire);
}

/* ---- gather ---- */

/* The root's word: whose turn it is, counted from the root, and chunks that were read of that rank. */
static uint64_t turn_word(int turn, int chunks)
{
    return (uint64_t)turn << 32 | (uint32_t)chunks;
}

static int turn_of(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    return r > c->root ? r - c->root : r - c->root + nd->n;
}

static bool post_block(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_ring *tiny = &nd->tiny;
    bool alone = copies_alone(nd, c, c->len), small = !alone && goes_by_small(nd, c->len);
    uint64_t head = c->len | (alone ? BY_COPY : 0), address = (uint64_t)(uintptr_t)c->src;
    if (!vc_may_write(nd, tiny, c->st.base, whom) ||
        (small && !vc_may_write(nd, &nd->small, c->st.mid, whom)))
        return false;
    if (small)
        vc_copy(vc_payload(&nd->small, nd->me, c->st.mid), c->src, c->len, VC_COPY_GIVE);
    char *to = vc_payload(tiny, nd->me, c->st.base);
    memcpy(to, &head, HEAD);
    if (alone)
        memcpy(to + HEAD, &address, sizeof address);
    else if (c->len <= SHORT_LEN)
        memcpy(to + HEAD, c->src, c->len);
    vc_publish(nd, tiny, c->st.base);
    return true;
}

static int give_block(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = long_ring(nd);
    if (st->phase == POST) {
        if (c->len > 0 && !post_block(nd, c, whom))
            return 0;
        st->phase = copies_alone(nd, c, c->len) ? CONFIRM : MOVE;
        if (st->phase == MOVE && (c->len <= SHORT_LEN || goes_by_small(nd, c->len)))
            return finish(nd, c);
    }
    if (st->phase == CONFIRM) {
        *whom = c->root;
        if (vc_ready(&nd->tiny, c->root, st->base))
            return finish(nd, c);
        return left_silently(nd, c, c->root) ? differs(nd, c->root, 0, c->len) : 0;
    }
    int depth = (int)ring->depth;
    for (int n = chunks_of(c->len, ring->cap); st->wr < n; st->wr++) {
        size_t at = (size_t)st->wr * ring->cap, len = vc_min_size(c->len - at, ring->cap);
        uint64_t g = chunk_slot(c, st->wr);
        if (st->wr < depth) {
            if (!vc_may_write(nd, ring, g, whom))
                return 0;
        } else if (word_of(nd, c, c->root) < turn_word(turn_of(nd, c, nd->me), st->wr - depth + 1)) {
            *whom = c->root;
            return left_silently(nd, c, c->root) ? differs(nd, c->root, 0, c->len) : 0;
        }
        vc_copy(vc_payload(ring, nd->me, g), (const char *)c->src + at, len, VC_COPY_GIVE);
        vc_publish(nd, ring, g);
    }
    return finish(nd, c);
}

/* Chunks of rank r. 1: all. */
static int take_chunks(struct vc_node *nd, struct vc_node_call *c, int r, char *to, size_t len, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = long_ring(nd);
    int n = chunks_of(len, ring->cap);
    if (n > (int)ring->depth && !begin_word(nd, c, whom))
        return 0;
    set_word(nd, c, turn_word(st->rd_next, st->rd));
    for (; st->rd < n; set_word(nd, c, turn_word(st->rd_next, ++st->rd))) {
        uint64_t g = chunk_slot(c, st->rd);
        size_t at = (size_t)st->rd * ring->cap;
        *whom = r;
        if (!vc_ready(ring, r, g))
            return 0;
        vc_copy(to + at, vc_payload(ring, r, g), vc_min_size(len - at, ring->cap), VC_COPY_TAKE);
    }
    st->rd = 0;
    return 1;
}

static int take_block(struct vc_node *nd, struct vc_node_call *c, int r, int *whom)
{
    size_t len = c->lens[r];
    char *to = (char *)c->dst + (ptrdiff_t)c->at[r];
    uint64_t head, address;
    if (!vc_ready(&nd->tiny, r, c->st.base)) {
        *whom = vc_slowest(nd, &nd->tiny, r, c->st.base);
        return left_silently(nd, c, r) ? differs(nd, r, 0, c->lens[r]) : 0;
    }
    const char *from = vc_payload(&nd->tiny, r, c->st.base);
    memcpy(&head, from, HEAD);
    if ((head & ~BY_COPY) != len)
        return differs(nd, r, head & ~BY_COPY, len);
    if (len <= SHORT_LEN) {
        memcpy(to, from + HEAD, len);
        return 1;
    }
    if (!(head & BY_COPY) && goes_by_small(nd, len)) {
        vc_copy(to, vc_payload(&nd->small, r, c->st.mid), len, VC_COPY_TAKE);
        return 1;
    }
    if (!(head & BY_COPY))
        return take_chunks(nd, c, r, to, len, whom);
    memcpy(&address, from + HEAD, sizeof address);
    c->st.stages = 1; /* somebody waits until it was read */
    int err = vc_single_read(nd->cma_pids[r], vc_map_of(nd, r), to, address, len, VC_COPY_TAKE);
    return err == VC_OK ? 1 : err;
}

static int take_blocks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    if (st->phase == POST) {
        char *own = (char *)c->dst + (ptrdiff_t)c->at[nd->me];
        if (c->len > 0 && own != c->src)
            memcpy(own, c->src, c->len);
        st->phase = MOVE;
        st->rd_next = 1;
    }
    for (; st->rd_next < nd->n; st->rd_next++) {
        int r = c->root + st->rd_next < nd->n ? c->root + st->rd_next : c->root + st->rd_next - nd->n;
        int rc = c->lens[r] > 0 ? take_block(nd, c, r, whom) : 1;
        if (rc <= 0)
            return rc;
    }
    if (st->stages) {
        if (!vc_may_write(nd, &nd->tiny, st->base, whom))
            return 0;
        vc_publish(nd, &nd->tiny, st->base);
    }
    return finish(nd, c);
}

/* ---- scatter ---- */

/* Bytes of a chunk's part, and of data in it. 0: chunks have no room for so many ranks. */
static size_t part_of(const struct vc_node *nd, const struct vc_node_ring *ring)
{
    size_t part = ring->cap / (size_t)nd->n / PART_HEAD * PART_HEAD;
    return part > PART_HEAD ? part : 0;
}

/* Blocks of a tiny slot. */
static size_t blocks_of_tiny(const struct vc_node *nd, const struct vc_node_call *c)
{
    size_t slots = (size_t)tiny_slots(nd, c);
    return ((size_t)nd->n + slots - 1) / slots;
}

/* Where the first block begins in a tiny slot: behind a byte of each of its ranks, and one for all. */
static size_t short_head(const struct vc_node *nd, const struct vc_node_call *c)
{
    return vc_round_up(1 + blocks_of_tiny(nd, c), HEAD);
}

/* The root's tiny slot of rank r, and the place of its block there. */
static unsigned char *tiny_of(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    return (unsigned char *)vc_payload(&nd->tiny, c->root, c->st.base + (uint64_t)(r % tiny_slots(nd, c)));
}

static size_t place_in_tiny(const struct vc_node *nd, const struct vc_node_call *c, int r)
{
    return (size_t)(r / tiny_slots(nd, c));
}

static size_t longest(const struct vc_node *nd, const struct vc_node_call *c)
{
    size_t most = 0;
    for (int r = 0; r < nd->n; r++)
        if (r != nd->me && c->lens[r] > most)
            most = c->lens[r];
    return most;
}

/* The same in the small slot, with two bytes of each rank. */
static size_t small_head(const struct vc_node *nd)
{
    return vc_round_up(sizeof(uint16_t) * (size_t)nd->n, HEAD);
}

/* The way of blocks of which the longest has `most` bytes: the first byte of the tiny slot, or less. */
static unsigned way_of(const struct vc_node *nd, const struct vc_node_call *c, size_t most)
{
    size_t n = (size_t)nd->n;
    if (most <= SHORT_LEN && short_head(nd, c) + blocks_of_tiny(nd, c) * most <= VC_TINY_SLOT)
        return (unsigned)most;
    /* Of blocks that are copied alone, chunks have the address. */
    bool small = has_small(nd) && !copies_alone(nd, c, most) && most <= nd->small.cap / n;
    return small && small_head(nd) + n * most <= nd->small.cap ? IN_SMALL : IN_CHUNKS;
}

static void post_blocks(struct vc_node *nd, struct vc_node_call *c, size_t most, unsigned way)
{
    int slots = tiny_slots(nd, c);
    char *small = way == IN_SMALL ? vc_payload(&nd->small, nd->me, c->st.mid) : NULL;
    for (int i = 0; i < slots; i++) {
        unsigned char *tiny = tiny_of(nd, c, i);
        tiny[0] = (unsigned char)way;
        if (small)
            memcpy(tiny + HEAD, &most, sizeof most);
    }
    for (int r = 0; way != IN_CHUNKS && r < nd->n; r++) {
        const char *from = (const char *)c->src + (ptrdiff_t)c->at[r];
        size_t len = r == nd->me ? 0 : c->lens[r];
        uint16_t len16 = (uint16_t)len;
        if (small) {
            memcpy(small + sizeof len16 * (size_t)r, &len16, sizeof len16);
            vc_copy(small + small_head(nd) + (size_t)r * most, from, len, VC_COPY_GIVE);
        } else {
            size_t at = place_in_tiny(nd, c, r);
            unsigned char *tiny = tiny_of(nd, c, r);
            tiny[1 + at] = (unsigned char)len;
            memcpy(tiny + short_head(nd, c) + at * most, from, len);
        }
    }
    for (int i = 0; i < slots; i++)
        vc_publish(nd, &nd->tiny, c->st.base + (uint64_t)i);
}

/* 1: this rank's block, from the tiny or the small slot. */
static int take_posted(struct vc_node *nd, struct vc_node_call *c, const unsigned char *tiny)
{
    size_t most = tiny[0], at = place_in_tiny(nd, c, nd->me);
    const char *from = (const char *)tiny + short_head(nd, c) + at * most;
    uint16_t len = tiny[0] == IN_SMALL ? 0 : tiny[1 + at];
    if (tiny[0] == IN_SMALL) {
        const char *small = vc_payload(&nd->small, c->root, c->st.mid);
        memcpy(&most, tiny + HEAD, sizeof most);
        memcpy(&len, small + sizeof len * (size_t)nd->me, sizeof len);
        from = small + small_head(nd) + (size_t)nd->me * most;
    }
    if (len != c->len)
        return differs(nd, c->root, len, c->len);
    vc_copy(c->dst, from, len, VC_COPY_TAKE);
    return 1;
}

/* Whether rank r needs no chunk in front of chunk `before`. */
static bool has_read(struct vc_node *nd, const struct vc_node_call *c, int r, int before)
{
    struct vc_node_ring *ring = long_ring(nd);
    /* Acquire: as vc_all_done() does. */
    uint64_t done = atomic_load_explicit(&vc_ring_part(ring, r)->done, memory_order_acquire);
    return done >= c->st.more + VC_ANY_TURNS || word_of(nd, c, r) >= (uint64_t)before;
}

static void write_part(struct vc_node *nd, const struct vc_node_call *c, int r, int k, char *to, size_t room)
{
    size_t len = c->lens[r], at = (size_t)k * room;
    const char *from = (const char *)c->src + (ptrdiff_t)c->at[r];
    bool alone = copies_alone(nd, c, len);
    if (k == 0) {
        uint64_t head[2] = {len | (alone ? BY_COPY : 0), (uint64_t)(uintptr_t)from};
        memcpy(to, head, sizeof head);
    }
    if (!alone && at < len)
        vc_copy(to + PART_HEAD, from + at, vc_min_size(len - at, room), VC_COPY_GIVE);
}

static int give_chunks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = long_ring(nd);
    size_t part = part_of(nd, ring), room = part - PART_HEAD;
    int n = 1, depth = (int)ring->depth;
    if (part == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "slots of %zu bytes have no room for %d ranks", ring->cap, nd->n);
    for (int r = 0; r < nd->n; r++)
        if (r != nd->me && !copies_alone(nd, c, c->lens[r]) && chunks_of(c->lens[r], room) > n)
            n = chunks_of(c->lens[r], room);
    for (; st->wr < n; st->wr++) {
        uint64_t g = chunk_slot(c, st->wr);
        if (st->wr < depth && !vc_may_write(nd, ring, g, whom))
            return 0;
        for (; st->wr >= depth && st->rd_next < nd->n; st->rd_next++) {
            *whom = st->rd_next;
            if (st->rd_next != nd->me && !has_read(nd, c, st->rd_next, st->wr - depth + 1))
                return 0;
        }
        st->rd_next = 0;
        for (int r = 0; r < nd->n; r++)
            if (r != nd->me)
                write_part(nd, c, r, st->wr, vc_payload(ring, nd->me, g) + (size_t)r * part, room);
        vc_publish(nd, ring, g);
    }
    return 1;
}

static int give_blocks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    if (st->phase == POST) {
        size_t most = longest(nd, c);
        unsigned way = way_of(nd, c, most);
        if (!vc_may_write(nd, &nd->tiny, st->base + (uint64_t)tiny_slots(nd, c) - 1, whom) ||
            (way == IN_SMALL && !vc_may_write(nd, &nd->small, st->mid, whom)))
            return 0;
        post_blocks(nd, c, most, way);
        const char *own = (const char *)c->src + (ptrdiff_t)c->at[nd->me];
        if (c->len > 0 && own != c->dst)
            memcpy(c->dst, own, c->len);
        if (way != IN_CHUNKS)
            return finish(nd, c);
        st->phase = MOVE;
    }
    if (st->phase == MOVE) {
        int rc = give_chunks(nd, c, whom);
        if (rc <= 0)
            return rc;
        st->phase = CONFIRM;
    }
    for (; st->rd_next < nd->n; st->rd_next++) {
        *whom = st->rd_next;
        if (st->rd_next == nd->me || !copies_alone(nd, c, c->lens[st->rd_next]) ||
            vc_ready(&nd->tiny, st->rd_next, st->base))
            continue;
        return left_silently(nd, c, st->rd_next) ? differs(nd, st->rd_next, 0, c->lens[st->rd_next]) : 0;
    }
    return finish(nd, c);
}

/* The rest of a block that comes in chunks. */
static int get_chunks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = long_ring(nd);
    size_t part = part_of(nd, ring), room = part - PART_HEAD;
    if (part == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "slots of %zu bytes have no room for %d ranks", ring->cap, nd->n);
    for (int n = chunks_of(c->len, room); st->rd < n; st->rd++) {
        uint64_t g = chunk_slot(c, st->rd);
        size_t at = (size_t)st->rd * room;
        if (n > (int)ring->depth && !begin_word(nd, c, whom))
            return 0;
        set_word(nd, c, (uint64_t)st->rd);
        *whom = c->root;
        if (!vc_ready(ring, c->root, g))
            return 0;
        const char *from = vc_payload(ring, c->root, g) + (size_t)nd->me * part;
        if (st->rd == 0) {
            uint64_t head[2];
            memcpy(head, from, sizeof head);
            if ((head[0] & ~BY_COPY) != c->len)
                return differs(nd, c->root, head[0] & ~BY_COPY, c->len);
            if (head[0] & BY_COPY) {
                if (!vc_may_write(nd, &nd->tiny, st->base, whom))
                    return 0;
                int err = vc_single_read(nd->cma_pids[c->root], vc_map_of(nd, c->root), c->dst, head[1],
                                         c->len, VC_COPY_TAKE);
                if (err != VC_OK)
                    return err;
                vc_publish(nd, &nd->tiny, st->base);
                return 1;
            }
        }
        vc_copy((char *)c->dst + at, from + PART_HEAD, vc_min_size(c->len - at, room), VC_COPY_TAKE);
    }
    return 1;
}

static int get_block(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    if (st->phase == POST && c->len > 0) {
        *whom = c->root;
        if (!vc_ready(&nd->tiny, c->root, st->base + (uint64_t)(nd->me % tiny_slots(nd, c))))
            return 0;
        const unsigned char *from = tiny_of(nd, c, nd->me);
        int rc = from[0] == IN_CHUNKS ? 0 : take_posted(nd, c, from);
        if (rc < 0)
            return rc;
        st->phase = rc == 0 ? MOVE : CONFIRM;
    }
    int rc = st->phase == MOVE ? get_chunks(nd, c, whom) : 1;
    return rc > 0 ? finish(nd, c) : rc;
}

/* ---- both ---- */

void vc_node_any_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_ring *ring = long_ring(nd);
    c->st = (struct vc_node_state){
        .ring = &nd->tiny, .base = nd->tiny.pos, .mid = nd->small.pos, .more = ring->pos};
    nd->tiny.pos += (uint64_t)tiny_slots(nd, c);
    nd->small.pos += has_small(nd) ? 1 : 0;
    ring->pos += VC_ANY_TURNS;
}

int vc_node_any_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    bool root = nd->me == c->root;
    if (c->kind == VC_PHASE_GATHER_ANY)
        return root ? take_blocks(nd, c, whom) : give_block(nd, c, whom);
    return root ? give_blocks(nd, c, whom) : get_block(nd, c, whom);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scatter: the root's tiny slot has all blocks and a byte with the length of each; or says where in its bulk
 * slots they lie, in the same way; or that they come in chunks, of which each has a part for every rank. The
 * first such part begins with the block's length, and with its address where the rank is to copy it itself.
 *
 * Blocks that lie in bulk slots have no flags there, so the root alone decides where: it puts several
 * operations into one slot, and runs ahead of the others until its slots, or the tiny ones, are full. Where
 * ranks share CPUs, that is what short messages cost.
 */
#include "coll/node/any.h"
#include "transport/shm/single.h"

/* The first byte of a scatter's tiny slot where blocks do not fit into it. A struct spot follows for IN_BULK.
 */
#define IN_CHUNKS 255u
#define IN_BULK   254u
/* Of a bulk slot operations fill so much, to stay in cache, if one of them alone does not take more. */
#define FILLED VC_SMALL_SLOT
/* Where blocks begin in a chunk's part. */
#define PART_HEAD (2 * sizeof(uint64_t))

/* Bytes of a chunk's part, and of data in it. 0: chunks have no room for so many ranks. */
static size_t part_of(const struct vc_node *nd, const struct vc_node_ring *ring)
{
    size_t part = ring->cap / (size_t)nd->n / PART_HEAD * PART_HEAD;
    return part > PART_HEAD ? part : 0;
}

/* Where the first block begins in the tiny slot: behind a byte of each rank, and one for all. */
static size_t short_head(const struct vc_node *nd)
{
    return vc_round_up(1 + (size_t)nd->n, VC_ANY_HEAD);
}

/* Where blocks lie in the root's bulk slots, and how many bytes each has room for. */
struct spot {
    uint64_t slot;
    uint32_t at, most;
};

static size_t longest(const struct vc_node *nd, const struct vc_node_call *c)
{
    size_t most = 0;
    for (int r = 0; r < nd->n; r++)
        if (r != nd->me && c->lens[r] > most)
            most = c->lens[r];
    return most;
}

/* The same in a bulk slot, with two bytes of each rank. */
static size_t bulk_head(const struct vc_node *nd)
{
    return vc_round_up(sizeof(uint16_t) * (size_t)nd->n, VC_ANY_HEAD);
}

static size_t bulk_bytes(const struct vc_node *nd, size_t most)
{
    return bulk_head(nd) + (size_t)nd->n * most;
}

/* The way of blocks of which the longest has `most` bytes: the first byte of the tiny slot, or less. */
static unsigned way_of(const struct vc_node *nd, const struct vc_node_call *c, size_t most)
{
    size_t n = (size_t)nd->n;
    if (most <= VC_ANY_SHORT && short_head(nd) + n * most <= VC_TINY_SLOT)
        return (unsigned)most;
    /* Of blocks that are copied alone, chunks have the address. Ranks with CPUs of their own read at once:
     * chunks take the same slot again. */
    size_t room = vc_min_size(nd->own_cpus ? FILLED : nd->bulk.cap, UINT16_MAX);
    bool bulk = nd->bulk.cap > 0 && !vc_any_copies_alone(nd, c, most) && most <= room;
    return bulk && bulk_bytes(nd, most) <= room ? IN_BULK : IN_CHUNKS;
}

static bool all_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom)
{
    return ring->known_done >= g || vc_all_done(nd, ring, g, whom);
}

/* Finds room for `bytes` in this rank's bulk slots that no rank reads any more. False: there is none yet. */
static bool find_spot(struct vc_node *nd, size_t bytes, struct spot *s, int *whom)
{
    const struct vc_any_room *room = &nd->room;
    s->slot = room->slot;
    s->at = room->at;
    if (s->at + bytes > (bytes > FILLED ? bytes : FILLED)) {
        s->slot = (s->slot + 1) % VC_BULK_DEPTH;
        s->at = 0;
    }
    return (s->at > 0 || all_done(nd, &nd->tiny, room->last[s->slot], whom)) &&
           all_done(nd, &nd->bulk, room->since, whom);
}

static void note_spot(struct vc_node *nd, const struct vc_node_call *c, size_t bytes, const struct spot *s)
{
    nd->room.slot = (uint32_t)s->slot;
    nd->room.at = (uint32_t)vc_round_up(s->at + bytes, VC_CACHELINE);
    nd->room.last[s->slot] = c->st.base + 1;
}

/* s: NULL, or where blocks lie. */
static void post_blocks(struct vc_node *nd, struct vc_node_call *c, size_t most, unsigned way,
                        const struct spot *s)
{
    unsigned char *tiny = (unsigned char *)vc_payload(&nd->tiny, nd->me, c->st.base);
    char *bulk = s ? vc_payload(&nd->bulk, nd->me, s->slot) + s->at : NULL;
    tiny[0] = (unsigned char)way;
    if (s)
        memcpy(tiny + VC_ANY_HEAD, s, sizeof *s);
    for (int r = 0; way != IN_CHUNKS && r < nd->n; r++) {
        const char *from = (const char *)c->src + (ptrdiff_t)c->at[r];
        size_t len = r == nd->me ? 0 : c->lens[r];
        uint16_t len16 = (uint16_t)len;
        if (bulk) {
            memcpy(bulk + sizeof len16 * (size_t)r, &len16, sizeof len16);
            vc_node_give(c, bulk + bulk_head(nd) + (size_t)r * most, from, len);
        } else {
            tiny[1 + r] = (unsigned char)len;
            vc_node_give(c, tiny + short_head(nd) + (size_t)r * most, from, len);
        }
    }
    vc_publish(nd, &nd->tiny, c->st.base);
}

/* 1: this rank's block, from the tiny or a bulk slot. */
static int take_posted(struct vc_node *nd, struct vc_node_call *c, const unsigned char *tiny)
{
    size_t most = tiny[0];
    const char *from = (const char *)tiny + short_head(nd) + (size_t)nd->me * most;
    uint16_t len = tiny[1 + nd->me];
    if (tiny[0] == IN_BULK) {
        struct spot s;
        memcpy(&s, tiny + VC_ANY_HEAD, sizeof s);
        const char *bulk = vc_payload(&nd->bulk, c->root, s.slot) + s.at;
        memcpy(&len, bulk + sizeof len * (size_t)nd->me, sizeof len);
        from = bulk + bulk_head(nd) + (size_t)nd->me * s.most;
    }
    if (len != c->len)
        return vc_any_differs(nd, c->root, len, c->len);
    vc_node_put(c, c->dst, from, len, 0);
    return 1;
}

/* Whether rank r needs no chunk in front of chunk `before`. */
static bool has_read(struct vc_node *nd, const struct vc_node_call *c, int r, int before)
{
    struct vc_node_ring *ring = vc_any_ring(nd);
    /* Acquire: as vc_all_done() does. */
    uint64_t done = atomic_load_explicit(&vc_ring_part(ring, r)->done, memory_order_acquire);
    return done >= c->st.more + VC_ANY_TURNS || vc_any_word(nd, c, r) >= (uint64_t)before;
}

static void write_part(struct vc_node *nd, const struct vc_node_call *c, int r, int k, char *to, size_t room)
{
    size_t len = c->lens[r], at = (size_t)k * room;
    const char *from = (const char *)c->src + (ptrdiff_t)c->at[r];
    bool alone = vc_any_copies_alone(nd, c, len);
    if (k == 0) {
        uint64_t head[2] = {len | (alone ? VC_ANY_BY_COPY : 0), (uint64_t)(uintptr_t)from};
        memcpy(to, head, sizeof head);
    }
    if (!alone && at < len)
        vc_node_give(c, to + PART_HEAD, from + at, vc_min_size(len - at, room));
}

static int give_chunks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = vc_any_ring(nd);
    size_t part = part_of(nd, ring), room = part - PART_HEAD;
    int n = 1, depth = (int)ring->depth;
    if (part == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "slots of %zu bytes have no room for %d ranks", ring->cap, nd->n);
    for (int r = 0; r < nd->n; r++)
        if (r != nd->me && !vc_any_copies_alone(nd, c, c->lens[r]) && vc_any_chunks(c->lens[r], room) > n)
            n = vc_any_chunks(c->lens[r], room);
    for (; st->wr < n; st->wr++) {
        uint64_t g = vc_any_slot(c, st->wr);
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

int vc_any_give_blocks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    if (st->phase == VC_ANY_POST) {
        size_t most = longest(nd, c), bytes = bulk_bytes(nd, most);
        unsigned way = way_of(nd, c, most);
        struct spot s = {.most = (uint32_t)most};
        if (!vc_may_write(nd, &nd->tiny, st->base, whom) ||
            (way == IN_BULK && !find_spot(nd, bytes, &s, whom)))
            return 0;
        if (way == IN_BULK)
            note_spot(nd, c, bytes, &s);
        else if (way == IN_CHUNKS)
            nd->room.since = st->more + VC_ANY_TURNS;
        post_blocks(nd, c, most, way, way == IN_BULK ? &s : NULL);
        const char *own = (const char *)c->src + (ptrdiff_t)c->at[nd->me];
        if (c->len > 0 && own != c->dst)
            vc_node_copy_own(c, c->dst, own, c->len, 0);
        if (way != IN_CHUNKS)
            return vc_any_finish(nd, c);
        st->phase = VC_ANY_MOVE;
    }
    if (st->phase == VC_ANY_MOVE) {
        int rc = give_chunks(nd, c, whom);
        if (rc <= 0)
            return rc;
        st->phase = VC_ANY_CONFIRM;
    }
    for (; st->rd_next < nd->n; st->rd_next++) {
        *whom = st->rd_next;
        if (st->rd_next == nd->me || !vc_any_copies_alone(nd, c, c->lens[st->rd_next]) ||
            vc_ready(&nd->tiny, st->rd_next, st->base))
            continue;
        return vc_any_left_silently(nd, c, st->rd_next)
                   ? vc_any_differs(nd, st->rd_next, 0, c->lens[st->rd_next])
                   : 0;
    }
    return vc_any_finish(nd, c);
}

static int take_alone(const struct vc_node *nd, const struct vc_node_call *c, uint64_t from)
{
    if (c->view && c->view->dst)
        return vc_node_fetch(nd, c->view, c->view->dst, 0, c->root, from, c->len);
    return vc_single_read(nd->cma_pids[c->root], vc_map_of(nd, c->root), c->dst, from, c->len, VC_COPY_TAKE);
}

/* The rest of a block that comes in chunks. */
static int get_chunks(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = vc_any_ring(nd);
    size_t part = part_of(nd, ring), room = part - PART_HEAD;
    if (part == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "slots of %zu bytes have no room for %d ranks", ring->cap, nd->n);
    for (int n = vc_any_chunks(c->len, room); st->rd < n; st->rd++) {
        uint64_t g = vc_any_slot(c, st->rd);
        size_t at = (size_t)st->rd * room;
        if (n > (int)ring->depth && !vc_any_begin_word(nd, c, whom))
            return 0;
        vc_any_set_word(nd, c, (uint64_t)st->rd);
        *whom = c->root;
        if (!vc_ready(ring, c->root, g))
            return 0;
        const char *from = vc_payload(ring, c->root, g) + (size_t)nd->me * part;
        if (st->rd == 0) {
            uint64_t head[2];
            memcpy(head, from, sizeof head);
            if ((head[0] & ~VC_ANY_BY_COPY) != c->len)
                return vc_any_differs(nd, c->root, head[0] & ~VC_ANY_BY_COPY, c->len);
            if (head[0] & VC_ANY_BY_COPY) {
                if (!vc_may_write(nd, &nd->tiny, st->base, whom))
                    return 0;
                int err = take_alone(nd, c, head[1]);
                if (err != VC_OK)
                    return err;
                vc_publish(nd, &nd->tiny, st->base);
                return 1;
            }
        }
        vc_node_put(c, (char *)c->dst + at, from + PART_HEAD, vc_min_size(c->len - at, room), 0);
    }
    return 1;
}

int vc_any_get_block(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    if (st->phase == VC_ANY_POST && c->len > 0) {
        *whom = c->root;
        if (!vc_ready(&nd->tiny, c->root, st->base))
            return 0;
        const unsigned char *from = (const unsigned char *)vc_payload(&nd->tiny, c->root, st->base);
        int rc = from[0] == IN_CHUNKS ? 0 : take_posted(nd, c, from);
        if (rc < 0)
            return rc;
        st->phase = rc == 0 ? VC_ANY_MOVE : VC_ANY_CONFIRM;
    }
    int rc = st->phase == VC_ANY_MOVE ? get_chunks(nd, c, whom) : 1;
    return rc > 0 ? vc_any_finish(nd, c) : rc;
}

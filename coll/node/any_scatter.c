/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scatter: the root's tiny slot has all blocks and a byte with the length of each; or says that the small
 * slot has them, in the same way; or that they come in chunks, of which each has a part for every rank. The
 * first such part begins with the block's length, and with its address where the rank is to copy it itself.
 */
#include "coll/node/any.h"
#include "transport/shm/single.h"

/* The first byte of a scatter's tiny slot where blocks do not fit into it. How many bytes the small slot has
 * for each follows. */
#define IN_CHUNKS 255u
#define IN_SMALL  254u
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
    return vc_round_up(sizeof(uint16_t) * (size_t)nd->n, VC_ANY_HEAD);
}

/* The way of blocks of which the longest has `most` bytes: the first byte of the tiny slot, or less. */
static unsigned way_of(const struct vc_node *nd, const struct vc_node_call *c, size_t most)
{
    size_t n = (size_t)nd->n;
    if (most <= VC_ANY_SHORT && short_head(nd) + n * most <= VC_TINY_SLOT)
        return (unsigned)most;
    /* Of blocks that are copied alone, chunks have the address. */
    bool small = vc_any_has_small(nd) && !vc_any_copies_alone(nd, c, most) && most <= nd->small.cap / n;
    return small && small_head(nd) + n * most <= nd->small.cap ? IN_SMALL : IN_CHUNKS;
}

static void post_blocks(struct vc_node *nd, struct vc_node_call *c, size_t most, unsigned way)
{
    unsigned char *tiny = (unsigned char *)vc_payload(&nd->tiny, nd->me, c->st.base);
    char *small = way == IN_SMALL ? vc_payload(&nd->small, nd->me, c->st.mid) : NULL;
    tiny[0] = (unsigned char)way;
    if (small)
        memcpy(tiny + VC_ANY_HEAD, &most, sizeof most);
    for (int r = 0; way != IN_CHUNKS && r < nd->n; r++) {
        const char *from = (const char *)c->src + (ptrdiff_t)c->at[r];
        size_t len = r == nd->me ? 0 : c->lens[r];
        uint16_t len16 = (uint16_t)len;
        if (small) {
            memcpy(small + sizeof len16 * (size_t)r, &len16, sizeof len16);
            vc_copy(small + small_head(nd) + (size_t)r * most, from, len, VC_COPY_GIVE);
        } else {
            tiny[1 + r] = (unsigned char)len;
            memcpy(tiny + short_head(nd) + (size_t)r * most, from, len);
        }
    }
    vc_publish(nd, &nd->tiny, c->st.base);
}

/* 1: this rank's block, from the tiny or the small slot. */
static int take_posted(struct vc_node *nd, struct vc_node_call *c, const unsigned char *tiny)
{
    size_t most = tiny[0];
    const char *from = (const char *)tiny + short_head(nd) + (size_t)nd->me * most;
    uint16_t len = tiny[1 + nd->me];
    if (tiny[0] == IN_SMALL) {
        const char *small = vc_payload(&nd->small, c->root, c->st.mid);
        memcpy(&most, tiny + VC_ANY_HEAD, sizeof most);
        memcpy(&len, small + sizeof len * (size_t)nd->me, sizeof len);
        from = small + small_head(nd) + (size_t)nd->me * most;
    }
    if (len != c->len)
        return vc_any_differs(nd, c->root, len, c->len);
    vc_copy(c->dst, from, len, VC_COPY_TAKE);
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
        vc_copy(to + PART_HEAD, from + at, vc_min_size(len - at, room), VC_COPY_GIVE);
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
        size_t most = longest(nd, c);
        unsigned way = way_of(nd, c, most);
        if (!vc_may_write(nd, &nd->tiny, st->base, whom) ||
            (way == IN_SMALL && !vc_may_write(nd, &nd->small, st->mid, whom)))
            return 0;
        post_blocks(nd, c, most, way);
        const char *own = (const char *)c->src + (ptrdiff_t)c->at[nd->me];
        if (c->len > 0 && own != c->dst)
            memcpy(c->dst, own, c->len);
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

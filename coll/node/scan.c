/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scans through slots. A rank waits only for ranks below it. If the vectors fit into small slots, each rank
 * but the last publishes its own, and reduces those of the ranks below it: they meet once. Longer ones go up
 * the ranks in chunks: each reduces what the rank below has published with its own operand and publishes the
 * result, so that no rank reads or reduces more than another, however many they are.
 *
 * Nobody tells rank 0 that it was heard, so rings run full: then the owner of a slot looks how far the others
 * are.
 */
#include "coll/node/impl.h"

/* Chunks, in bytes, where ranks have CPUs of their own. */
#define PART_LEAST 4096
#define PART_MOST  16384

static bool goes_whole(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->len <= nd->small.cap;
}

int vc_node_scan_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_state *st = &c->st;
    size_t grain = vc_grain(c);
    st->ring = c->len <= nd->tiny.cap ? &nd->tiny : &nd->small;
    if (!goes_whole(nd, c) && nd->bulk.cap)
        st->ring = &nd->bulk;
    if (grain > st->ring->cap)
        return vc_fail(VC_ERR_UNSUPPORTED, "elements of %zu bytes do not fit into slots of %zu bytes", grain,
                       st->ring->cap);
    st->chunk = c->len;
    st->nchunks = 1;
    if (!goes_whole(nd, c)) {
        size_t most = st->ring->cap / grain * grain, want = c->len / 4;
        want = want < PART_LEAST ? PART_LEAST : want > PART_MOST ? PART_MOST : want;
        st->chunk = nd->own_cpus ? vc_min_size(vc_round_up(want, grain), most) : most;
        st->nchunks = (int)((c->len + st->chunk - 1) / st->chunk);
    }
    st->stages = 1;
    st->base = st->ring->pos;
    st->ring->pos += (uint64_t)st->nchunks;
    st->wr = st->rd = st->rd_next = 0;
    st->idle = 0;
    return VC_OK;
}

/* Whether this rank's slots have readers. */
static bool is_heard(const struct vc_node *nd)
{
    return nd->me + 1 < nd->n;
}

/* The rank to wait for when r has not published slot g: as vc_slowest(), but only ranks below this one count.
 */
static int slowest_below(struct vc_node *nd, const struct vc_node_ring *ring, int r, uint64_t g)
{
    if (!vc_wait_crowded(nd->wait) || vc_shares_cpu(nd, r))
        return r;
    for (int i = 0; i < r; i++)
        if (vc_shares_cpu(nd, i) && !vc_published(ring, i, g))
            return i;
    return r;
}

/* All in one slot. st->rd_next counts the ranks below this one, from the nearest on, that are done with. */
static int meet_below(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = st->ring;
    uint64_t g = st->base;
    int me = nd->me, have = c->kind == VC_PHASE_SCAN; /* operands in `acc` before the first rank below */
    const struct vc_redop *op = c->op;
    size_t count = op && c->len ? c->len / op->esize : 0;
    if (st->wr == 0 && is_heard(nd)) {
        if (!vc_may_write(nd, ring, g, whom))
            return 0;
        vc_copy(vc_payload(ring, me, g), c->src, c->len, VC_COPY_GIVE);
        vc_publish_call(nd, c, ring, g);
    }
    st->wr = 1;
    for (; st->rd_next < me; st->rd_next++) {
        int r = me - 1 - st->rd_next;
        if (!vc_fits(ring, c, r, g)) {
            *whom = slowest_below(nd, ring, r, g);
            return 0;
        }
        if (st->rd_next + have == 0 || count == 0)
            continue;
        const void *acc = st->rd_next + have > 1 ? c->dst : have ? c->src : vc_payload(ring, r + 1, g);
        op->fn(vc_payload(ring, r, g), acc, c->dst, count, op->ctx);
    }
    if (c->len > 0 && me == 0 && have && c->dst != c->src)
        vc_copy(c->dst, c->src, c->len, VC_COPY_OWN);
    if (c->len > 0 && me == 1 && !have)
        vc_copy(c->dst, vc_payload(ring, 0, g), c->len, VC_COPY_TAKE);
    return 1;
}

/* This rank's part of chunk k, [off, off + len). Where dst is src, the operand is read before it is written
 * over. */
static void pass_on(struct vc_node *nd, const struct vc_node_call *c, uint64_t g, size_t off, size_t len)
{
    const struct vc_node_ring *ring = c->st.ring;
    const struct vc_redop *op = c->op;
    const char *own = (const char *)c->src + off;
    char *out = c->dst ? (char *)c->dst + off : NULL, *slot = vc_payload(ring, nd->me, g);
    bool inclusive = c->kind == VC_PHASE_SCAN;
    if (nd->me == 0) {
        vc_copy(slot, own, len, VC_COPY_GIVE);
        if (inclusive && out != own)
            vc_copy(out, own, len, VC_COPY_OWN);
        return;
    }
    const char *below = vc_payload(ring, nd->me - 1, g);
    if (inclusive) {
        op->fn(below, own, out, len / op->esize, op->ctx);
        if (is_heard(nd))
            vc_copy(slot, out, len, VC_COPY_GIVE);
        return;
    }
    if (is_heard(nd))
        op->fn(below, own, slot, len / op->esize, op->ctx);
    vc_copy(out, below, len, VC_COPY_TAKE);
}

/* Chunks up the ranks. 1: all of them have passed. */
static int go_up(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    struct vc_node_ring *ring = st->ring;
    for (; st->rd < st->nchunks; st->rd++) {
        uint64_t g = st->base + (uint64_t)st->rd;
        size_t off = (size_t)st->rd * st->chunk;
        if (is_heard(nd) && !vc_may_write(nd, ring, g, whom))
            return 0;
        if (nd->me > 0 && !vc_fits(ring, c, nd->me - 1, g)) {
            *whom = nd->me - 1;
            return 0;
        }
        pass_on(nd, c, g, off, vc_min_size(st->chunk, c->len - off));
        if (is_heard(nd))
            vc_publish_call(nd, c, ring, g);
        vc_set_done(nd, ring, g + 1);
    }
    return 1;
}

int vc_node_scan_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    if (goes_whole(nd, c)) {
        if (!meet_below(nd, c, whom))
            return 0;
        vc_set_done(nd, c->st.ring, c->st.base + 1);
    } else if (!go_up(nd, c, whom)) {
        return 0;
    }
    c->st.phase = -1;
    return 1;
}

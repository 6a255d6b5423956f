/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions to blocks through slots: each rank ends with its block of the result. If the vectors fit into
 * small slots, each rank publishes all of its own in one, and reduces its block of all of them. Longer ones
 * are cut: chunk k is part k / n of the block of rank k % n, which all others publish and that rank alone
 * reads. So all ranks reduce at the same time, whatever n is. Operands go from the last rank to the first:
 * v0 + (v1 + (v2 + ...)), as in slots.c.
 */
#include "coll/node/impl.h"

/* Chunks, in bytes: where ranks have CPUs of their own, so short that reducing begins soon. */
#define PART_LEAST 4096

static size_t block_at(const struct vc_node_call *c, int r)
{
    return c->kind == VC_PHASE_REDUCE_BLOCKSV ? c->at[r] : (size_t)r * c->len;
}

static size_t block_len(const struct vc_node_call *c, int r)
{
    return c->kind == VC_PHASE_REDUCE_BLOCKSV ? c->at[r + 1] - c->at[r] : c->len;
}

/* Whether the vectors go as a whole, in one slot each. */
static bool goes_whole(const struct vc_node_call *c)
{
    return c->st.nchunks == 1;
}

/* What chunk k carries: bytes [*off, *off + *len) of the block of the rank that is returned. */
static int part_of(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *off, size_t *len)
{
    int r = k % nd->n;
    size_t all = block_len(c, r);
    *off = (size_t)(k / nd->n) * c->st.chunk;
    *len = *off < all ? vc_min_size(c->st.chunk, all - *off) : 0;
    return r;
}

int vc_node_blocks_start(struct vc_node *nd, struct vc_node_call *c)
{
    struct vc_node_state *st = &c->st;
    size_t all = (size_t)nd->n * c->len,
           grain = vc_grain(c); /* as if all blocks were as long as the longest */
    int nchunks = 1;
    st->ring = all <= nd->tiny.cap ? &nd->tiny : &nd->small;
    if (all > nd->small.cap && nd->bulk.cap)
        st->ring = &nd->bulk;
    if (grain > st->ring->cap)
        return vc_fail(VC_ERR_UNSUPPORTED, "elements of %zu bytes do not fit into slots of %zu bytes", grain,
                       st->ring->cap);
    st->chunk = block_at(c, nd->n);
    if (all > st->ring->cap || st->ring == &nd->bulk) {
        size_t most = st->ring->cap / grain * grain, want = c->len / 4 > PART_LEAST ? c->len / 4 : PART_LEAST;
        st->chunk = nd->own_cpus ? vc_min_size(vc_round_up(want, grain), most) : most;
        nchunks = nd->n * (int)((c->len + st->chunk - 1) / st->chunk);
    }
    st->nchunks = nchunks;
    st->stages = 1;
    st->window = (int)st->ring->depth;
    st->base = st->ring->pos;
    st->ring->pos += (uint64_t)nchunks;
    st->wr = st->rd = st->rd_next = 0;
    st->idle = 0;
    return VC_OK;
}

/* 1: chunk k is published, or not for this rank to publish. 0: its slot is not free. */
static int publish_part(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_ring *ring = c->st.ring;
    uint64_t g = c->st.base + (uint64_t)k;
    const char *from = c->src;
    size_t off, len = c->st.chunk;
    if (!goes_whole(c)) {
        int r = part_of(nd, c, k, &off, &len);
        if (r == nd->me || len == 0)
            return 1;
        from += block_at(c, r) + off;
    }
    if (!vc_may_write(nd, ring, g, whom))
        return 0;
    vc_copy(vc_payload(ring, nd->me, g), from, len, VC_COPY_GIVE);
    vc_publish_call(nd, c, ring, g);
    return 1;
}

/* Reduces what chunk k holds for this rank, as far as it has arrived. 1: complete, or nothing. */
static int reduce_part(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k;
    const struct vc_redop *op = c->op;
    size_t off = 0, len = block_len(c, nd->me), in_slot = block_at(c, nd->me);
    if (!goes_whole(c)) {
        if (part_of(nd, c, k, &off, &len) != nd->me || len == 0)
            return 1;
        in_slot = 0;
    }
    const char *own = (const char *)c->src + block_at(c, nd->me) + off, *acc = NULL;
    char *out = (char *)c->dst + off;
    size_t count = op && len ? len / op->esize : 0;
    if (st->rd_next > 0) /* where the last look left it */
        acc = st->rd_next > 1       ? out
              : nd->me == nd->n - 1 ? own
                                    : vc_payload(st->ring, nd->n - 1, g) + in_slot;
    for (; st->rd_next < nd->n; st->rd_next++) {
        int r = nd->n - 1 - st->rd_next;
        if (r != nd->me && !vc_fits(st->ring, c, r, g)) {
            *whom = vc_slowest(nd, st->ring, r, g);
            return 0;
        }
        const char *v = r == nd->me ? own : vc_payload(st->ring, r, g) + in_slot;
        if (acc && count)
            op->fn(v, acc, out, count, op->ctx);
        acc = acc ? out : v;
    }
    st->rd_next = 0;
    return 1;
}

int vc_node_blocks_progress(struct vc_node *nd, struct vc_node_call *c, int *whom)
{
    struct vc_node_state *st = &c->st;
    bool moved;
    do {
        int read = st->rd;
        moved = false;
        if (st->wr < st->nchunks && st->wr < st->rd + st->window && publish_part(nd, c, st->wr, whom)) {
            st->wr++;
            moved = true;
        }
        while (st->rd < st->wr && reduce_part(nd, c, st->rd, whom))
            st->rd++;
        if (st->rd != read) {
            vc_set_done(nd, st->ring, st->base + (uint64_t)st->rd);
            moved = true;
        }
    } while (moved);
    if (st->rd < st->nchunks)
        return 0;
    if (goes_whole(c) || block_len(c, nd->me) > 0) /* otherwise it has heard from nobody */
        vc_learned(st->ring, st->base);
    st->phase = -1;
    return 1;
}

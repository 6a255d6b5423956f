/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases through slots: reductions, by the ranks that get the result, or in two stages by slices. */
#include "coll/node/copy.h"
#include "coll/node/slots.h"

/* Where rank r's contribution to chunk k can be read. */
static const char *contribution(const struct vc_node *nd, const struct vc_node_call *c, int r, int k)
{
    const struct vc_node_state *st = &c->st;
    if (r == nd->me && (st->stages == 2 || vc_root_reads_src(nd, c)))
        return (const char *)c->src + (size_t)k * st->chunk;
    return vc_payload(st->ring, r, st->base + (uint64_t)k * (uint64_t)st->stages);
}

bool vc_slots_reduce(struct vc_node *nd, struct vc_node_call *c, int k, size_t lo, size_t len, char *out,
                     int *next, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * (uint64_t)st->stages;
    size_t count = c->op && len ? len / c->op->esize : 0;
    for (; *next < nd->n; ++*next) {
        int r = nd->n - 1 - *next;
        /* This rank's own contribution is published already, or is read from src. */
        if (r != nd->me && !vc_fits(st->ring, c, r, g)) {
            *whom = vc_slowest(nd, st->ring, r, g);
            return false;
        }
        if (*next == 0 || count == 0)
            continue;
        const char *v = contribution(nd, c, r, k) + lo;
        const char *acc = *next == 1 ? contribution(nd, c, r + 1, k) + lo : out;
        c->op->fn(v, acc, out, count, c->op->ctx);
    }
    *next = 0;
    return true;
}

/*
 * Whether this rank reduces its slice into dst and copies it from there to the slot, while it is in the
 * cache, instead of the other way round. Not where dst is src and holds an operand that is still needed, nor
 * with operators of users, which may not write over their left operand. Each rank may decide for itself.
 */
static bool reduces_into_dst(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->op && !c->op->ctx && (c->src != c->dst || nd->n == 2) && vc_slots_gets(nd, c);
}

/* Whether this rank is one of those that reduce chunk k. Its slice may still be empty. */
static bool is_reducer(const struct vc_node *nd, const struct vc_node_call *c, int k)
{
    int mine = nd->me - vc_slots_first_reducer(nd, c, k);
    return (mine < 0 ? mine + nd->n : mine) < vc_slots_slice_parts(nd, c, vc_slots_chunk_len(c, k));
}

bool vc_slots_publish_slice(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * 2 + 1;
    if (!is_reducer(nd, c, k))
        return true;
    if (!vc_may_write(nd, st->ring, g, whom))
        return false;
    size_t lo, hi;
    vc_slots_own_slice(nd, c, k, &lo, &hi);
    char *to = vc_payload(st->ring, nd->me, g), *out = to;
    if (reduces_into_dst(nd, c))
        out = (char *)c->dst + (size_t)k * st->chunk + lo;
    if (!vc_slots_reduce(nd, c, k, lo, hi - lo, out, &st->red_next, whom))
        return false;
    if (out != to && hi > lo)
        vc_slots_give(nd, to, out, hi - lo);
    vc_publish_call(nd, c, st->ring, g);
    return true;
}

bool vc_slots_collect_slices(struct vc_node *nd, struct vc_node_call *c, int k, int *whom)
{
    struct vc_node_state *st = &c->st;
    uint64_t g = st->base + (uint64_t)k * 2 + 1;
    size_t len = vc_slots_chunk_len(c, k), grain = vc_grain(c);
    if (!vc_slots_gets(nd, c))
        return true;
    int parts = vc_slots_slice_parts(nd, c, len), first = vc_slots_first_reducer(nd, c, k);
    char *dst = (char *)c->dst + (size_t)k * st->chunk;
    for (; st->rd_next < parts; st->rd_next++) {
        int p = (nd->me + st->rd_next) % parts, r = first + p < nd->n ? first + p : first + p - nd->n;
        if (r == nd->me && reduces_into_dst(nd, c))
            continue;
        if (!vc_fits(st->ring, c, r, g)) {
            *whom = r;
            return false;
        }
        size_t lo = vc_slice(len, grain, parts, p), hi = vc_slice(len, grain, parts, p + 1);
        if (hi > lo)
            vc_copy_result(dst + lo, vc_payload(st->ring, r, g), hi - lo, c->len);
    }
    st->rd_next = 0;
    return true;
}

void vc_slots_scattered_part(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *in_dst,
                             size_t *in_slot, size_t *len)
{
    if (vc_slots_pieces(c) == VC_OF_EVERY_SLICE) {
        vc_slots_slice_piece(c, nd->me, k, in_dst, len);
        *in_slot = (size_t)nd->me * c->st.chunk;
        return;
    }
    size_t off = (size_t)k * c->st.chunk, end = off + vc_slots_chunk_len(c, k);
    size_t lo = vc_slice(c->len, vc_grain(c), c->parts, nd->me);
    size_t hi = vc_slice(c->len, vc_grain(c), c->parts, nd->me + 1);
    size_t from = lo > off ? lo : off, to = hi < end ? hi : end;
    *len = from < to ? to - from : 0;
    *in_slot = *len ? from - off : 0;
    *in_dst = *len ? from : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Node phases through slots: what a chunk holds, copied into a slot or out of one. */
#include "coll/node/copy.h"
#include "coll/node/slots.h"

enum vc_pieces vc_slots_pieces(const struct vc_node_call *c)
{
    const struct vc_phase_info *i = &vc_phase_info[c->kind];
    if (i->src == VC_EXTENT_EACH)
        return VC_FOR_EACH_RANK;
    if (i->gives == VC_WHO_PARTS)
        return VC_OF_OWN_SLICE;
    /* Slices so many that none has room for an element go as a whole. */
    bool fit = i->gets == VC_WHO_PARTS && c->st.ring->cap / (size_t)c->parts >= vc_grain(c);
    return fit ? VC_OF_EVERY_SLICE : VC_WHOLE;
}

/* The same in dst. */
static size_t block_at(const struct vc_node_call *c, int r)
{
    return vc_phase_info[c->kind].dst == VC_EXTENT_EACH ? vc_slots_nth_block(c, r) : 0;
}

void vc_slots_copy_own(const struct vc_node *nd, const struct vc_node_call *c, size_t off, size_t len)
{
    bool each = vc_phase_info[c->kind].src == VC_EXTENT_EACH;
    const char *from = (const char *)c->src + (each ? vc_slots_nth_block(c, nd->me) : 0);
    char *to = (char *)c->dst + block_at(c, nd->me);
    if (len > 0 && to != from)
        vc_node_copy_own(c, to + off, from + off, len, vc_slots_result_len(nd, c));
}

bool vc_slots_gathers(const struct vc_node *nd, const struct vc_node_call *c)
{
    return vc_phase_info[c->kind].dst == VC_EXTENT_EACH && vc_slots_gets(nd, c);
}

void vc_slots_slice_piece(const struct vc_node_call *c, int p, int k, size_t *off, size_t *len)
{
    size_t grain = vc_grain(c);
    size_t lo = vc_slice(c->len, grain, c->parts, p) + (size_t)k * c->st.chunk;
    size_t hi = vc_slice(c->len, grain, c->parts, p + 1);
    *off = lo;
    *len = lo < hi ? vc_min_size(hi - lo, c->st.chunk) : 0;
}

size_t vc_slots_chunk_of_block(const struct vc_node_call *c, int r, int k)
{
    size_t off = (size_t)k * c->st.chunk, len = vc_slots_block_len(c, r);
    return off < len ? vc_min_size(len - off, c->st.chunk) : 0;
}

void vc_slots_give(const struct vc_node *nd, void *slot, const void *from, size_t len)
{
    if (nd->give && len >= VC_COPY_LEAST)
        nd->give(slot, from, len);
    else
        vc_copy(slot, from, len, VC_COPY_GIVE);
}

/* The same of this rank's data, which `from` points into. */
static void give_data(const struct vc_node *nd, const struct vc_node_call *c, void *slot, const char *from,
                      size_t len)
{
    if (c->view && c->view->src)
        c->view->get(c->view->src, (size_t)(from - vc_node_data(c)), len, slot);
    else
        vc_slots_give(nd, slot, from, len);
}

void vc_slots_fill(struct vc_node *nd, struct vc_node_call *c, int k, char *to)
{
    struct vc_node_state *st = &c->st;
    size_t off = (size_t)k * st->chunk, len, piece;
    const char *from = vc_node_data(c);
    switch (vc_slots_pieces(c)) {
    case VC_OF_OWN_SLICE:
        vc_slots_slice_piece(c, nd->me, k, &piece, &len);
        vc_slots_give(nd, to, from + piece, len);
        break;
    case VC_FOR_EACH_RANK:
        len = vc_slots_chunk_len(c, k);
        for (int r = 0; r < nd->n; r++)
            if (r != nd->me)
                give_data(nd, c, to + (size_t)r * len, from + vc_slots_nth_block(c, r) + off,
                          vc_slots_chunk_of_block(c, r, k));
        break;
    case VC_OF_EVERY_SLICE:
        for (int p = 0; p < c->parts; p++) {
            vc_slots_slice_piece(c, p, k, &piece, &len);
            vc_slots_give(nd, to + (size_t)p * st->chunk, from + piece, len);
        }
        break;
    case VC_WHOLE:
        len = vc_slots_chunk_of_block(c, nd->me, k);
        if (st->stages == 2) { /* its own slice this rank reads from src */
            size_t lo, hi;
            vc_slots_own_slice(nd, c, k, &lo, &hi);
            vc_slots_give(nd, to, from + off, lo);
            vc_slots_give(nd, to + hi, from + off + hi, len - hi);
        } else if (len > 0) { /* a rank whose block is empty may have no buffer */
            give_data(nd, c, to, from + off, len);
        }
        break;
    }
}

void vc_slots_read(struct vc_node *nd, struct vc_node_call *c, int r, int k)
{
    struct vc_node_state *st = &c->st;
    const char *from = vc_payload(st->ring, r, st->base + (uint64_t)k);
    size_t off = (size_t)k * st->chunk, len, piece;
    char *to = (char *)c->dst + block_at(c, r);
    switch (vc_slots_pieces(c)) {
    case VC_FOR_EACH_RANK:
        len = vc_slots_chunk_len(c, k);
        vc_node_put(c, to + off, from + (size_t)nd->me * len, vc_slots_chunk_of_block(c, nd->me, k),
                    vc_slots_result_len(nd, c));
        break;
    case VC_OF_OWN_SLICE:
        vc_slots_slice_piece(c, r, k, &piece, &len);
        vc_copy(to + piece, from, len, VC_COPY_TAKE);
        break;
    default:
        if ((len = vc_slots_chunk_of_block(c, r, k)) > 0)
            vc_node_put(c, to + off, from, len, vc_slots_result_len(nd, c));
        break;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to coll/node: node phases through slots, see slots.c. */
#ifndef VC_COLL_NODE_SLOTS_H
#define VC_COLL_NODE_SLOTS_H

#include "coll/node/impl.h"

/* What a chunk holds. */
enum vc_pieces {
    VC_WHOLE,          /* a part of the vector or block */
    VC_FOR_EACH_RANK,  /* a part of the block of each rank that reads it */
    VC_OF_OWN_SLICE,   /* a part of the writer's slice */
    VC_OF_EVERY_SLICE, /* a part of each slice */
};

/* Whether this rank ends with something of the others. */
static inline bool vc_slots_gets(const struct vc_node *nd, const struct vc_node_call *c)
{
    return vc_phase_gets(c->kind, nd->me, c->root, c->parts);
}

/* Where the block of local index r begins, of several that follow each other. */
static inline size_t vc_slots_nth_block(const struct vc_node_call *c, int r)
{
    return vc_phase_info[c->kind].uneven ? c->at[r] : (size_t)r * c->len;
}

/* Bytes of the block of local index r. */
static inline size_t vc_slots_block_len(const struct vc_node_call *c, int r)
{
    return vc_phase_info[c->kind].uneven ? c->at[r + 1] - c->at[r] : c->len;
}

/* Bytes of dst. */
static inline size_t vc_slots_result_len(const struct vc_node *nd, const struct vc_node_call *c)
{
    const size_t *at = vc_phase_info[c->kind].uneven ? c->at : NULL;
    return vc_phase_side(vc_phase_info[c->kind].dst, c->len, at, nd->n, nd->me);
}

static inline size_t vc_slots_chunk_len(const struct vc_node_call *c, int k)
{
    size_t off = (size_t)k * c->st.chunk;
    return vc_min_size(c->len - off, c->st.chunk);
}

/* slots_copy.c: what chunks hold. */

enum vc_pieces vc_slots_pieces(const struct vc_node_call *c);
/* The part of slice p that chunk k carries, for the kinds whose chunks hold a piece of each slice. */
void vc_slots_slice_piece(const struct vc_node_call *c, int p, int k, size_t *off, size_t *len);
/* Of the block of local index r, which may be shorter than the longest and end in an earlier chunk. */
size_t vc_slots_chunk_of_block(const struct vc_node_call *c, int r, int k);
/* Copies into a slot, in the way that the race has chosen, if there is one. */
void vc_slots_give(const struct vc_node *nd, void *slot, const void *from, size_t len);
/* Copies [off, off + len) of the block that this rank gives itself. It needs no slot. */
void vc_slots_copy_own(const struct vc_node *nd, const struct vc_node_call *c, size_t off, size_t len);
/* Whether this rank has a block of its own to be copied. */
bool vc_slots_gathers(const struct vc_node *nd, const struct vc_node_call *c);
/* Copies this rank's contribution to chunk k into a slot. */
void vc_slots_fill(struct vc_node *nd, struct vc_node_call *c, int k, char *to);
/* Copies what chunk k of rank r holds for this rank. */
void vc_slots_read(struct vc_node *nd, struct vc_node_call *c, int r, int k);

/* slots_slices.c: reductions in two stages. */

/* How many ranks share the reducing of a chunk of `len` bytes. All, but among many ranks and in rooted
 * reductions not more than get VC_SLICE_LEAST bytes each. */
int vc_slots_slice_parts(const struct vc_node *nd, const struct vc_node_call *c, size_t len);
/* The rank that reduces the first slice of chunk k. Chunks go round where not all ranks share in each. */
int vc_slots_first_reducer(const struct vc_node *nd, const struct vc_node_call *c, int k);
/* The part of a chunk that this rank reduces; empty where another rank reduces all. */
void vc_slots_own_slice(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *lo,
                        size_t *hi);

/* slots_reduce.c */

/*
 * Reduces [lo, lo + len) of the payloads of chunk k of all ranks into `out`, as far as they have arrived,
 * from the last rank to the first: v0 + (v1 + (v2 + ...)). *next counts the ranks that are done. True when
 * complete.
 */
bool vc_slots_reduce(struct vc_node *nd, struct vc_node_call *c, int k, size_t lo, size_t len, char *out,
                     int *next, int *whom);
/* Two-stage operations: reduces this rank's slice of chunk k and publishes it in the slot behind the
 * contribution's. True when done. */
bool vc_slots_publish_slice(struct vc_node *nd, struct vc_node_call *c, int k, int *whom);
/* Copies the slices of chunk k of all ranks into dst, where this rank gets the result. True when done. */
bool vc_slots_collect_slices(struct vc_node *nd, struct vc_node_call *c, int k, int *whom);
/* A reduce-scatter's part of chunk k: where it lies in dst and in the slot. */
void vc_slots_scattered_part(const struct vc_node *nd, const struct vc_node_call *c, int k, size_t *in_dst,
                             size_t *in_slot, size_t *len);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to coll/node: any.c, its two halves, and any_words.c, which they share.
 *
 * Gathers and scatters of blocks whose lengths only their owner and the root know (VC_PHASE_GATHER_ANY,
 * VC_PHASE_SCATTER_ANY). Lengths travel with the data, so no rank decides anything that another one has to
 * know.
 *
 * An operation takes one tiny slot, a gather one small slot, and VC_ANY_TURNS slots of the ring for long
 * messages, whether it needs them or not. What goes into the small slot has no flag: the tiny slot, which is
 * published behind it, says that it is there. In the ring for long messages chunk k goes by slot k %
 * VC_ANY_TURNS of these. That is twice as many as the ring has, so two chunks that use the same memory after
 * one another have different flags. Whoever reads more chunks than the ring has slots says how far it is in a
 * word of its own first slot, which the writer looks at.
 */
#ifndef VC_COLL_NODE_ANY_H
#define VC_COLL_NODE_ANY_H

#include "coll/node/copy.h"

/* A length, in the slot of its block. The highest bit: an address follows instead of the data. */
#define VC_ANY_HEAD    sizeof(uint64_t)
#define VC_ANY_BY_COPY (UINT64_C(1) << 63)
#define VC_ANY_SHORT   (VC_TINY_SLOT - VC_ANY_HEAD)

enum { VC_ANY_POST, VC_ANY_MOVE, VC_ANY_CONFIRM };

/* The ring for long messages. */
static inline struct vc_node_ring *vc_any_ring(struct vc_node *nd)
{
    return nd->bulk.cap ? &nd->bulk : &nd->small;
}

/* The slot of chunk k in it. */
static inline uint64_t vc_any_slot(const struct vc_node_call *c, int k)
{
    return c->st.more + (uint64_t)k % VC_ANY_TURNS;
}

static inline int vc_any_chunks(size_t len, size_t room)
{
    return (int)((len + room - 1) / room);
}

/* Without a ring of larger slots chunks go by the small ones, and there is no slot between. */
static inline bool vc_any_has_small(const struct vc_node *nd)
{
    return nd->bulk.cap > 0;
}

/* any_words.c */
int vc_any_finish(struct vc_node *nd, struct vc_node_call *c);
/* Whether a block of `len` bytes of this rank's data goes by single copy. */
bool vc_any_copies_alone(const struct vc_node *nd, const struct vc_node_call *c, size_t len);
/* Whether rank r has left the operation without publishing its tiny slot: it has another length than this
 * rank thinks. */
bool vc_any_left_silently(const struct vc_node *nd, const struct vc_node_call *c, int r);
/* Rank r says that a block has `theirs` bytes, where this rank says `mine`. */
int vc_any_differs(const struct vc_node *nd, int r, uint64_t theirs, size_t mine);

/* How far a reader is: this rank's word is there, once its slot is free. */
bool vc_any_begin_word(struct vc_node *nd, struct vc_node_call *c, int *whom);
/* Does nothing before it is there. */
void vc_any_set_word(struct vc_node *nd, struct vc_node_call *c, uint64_t word);
/* 0: nothing yet. */
uint64_t vc_any_word(struct vc_node *nd, const struct vc_node_call *c, int r);

/* any_gather.c, any_scatter.c: as vc_node_progress(), of the root and of the others. */
int vc_any_take_blocks(struct vc_node *nd, struct vc_node_call *c, int *whom);
int vc_any_give_block(struct vc_node *nd, struct vc_node_call *c, int *whom);
int vc_any_give_blocks(struct vc_node *nd, struct vc_node_call *c, int *whom);
int vc_any_get_block(struct vc_node *nd, struct vc_node_call *c, int *whom);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each collective is, once: parsers, plans, checker, model, tables, statistics, tools and documentation
 * ask here. A collective is a row of coll.list, which makes its value of enum vc_coll and its row of
 * vc_coll_info[].
 */
#ifndef VC_COLL_INFO_H
#define VC_COLL_INFO_H

#include "coll/plan.h"

/** What one side of a call holds, in terms of its size (vc_shape.bytes). */
struct vc_side {
    enum vc_extent extent;
    bool root_only; /**< the others have nothing */
};

/** Where SEND lies in RECV with MPI_IN_PLACE, or RECV in SEND. */
enum vc_in_place {
    VC_IN_PLACE_NEVER,     /**< the front door makes a copy, or MPI forbids it: SEND and RECV never overlap */
    VC_IN_PLACE_START,     /**< at its start */
    VC_IN_PLACE_OWN_BLOCK, /**< at the rank's own block */
    VC_IN_PLACE_IN_SEND, /**< RECV of the root lies in SEND, at its own block: plans may only copy that there
                          */
};

struct vc_coll_info {
    const char *name;          /**< as users write it, e.g. "allreduce" */
    const char *bytes_are;     /**< what the size of a call measures, in words */
    bool rooted;               /**< has a root */
    bool reduces;              /**< has an operator; sizes are multiples of its element */
    enum vc_operands operands; /**< reductions: whose a rank's result contains */
    bool sizes_known;          /**< every rank knows the sizes of all, so that they may decide (Law 1) */
    bool uneven;               /**< the ranks' blocks may differ in length */
    struct vc_side send, recv; /**< bcast: RECV alone, which is what the root gives */
    enum vc_in_place in_place;
    enum vc_node_phase node; /**< accelerated ones: the node phase that does the same */
    bool single_copy;        /**< accelerated ones: coll/node has it by single copy, too */
};
extern const struct vc_coll_info vc_coll_info[VC_COLL_COUNT];

static inline bool vc_coll_reduces(enum vc_coll coll)
{
    return vc_coll_info[coll].reduces;
}

static inline bool vc_coll_rooted(enum vc_coll coll)
{
    return vc_coll_info[coll].rooted;
}

/** Whether calls move data; a barrier does not, and has one size: 0. */
static inline bool vc_coll_sized(enum vc_coll coll)
{
    return vc_coll_info[coll].recv.extent != VC_EXTENT_NONE;
}

/** Whether tables may choose by the size of a call. Otherwise one choice holds for all sizes (Law 1): ranks
 * need not know the size, or there is none. */
static inline bool vc_coll_by_size(enum vc_coll coll)
{
    return vc_coll_sized(coll) && vc_coll_info[coll].sizes_known;
}

/** Whether calls have arrays with a count for each rank. */
static inline bool vc_coll_counts(enum vc_coll coll)
{
    return vc_coll_info[coll].uneven || !vc_coll_info[coll].sizes_known;
}

/** A broadcast: RECV is what the root gives and what the others get. */
static inline bool vc_coll_root_gives_recv(enum vc_coll coll)
{
    return vc_coll_sized(coll) && vc_coll_info[coll].send.extent == VC_EXTENT_NONE;
}

/** Several ranks get the result of the same reduction, whose bits must be equal (Law 3). */
static inline bool vc_coll_same_bits(enum vc_coll coll)
{
    const struct vc_coll_info *i = &vc_coll_info[coll];
    return i->reduces && i->operands == VC_OPERANDS_ALL && i->send.extent == i->recv.extent &&
           !i->recv.root_only;
}

/** The names of the accelerated ones, in the order of enum vc_coll, and NULL. */
void vc_coll_words(const char *words[VC_COLL_COUNT + 1]);

/** How many times `bytes` the larger side of a call holds on a communicator of `size` ranks. */
static inline size_t vc_coll_blocks(enum vc_coll coll, int size)
{
    const struct vc_coll_info *i = &vc_coll_info[coll];
    return i->send.extent == VC_EXTENT_EACH || i->recv.extent == VC_EXTENT_EACH ? (size_t)size : 1;
}

/** Bytes of a side on a rank that has it, of blocks that are equal or not. */
static inline size_t vc_shape_side(const struct vc_shape *s, struct vc_side side, int rank)
{
    return side.extent == VC_EXTENT_NONE  ? 0
           : side.extent == VC_EXTENT_ONE ? vc_shape_block(s, rank)
                                          : vc_shape_total(s);
}

/** The same of equal blocks. */
static inline size_t vc_side_bytes(struct vc_side side, size_t bytes, int size)
{
    return vc_phase_bytes(side.extent, bytes, size);
}

#endif

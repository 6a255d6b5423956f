/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node phases: collectives among the ranks of one node, in its shared memory (coll/node). A plan has them as
 * steps; a collective of one node is one. What each kind of them is stands here, for the builder of plans,
 * the engine, the checker, the cost model and coll/node.
 */
#ifndef VC_COLL_PHASE_H
#define VC_COLL_PHASE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * q is the number of ranks of the node, l a rank's local index, `len`, `root` and `parts` are those of the
 * call. Reductions go in ascending local order. src may be the same memory as dst, but for
 * ALLGATHERV, GATHERV and REDUCE_BLOCKS(V), the last of which allow no overlap at all; where blocks are
 * gathered it may also be the own block's place in dst. A phase of length 0 still synchronizes: who would get
 * data waits for those it would come from.
 */
enum vc_node_phase {
    VC_PHASE_BARRIER,
    VC_PHASE_BCAST,          /**< dst (len) of `root` to dst (len) of all */
    VC_PHASE_REDUCE,         /**< src (len) of all reduced to dst (len) at `root` */
    VC_PHASE_ALLREDUCE,      /**< src (len) of all reduced to dst (len) of all */
    VC_PHASE_REDUCE_SCATTER, /**< src (len) of all; l < parts gets slice vc_slice(len, esize, parts, l) of the
                                result at the same offset in dst (len). dst elsewhere is undefined */
    VC_PHASE_ALLGATHER,      /**< src (len) of l to dst (q * len) at l * len, on all */
    VC_PHASE_ALLGATHER_SLICES, /**< dst (len): slice vc_slice(len, esize, parts, l) of l < parts to all */
    VC_PHASE_GATHER,           /**< src (len) of l to dst (q * len) at l * len, at `root` */
    VC_PHASE_SCATTER,          /**< src (q * len) of `root`, block l to dst (len) of l */
    VC_PHASE_ALLTOALL,         /**< src (q * len) of i, block j, to dst (q * len) of j, block i */
    VC_PHASE_ALLGATHERV, /**< ALLGATHER of unequal blocks: src (at[l + 1] - at[l]) of l to dst (at[q]) at
                            at[l], on all. len is the longest block, at[0] is 0 */
    VC_PHASE_GATHERV,    /**< GATHER of such blocks, at `root` */
    VC_PHASE_ALLTOALLV,  /**< ALLTOALL of blocks whose sizes only pairs know (struct vc_pairs), len is 0. Not
                            in plans */
    VC_PHASE_SCATTERV,   /**< src (at[q]) of `root`, block l to dst (at[l + 1] - at[l]) of l */
    VC_PHASE_REDUCE_BLOCKS, /**< src (q * len) of all reduced, block l of the result to dst (len) of l */
    VC_PHASE_SCAN,          /**< src (len) of 0 to l reduced to dst (len) of l */
    VC_PHASE_EXSCAN, /**< src (len) of 0 to l - 1 reduced to dst (len) of l > 0; that of 0 is not touched */
    VC_PHASE_REDUCE_BLOCKSV, /**< REDUCE_BLOCKS of unequal blocks: src (at[q]) of all reduced, bytes at[l] to
                                at[l + 1] of the result to dst of l. len is the longest block */
    /* These two are no steps of plans: they run by themselves. */
    VC_PHASE_GATHER_ANY,  /**< src (len) of l to dst + at[l] at `root`; lengths, none of which need be equal,
                             are  known to their owner and the root alone */
    VC_PHASE_SCATTER_ANY, /**< src + at[l] of `root` to dst (len) of l, likewise */
    VC_PHASE_STEPS = VC_PHASE_GATHER_ANY, /**< kinds that plans have */
    VC_PHASE_COUNT = VC_PHASE_SCATTER_ANY + 1
};

/** What one side of a phase or of a collective holds, in terms of its size. */
enum vc_extent {
    VC_EXTENT_NONE, /**< nothing */
    VC_EXTENT_ONE,  /**< that size */
    VC_EXTENT_EACH, /**< that size for each rank */
};

/** Some ranks of a node. */
enum vc_who {
    VC_WHO_ALL,
    VC_WHO_ROOT,
    VC_WHO_OTHERS, /**< all but the root */
    VC_WHO_PARTS,  /**< local indices below `parts` */
    VC_WHO_LATER,  /**< all but local index 0 */
};

/** Whose operands the result of a reduction on one rank contains. */
enum vc_operands {
    VC_OPERANDS_ALL,    /**< those of all ranks */
    VC_OPERANDS_TO_OWN, /**< those of the ranks up to this one */
    VC_OPERANDS_BELOW,  /**< those of the ranks below this one; rank 0 has no result */
};

/** How many ranks from 0 on these are, of n, for a result on `rank`. */
static inline int vc_operands_of(enum vc_operands whose, int rank, int n)
{
    return whose == VC_OPERANDS_ALL ? n : whose == VC_OPERANDS_TO_OWN ? rank + 1 : rank;
}

/** Of ALLTOALLV: a header has a word for each rank. */
#define VC_NODE_PAIRS_RANKS 256
/** Of GATHER_ANY and SCATTER_ANY: a small slot has a part for each rank. */
#define VC_ANY_RANKS 127

struct vc_phase_info {
    const char *name;
    enum vc_who gives;         /**< whose data it is */
    enum vc_who gets;          /**< who waits for data of others */
    enum vc_extent src, dst;   /**< without src, data is given from dst */
    bool src_at_root;          /**< only the root has src */
    bool dst_at_root;          /**< only the root has dst */
    bool reduces;              /**< data is reduced on the way */
    enum vc_operands operands; /**< what of it a result contains */
    bool uneven;               /**< blocks are unequal: the call has `at` */
    bool few_know;             /**< only those who give and get a block know its length: none may decide */
    int most_ranks;            /**< node primitives do it for at most so many; 0: for any number */
};
extern const struct vc_phase_info vc_phase_info[VC_PHASE_COUNT];

static inline bool vc_is_among(enum vc_who who, int l, int root, int parts)
{
    switch (who) {
    case VC_WHO_ROOT:
        return l == root;
    case VC_WHO_OTHERS:
        return l != root;
    case VC_WHO_PARTS:
        return l < parts;
    case VC_WHO_LATER:
        return l > 0;
    default:
        return true;
    }
}

/** Whether local index l gives data. */
static inline bool vc_phase_gives(enum vc_node_phase phase, int l, int root, int parts)
{
    return vc_is_among(vc_phase_info[phase].gives, l, root, parts);
}

/** Whether local index l waits for the data of those that give. */
static inline bool vc_phase_gets(enum vc_node_phase phase, int l, int root, int parts)
{
    return vc_is_among(vc_phase_info[phase].gets, l, root, parts);
}

/** Whether `root` means something. */
static inline bool vc_phase_rooted(enum vc_node_phase phase)
{
    return vc_phase_info[phase].gives == VC_WHO_ROOT || vc_phase_info[phase].gets == VC_WHO_ROOT;
}

/** Whether `parts` means something. */
static inline bool vc_phase_sliced(enum vc_node_phase phase)
{
    return vc_phase_info[phase].gives == VC_WHO_PARTS || vc_phase_info[phase].gets == VC_WHO_PARTS;
}

/** Whether a rank, the root or not, has a src, and a dst. */
static inline bool vc_phase_has_src(enum vc_node_phase phase, bool root)
{
    return vc_phase_info[phase].src != VC_EXTENT_NONE && (root || !vc_phase_info[phase].src_at_root);
}

static inline bool vc_phase_has_dst(enum vc_node_phase phase, bool root)
{
    return vc_phase_info[phase].dst != VC_EXTENT_NONE && (root || !vc_phase_info[phase].dst_at_root);
}

/** Whether a rank that has dst, the root or not, writes it. The root of a broadcast only reads it. */
static inline bool vc_phase_writes_dst(enum vc_node_phase phase, bool root)
{
    const struct vc_phase_info *i = &vc_phase_info[phase];
    return !(root && i->src == VC_EXTENT_NONE && i->gives == VC_WHO_ROOT);
}

/** Bytes of a side that a rank has. */
static inline size_t vc_phase_bytes(enum vc_extent side, size_t len, int q)
{
    return side == VC_EXTENT_NONE ? 0 : side == VC_EXTENT_ONE ? len : len * (size_t)q;
}

/** The same of local index l, of any phase; `at`: NULL, or of an uneven one. */
static inline size_t vc_phase_side(enum vc_extent side, size_t len, const size_t *at, int q, int l)
{
    if (!at || side == VC_EXTENT_NONE)
        return side == VC_EXTENT_NONE ? 0 : side == VC_EXTENT_ONE ? len : len * (size_t)q;
    return side == VC_EXTENT_ONE ? at[l + 1] - at[l] : at[q];
}

#endif

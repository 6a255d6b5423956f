/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Node primitives: collectives among the ranks of one node in shared memory, direct code. Each exists once,
 * as a state machine that can be driven by a blocking call (vc_node_run) or as a NODE step of a plan
 * (vc_node_start, _progress).
 */
#ifndef VC_COLL_NODE_H
#define VC_COLL_NODE_H

#include "coll/kernels/kernels.h"
#include "coll/levels.h"
#include "coll/plan.h"
#include "coll/view.h"
#include "transport/wait.h"

enum vc_node_alg {
    VC_NODE_AUTO,  /**< by size */
    VC_NODE_SLOTS, /**< through shared slots: copy in, copy out */
    VC_NODE_CMA,   /**< single copy, where agreed and where the kind has it
                      (vc_coll_info.single_copy); otherwise slots. src and dst of allgather, gather, scatter and
                      alltoall must not overlap, but for the own block in its place */
};

/** Longest element of a reduction, in bytes: one has to fit into a slot. Longer ones are not for node
 * primitives. */
#define VC_NODE_ELEMENT_MAX 4096

/* What the cost model knows of the ways to do an operation. */

/** Allreduce: up to this many bytes read in all, every rank reduces everything (they meet once); above, each
 * rank a slice (they meet twice). */
#define VC_FLAT_BYTES 24576
/** The same of two ranks with a CPU each, to whom a second meeting costs next to nothing. */
#define VC_FLAT_PAIR 4096
static inline size_t vc_flat_bytes(int ranks, bool own_cpus)
{
    return ranks == 2 && own_cpus ? VC_FLAT_PAIR : VC_FLAT_BYTES;
}
/** On nodes of more ranks few ranks reduce for all and publish the result: each a slice of at least
 * VC_SLICE_LEAST bytes. Small vectors are reduced by one: n reads instead of n * n. */
#define VC_FLAT_RANKS  16
#define VC_SLICE_LEAST 4096
/** The same where ranks share CPUs. Meeting twice means that each of them is scheduled twice as often, which
 * costs more than reading more lines. */
#define VC_FLAT_RANKS_CROWDED 64
static inline int vc_flat_ranks(bool own_cpus)
{
    return own_cpus ? VC_FLAT_RANKS : VC_FLAT_RANKS_CROWDED;
}
/** Rooted reductions of more than VC_FLAT_BYTES bytes among more ranks go by slices as well, where ranks have
 * CPUs of their own. */
#define VC_ROOT_RANKS 4
/** Over trees: allgathers of at most so many bytes in all, see coll/node/tree.h. */
#define VC_NODE_PADDED 16384
/** Reductions by single copy go by blocks that stay in a core's own cache. Those of two ranks use three
 * buffers as one. */
#define VC_CMA_BLOCK      65536
#define VC_CMA_BUFFERS    3
#define VC_CMA_PAIR_BLOCK (VC_CMA_BUFFERS * VC_CMA_BLOCK)
/** How many operands a rank of n > 2 reads before it reduces them, each as long as this many and the result
 * have room in VC_CMA_PAIR_BLOCK; at least two, of VC_CMA_BLOCK bytes. */
static inline int vc_cma_operands(int n, size_t esize)
{
    int few = n < 8 ? n : 8;
    return esize > 4096 || few < VC_CMA_BUFFERS - 1 ? VC_CMA_BUFFERS - 1 : few;
}

/** The same with VC_NODE_CMA, where vc_node_cfg.pairs_copy says nothing. */
#define VC_PAIRS_COPY 32768

struct vc_node;
struct vc_map_peer;

/** Makes a rank's memory for bulk slots when an operation first needs them. */
struct vc_node_opener {
    /** Makes vc_node_parts() `later` memory and prepares it. VC_OK or an error. */
    int (*commit)(void *arg);
    /** All ranks do without bulk slots from now on, because some have no memory for them. `first`: this rank
     * is the lowest of those. */
    void (*refused)(void *arg, bool first);
    void *arg;
};

struct vc_node_cfg {
    /** [n], copied: the slots of each rank, shared memory of vc_node_bytes() bytes, aligned to VC_LINE_PAIR,
     * which only that rank writes. It stays the caller's. vc_node_prepare() has prepared all of it. NULL: it
     * is not known yet, and vc_node_place() comes before the first operation. */
    char *const *mem;
    void *common;               /**< zeroed, of vc_node_common_bytes(); all ranks write it */
    int n, me;                  /**< ranks of the node, own local index */
    size_t bulk;                /**< bytes of bulk slots per rank, as given to vc_node_bytes(); 0: none */
    struct vc_parking *parking; /**< outlives the node */
    const struct vc_wait_cfg *wait;
    bool own_cpus;         /**< each rank has a CPU of its own; the same on all ranks, unlike wait->crowded */
    const pid_t *cma_pids; /**< [n], copied; NULL: single copy was not agreed */
    /** [n], copied: the ranks' memory, mapped; NULL: it is not, or not that rank's. They outlive the node.
     * Only with cma_pids, which serve where a range cannot be mapped. */
    struct vc_map_peer *const *maps;
    size_t cma_min; /**< from this many bytes on AUTO takes the single copy */
    /** ALLTOALLV with VC_NODE_CMA: blocks of so many bytes go by single copy, shorter ones through slots; 0:
     * VC_PAIRS_COPY. Ranks may differ. */
    size_t pairs_copy;
    /** Copied. NULL or of depth 0: the node is flat. Otherwise each rank's memory has
     * vc_node_tree_bytes() more. The same on all ranks. */
    const struct vc_levels *levels;
    /** Results of reductions must not depend on the levels. The same on all ranks. */
    bool reproducible;
    /** Copied. NULL: the bulk slots are there. Otherwise they need memory only once this was called, which is
     * at the same operation on all ranks. */
    const struct vc_node_opener *opener;
};

/** Bytes of shared memory for the slots of one of n ranks, a multiple of VC_LINE_PAIR. */
size_t vc_node_bytes(int n, size_t bulk);
/** Bytes of shared memory that n ranks have in common, a multiple of VC_LINE_PAIR. */
size_t vc_node_common_bytes(int n);
/** Makes a rank's memory, new or used before, as a node needs it: before any rank creates the node. Touches
 * the flags alone. */
void vc_node_prepare(char *mem, int n, size_t bulk);
/** Bytes that rank r of n needs besides, behind vc_node_bytes(), for the groups that it is in; a multiple of
 * VC_LINE_PAIR. 0 for levels that are NULL or of depth 0. */
size_t vc_node_tree_bytes(const struct vc_levels *levels, int n, int r, size_t bulk);
/** Makes these, new or used before, as a node needs them: before any rank creates the node. */
void vc_node_tree_prepare(char *mem, const struct vc_levels *levels, int n, int r, size_t bulk);
/** A part of a rank's memory. */
struct vc_node_part {
    size_t at, bytes;
};
#define VC_NODE_PARTS (1 + 2 * (VC_LEVEL_KINDS + 1))
/** The parts of the memory of rank r, vc_node_bytes() and vc_node_tree_bytes() together, that are needed at
 * once, or those that are needed `later`, see vc_node_cfg.opener. Returns how many. */
int vc_node_parts(const struct vc_levels *levels, int n, int r, size_t bulk, bool later,
                  struct vc_node_part part[VC_NODE_PARTS]);
/** Makes these, new or used before, as a node needs them. */
void vc_node_prepare_parts(char *mem, const struct vc_levels *levels, int n, int r, size_t bulk, bool later);
/** The levels that a node of n ranks is to have: those that are known, but NULL where few ranks meet sooner
 * all at once, unless `asked` for. */
static inline const struct vc_levels *vc_node_levels(const struct vc_levels *known, int n, bool own_cpus,
                                                     bool asked)
{
    return known->depth > 0 && (asked || n > vc_flat_ranks(own_cpus)) ? known : NULL;
}
/** VC_OK or VC_ERR_NOMEM. */
int vc_node_create(const struct vc_node_cfg *cfg, struct vc_node **out);
/** Where its memory is, for a node that was created without; `bulk` as there. Needs no memory. */
void vc_node_place(struct vc_node *nd, char *const *mem, void *common, size_t bulk);
void vc_node_destroy(struct vc_node *nd);

/** Progress of an operation; opaque to callers. */
struct vc_node_state {
    struct vc_node_ring *ring;
    uint64_t base;         /* first slot of the operation */
    size_t chunk;          /* bytes of the vector or block that a chunk carries */
    int nchunks, window;   /* chunks in all; how many may be written ahead of reading */
    int ready;             /* chunks that may be written so far */
    int wr, red, rd;       /* chunks written, reduced, read */
    int red_next, rd_next; /* next rank of the chunk that is being reduced, read */
    int stages;            /* slots per chunk: 1, or 2 where reduced slices are published as well */
    int phase;             /* of single copy; -1: done */
    size_t says;           /* the length by which ranks recognize the operation */
    unsigned idle;         /* polls in vain */
    unsigned vain;         /* the same, of stuck.c's */
    bool passed;           /* who is waited for was seen in a later operation */
    uint64_t since, at;    /* since when the operation stands still, and where; 0: not yet known */
    uint64_t mid, more;    /* kinds whose lengths only some know: small slot, first slot for chunks */
};

/** One operation. Filled by the caller up to `len`, kept until it is done. */
struct vc_node_call {
    enum vc_node_phase kind;
    enum vc_node_alg alg;
    int root;  /**< local index */
    int parts; /**< kinds with slices */
    const void *src;
    void *dst;
    size_t len;
    const size_t
        *at; /**< kinds of unequal blocks; not looked at in others. Valid until the operation is done */
    /** Kinds whose lengths only some know, at the root: of each block; `at` then says where each begins, in
     * any order, as a difference that may be negative (modulo 2^64). len: of the own block. */
    const size_t *lens;
    const struct vc_pairs *pairs; /**< ALLTOALLV, in place of src, dst and len; likewise */
    const struct vc_redop *op;    /**< reductions; for slices of other data NULL, with grain 1 */
    const struct vc_view *view;   /**< NULL: none; only where vc_node_takes_view() */
    size_t grain;                 /**< what slices are multiples of: the operator's esize, else 1 */
    struct vc_node_state st;      /**< private to coll/node */
};

/** How an operation goes. */
enum vc_node_way { VC_NODE_WAY_FLAT, VC_NODE_WAY_TREE, VC_NODE_WAY_CMA };
/** How it would go on a node of this configuration, which needs no memory: `mem`, `common`, `parking` and
 * `wait` are not looked at. Negative: out of memory. */
int vc_node_way(const struct vc_node_cfg *cfg, const struct vc_node_call *call);

/** Whether the operation may have a view: broadcasts, allgathers(v), alltoalls(v), gathers and scatters of
 * unknown lengths, and those through slots, but not what small slots or a tree do at once. Before it begins;
 * without its `view`. */
bool vc_node_takes_view(const struct vc_node *nd, const struct vc_node_call *call);
/** Begins an operation. Operations of a node run one at a time, in the same order on all its ranks. Never
 * blocks. */
int vc_node_start(struct vc_node *nd, struct vc_node_call *call);
/** 1: done. 0: waits for local index *whom. Negative: failed. Never blocks. VC_ERR_TRUNCATE: another
 * rank has come with another length. VC_ERR_INVAL: with another operation. */
int vc_node_progress(struct vc_node *nd, struct vc_node_call *call, int *whom);
/** To be called by each rank when an operation of `len` bytes does not go through the node's memory: ranks
 * that have given another length, and therefore wait there, get an error. In the order of the operations;
 * never blocks, cannot fail. */
void vc_node_pass(struct vc_node *nd, size_t len);
/** For vc_node_run(): does an operation that is small and for which nobody is late. 1: done. 0: begun, to be
 * continued by vc_node_progress(). -1: not begun. */
int vc_node_small(struct vc_node *nd, struct vc_node_call *call);
/** For vc_node_run(): the rest of an operation for which vc_node_small() returned `begun`. */
int vc_node_run_on(struct vc_node *nd, struct vc_node_call *call, int begun);
/** Start and wait. VC_OK or a negative error. */
static inline int vc_node_run(struct vc_node *nd, struct vc_node_call *call)
{
    int rc = vc_node_small(nd, call);
    return VC_LIKELY(rc > 0) ? VC_OK : vc_node_run_on(nd, call, rc);
}

#endif

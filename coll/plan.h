/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans: what one rank does in one collective, as a list of steps over symbolic buffers with explicit
 * dependencies. Building a plan is a pure function of a shape and a rank: no I/O, no MPI, no clock, no
 * environment. So one definition serves every channel, the blocking and the nonblocking call, the cost model
 * and the checker (coll/check).
 */
#ifndef VC_COLL_PLAN_H
#define VC_COLL_PLAN_H

#include "coll/coll.h"
#include "coll/phase.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Who shares an operating system with whom. Arrays are indexed by communicator rank unless said otherwise.
 */
struct vc_hier {
    int nnodes;
    bool uniform;        /**< every node has the same number of ranks */
    bool block;          /**< each node's ranks are consecutive in the communicator, nodes ascending */
    const int *node_of;  /**< [size] node of a rank; nodes are numbered by their lowest rank, ascending */
    const int *local_of; /**< [size] index of a rank among its node's ranks, ascending by rank */
    const int *first;    /**< [nnodes + 1] where node i's ranks begin in `members` */
    const int *members;  /**< [size] ranks grouped by node, ascending inside a node */
    /** [nnodes] physical host of a node; hosts are numbered by their lowest node, ascending. NULL: every node
     * is a host of its own. */
    const int *host_of;
};

static inline int vc_hier_node_size(const struct vc_hier *h, int node)
{
    return h->first[node + 1] - h->first[node];
}

/** Rank of the `local`-th rank of `node`. */
static inline int vc_hier_rank(const struct vc_hier *h, int node, int local)
{
    return h->members[h->first[node] + local];
}

/** Of ranks that are dealt to nodes in blocks of `ppn`, of which the last may be smaller. Returns the memory
 * of its arrays, for free(); NULL: out of memory. */
int *vc_hier_blocks(struct vc_hier *h, int ranks, int ppn);

/** Everything an algorithm may look at. All of it is equal on all ranks (Law 1: symmetric decisions). */
struct vc_shape {
    enum vc_coll coll;
    int size;
    int root;     /**< 0 where the collective has none */
    size_t bytes; /**< what vc_coll_info.bytes_are says */
    /** Collectives with a block for each rank, of sizes that every rank knows (allgatherv, reduce_scatter):
     * [size + 1] where they begin in the buffer that holds all of them, ascending from 0; the last is where
     * they end. NULL: equal blocks, of `bytes` each. Otherwise `bytes` is the mean block, see
     * vc_mean_block(). Read while a plan is being built only. In gatherv and scatterv the root alone has
     * them, and `bytes` is a rank's own block, unless the algorithm is one of VC_LENGTHS_OF_ALL. */
    const size_t *offsets;
    /** Collectives in which only pairs know their sizes (alltoallv): [size * size] what each rank sends to
     * each, for the checker. NULL: `bytes` each. No plan depends on it, but those of VC_LENGTHS_OF_NODE on
     * the pairs of the node's ranks. */
    const size_t *pairs;
    /** The same for plans of VC_LENGTHS_OF_NODE, in calls: [ranks of the node][2][size] what each of them
     * sends to each rank, and what it receives. NULL: see `pairs`. */
    const size_t *node_pairs;
    size_t esize;     /**< reductions: bytes of an element (bytes is a multiple of it); otherwise 1 */
    bool commutative; /**< reductions: operands may be exchanged */
    int radix;        /**< 0: the algorithm's default */
    size_t segment;   /**< bytes of a pipeline segment; 0: the algorithm's default */
    int leaders; /**< ranks per node that take part in a two-level network phase; 0: the algorithm's default
                  */
    const struct vc_hier *hier; /**< never NULL; one node of all ranks, or `size` nodes of one, are legal */
};

/** Where the block of a rank begins in the buffer that holds those of all; `size`: where they end. */
static inline size_t vc_shape_at(const struct vc_shape *s, int rank)
{
    return s->offsets ? s->offsets[rank] : (size_t)rank * s->bytes;
}

/** Bytes of the block of a rank. */
static inline size_t vc_shape_block(const struct vc_shape *s, int rank)
{
    return s->offsets ? s->offsets[rank + 1] - s->offsets[rank] : s->bytes;
}

/** Bytes of all blocks. */
static inline size_t vc_shape_total(const struct vc_shape *s)
{
    return vc_shape_at(s, s->size);
}

/** What `from` sends to `to` where only pairs know their sizes. */
static inline size_t vc_shape_pair(const struct vc_shape *s, int from, int to)
{
    return s->pairs ? s->pairs[(size_t)from * (size_t)s->size + (size_t)to] : s->bytes;
}

/** Bytes that `rank` sends to the ranks below `to`, or receives from them. */
static inline size_t vc_shape_sent_below(const struct vc_shape *s, int rank, int to)
{
    size_t sum = 0;
    for (int i = 0; i < to; i++)
        sum += vc_shape_pair(s, rank, i);
    return sum;
}

static inline size_t vc_shape_received_below(const struct vc_shape *s, int rank, int from)
{
    size_t sum = 0;
    for (int i = 0; i < from; i++)
        sum += vc_shape_pair(s, i, rank);
    return sum;
}

/** vc_shape.bytes of unequal blocks of `total` bytes together: the mean, in whole elements, rounded up. */
static inline size_t vc_mean_block(size_t total, int size, size_t esize)
{
    size_t elements = total / esize, n = (size_t)size;
    return (elements / n + (elements % n != 0)) * esize;
}

/**
 * Symbolic buffers. SEND and RECV are the user's (packed) buffers, on the ranks and of the lengths that the
 * collective's row says (coll/info.h). In a broadcast RECV holds the message at the root from the start. With
 * MPI_IN_PLACE SEND lies in RECV, or RECV in SEND, where the row says. So no step may read SEND once another
 * step may have written the same place in RECV: plans copy SEND first. COPY steps whose source and
 * destination are the same memory are legal and cost nothing. TMP is the plan's scratch, `tmp_bytes` long,
 * undefined at the start.
 */
enum vc_buf {
    VC_BUF_NONE,
    VC_BUF_SEND,
    VC_BUF_RECV,
    VC_BUF_TMP,
    /* Where only pairs know their sizes: the whole block for, or from, the rank of number `off`. Its place
     * and length are the call's (struct vc_pairs) and `len` means nothing. A rank's blocks never overlap, and
     * a plan writes each once. */
    VC_BUF_SEND_BLOCK,
    VC_BUF_RECV_BLOCK,
};

/** What one rank exchanges with each rank of the communicator, itself included, as it lies in memory. */
struct vc_pairs {
    const char **src; /**< [size] */
    char **dst;
    size_t *src_len, *dst_len; /**< that of a pair of ranks is the same on both */
};

struct vc_ref {
    enum vc_buf buf;
    size_t off, len; /**< bytes; offsets and lengths of reductions are multiples of esize */
};

enum vc_step_kind {
    VC_STEP_SEND,        /**< src to rank peer */
    VC_STEP_RECV,        /**< dst from rank peer */
    VC_STEP_RECV_REDUCE, /**< receive into `src` (scratch), then dst = src (op) dst, or dst (op) src when
                            dst_left */
    VC_STEP_COPY,        /**< dst = src, or several pieces of them */
    VC_STEP_REDUCE,      /**< dst = src (op) dst, or dst (op) src when dst_left */
    VC_STEP_NODE, /**< a node phase: every rank of the node has the same sequence of them, with the same
                     kind, root, parts, length and blocks */
};

/** One step. It may start when all its dependencies are complete, and, for SEND and RECV*, when the steps of
 * the same direction to the same peer that stand before it in the list have started: messages of a pair match
 * in list order. NODE steps likewise start in list order and one at a time. */
struct vc_step {
    enum vc_step_kind kind;
    enum vc_node_phase node; /**< NODE only */
    int peer;                /**< SEND, RECV*: communicator rank; NODE: local index of the root */
    int parts;               /**< NODE slices: how many; COPY: pieces, 0 or 1 for one */
    bool dst_left;           /**< which operand of a non-commutative operator dst is */
    size_t len;              /**< NODE: see enum vc_node_phase */
    const size_t
        *at; /**< NODE, kinds of unequal blocks: [ranks of the node + 1], memory of the plan; else NULL */
    struct vc_ref src, dst;       /**< COPY of several pieces: the first one */
    ptrdiff_t src_step, dst_step; /**< COPY of several pieces: bytes from one to the next, either way; pieces
                                     are of one length and do not overlap */
    int dep_first, dep_count;     /**< range in vc_plan.deps */
};

/** From the lowest byte of a copy's pieces to the highest. */
static inline struct vc_ref vc_pieces_span(struct vc_ref first, ptrdiff_t step, int pieces)
{
    size_t way = pieces > 1 ? (size_t)(step < 0 ? -step : step) * (size_t)(pieces - 1) : 0;
    return (struct vc_ref){first.buf, step < 0 ? first.off - way : first.off, first.len + way};
}

/** One of them. */
static inline struct vc_ref vc_piece(struct vc_ref first, ptrdiff_t step, int i)
{
    first.off = (size_t)((ptrdiff_t)first.off + step * i);
    return first;
}

struct vc_uses; /* who used which memory, while a plan is being built */

struct vc_plan {
    struct vc_step *steps;
    int nsteps, cap_steps;
    int *deps; /**< indices of earlier steps */
    int ndeps, cap_deps;
    size_t tmp_bytes;
    size_t **owned; /**< arrays that steps point to */
    int nowned, cap_owned;
    bool failed; /**< the builder ran out of memory; vc_plan_finish() reports it */
    /* what only the builder uses */
    struct vc_uses *uses;
    enum { VC_ALIAS_ANYWHERE, VC_ALIAS_AT, VC_ALIAS_NEVER } alias;
    size_t send_at; /**< VC_ALIAS_AT: SEND, where it aliases RECV, begins here in it */
    int local;      /**< own local index, or -1: unknown */
    int fence;      /**< the last step of vc_plan_fence(), or -1 */
};

/* ---- builder: returns step indices; after a failed allocation all calls are no-ops that return 0 ---- */

/** An empty plan. The builder then knows nothing of the call and takes it that SEND may lie anywhere in RECV.
 */
void vc_plan_init(struct vc_plan *p);
/**
 * An empty plan of `rank`: what every algorithm's build() begins with. The builder then knows where SEND may
 * alias RECV (in alltoall nowhere, so that its sends and receives do not wait for each other) and whether the
 * rank is a node phase's root.
 */
void vc_plan_begin(struct vc_plan *p, const struct vc_shape *shape, int rank);
/** Frees everything and leaves an empty plan; may be called again. */
void vc_plan_free(struct vc_plan *p);
/** Ends building: VC_OK, or VC_ERR_NOMEM when any builder call failed (the plan is then freed). */
int vc_plan_finish(struct vc_plan *p);

/** Makes the plan one of SEND and RECV, in which the blocks of rank `rank` lie one behind the other as
 * shape->pairs says: for those who look at plans without running calls. */
void vc_plan_place_blocks(struct vc_plan *p, const struct vc_shape *shape, int rank);

/** Reserves scratch, aligned to a cache line. */
struct vc_ref vc_plan_tmp(struct vc_plan *p, size_t len);

static inline struct vc_ref vc_ref_of(enum vc_buf buf, size_t off, size_t len)
{
    struct vc_ref r = {buf, off, len};
    return r;
}
/** Part of a reference. */
static inline struct vc_ref vc_ref_sub(struct vc_ref r, size_t off, size_t len)
{
    struct vc_ref s = {r.buf, r.off + off, len};
    return s;
}

static inline bool vc_ref_same(struct vc_ref a, struct vc_ref b)
{
    return a.buf == b.buf && a.off == b.off && a.len == b.len;
}

/**
 * Appends a step. Zero-length SEND and RECV are real messages (barriers use them); zero-length COPY and
 * REDUCE are legal. Dependencies: by default the builder adds, for every earlier step whose memory conflicts
 * with this one's (either writes what the other touches; SEND and RECV count as overlapping), a dependency on
 * that step, so that algorithms read like straight-line code and hazards cannot be forgotten. Order that
 * carries no data (a barrier's rounds, a zero-byte token) is added with vc_plan_after().
 */
int vc_plan_send(struct vc_plan *p, int peer, struct vc_ref src);
int vc_plan_recv(struct vc_plan *p, int peer, struct vc_ref dst);
/** Reserves the scratch it needs itself: again that of a step it waits for anyway, where there is one. */
int vc_plan_recv_reduce(struct vc_plan *p, int peer, struct vc_ref dst, bool dst_left);
int vc_plan_copy(struct vc_plan *p, struct vc_ref src, struct vc_ref dst);
/** Several copies in one step, at equal distances on each side: for what goes by the digits of ranks. The
 * step counts as one that touches all from its lowest byte to its highest; `reads`, if it has a length, is
 * what it counts as reading instead: many rows that lie between each other's pieces are cheaper when each
 * reads all. */
int vc_plan_copy_pieces(struct vc_plan *p, int pieces, struct vc_ref src, ptrdiff_t src_step,
                        struct vc_ref dst, ptrdiff_t dst_step, struct vc_ref reads);
/** A copy of one piece; nothing where both are one place. */
void vc_plan_move(struct vc_plan *p, struct vc_ref src, struct vc_ref dst);
int vc_plan_reduce(struct vc_plan *p, struct vc_ref src, struct vc_ref dst, bool dst_left);
int vc_plan_node(struct vc_plan *p, enum vc_node_phase kind, int root, int parts, size_t len,
                 struct vc_ref src, struct vc_ref dst);
/** The same for the kinds with unequal blocks: those of the node's ranks, `q` of them, begin at at[l] and end
 * at at[l + 1]. Copies `at`. */
int vc_plan_node_blocks(struct vc_plan *p, enum vc_node_phase kind, int root, int q, const size_t *at,
                        struct vc_ref src, struct vc_ref dst);
/** Zeroed memory of the plan, [n]; NULL, and the plan failed, when there is none. */
size_t *vc_plan_array(struct vc_plan *p, size_t n);
/** Step `step` (the last one appended) also waits for `earlier`; -1 is ignored. */
void vc_plan_after(struct vc_plan *p, int step, int earlier);
/** Everything that is appended from now on waits for everything before: an empty copy stands between. */
void vc_plan_fence(struct vc_plan *p);

#endif

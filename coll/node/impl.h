/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to coll/node. Files call one way: node.c (create, start, progress, run) calls open.c (bulk slots
 * that come later) and tree.c, the node's tree where it has levels (tree.h), whose groups are flat nodes of
 * their own. All call flat.c (slots of a flat node, operations on it), which calls small.c, slots.c and cma.c
 * (with cma_reduce.c), three ways to do an operation; these call late.c (the begin of a wait), lengths.c and
 * stuck.c (ranks whose lengths differ) and ring.c. slots.c calls slots_copy.c and slots_reduce.c, for what
 * chunks hold. Beside it reductions to blocks, scans, and blocks whose lengths only some ranks know have
 * files of their own: blocks.c, scan.c, pairs.c, any.c with any_gather.c and any_scatter.c. copy.c copies
 * results, and data through views.
 *
 * Every rank owns slots in each of three rings (tiny, small and bulk slots). All ranks count slots alike: an
 * operation takes the next few slot numbers of its ring, whether or not a rank has anything to publish in
 * them. A rank publishes slot g by writing the payload and then storing g + 1 to the slot's flag (release),
 * with what the operation is and how long (VC_SAY_SHIFT) above it. Readers load the flag (acquire) until it
 * is what they expect. A slot has one writer, so flags need no read-modify-write. A tiny slot is one pair of
 * lines, payload and flag together, and there are many of them: ranks that only send or only receive (bcast,
 * reduce) run far ahead of the others before they have to wait.
 *
 * Slot g uses the memory of slot g - depth, so its owner first makes sure that everybody has read that. For
 * this each rank keeps `done` in a line of its own: the number of slots that it will never read again
 * (release, after its reads). The owner loads the others' `done` (acquire) only when it does not know enough
 * already. In operations in which everybody hears from everybody it never needs to.
 */
#ifndef VC_COLL_NODE_IMPL_H
#define VC_COLL_NODE_IMPL_H

#include "coll/node/node.h"
#include "transport/copy/copy.h"
#include "transport/shm/single.h"

#include <stdatomic.h>
#include <string.h>

#define VC_TINY_SLOT  120 /* with the flag before it two lines */
#define VC_TINY_DEPTH 64
/* How many of them lie in the line of the flag. */
#define VC_FIRST_LINE  (VC_CACHELINE - sizeof(uint64_t))
#define VC_SMALL_SLOT  VC_NODE_ELEMENT_MAX
#define VC_SMALL_DEPTH 8
#define VC_BULK_DEPTH  8
/* vc_node_state.phase of an operation on the tree; its ring is NULL. */
#define VC_ON_TREE 64
/* The same of one that waits for the bulk slots. */
#define VC_OPENING 65
/* Slots of the tiny ring that an operation by single copy takes. */
#define VC_CMA_SLOTS 3
/*
 * A flag also carries the length of what the rank gives, above the number of the slot: a length of at most a
 * small slot itself, VC_SAY_WORD where it stands behind the flag, VC_SAY_CMA where it stands next to the
 * address. In anything but a broadcast VC_SAY_CALL is added. So a rank that expects another length, or
 * another operation, finds out. Kinds that send lengths with their data (ALLTOALLV and those of any.c) say
 * nothing.
 */
#define VC_SAY_SHIFT 50
#define VC_SAY_WORD  8191u
#define VC_SAY_CMA   8190u
#define VC_SAY_OTHER 8189u /* the message goes by other means: vc_node_pass() */
#define VC_SAY_CALL  8192u

/* Lengths of operations that race for the best way to fill slots: one race for each doubling. */
#define VC_RACES 12

/* stuck.c: in which operation a rank waits for long, or has done so last. */
struct vc_stuck_word {
    _Atomic uint64_t begin; /* when the operation began, plus 1; 0: nothing is said */
    _Atomic uint64_t len;
    _Atomic uint32_t kind;
    _Atomic int root;
};

/* Begins each rank's part of a ring; only that rank writes it. Its slots follow. */
struct vc_ring_part {
    _Atomic uint64_t done;
    char pad[VC_CACHELINE - sizeof(uint64_t)];
    struct vc_stuck_word stuck; /* of the tiny ring's part */
    char pad_stuck[VC_LINE_PAIR - VC_CACHELINE - sizeof(struct vc_stuck_word)];
};

struct vc_node_ring {
    char **part;          /* where the part of each rank begins */
    char *own;            /* this rank's part */
    size_t cap;           /* payload bytes per slot */
    size_t slot, payload; /* bytes from slot to slot; from a slot's flag to its payload */
    uint64_t depth;       /* slots per rank, a power of two */
    uint64_t pos;         /* next slot number to be used; the same on all ranks */
    uint64_t known_done;  /* everybody else has at least this `done` */
};

/* Where the root of scatters of unknown lengths (any_scatter.c) puts blocks in its own bulk slots. */
struct vc_any_room {
    uint64_t next;     /* the ring's position after the last of them: no other operation has used it since */
    uint64_t since;    /* slots before this one had another use, after which all must be done with them */
    uint32_t slot, at; /* what is free: in this slot, from this byte on */
    uint64_t last[VC_BULK_DEPTH]; /* by slot: behind the tiny slot of the last operation that used it */
};

struct vc_tree;
struct vc_opening;

struct vc_node {
    int n, me;
    bool plain; /* several ranks, no tree, and its bulk slots are there */
    struct vc_parking *parking;
    const struct vc_wait_cfg *wait;
    struct vc_node_ring tiny, small, bulk; /* bulk.cap == 0: there is none */
    /* The CPU that each rank ran on when it last had to wait. Relaxed: a hint for ranks that wait for it. */
    _Atomic uint16_t *cpu;
    uint16_t own_cpu;
    /* Longest operations for small.c in tiny and in small slots; -1: none. */
    ptrdiff_t straight_max[VC_PHASE_COUNT][2];
    bool own_cpus;
    pid_t *cma_pids;
    size_t cma_min, pairs_copy;
    bool by_slots;              /* the operation under way goes through slots after all */
    bool scratch;               /* it counts for vc_scratch_hold() */
    struct vc_map_peer **maps;  /* [n]; NULL: none */
    struct vc_map_hold *held;   /* [n + 1], for an operation; with maps */
    struct vc_tree *tree;       /* of a node with levels */
    struct vc_opening *opening; /* open.c's; NULL: the bulk slots are there, if there are any */
    size_t bulk_cap;            /* until then, what bulk.cap will be */
    /* Of a group of a tree: the node's local indexes of its members, the node, and the only member that has
     * slots (-1: all have). A node that is no group: NULL, itself, -1. */
    const int *member;
    struct vc_node *whole;
    int writer;
    struct vc_copy_race race[3][VC_RACES]; /* allreduce, allgather, alltoall */
    struct vc_node_pairs *pairs;           /* of a whole node: see pairs.c */
    struct vc_any_room room;
    /* The operation under way: how slots are filled (NULL: vc_copy() decides); whether it is measured, and
     * what it took so far. */
    vc_copy_fn give;
    bool measured;
    uint64_t took;
    char *parts[]; /* the rings' tables of n parts each */
};

static inline struct vc_ring_part *vc_ring_part(const struct vc_node_ring *ring, int r)
{
    return (struct vc_ring_part *)(void *)ring->part[r];
}

/* Where slot g lies in every part of the ring. */
static inline size_t vc_slot_at(const struct vc_node_ring *ring, uint64_t g)
{
    return sizeof(struct vc_ring_part) + (g & (ring->depth - 1)) * ring->slot;
}

static inline _Atomic uint64_t *vc_flag(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return (_Atomic uint64_t *)(void *)(ring->part[r] + vc_slot_at(ring, g));
}

static inline char *vc_payload(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return (char *)vc_flag(ring, r, g) + ring->payload;
}

/* The flag's value. Acquire: pairs with the release in vc_publish_as(), the payload is then visible. */
static inline uint64_t vc_flag_value(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return atomic_load_explicit(vc_flag(ring, r, g), memory_order_acquire);
}

/* Has rank r published slot g, of which nothing is said? */
static inline bool vc_ready(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return vc_flag_value(ring, r, g) == g + 1;
}

/* The index of group member r among all ranks of the node; negative ones (VC_WAIT_ANY) stay. */
static inline int vc_node_index(const struct vc_node *nd, int r)
{
    return nd->member && r >= 0 ? nd->member[r] : r;
}

/* ring.c: the rest of vc_node_wake(): some rank of the node sleeps. */
void vc_node_wake_slow(struct vc_node *nd);

/* Wakes the ranks of the node, or of the group, that sleep waiting for this one. After publishing. */
static inline void vc_node_wake(struct vc_node *nd)
{
    if (__builtin_expect(atomic_load_explicit(&nd->parking->shared->nparked, memory_order_relaxed) != 0, 0))
        vc_node_wake_slow(nd);
}

static inline void vc_publish_as(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, uint64_t flag)
{
    atomic_store_explicit(vc_flag(ring, nd->me, g), flag, memory_order_release);
    vc_node_wake(nd);
}

static inline void vc_publish(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g)
{
    vc_publish_as(nd, ring, g, g + 1);
}

/* The flag of slot g of a broadcast; `say`: a length of at most VC_SMALL_SLOT, or one of VC_SAY_*. */
static inline uint64_t vc_bcast_flag(uint64_t g, size_t say)
{
    return g + (1 + ((uint64_t)say << VC_SAY_SHIFT));
}

/* That of anything else. */
static inline uint64_t vc_call_flag(uint64_t g, size_t say)
{
    return vc_bcast_flag(g, VC_SAY_CALL + say);
}

static inline size_t vc_flag_says(uint64_t flag)
{
    return flag >> VC_SAY_SHIFT;
}

/* Whether a flag is that of a broadcast, and says so. */
static inline bool vc_says_bcast(uint64_t flag)
{
    return vc_flag_says(flag) != 0 && vc_flag_says(flag) < VC_SAY_CALL;
}

/* The length by which ranks recognize the operation. A barrier has none, whatever its call says. */
static inline size_t vc_call_says(const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_BARRIER ? 0 : c->len;
}

/* The length by which all know what rank r publishes: of its block, where blocks differ; else the call's. */
static inline size_t vc_said_by(const struct vc_node_call *c, int r)
{
    bool block = c->kind == VC_PHASE_ALLGATHERV || c->kind == VC_PHASE_GATHERV;
    return block ? c->at[r + 1] - c->at[r] : c->st.says;
}

/* The flag of slot g of this operation, of a rank that says `len`. */
static inline uint64_t vc_flag_of(const struct vc_node_call *c, uint64_t g, size_t len)
{
    size_t say = !c->st.ring ? VC_SAY_CMA : len <= VC_SMALL_SLOT ? len : VC_SAY_WORD;
    return c->kind == VC_PHASE_BCAST ? vc_bcast_flag(g, say) : vc_call_flag(g, say);
}

/* Has rank r published slot g, whatever length its flag carries? */
static inline bool vc_published(const struct vc_node_ring *ring, int r, uint64_t g)
{
    return (vc_flag_value(ring, r, g) & ((UINT64_C(1) << VC_SAY_SHIFT) - 1)) == g + 1;
}

/* Whether there is a word behind the flag, the length for VC_SAY_WORD: in small and bulk slots. */
static inline bool vc_has_word(const struct vc_node_ring *ring)
{
    return ring->payload > sizeof(uint64_t);
}

static inline void vc_write_word(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, uint64_t word)
{
    memcpy((char *)vc_flag(ring, nd->me, g) + sizeof word, &word, sizeof word);
}

static inline uint64_t vc_read_word(const struct vc_node_ring *ring, int r, uint64_t g)
{
    uint64_t word;
    memcpy(&word, (const char *)vc_flag(ring, r, g) + sizeof word, sizeof word);
    return word;
}

/* This rank will read no slot below `g` any more. Release: pairs with vc_all_done(), so its reads come before
 * an owner overwrites the slots. */
static inline void vc_set_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g)
{
    atomic_store_explicit(&vc_ring_part(ring, nd->me)->done, g, memory_order_release);
    vc_node_wake(nd);
}

/* Everybody was seen to have entered the operation at `base`, so nobody reads a slot before it any more. */
static inline void vc_learned(struct vc_node_ring *ring, uint64_t base)
{
    if (ring->known_done < base)
        ring->known_done = base;
}

/* Whether everybody else's `done` is at least g; if not, *whom is a rank that is behind. */
bool vc_all_done(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom);

/* Whether slot g is known to be free without a look at the others. */
static inline bool vc_known_free(const struct vc_node_ring *ring, uint64_t g)
{
    return ring->known_done + ring->depth > g;
}

static inline bool vc_may_write(struct vc_node *nd, struct vc_node_ring *ring, uint64_t g, int *whom)
{
    return vc_known_free(ring, g) || vc_all_done(nd, ring, g - ring->depth + 1, whom);
}

/* ring.c: tells the others which CPU this rank is on. Numbers are kept plus one: 0, as in fresh memory, is
 * unknown. */
void vc_node_note_cpu(struct vc_node *nd);

/* Whether rank r last waited on the CPU that this rank is on. Then this rank must give the CPU up, or it
 * waits for ever. */
static inline bool vc_shares_cpu(const struct vc_node *nd, int r)
{
    const struct vc_node *all = nd->whole;
    return atomic_load_explicit(&all->cpu[vc_node_index(nd, r)], memory_order_relaxed) == all->own_cpu;
}

/* Whether a rank that reduces all operands can read its own from src. It cannot where dst is src and would be
 * written before the operand is read, nor in place with operators of users, which may not write over their
 * left operand. */
static inline bool vc_can_read_src(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->src != c->dst || (nd->me + 2 >= nd->n && c->op && !c->op->ctx);
}

/* Whether the root of a reduction reads its own operand from src and publishes nothing, since nobody else
 * ever reads that. */
static inline bool vc_root_reads_src(const struct vc_node *nd, const struct vc_node_call *c)
{
    return c->kind == VC_PHASE_REDUCE && nd->me == c->root && vc_can_read_src(nd, c);
}

/*
 * The rank to wait for when rank r >= 0 has not published slot g. That is r, unless CPUs are crowded: then
 * preferably a rank that has not published either and shares this rank's CPU, since giving the CPU up lets
 * that one run.
 */
int vc_slowest(struct vc_node *nd, const struct vc_node_ring *ring, int r, uint64_t g);

/* Publishes slot g of this operation. */
static inline void vc_publish_call(struct vc_node *nd, const struct vc_node_call *c,
                                   struct vc_node_ring *ring, uint64_t g)
{
    size_t len = vc_said_by(c, nd->me);
    if (len > VC_SMALL_SLOT && c->st.ring && vc_has_word(ring))
        vc_write_word(nd, ring, g, len);
    vc_publish_as(nd, ring, g, vc_flag_of(c, g, len));
}

/* Has rank r published slot g as this rank expects it: by the same way, with the same length? In single copy
 * the rank that reads the address compares the length. */
static inline bool vc_fits(const struct vc_node_ring *ring, const struct vc_node_call *c, int r, uint64_t g)
{
    size_t len = vc_said_by(c, r);
    return vc_flag_value(ring, r, g) == vc_flag_of(c, g, len) &&
           (len <= VC_SMALL_SLOT || !c->st.ring || !vc_has_word(ring) || vc_read_word(ring, r, g) == len);
}

/* What multiples slices of the operation are of. */
static inline size_t vc_grain(const struct vc_node_call *c)
{
    return c->grain ? c->grain : 1;
}

/* What a rank publishes in the first slot of an operation by single copy. */
struct vc_cma_address {
    uint64_t src, dst, len;
    uint64_t strewn; /* not 0: its data do not lie there as they move, see is_strewn() in cma.c */
};

static inline struct vc_cma_address vc_cma_address_of(struct vc_node *nd, uint64_t g, int r)
{
    struct vc_cma_address a;
    memcpy(&a, vc_payload(&nd->tiny, r, g), sizeof a);
    return a;
}

/* Rank r's memory; NULL: it is not mapped. */
static inline struct vc_map_peer *vc_map_of(const struct vc_node *nd, int r)
{
    return nd->maps ? nd->maps[r] : NULL;
}

/* ring.c: fills in the sizes of a ring; returns the bytes that each rank's part takes. */
size_t vc_ring_layout(struct vc_node_ring *ring, size_t cap, uint64_t depth);
/* Makes a part of it one in which nothing was published. */
void vc_ring_clear(const struct vc_node_ring *ring, char *part);

/*
 * lengths.c: ranks that call a broadcast with different lengths, or different collectives. Each looks at what
 * another rank has published and returns VC_OK, VC_ERR_TRUNCATE with both lengths in the text, or
 * VC_ERR_INVAL where the operations differ.
 *
 * vc_bcast_check() is for a rank whose broadcast waits for the root: has the root published something else?
 * For its length it may have chosen another ring. vc_call_check() is for a rank that waits for rank r in
 * anything but a broadcast: has r published a broadcast, or another length? vc_root_check() is for the root
 * of a broadcast that waits for rank r: does r broadcast by other means?
 */
/* The communicator's rank of member r, for texts. */
int vc_node_rank(const struct vc_node *nd, int r);
/* Says in slot g of the tiny ring that a broadcast goes by other means. False: *behind has not left it. */
bool vc_say_passed(struct vc_node *nd, size_t len, uint64_t g, int *behind);
/* vc_node_pass() in the slots of this node or group. */
void vc_pass_flat(struct vc_node *nd, size_t len);
int vc_bcast_check(const struct vc_node *nd, struct vc_node_call *c);
int vc_root_check(const struct vc_node *nd, struct vc_node_call *c, int r);
int vc_call_check(const struct vc_node *nd, struct vc_node_call *c, int r);
/* For a rank that passes on a broadcast in slot g of the tiny ring. 1: the root does so, too, and with the
 * same length. 0: it has not said anything yet; `look`: for that, other rings are looked at. Negative: it has
 * published something else. */
int vc_passed_check(const struct vc_node *nd, const struct vc_node_call *c, uint64_t g, bool look);
/* Rank r's length is `theirs`, not this rank's: VC_ERR_TRUNCATE with a text. */
int vc_lengths_differ(const struct vc_node *nd, const struct vc_node_call *c, int r, uint64_t theirs);

/* Rank r's block of an ALLGATHERV, or that of others, is not as long as this rank expects: the same. */
int vc_block_differs(const struct vc_node *nd, const struct vc_node_call *c, int r, uint64_t given);
/* Rank r sends `sent` bytes to this one, which expects others: VC_ERR_TRUNCATE with a text. */
int vc_pair_differs(const struct vc_node *nd, int r, size_t sent, size_t expected);

/* late.c: whether the flag of rank r's slot gets this value soon. Gives the CPU up a few times where ranks
 * share it and the wait policy has nothing against that. */
bool vc_small_waits(struct vc_node *nd, const struct vc_node_call *c, const struct vc_node_ring *ring,
                    uint64_t g, int r, uint64_t value);

/* small.c: small operations. */
void vc_node_small_init(struct vc_node *nd);

/* flat.c: a flat node of n ranks, all of whose members are still to be set, but for n; released by free().
 * NULL with a text. */
struct vc_node *vc_flat_alloc(int n);
/* How its slots lie in a rank's memory; after n was set. */
void vc_flat_layout(struct vc_node *nd, size_t bulk);
/* Where they lie: `offset` behind the memory of each rank, mem[i] of rank i of the whole node. After me,
 * member and writer were set. */
void vc_flat_place(struct vc_node *nd, char *const *mem, size_t offset, size_t bulk);
/* As vc_node_start() and vc_node_progress(), of several ranks. */
int vc_flat_start(struct vc_node *nd, struct vc_node_call *c);
int vc_flat_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* A group of `whole`, still to be placed; released by free(). `writer`: the only member that has slots, or
 * -1. */
int vc_group_create(struct vc_node *whole, const int *member, int n, int me, int writer, size_t bulk,
                    struct vc_node **out);
/* Bytes of shared memory of one member. */
size_t vc_group_bytes(bool has_slots, size_t bulk);
/* Makes them new, see vc_node_tree_prepare(). */
void vc_group_prepare(char *mem, bool has_slots, size_t bulk);
/* The bulk slots alone, of a rank that has slots: also of a node. */
void vc_flat_prepare_bulk(char *mem, size_t bulk);

/* open.c: bulk slots that come later. Closes them. */
int vc_open_init(struct vc_node *nd, const struct vc_node_opener *with);
/* Whether the operation needs them: the same on all ranks. */
bool vc_open_needed(const struct vc_node *nd, const struct vc_node_call *c);
/* As vc_node_start() and vc_node_progress(), after which the operation itself begins. */
int vc_open_start(struct vc_node *nd, struct vc_node_call *c);
int vc_open_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* stuck.c: after a poll in vain. VC_OK, or an error where the counts or the calls of ranks differ, which is
 * found within some seconds. Kinds with unequal blocks find that out by themselves. */
int vc_stuck_look(struct vc_node *nd, struct vc_node_call *c, int whom);

/* any.c (any.h): gathers and scatters of blocks whose lengths only some know. */
/* Slots that they take of the ring for long messages: twice as many as it has. */
#define VC_ANY_TURNS (2 * VC_BULK_DEPTH)
static inline bool vc_node_any(enum vc_node_phase kind)
{
    return kind >= VC_PHASE_STEPS;
}
void vc_node_any_start(struct vc_node *nd, struct vc_node_call *c);
int vc_node_any_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* cma.c: operations by single copy. */
bool vc_node_cma_wanted(const struct vc_node *nd, const struct vc_node_call *c);
/* As vc_node_progress(), or VC_CMA_BY_SLOTS: the operation begins anew, through slots. */
#define VC_CMA_BY_SLOTS 2
int vc_node_cma_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);
/* scratch.c: VC_CMA_PAIR_BLOCK bytes for a moment, of which a process needs one for each thread that reduces.
 * Nodes hold them, so that there is one at least. VC_OK or VC_ERR_NOMEM. */
int vc_scratch_hold(void);
void vc_scratch_drop(void);
/* Waits where there is no memory for one more. */
char *vc_scratch_take(void);
void vc_scratch_give(char *block);

/* cma_reduce.c: this rank's part of a reduction; all have published their addresses. */
int vc_cma_reduce(struct vc_node *nd, struct vc_node_call *c);

/* pairs.c: ALLTOALLV. Memory for an operation of n ranks. */
size_t vc_node_pairs_bytes(int n);
int vc_node_pairs_start(struct vc_node *nd, struct vc_node_call *c);
int vc_node_pairs_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* slots.c: operations through slots. */
int vc_node_slots_start(struct vc_node *nd, struct vc_node_call *c);
/* How long a slot would have to be for the operation to take one. */
size_t vc_slots_need(const struct vc_node *nd, const struct vc_node_call *c);
/* Instead of starting it: a broadcast in which this rank only counts the slots. */
int vc_node_slots_skip(struct vc_node *nd, struct vc_node_call *c);
/* After start, and again whenever there is more: so many bytes of src are there; those behind them are not
 * to be read yet. `all`: they are all there. */
void vc_node_slots_feed(const struct vc_node *nd, struct vc_node_call *c, size_t bytes, bool all);
int vc_node_slots_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

/* blocks.c and scan.c: reductions to blocks, and scans, through slots. */
int vc_node_blocks_start(struct vc_node *nd, struct vc_node_call *c);
int vc_node_blocks_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);
int vc_node_scan_start(struct vc_node *nd, struct vc_node_call *c);
int vc_node_scan_progress(struct vc_node *nd, struct vc_node_call *c, int *whom);

#endif

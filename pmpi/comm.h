/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a communicator. It hangs on the communicator as an attribute and is found through a small
 * direct-mapped cache of handles. The structs are type-stable: once allocated they are recycled but never
 * freed, and each says which handle it belongs to at the moment, so that one comparison recognizes a stale
 * cache entry. Before a communicator is freed, the handle is taken out of its struct, because MPIs reuse
 * handles.
 */
#ifndef VC_PMPI_COMM_H
#define VC_PMPI_COMM_H

#include "pmpi/door.h"

enum vc_phase {
    VC_COMM_NEW,      /**< not set up yet */
    VC_COMM_ACTIVE,   /**< team is there */
    VC_COMM_LEARNING, /**< active, and online.h times every call: none takes the fast path */
    VC_COMM_BUSY,     /**< ACTIVE or LEARNING, but for calls that were posted: they may be under way */
    VC_COMM_PASSES,   /**< passes through for good; why_not says why */
    VC_COMM_BROKEN,   /**< a collective failed in the middle; every later one fails */
};

struct vc_team;

/** From so many nonblocking collectives on, communicators made of this one are set up when they are made. */
#define VC_POSTS_WORTH 8

struct vc_comm {
    _Atomic(MPI_Comm) handle; /**< NULL: unused */
    enum vc_phase phase;
    int rank, size;
    struct vc_team *team; /**< ACTIVE, LEARNING and BROKEN */
    int calls;            /**< accelerated collectives so far, while NEW */
    bool due;             /**< while NEW: a nonblocking call was the one at which set-up is due */
    enum vc_phase idle;   /**< while BUSY: the phase once nothing is under way */
    unsigned posts;       /**< nonblocking collectives so far, up to VC_POSTS_WORTH */
    double setup_seconds;
    const char *why_not; /**< static storage */
    struct vc_comm *next_free;
};

/** Set up, and not broken. */
static inline bool vc_comm_active(const struct vc_comm *c)
{
    return c->phase == VC_COMM_ACTIVE || c->phase == VC_COMM_LEARNING || c->phase == VC_COMM_BUSY;
}

#define VC_COMM_BITS  8
#define VC_COMM_SLOTS (1 << VC_COMM_BITS)
extern _Atomic(struct vc_comm *) vc_comm_cache[VC_COMM_SLOTS];

/** The rest of vc_comm_find(). */
struct vc_comm *vc_comm_find_slow(MPI_Comm comm);

static inline unsigned vc_comm_slot(MPI_Comm comm)
{
    /* Handles are addresses of objects of one size: the multiplication spreads them over the upper bits. */
    return (unsigned)((uint64_t)(uintptr_t)comm * UINT64_C(0x9e3779b97f4a7c15) >> (64 - VC_COMM_BITS));
}

/** The state of a communicator if the cache has it, or NULL. A few nanoseconds: no lock, no MPI call. */
static inline struct vc_comm *vc_comm_cached(MPI_Comm comm)
{
    /* Acquire: pairs with the release store of the slot in comm.c, after the struct was filled. */
    struct vc_comm *c = atomic_load_explicit(&vc_comm_cache[vc_comm_slot(comm)], memory_order_acquire);
    /* Acquire: pairs with the store of the handle when a recycled struct was filled anew. */
    return VC_LIKELY(c && comm && atomic_load_explicit(&c->handle, memory_order_acquire) == comm) ? c : NULL;
}

/** The state of a communicator, made at first sight. NULL when the handle is not a communicator, or one that
 * is being freed. */
static inline struct vc_comm *vc_comm_find(MPI_Comm comm)
{
    struct vc_comm *c = vc_comm_cached(comm);
    return VC_LIKELY(c != NULL) ? c : vc_comm_find_slow(comm);
}

/** Like vc_comm_find(), but makes no state: NULL where there is none yet. */
struct vc_comm *vc_comm_peek(MPI_Comm comm);

/**
 * Frees a communicator by `end`, which is the MPI's MPI_Comm_free or MPI_Comm_disconnect, and what vcoll has
 * for it. Until that returns, collectives on the handle pass through. Where it fails, the state stays.
 */
int vc_comm_end(MPI_Comm *comm, int (*end)(MPI_Comm *));

/** The attributes' keys. Once, after MPI_Init. VC_OK or VC_ERR_MPI. */
int vc_comm_keyval_init(void);

/**
 * Releases what all communicators hold, at the end of MPI. Makes no calls on attributes: this runs inside a
 * delete callback itself, and MPIs may hold a lock there. Not concurrent with collectives.
 */
void vc_comm_teardown(void);

/** Sets a communicator up that is new, if set-ups have not cost too much. Collective on it. */
void vc_comm_early(MPI_Comm comm);

/** A nonblocking call on a communicator that is still NEW. It is counted, and if set-up is due at it, the
 * next call that may wait sets up. */
void vc_comm_count(struct vc_comm *c);

/**
 * For a call on a communicator that is still NEW: counts it, and sets up when it is the VCOLL_SETUP_AFTER-th,
 * or later where set-ups have cost too much before. Collective on the communicator then. True: active now.
 */
bool vc_comm_advance(struct vc_comm *c, MPI_Comm comm);

#endif

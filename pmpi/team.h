/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an active communicator has: nodes, shared memory, channel, selection, plans. Made collectively;
 * freeing is local.
 */
#ifndef VC_PMPI_TEAM_H
#define VC_PMPI_TEAM_H

#include "coll/engine.h"
#include "coll/node/node.h"
#include "pmpi/door.h"
#include "transport/shm/segment.h"
#include "tune/select/select.h"

#define VC_TEAM_PLANS 16 /**< plans kept per communicator */
#define VC_TEAM_TMP                                                                                          \
    ((size_t)16 << 20) /**< bytes of plan scratch kept per communicator, the newest plan aside */
#define VC_TEAM_SCRATCH ((size_t)1 << 20) /**< larger packing buffers are not kept */

/** What a plan is made for: everything that a shape adds to its communicator. */
struct vc_plan_key {
    const struct vc_alg *alg;
    size_t bytes, esize, segment;
    int root, radix, leaders;
    enum vc_choice_channel channel;
    bool commutative;
};

struct vc_plan_slot {
    struct vc_plan_key key;
    struct vc_exec *exec; /**< NULL: the algorithm refuses this shape, native runs it */
    size_t tmp_bytes;
    unsigned via;       /**< of enum vc_via */
    uint64_t last_used; /**< 0: the slot is free */
};

/** Messages between ranks: shared memory within a node, and between nodes verbs or the underlying MPI. */
enum vc_lane_id { VC_LANE_VERBS, VC_LANE_MPI, VC_LANES };
struct vc_lane {
    bool tried;
    struct vc_chan *chan; /**< NULL: not made yet, or it came to nothing (agreed) */
    struct vc_seg seg;    /**< of the rings within the node */
};

enum vc_scratch { VC_SCRATCH_SEND, VC_SCRATCH_RECV, VC_SCRATCHES };

/** What the single copy is tried on; stays put while others reach for it. */
struct vc_cma_target {
    uint64_t word;    /**< read by the rank before this one */
    uint64_t written; /**< written by it, and read back; nothing to this rank */
};

#define VC_VOTE_MAX 4 /**< numbers in one vote */

struct vc_team {
    MPI_Comm comm;
    int rank, size;
    uint64_t id; /**< the same on all ranks; of those with the same ranks, older ones have smaller ids */
    bool ready;  /**< its set-up is over: agreed */
    /* nodes; local is this rank's index on its node, mine its node */
    struct vc_hier hier;
    int *hier_mem; /**< what hier points into, and what it is made with */
    int mine, local, nlocal;
    int *world; /**< [size] world ranks */
    /* shared memory of the node */
    struct vc_seg seg;
    enum vc_seg_backing backing; /**< the kind that worked */
    const int *ranks;            /**< [nlocal] communicator ranks of the node, in hier_mem */
    struct vc_peer_id *ids;      /**< [nlocal] */
    pid_t *pids;                 /**< [nlocal] */
    struct vc_cma_target target;
    bool cma; /**< single copy was agreed */
    struct vc_parking parking;
    struct vc_node *node; /**< NULL: none was agreed, or this rank is alone on its node */
    /* messages; each lane is made when a plan that uses it is first selected */
    bool chan_tried; /**< the lane of VC_CHANNEL_AUTO */
    struct vc_lane lane[VC_LANES];
    struct vc_lane *lane_of[VC_CHANNELS]; /**< by choice; all the same once no message leaves the node */
    /* waiting: what the settings say, or the policy of the call that runs */
    struct vc_wait_cfg wait;
    vc_policy policy;
    /* choice and plans */
    struct vc_topo_key key;
    struct vc_selection sel;
    unsigned selections;                         /**< how often it was made */
    struct vc_choice force[VC_COLL_ACCELERATED]; /**< vcoll_comm_force(); alg NULL: none */
    void *online;                                /**< online.h's */
    struct vc_plan_slot plan[VC_TEAM_PLANS];
    uint64_t plan_clock;
    size_t plan_tmp;
    /* vote.c: mine, and what comes of it; the MPI may still use them once a vote was abandoned */
    uint64_t vote[2][VC_VOTE_MAX];
    bool abandoned;
    /* buffers for packing */
    struct {
        void *mem;
        size_t cap;
    } scratch[VC_SCRATCHES];
};

/**
 * Sets a communicator up; collective. VC_OK with *out == NULL and *why (static storage) when it passes
 * through, or with *why == NULL when it would cost too much so far; both agreed by all ranks. An error is
 * this rank's alone: the underlying MPI failed.
 */
int vc_team_create(MPI_Comm comm, struct vc_team **out, const char **why);
/** NULL is legal. */
void vc_team_free(struct vc_team *t);
/** Gives back what the next use need not have: scratch, and plans with scratch down to `plans` bytes of it.
 */
void vc_team_trim(struct vc_team *t, size_t plans);
/**
 * This rank has met an error on the communicator and takes no further part: everybody is told who waits for
 * it, now or later, as far as memory and channels reach. NULL is legal.
 */
void vc_team_break(struct vc_team *t, const char *why);

/** Makes the selection anew, from key, table and what is forced. VC_OK or VC_ERR_NOMEM. */
int vc_team_select(struct vc_team *t);

/** From now on calls wait like this (0: as the settings say). Not while one runs. */
void vc_team_policy(struct vc_team *t, vc_policy policy);

/**
 * Makes the lane of a choice that was not tried yet (others: nothing is done); collective. Afterwards
 * lane->chan says on all ranks alike whether there is one; where there is none, the selection was made anew
 * without it.
 */
int vc_team_open(struct vc_team *t, MPI_Comm comm, enum vc_choice_channel channel);
static inline int vc_team_channel(struct vc_team *t, MPI_Comm comm)
{
    return vc_team_open(t, comm, VC_CHANNEL_AUTO);
}

/**
 * The plan for a call. VC_OK and *out, whose exec is NULL where the algorithm refuses the shape (agreed:
 * shapes are). The lane of key->channel is open. Valid until the next call.
 */
int vc_team_plan(struct vc_team *t, const struct vc_plan_key *key, enum vc_coll coll,
                 struct vc_plan_slot **out);

/** A buffer of at least `bytes`, aligned to 64. NULL: out of memory. Given back with vc_team_scratch_done().
 */
void *vc_team_scratch(struct vc_team *t, enum vc_scratch which, size_t bytes);
void vc_team_scratch_done(struct vc_team *t);

/** Approximate private memory. */
size_t vc_team_heap(const struct vc_team *t);

/* ---- share.c ---- */

/** One attempt to give every node of the team a segment. */
struct vc_share {
    size_t bytes; /**< for this rank's node */
    enum vc_seg_backing backing;
    bool try_cma; /**< also probe the single copy */
    bool quiet;   /**< failing to attach is no news: another attempt follows */
};
enum vc_shared {
    VC_SHARED,       /**< every node of more than one rank has one */
    VC_SHARE_LIMIT,  /**< over VCOLL_SHM_LIMIT somewhere */
    VC_SHARE_CREATE, /**< creation failed somewhere */
    VC_SHARE_ATTACH, /**< creation worked, attaching failed somewhere */
    VC_SHARE_NOMEM,  /**< some rank had no memory to take part */
    VC_SHARE_MPI,    /**< the underlying MPI failed, or a rank has failed on this communicator before */
};
/** Collective; the result is agreed by all ranks. *cma: single copy works everywhere. */
enum vc_shared vc_share_try(struct vc_team *t, MPI_Comm comm, const struct vc_share *how, struct vc_seg *seg,
                            bool *cma);
/** Gives the segment back. */
void vc_share_release(struct vc_seg *seg);

/* ---- vote.c ---- */

/**
 * Each of the n numbers becomes the least of all ranks'; collective. t may be NULL. Where the team is in use,
 * it ends when another rank has failed on it. VC_OK, VC_ERR_MPI or VC_ERR_PEER.
 */
int vc_vote(struct vc_team *t, MPI_Comm comm, uint64_t *v, int n);
/** In a vote for "all is well": that it is; otherwise the rank's number. */
#define VC_VOTE_YES UINT64_MAX
/** Somebody said no; `mine`: this rank is the first of them, and the text of its error is why. */
void vc_vote_lost(bool mine);
/** 1: all ranks say ok. 0: some do not, and the first of them has said why. Negative: as vc_vote(). */
int vc_team_all(struct vc_team *t, MPI_Comm comm, bool ok);

/* ---- pool.c ---- */

/** Keeps the team of a communicator that is freed, or frees it. Local. Not a broken one. NULL is legal. */
void vc_pool_put(struct vc_team *t);
/** Takes out what may be offered for a communicator of these ranks; NULL: nothing. */
struct vc_team *vc_pool_take(int size, const int *world);
/** Puts back what was taken and was not used. */
void vc_pool_return(struct vc_team *t);
/** Whether anything is kept. */
bool vc_pool_any(void);
/** Frees all. */
void vc_pool_drain(void);

/** VCOLL_SETUP_AFTER was given: the user wants set-ups at that call, whatever they cost. */
extern bool vc_setup_at_once;
/** Whether this process thinks that it can afford a new team: its opinion in a vote. */
bool vc_setup_affordable(void);
void vc_setup_spent(uint64_t ns);

#endif

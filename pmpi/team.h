/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The team: all that a communicator has once it is set up. Nodes, shared memory, channels, selection, plans.
 * setup.h makes it, collectively; to free it is local. The files that work on a team (vote, share, channels,
 * plans, pool, online, run) know its members; none of them needs another one's functions but those in its
 * header.
 */
#ifndef VC_PMPI_TEAM_H
#define VC_PMPI_TEAM_H

#include "coll/engine.h"
#include "coll/levels.h"
#include "coll/node/node.h"
#include "pmpi/door.h"
#include "pmpi/fabric.h"
#include "pmpi/hosts.h"
#include "pmpi/plans.h"
#include "transport/shm/arena.h"
#include "tune/select/select.h"

/** What carries the messages between hosts. Messages within a host go through shared memory in either case.
 */
enum vc_net { VC_NET_VERBS, VC_NET_MPI, VC_NETS };

/** A channel to all ranks, made when a plan first needs it (channels.h). */
struct vc_team_chan {
    bool tried;
    struct vc_chan *chan; /**< NULL: not made yet, or it cannot be had (agreed) */
    struct vc_hold rings; /**< of messages within the node */
    bool *reach;          /**< [size] verbs: the ranks whose messages do not go through the MPI; NULL: all */
    struct vc_mem_range host_rings; /**< of messages within the host */
    bool *by_host;                  /**< [size] ranks that are reached by these; NULL: none, or not known */
    bool far;                       /**< some of its messages go through the network's channel */
};

enum vc_scratch { VC_SCRATCH_SEND, VC_SCRATCH_RECV, VC_SCRATCHES };

#define VC_VOTE_MAX 4 /**< numbers in one vote */

#define VC_QUICK_KINDS 4
/** Ranks at most of quick calls that have a length for each. */
#define VC_QUICK_RANKS 64
/** Calls with a block for each of at most so many ranks may be quick. */
#define VC_QUICK_BLOCKS 16

/**
 * Calls of a collective that are like an earlier one (quick.h): what selection and arguments led to, so that
 * they need not be looked at again. Types and operators are predefined ones, whose handles keep their
 * meaning. vc_team_select() and vc_team_force(), which alone change the selection, forget all of these.
 */
struct vc_quick {
    /** The types and operators that were used last. */
    struct vc_quick_kind {
        MPI_Datatype type; /**< of both sides */
        MPI_Op op;
        unsigned most; /**< elements at most; 0: there is no such kind */
        struct vc_redop redop;
    } kind[VC_QUICK_KINDS];
    struct vc_node_call call; /**< complete but for root, buffers, length and operator */
    vc_policy policy;
    unsigned next; /**< kind to be replaced */
};

/** Nonblocking collectives under way; queue.h's. */
struct vc_queue {
    struct vc_posted *first, *last;
    _Atomic int count;
    bool listed;              /**< among the teams whose queue is not empty */
    bool left;                /**< the helper has met a failure, and leaves it to the program's calls */
    int drained;              /**< threads that wait for the queue, and move it meanwhile: it is no duty */
    struct vc_team *next;     /**< of these teams */
    unsigned polls;           /**< in vain */
    uint64_t checked;         /**< when the peers were last looked at, 0: not since something came */
    int err;                  /**< the first failure */
    char why[192];            /**< its text */
    unsigned wanted_channels; /**< bit per enum vc_choice_channel: one that a call would have needed */
};

struct vc_team {
    struct vc_quick quick[VC_COLL_COUNT];
    size_t quick_lens[VC_QUICK_RANKS], quick_places[VC_QUICK_RANKS];
    size_t quick_at[VC_QUICK_BLOCKS + 1]; /**< where the blocks of a quick call begin */
    MPI_Comm comm;
    int rank, size;
    uint64_t id; /**< the same on all ranks; of teams of the same ranks, older ones have smaller ids */
    bool ready;  /**< all ranks have set it up: agreed */
    /* nodes */
    struct vc_hier hier;
    int *hier_mem; /**< [hier_ints] the arrays of hier, and work space to fill them */
    size_t hier_ints;
    int mine;                     /**< this rank's node */
    int local;                    /**< this rank's index on its node */
    int nlocal;                   /**< ranks of the node */
    int *world;                   /**< [size] world ranks */
    const int *ranks;             /**< [nlocal] communicator ranks of the node, in hier_mem */
    enum vc_fabric_extent fabric; /**< which of its ranks might use verbs */
    struct vc_levels levels;      /**< which of these are near each other */
    int *levels_mem;              /**< the arrays of levels */
    /* shared memory of the node */
    struct vc_hold hold;       /**< this rank's part */
    struct vc_peer_id *ids;    /**< [nlocal] */
    pid_t *pids;               /**< [nlocal] */
    bool cma;                  /**< single copy was agreed */
    struct vc_map_peer **maps; /**< [nlocal] maps.h's; NULL: none */
    bool less;                 /**< it has less memory than wanted, because there was not enough: agreed */
    char no_bulk[160];         /**< why this rank had none for bulk slots */
    struct vc_parking parking; /**< .shared NULL: there is none */
    struct vc_node *node;      /**< NULL: none was agreed, or this rank is alone on its node */
    char **node_mem;           /**< [nlocal] share.c's, until the node has its place */
    /* messages */
    struct vc_team_chan chan[VC_NETS];
    /** By the channel that a choice names. All the same where no message leaves the node. */
    struct vc_team_chan *chan_for[VC_CHANNELS];
    bool one_host; /**< all nodes share memory of one host, as far as is known */
    /* waiting: as the settings say, or by the policy of the call that runs */
    struct vc_wait_cfg wait;
    vc_policy policy;
    /* what calls run */
    struct vc_topo_key key;
    struct vc_selection sel;
    unsigned selections;                   /**< how often it was made */
    struct vc_choice force[VC_COLL_COUNT]; /**< vcoll_comm_force(); alg NULL: none */
    struct vc_plans plans;
    struct vc_queue queue;
    struct vc_learner *learner; /**< online.h's */
    /* vote.h: this rank's numbers and the result. Once a vote was abandoned, the MPI may still write there.
     */
    uint64_t vote[2][VC_VOTE_MAX];
    bool abandoned;
    /* buffers for packing */
    struct {
        void *mem;
        size_t cap;
        bool counted; /**< among the large buffers that the process keeps */
    } scratch[VC_SCRATCHES];
};

/** NULL is legal. Local. */
void vc_team_free(struct vc_team *t);
/** Gives back what the next use can make again: scratch, and plans with scratch down to `plans` bytes of it.
 */
void vc_team_trim(struct vc_team *t, size_t plans);
/**
 * This rank has met an error on the communicator and takes no further part. All ranks that wait for it, now
 * or later, are told, as far as memory and channels reach. NULL is legal.
 */
void vc_team_break(struct vc_team *t, const char *why);

/** Releases what teams have in common, after the last one. */
void vc_team_fini(void);
/** Makes the selection anew, from key, table and what is forced. VC_OK or VC_ERR_NOMEM. */
int vc_team_select(struct vc_team *t);
/** All calls of a collective get this choice from now on. Where it cannot run, nothing changes and the result
 * is VC_ERR_INVAL with the reason. alg NULL: back to what was selected. */
int vc_team_force(struct vc_team *t, enum vc_coll coll, const struct vc_choice *choice);

/** From now on calls wait like this (0: as the settings say). Not while one runs. */
void vc_team_policy(struct vc_team *t, vc_policy policy);

/** A buffer of at least `bytes`, aligned to 64. NULL: out of memory. Valid until vc_team_scratch_done(). */
void *vc_team_scratch(struct vc_team *t, enum vc_scratch which, size_t bytes);
void vc_team_scratch_done(struct vc_team *t);

/** Private memory, approximately. */
size_t vc_team_heap(const struct vc_team *t);
/** Shared memory of this rank that it holds. */
size_t vc_team_shm(const struct vc_team *t);

/** Whether the channel's messages between this rank and another go through memory of the host. */
static inline bool vc_team_by_host(const struct vc_team *t, const struct vc_team_chan *c, int peer)
{
    return c->host_rings.units > 0 && t->hier.node_of[peer] != t->mine &&
           vc_hosts_sharing(t->world[peer]) == vc_hosts_sharing(t->world[t->rank]);
}

#endif

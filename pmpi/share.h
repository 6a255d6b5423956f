/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared memory for every node of a communicator: each rank takes a range of its own arena, and one exchange
 * of offers tells the ranks of an operating system where the ranges are, and all ranks whether all could take
 * one. All ranks conclude the same from it.
 */
#ifndef VC_PMPI_SHARE_H
#define VC_PMPI_SHARE_H

#include "pmpi/meet.h"
#include "pmpi/team.h"

/** What a rank tells the others in one exchange. */
struct vc_offer {
    uint64_t id;      /**< of a team; 0: this rank offers none (setup.c) */
    uint32_t what_at; /**< VC_OFFER_* above the place of its range */
    uint32_t left;    /**< vc_arena_left() of its range */
};
#define VC_OFFER_PLACE 0xffffffu
enum vc_offer_flag {
    VC_OFFER_FULL = 1 << 24,   /**< there is no room in its arena */
    VC_OFFER_NOMEM = 1 << 25,  /**< the system has no memory for it, or it has no arena */
    VC_OFFER_NO_CMA = 1 << 26, /**< single copy does not work from here */
    VC_OFFER_POOL = 1 << 27,   /**< teams that are kept hold some memory */
    VC_OFFER_OLD = 1 << 28,    /**< the id is that of a team which is kept */
    VC_OFFER_POOR = 1 << 29,   /**< there is no private memory for a new team */
    VC_OFFER_DEAR = 1 << 30,   /**< a new team would cost too much so far */
};

/** How ranks hear of offers; the same on all ranks of a communicator. */
enum vc_offers_way {
    VC_OFFERS_MEET,   /**< all meet */
    VC_OFFERS_REDUCE, /**< those of an operating system meet, and a reduction tells what matters to all */
    VC_OFFERS_GATHER, /**< the MPI gathers all of them */
};

/** What came of an exchange, and room for it. The first members are the same on all ranks. */
struct vc_offers {
    enum vc_offers_way way;
    uint32_t any;             /**< of VC_OFFER_NO_CMA, _POOL, _OLD, _DEAR those that some rank has set */
    bool all_old;             /**< all ranks have set VC_OFFER_OLD */
    uint64_t highest, newest; /**< id of any, and of those with VC_OFFER_OLD; 0: there is none */
    bool same;                /**< all have the same id */
    int failed,
        poor;  /**< the lowest rank with VC_OFFER_FULL or VC_OFFER_NOMEM, with VC_OFFER_POOR; -1: none */
    bool full; /**< that rank has VC_OFFER_FULL */
    int n, me; /**< ranks whose offers are known, and which of them is this one */
    struct vc_offer *of;   /**< [n] */
    struct vc_offer *many; /**< to be freed */
    struct vc_offer few[VC_MEET_RANKS];
    int rank[VC_MEET_RANKS], world[VC_MEET_RANKS]; /**< [n] but for VC_OFFERS_GATHER, where all are known */
};

/** For a communicator of `size` ranks, of which this one is `rank` and world[r] is rank r in the world; NULL:
 * no memory for that, which can only be if there are more than VC_MEET_RANKS. False: out of memory, and an
 * exchange must not follow. */
bool vc_offers_begin(struct vc_offers *o, const int *world, int size, int rank);
void vc_offers_end(struct vc_offers *o);
/** Collective. VC_OK, VC_ERR_MPI or VC_ERR_PEER. */
int vc_offers_exchange(struct vc_offers *o, MPI_Comm comm, const struct vc_offer *mine);
/** After that: what a rank of this operating system has offered. */
const struct vc_offer *vc_offer_of(const struct vc_offers *o, int rank);

/** Takes this rank's range, if `spare` bytes are left in its arena besides, makes these parts of it memory,
 * and says so in its offer. Local. Nothing where it is alone on its node. */
void vc_share_take(const struct vc_team *t, size_t bytes, size_t spare, const struct vc_node_part *part,
                   int parts, struct vc_hold *hold, struct vc_offer *mine);
/** The memory of a range of this rank. */
char *vc_share_own(const struct vc_hold *hold);
/** After an exchange: the lowest rank that has no range, or -1. Otherwise `hold` is shared from now on. */
int vc_share_conclude(const struct vc_team *t, const struct vc_offers *all, struct vc_hold *hold);
/** Collective, after all have found that a rank has failed: one line says what is missing, where it is worth
 * one. VC_OK or VC_ERR_MPI. */
int vc_share_explain(const struct vc_team *t, MPI_Comm comm, const struct vc_offers *all, size_t bytes);
/** The memory of rank `local` of the node, in an offer. */
char *vc_share_place(const struct vc_team *t, const struct vc_offers *all, int local);

/** A team's offer of memory for its node, before anything is known of the other ranks. Local. */
void vc_share_begin(struct vc_team *t, struct vc_offer *mine);
/** Collective, after an exchange of these. 1: every node of more than one rank has memory. 0: agreed that
 * none has. Negative: an error. More exchanges may have replaced the offers. */
int vc_share_node(struct vc_team *t, MPI_Comm comm, struct vc_offer *mine, struct vc_offers *all);
/** As vc_share_node() where all ranks have offered what they usually do, which needs nothing more. False: not
 * so, on all ranks alike, and nothing was done. */
bool vc_share_as_usual(struct vc_team *t, const struct vc_offers *all);
/** What is usual, before it is known. */
void vc_share_expect(struct vc_team *t);
/** The node of this rank, if it is to have one, for what was agreed, or is expected to be; replaces an
 * earlier one. Local. */
int vc_share_create_node(struct vc_team *t);
/** Puts it, if there is one, into the memory that was agreed. Local; cannot fail. */
void vc_share_place_node(struct vc_team *t, const struct vc_offers *all);

#endif

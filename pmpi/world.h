/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ranks of MPI_COMM_WORLD told each other right after MPI_Init: settings and places. Communicators
 * are set up from it without asking again, so that all their ranks decide by the same facts, and so that
 * ranks find out that their settings differ before any of these matters.
 */
#ifndef VC_PMPI_WORLD_H
#define VC_PMPI_WORLD_H

#include "pmpi/door.h"
#include "transport/topology/levels.h"
#include "transport/wait.h"

#include <sys/types.h>

/** A rank of the world that shares this rank's operating system. */
struct vc_kin {
    int rank;
    int place;                    /**< its number in the arena (arena.h), -1: it is not in that */
    struct vc_peer_id id;         /**< pid 0 in another pid namespace */
    struct vc_locality locality;  /**< as the kernel says, until localities.h decides */
    uint64_t machine;             /**< vc_levels_machine() of what it runs on */
    uint64_t mask[VC_MASK_WORDS]; /**< CPUs that it might use at MPI_Init */
};

struct vc_world {
    int size, rank;
    int *os_of;       /**< [size] operating systems, numbered by their lowest rank */
    int *os_ranks;    /**< [nos] how many ranks it has */
    bool *os_crowded; /**< [nos] more ranks than CPUs, those of other containers on the same CPUs included */
    bool *os_one_pid_ns; /**< [nos] its ranks share a pid namespace */
    int nos;
    uint64_t *host_ids; /**< [nos] hashes of VCOLL_HOST_ID; VC_HASH_START: none */
    uint64_t *prints;   /**< [size] fingerprints of the settings, 0 with VCOLL_DISABLE; NULL: all are equal */
    bool stats_agreed;  /**< the same VCOLL_STATS on all ranks */
    struct vc_kin *kin; /**< [nkin] ascending by rank, oneself included */
    int nkin;
    struct vc_cpu_claim
        *claims;        /**< [nclaims] of the ranks of this kernel, ascending by rank, oneself included */
    int nclaims, claim; /**< claim: the own one */
};
extern struct vc_world vc_world;

/** Exchanges and keeps it; collective over MPI_COMM_WORLD. VC_OK or an error of this rank. */
int vc_world_init(void);
void vc_world_fini(void);

/** The entry of a world rank, or NULL when it is not of this OS. */
const struct vc_kin *vc_world_kin(int rank);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared memory for every node of a communicator, agreed by all its ranks: a vote whether every rank has the
 * memory to take part, one exchange of offers, then each rank tries what was offered, then one vote. Failures
 * that the offers already show cost no last vote.
 */
#ifndef VC_PMPI_SHARE_H
#define VC_PMPI_SHARE_H

#include "pmpi/team.h"

/** One attempt to give every node of the team a segment. */
struct vc_share {
    size_t bytes; /**< for this rank's node */
    enum vc_seg_backing backing;
    bool try_cma; /**< also probe the single copy */
    bool quiet;   /**< that attaching fails is no news: another attempt follows */
};
enum vc_shared {
    VC_SHARED,       /**< every node of more than one rank has one */
    VC_SHARE_LIMIT,  /**< over VCOLL_SHM_LIMIT somewhere */
    VC_SHARE_CREATE, /**< creation failed somewhere */
    VC_SHARE_ATTACH, /**< creation worked, attaching failed somewhere */
    VC_SHARE_NOMEM,  /**< some rank had no memory to take part */
    VC_SHARE_MPI,    /**< the underlying MPI failed, or a rank has failed on this communicator before */
};
/** Collective; the result is agreed by all ranks. *cma: single copy works everywhere. vc_shm_release() gives
 * the segment back. */
enum vc_shared vc_share_try(struct vc_team *t, MPI_Comm comm, const struct vc_share *how, struct vc_seg *seg,
                            bool *cma);

#endif

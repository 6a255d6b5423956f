/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shm channel: one ring of cells per ordered pair of ranks, in the shared memory of the receiver; large
 * messages in a single copy (process_vm_readv) where all ranks of the node agreed that it works.
 */
#ifndef VC_TRANSPORT_SHM_CHAN_H
#define VC_TRANSPORT_SHM_CHAN_H

#include "transport/channel.h"
#include "transport/shm/single.h"

/**
 * Bytes of shared memory that each of n ranks of a node needs, a multiple of VC_LINE_PAIR (none for one
 * rank). The more ranks, the smaller the cells, so that it stays under `budget`; but at least 384 bytes for
 * each of the others.
 */
size_t vc_shm_chan_bytes(int n, size_t budget);
/** Makes a rank's memory, new or used before, as a channel needs it: before any rank creates the channel. */
void vc_shm_chan_prepare(void *mem, int n, size_t budget);

struct vc_shm_chan_cfg {
    /** [n]: of each rank vc_shm_chan_bytes(n, budget) bytes, prepared, aligned to VC_LINE_PAIR; stay the
     * caller's. The array is copied. */
    char *const *mem;
    size_t budget;
    int n, me;                  /**< ranks of the node, own index */
    const int *ranks;           /**< [n] communicator ranks of them */
    int size, rank;             /**< of the communicator */
    struct vc_parking *parking; /**< of the node (same n, me) */
    const pid_t *cma_pids;      /**< [n] for single copy, or NULL: not agreed */
    /** [n], copied: the ranks' memory, mapped; NULL: it is not, or not that rank's. They outlive the channel.
     */
    struct vc_map_peer *const *maps;
    size_t cma_min; /**< messages from this many bytes on go in a single copy */
};

/**
 * Copies ranks and cma_pids; the memory and parking must outlive the channel. Messages to oneself are legal.
 * While a peer receives, the memory and the buffer of a single copy must stay.
 */
int vc_shm_chan_create(const struct vc_shm_chan_cfg *cfg, struct vc_chan **out);

#endif

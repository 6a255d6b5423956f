/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shm channel: one ring of cells per ordered pair of ranks, in a segment shared by the ranks of a node;
 * large messages in a single copy (process_vm_readv) where all ranks of the node agreed that it works.
 */
#ifndef VC_TRANSPORT_SHM_CHAN_H
#define VC_TRANSPORT_SHM_CHAN_H

#include "transport/channel.h"
#include <sys/types.h>

/**
 * Bytes of zeroed shared memory that n ranks of a node need, a multiple of VC_LINE_PAIR (none for one rank).
 * The more ranks, the smaller the cells, so that it stays under `budget`; but at least 384 bytes for each
 * ordered pair.
 */
size_t vc_shm_chan_bytes(int n, size_t budget);

struct vc_shm_chan_cfg {
    void *mem; /**< vc_shm_chan_bytes(n, budget) bytes, aligned to VC_LINE_PAIR; stays the caller's */
    size_t budget;
    int n, me;                  /**< ranks of the node, own index */
    const int *ranks;           /**< [n] communicator ranks of them */
    int size, rank;             /**< of the communicator */
    struct vc_parking *parking; /**< of the node (same n, me) */
    const pid_t *cma_pids;      /**< [n] for single copy, or NULL: not agreed */
    size_t cma_min;             /**< messages from this many bytes on go in a single copy */
};

/**
 * Copies ranks and cma_pids; mem and parking must outlive the channel. Messages to oneself are legal. While a
 * peer receives, mem and the buffer of a single copy must stay.
 */
int vc_shm_chan_create(const struct vc_shm_chan_cfg *cfg, struct vc_chan **out);

/**
 * Single copy (cross memory attach): reads len bytes at `remote` in process `pid` into `local`, or writes
 * them. VC_OK or VC_ERR_SYS.
 */
int vc_cma_read(pid_t pid, void *local, uint64_t remote, size_t len);
int vc_cma_write(pid_t pid, const void *local, uint64_t remote, size_t len);

#endif

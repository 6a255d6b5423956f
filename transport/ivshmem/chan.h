/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ivshmem channel: rings (shm/ring.h) between ranks of several operating systems on one host, in memory
 * that their machines share. The other machines are not trusted: they may spoil what is sent, but not this
 * process's memory, and not keep it waiting where they leave traces:
 *
 *   - what this rank has sent and received it counts in memory of its own;
 *   - a cell's head is read once, into registers. Sequence numbers are scattered over 32 bits: a number that
 *     is neither the expected one nor the one a lap earlier is damage, and so is a length that is not exactly
 *     what is left of the message, or what a cell holds. The counter of consumed cells likewise;
 *   - messages are copied before anything else happens to them: nothing is reduced where it lies;
 *   - a machine whose heart stops (lease.h) is given up.
 *
 * Damage ends the channel with an error that names the rank. Nobody is woken: sleeps are timed.
 */
#ifndef VC_TRANSPORT_IVSHMEM_CHAN_H
#define VC_TRANSPORT_IVSHMEM_CHAN_H

#include "transport/channel.h"

/**
 * Bytes of memory that each rank of a channel needs for the rings of `senders` ranks, a multiple of
 * VC_LINE_PAIR: about `budget`, if that is enough for the smallest rings.
 */
size_t vc_ivshmem_chan_bytes(int senders, size_t budget);
/** Makes a rank's memory as a channel with this key needs it: before any rank creates the channel. */
void vc_ivshmem_chan_prepare(void *mem, int senders, size_t budget, uint64_t key);

struct vc_ivshmem_chan_cfg {
    int size, rank; /**< of the communicator */
    /** [size] which machine of the host a rank runs on, -1: not on this host. Messages go between ranks of
     * different machines, and from a rank to itself. */
    const int *machine;
    char *const
        *mem;    /**< [size] the ranks' memory, prepared, aligned to VC_LINE_PAIR; NULL: not on this host */
    int senders; /**< the most ranks that any of them receives from: the same on all */
    size_t budget;
    uint64_t key; /**< the same on all; not that of another channel, as far as possible */
    /** NULL, or called every half second of waiting for a rank: VC_OK, or why its machine is given up. */
    int (*check)(void *arg, int rank);
    void *arg;
};

/** Copies the arrays; the memory must outlive the channel. */
int vc_ivshmem_chan_create(const struct vc_ivshmem_chan_cfg *cfg, struct vc_chan **out);

/** How many ranks of the host `rank` receives from. */
int vc_ivshmem_senders(const int *machine, int size, int rank);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ranks of a communicator reach each other over verbs: found by messages between its nodes, and agreed
 * by all its ranks. Ranks of a node that use the same port count as one.
 */
#ifndef VC_PMPI_PATHS_H
#define VC_PMPI_PATHS_H

#include "coll/plan.h"
#include "transport/channel.h"

#include <mpi.h>

struct vc_reach {
    uint64_t id; /**< a number for the channel, which no other has; the same on all ranks */
    bool all;    /**< all ranks reach those of other nodes; the same on all ranks */
    bool *to;    /**< [size] messages to that rank go over verbs, or through memory; to be freed */
};

/**
 * Collective; world[r] is the world rank of rank r. The first ranks of each port and node exchange messages:
 * among ports of the same fabric, all pairs of up to eight, else those that lie 1, 2, 4, ... and a random
 * distance apart. Pairs that have exchanged one before do not again. Ports that reached each other, directly
 * or over others, are one island: inside it verbs carry messages, and the MPI those to other islands. An
 * island of more than eight in which a message was lost uses the MPI, because not all of its pairs were
 * tried.
 *
 * VC_OK, or VC_ERR_UNSUPPORTED on all ranks alike: no rank reaches one of another node, or some do not and
 * there is no `mpi` channel. A line is logged where a message was lost. VC_ERR_MPI: this rank's alone.
 */
int vc_paths_find(MPI_Comm comm, int size, int rank, const int *world, const struct vc_hier *h, bool mpi,
                  struct vc_reach *out);

/** Of this process, for the statistics: messages to prove a path, of pairs in which this rank is the lower
 * one. Relaxed. */
extern struct vc_path_counts {
    _Atomic uint64_t proven, failed;
} vc_path_counts;

/** This rank's channel to those that it reaches; *out NULL: it has no device. An error is this rank's alone.
 */
int vc_paths_channel(const struct vc_reach *reach, int size, int rank, const int *world,
                     struct vc_chan **out);

#endif

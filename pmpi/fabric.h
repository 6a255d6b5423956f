/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RDMA device of this process and the ways to all others, agreed by MPI_COMM_WORLD right after MPI_Init:
 * either every rank has verbs or none uses them.
 */
#ifndef VC_PMPI_FABRIC_H
#define VC_PMPI_FABRIC_H

#include "coll/plan.h"
#include "pmpi/door.h"
#include "transport/verbs/verbs.h"

/** NULL: messages between nodes go through the underlying MPI. */
extern struct vc_verbs *vc_fabric;

/**
 * Opens the device, if there are ranks that shared memory does not reach; collective over MPI_COMM_WORLD,
 * after vc_world_init(). VC_OK also where verbs cannot be used, agreed. An error, the same on all ranks:
 * VCOLL_CHANNELS leaves nothing but verbs, and they cannot be used.
 */
int vc_fabric_init(void);
/** After the last channel over it is gone. */
void vc_fabric_fini(void);

/**
 * A channel over it for a communicator; collective, world[r] is the world rank of rank r. Before it is
 * agreed, the first ranks of the nodes exchange messages: of all pairs of nodes where there are at most
 * eight, else of those that lie 1, 2, 4, ... apart. Pairs that have exchanged one before do not again.
 * VC_ERR_UNSUPPORTED, on all ranks alike and with a line logged: some message did not arrive. Other errors
 * are this rank's alone.
 */
int vc_fabric_channel(MPI_Comm comm, int size, int rank, const int *world, const struct vc_hier *hier,
                      struct vc_chan **out);

#endif

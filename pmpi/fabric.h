/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RDMA device of this process and the fabrics of MPI_COMM_WORLD, agreed right after MPI_Init. A fabric is
 * the ports whose addresses match: they may reach each other. Ranks of different fabrics, or without a
 * device, exchange messages through the underlying MPI.
 */
#ifndef VC_PMPI_FABRIC_H
#define VC_PMPI_FABRIC_H

#include "coll/plan.h"
#include "pmpi/door.h"
#include "transport/verbs/verbs.h"

/** NULL: this rank has no device, or no rank uses verbs. */
extern struct vc_verbs *vc_fabric;

/**
 * Opens the device, if there are ranks that shared memory does not reach; collective over MPI_COMM_WORLD,
 * after vc_world_init(). VC_OK also where verbs cannot be used, agreed. An error, the same on all ranks:
 * VCOLL_CHANNELS leaves nothing but verbs, and not all ranks can use them.
 */
int vc_fabric_init(void);
/** After the last channel over it is gone. */
void vc_fabric_fini(void);

/** Whether some ranks use verbs; the same on all ranks. */
bool vc_fabric_used(void);
/** Where vc_fabric_used(): a number for a world rank's port, the same for the same port, and for its fabric.
 * -1: it has no device. */
int vc_fabric_port(int world_rank);
int vc_fabric_of(int world_rank);

/** How many ranks of a communicator have a common fabric; the same on all its ranks. world[r] is the world
 * rank of rank r. */
enum vc_fabric_extent {
    VC_FABRIC_NONE, /**< no two of different nodes */
    VC_FABRIC_SOME,
    VC_FABRIC_ALL,
};
enum vc_fabric_extent vc_fabric_extent(const int *world, const struct vc_hier *h);

#endif

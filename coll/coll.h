/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of the collectives, shared by plans, selection, statistics and the front door. */
#ifndef VC_COLL_COLL_H
#define VC_COLL_COLL_H

/** The 17 blocking collectives of MPI-3.1. The first VC_COLL_ACCELERATED have algorithms; the rest pass
 * through. */
enum vc_coll {
    VC_BARRIER,
    VC_BCAST,
    VC_REDUCE,
    VC_ALLREDUCE,
    VC_ALLGATHER,
    VC_ALLTOALL,
    VC_COLL_ACCELERATED,
    VC_GATHER = VC_COLL_ACCELERATED,
    VC_GATHERV,
    VC_SCATTER,
    VC_SCATTERV,
    VC_ALLGATHERV,
    VC_ALLTOALLV,
    VC_ALLTOALLW,
    VC_REDUCE_SCATTER,
    VC_REDUCE_SCATTER_BLOCK,
    VC_SCAN,
    VC_EXSCAN,
    VC_COLL_COUNT
};

/** "barrier", "bcast", ... as users write them in VCOLL_ALG; NULL for a value out of range. Static storage.
 */
const char *vc_coll_name(enum vc_coll coll);

/** The collective of that name, or -1. */
int vc_coll_by_name(const char *name);

#endif

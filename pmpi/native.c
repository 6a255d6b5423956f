/* SPDX-License-Identifier: BSD-3-Clause */
/* The underlying MPI's function for each of those that are accelerated, with the arguments of a call. */
#include "pmpi/door.h"

int vc_native(const struct vc_call *k)
{
    if (k->native)
        return k->native(k);
    switch (k->coll) {
    case VC_BARRIER:
        return vc_next.Barrier(k->comm);
    case VC_BCAST:
        return vc_next.Bcast(k->recv, k->rcount, k->rtype, k->root, k->comm);
    case VC_REDUCE:
        return vc_next.Reduce(k->send, k->recv, k->rcount, k->rtype, k->op, k->root, k->comm);
    case VC_ALLREDUCE:
        return vc_next.Allreduce(k->send, k->recv, k->rcount, k->rtype, k->op, k->comm);
    case VC_ALLGATHER:
        return vc_next.Allgather(k->send, k->scount, k->stype, k->recv, k->rcount, k->rtype, k->comm);
    case VC_ALLTOALL:
        return vc_next.Alltoall(k->send, k->scount, k->stype, k->recv, k->rcount, k->rtype, k->comm);
    case VC_GATHER:
        return vc_next.Gather(k->send, k->scount, k->stype, k->recv, k->rcount, k->rtype, k->root, k->comm);
    case VC_SCATTER:
        return vc_next.Scatter(k->send, k->scount, k->stype, k->recv, k->rcount, k->rtype, k->root, k->comm);
    case VC_REDUCE_SCATTER_BLOCK:
        return vc_next.Reduce_scatter_block(k->send, k->recv, k->rcount, k->rtype, k->op, k->comm);
    case VC_SCAN:
        return vc_next.Scan(k->send, k->recv, k->rcount, k->rtype, k->op, k->comm);
    case VC_EXSCAN:
        return vc_next.Exscan(k->send, k->recv, k->rcount, k->rtype, k->op, k->comm);
    default:
        return MPI_ERR_INTERN;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The collectives that are accelerated, each under PMPI_X and MPI_X (see symbols.h), and the underlying MPI's
 * call of each. Fortran layers, other tools and ROMIO call PMPI_X. ROMIO is part of the MPI, so calls do come
 * in from underneath, and are run like the program's own. The MPI's collectives do not come back in through
 * these symbols.
 */
#include "pmpi/symbols.h"

VC_SIX(Barrier, vc_run_barrier, (MPI_Comm comm), (comm), .coll = VC_BARRIER, .comm = comm)

VC_SIX(Bcast, vc_run_bcast, (void *buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm),
       (buffer, count, datatype, root, comm), .coll = VC_BCAST, .root = root, .recv = buffer, .rcount = count,
       .rtype = datatype, .comm = comm)

VC_SIX(Reduce, vc_run_reduce,
       (const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op, int root,
        MPI_Comm comm),
       (sendbuf, recvbuf, count, datatype, op, root, comm), .coll = VC_REDUCE, .root = root, .send = sendbuf,
       .recv = recvbuf, .rcount = count, .rtype = datatype, .op = op, .comm = comm)

VC_SIX(Allreduce, vc_run_allreduce,
       (const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm),
       (sendbuf, recvbuf, count, datatype, op, comm), .coll = VC_ALLREDUCE, .send = sendbuf, .recv = recvbuf,
       .rcount = count, .rtype = datatype, .op = op, .comm = comm)

VC_SIX(Allgather, vc_run_blocks,
       (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
        MPI_Datatype recvtype, MPI_Comm comm),
       (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .coll = VC_ALLGATHER,
       .send = sendbuf, .recv = recvbuf, .scount = sendcount, .rcount = recvcount, .stype = sendtype,
       .rtype = recvtype, .comm = comm)

VC_SIX(Alltoall, vc_run_blocks,
       (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
        MPI_Datatype recvtype, MPI_Comm comm),
       (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .coll = VC_ALLTOALL,
       .send = sendbuf, .recv = recvbuf, .scount = sendcount, .rcount = recvcount, .stype = sendtype,
       .rtype = recvtype, .comm = comm)

int vc_native(const struct vc_call *k)
{
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
    default:
        return MPI_ERR_INTERN;
    }
}

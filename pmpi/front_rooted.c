/* SPDX-License-Identifier: BSD-3-Clause */
/* Gather and scatter, and those with a length for each rank, as front.c has the others. */
#include "pmpi/calls.h"

VC_ACCELERATED(Gather, VC_GATHER, vc_run_gather,
               vc_quick_gather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm),
               vc_rooted_fit(sendbuf, sendcount, recvcount, root, comm),
               sendbuf == MPI_IN_PLACE ? vc_bytes_of(recvcount, recvtype) : vc_bytes_of(sendcount, sendtype),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm), .root = root,
               .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount,
               .stype = sendtype, .rtype = recvtype, .comm = comm)

VC_ACCELERATED(Scatter, VC_SCATTER, vc_run_scatter,
               vc_quick_scatter(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm),
               vc_rooted_fit(recvbuf, recvcount, sendcount, root, comm),
               recvbuf == MPI_IN_PLACE ? vc_bytes_of(sendcount, sendtype) : vc_bytes_of(recvcount, recvtype),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm), .root = root,
               .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount,
               .stype = sendtype, .rtype = recvtype, .comm = comm)

static int VC_NAME(native_gatherv)(const struct vc_call *k)
{
    return vc_next.VC_NAME(Gatherv)(k->send, (vc_count)k->count, k->stype, k->recv,
                                    (const vc_count *)k->rcounts, (const vc_displ *)k->rdispls, k->rtype,
                                    k->root, k->comm);
}

static int VC_NAME(native_scatterv)(const struct vc_call *k)
{
    return vc_next.VC_NAME(Scatterv)(k->send, (const vc_count *)k->scounts, (const vc_displ *)k->sdispls,
                                     k->stype, k->recv, (vc_count)k->count, k->rtype, k->root, k->comm);
}

VC_ACCELERATED(
    Gatherv, VC_GATHERV, vc_run_gatherv,
    vc_quick_gatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm), true,
    0,
    (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
     const vc_count recvcounts[], const vc_displ displs[], MPI_Datatype recvtype, int root, MPI_Comm comm),
    (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm), .root = root,
    .send = sendbuf, .recv = recvbuf, .count = sendcount, .stype = sendtype, .rcounts = recvcounts,
    .rdispls = displs, .rtype = recvtype, .comm = comm, .wide = VC_WIDE, .native = VC_NAME(native_gatherv))

VC_ACCELERATED(
    Scatterv, VC_SCATTERV, vc_run_scatterv,
    vc_quick_scatterv(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm), true,
    0,
    (const void *sendbuf, const vc_count sendcounts[], const vc_displ displs[], MPI_Datatype sendtype,
     void *recvbuf, vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
    (sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm), .root = root,
    .send = sendbuf, .recv = recvbuf, .count = recvcount, .rtype = recvtype, .scounts = sendcounts,
    .sdispls = displs, .stype = sendtype, .comm = comm, .wide = VC_WIDE, .native = VC_NAME(native_scatterv))

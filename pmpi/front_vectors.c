/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allgatherv, alltoallv and alltoallw, with blocks that differ in length, each under PMPI_X and MPI_X (see
 * calls.h).
 */
#include "pmpi/calls.h"

/* The underlying MPI's calls: the arrays of counts are of int or, by the names with _c, of larger numbers. */

static int VC_NAME(native_allgatherv)(const struct vc_call *k)
{
    return vc_next.VC_NAME(Allgatherv)(k->send, k->scount, k->stype, k->recv, (const vc_count *)k->rcounts,
                                       (const vc_displ *)k->rdispls, k->rtype, k->comm);
}

static int VC_NAME(native_alltoallv)(const struct vc_call *k)
{
    return vc_next.VC_NAME(Alltoallv)(k->send, (const vc_count *)k->scounts, (const vc_displ *)k->sdispls,
                                      k->stype, k->recv, (const vc_count *)k->rcounts,
                                      (const vc_displ *)k->rdispls, k->rtype, k->comm);
}

static int VC_NAME(native_alltoallw)(const struct vc_call *k)
{
    return vc_next.VC_NAME(Alltoallw)(k->send, (const vc_count *)k->scounts, (const vc_displ *)k->sdispls,
                                      k->stypes, k->recv, (const vc_count *)k->rcounts,
                                      (const vc_displ *)k->rdispls, k->rtypes, k->comm);
}

VC_ACCELERATED(Allgatherv, VC_ALLGATHERV, vc_run_allgatherv,
               vc_quick_allgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm),
               sendbuf == MPI_IN_PLACE || vc_fits(sendcount), vc_bytes_of(sendcount, sendtype),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                const vc_count recvcounts[], const vc_displ displs[], MPI_Datatype recvtype, MPI_Comm comm),
               (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm), .send = sendbuf,
               .recv = recvbuf, .scount = (int)sendcount, .stype = sendtype, .rcounts = recvcounts,
               .rdispls = displs, .rtype = recvtype, .comm = comm, .wide = VC_WIDE,
               .native = VC_NAME(native_allgatherv))

VC_NEVER_QUICK(Alltoallv, VC_ALLTOALLV, vc_run_alltoallv,
               (const void *sendbuf, const vc_count sendcounts[], const vc_displ sdispls[],
                MPI_Datatype sendtype, void *recvbuf, const vc_count recvcounts[], const vc_displ rdispls[],
                MPI_Datatype recvtype, MPI_Comm comm),
               (sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm),
               .send = sendbuf, .recv = recvbuf, .scounts = sendcounts, .sdispls = sdispls, .stype = sendtype,
               .rcounts = recvcounts, .rdispls = rdispls, .rtype = recvtype, .comm = comm, .wide = VC_WIDE,
               .native = VC_NAME(native_alltoallv))

VC_NEVER_QUICK(Alltoallw, VC_ALLTOALLW, vc_run_alltoallv,
               (const void *sendbuf, const vc_count sendcounts[], const vc_displ sdispls[],
                const MPI_Datatype sendtypes[], void *recvbuf, const vc_count recvcounts[],
                const vc_displ rdispls[], const MPI_Datatype recvtypes[], MPI_Comm comm),
               (sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm),
               .send = sendbuf, .recv = recvbuf, .scounts = sendcounts, .sdispls = sdispls,
               .stypes = sendtypes, .rcounts = recvcounts, .rdispls = rdispls, .rtypes = recvtypes,
               .comm = comm, .wide = VC_WIDE, .native = VC_NAME(native_alltoallw))

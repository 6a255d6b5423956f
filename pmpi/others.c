/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The collectives that pass through. The bytes counted are those that this rank sends, where its arguments
 * say so without looking at other ranks.
 */
#include "pmpi/pass.h"

static size_t bytes_of_all(const int *counts, MPI_Datatype type, MPI_Comm comm)
{
    size_t sum = 0;
    for (int i = 0, n = vc_counts(counts, comm); i < n; i++)
        sum += counts[i] > 0 ? (size_t)counts[i] : 0;
    return sum * vc_bytes_of(1, type);
}

/* One that is never accelerated. */
#define PASS(coll, bytes, call) VC_PASS(coll, VC_PASS_NEVER, bytes, call)

VC_NAMES(Gather,
         (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
          MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm))
{
    PASS(VC_GATHER, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         Gather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_NAMES(Gatherv,
         (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
          const int displs[], MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm))
{
    PASS(VC_GATHERV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         Gatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm));
}

VC_NAMES(Scatter,
         (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
          MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm))
{
    PASS(VC_SCATTER, recvbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(recvcount, recvtype),
         Scatter(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_NAMES(Scatterv,
         (const void *sendbuf, const int sendcounts[], const int displs[], MPI_Datatype sendtype,
          void *recvbuf, int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm))
{
    PASS(VC_SCATTERV, recvbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(recvcount, recvtype),
         Scatterv(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_NAMES(Allgatherv,
         (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, const int recvcounts[],
          const int displs[], MPI_Datatype recvtype, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm))
{
    PASS(VC_ALLGATHERV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         Allgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm));
}

VC_NAMES(Alltoallv,
         (const void *sendbuf, const int sendcounts[], const int sdispls[], MPI_Datatype sendtype,
          void *recvbuf, const int recvcounts[], const int rdispls[], MPI_Datatype recvtype, MPI_Comm comm),
         (sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm))
{
    PASS(VC_ALLTOALLV, sendbuf == MPI_IN_PLACE ? 0 : bytes_of_all(sendcounts, sendtype, comm),
         Alltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm));
}

VC_NAMES(Alltoallw,
         (const void *sendbuf, const int sendcounts[], const int sdispls[], const MPI_Datatype sendtypes[],
          void *recvbuf, const int recvcounts[], const int rdispls[], const MPI_Datatype recvtypes[],
          MPI_Comm comm),
         (sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm))
{
    PASS(VC_ALLTOALLW, 0,
         Alltoallw(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm));
}

VC_NAMES(Reduce_scatter,
         (const void *sendbuf, void *recvbuf, const int recvcounts[], MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, recvcounts, datatype, op, comm))
{
    PASS(VC_REDUCE_SCATTER, bytes_of_all(recvcounts, datatype, comm),
         Reduce_scatter(sendbuf, recvbuf, recvcounts, datatype, op, comm));
}

VC_NAMES(Reduce_scatter_block,
         (const void *sendbuf, void *recvbuf, int recvcount, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm),
         (sendbuf, recvbuf, recvcount, datatype, op, comm))
{
    PASS(VC_REDUCE_SCATTER_BLOCK, vc_bytes_of(recvcount, datatype),
         Reduce_scatter_block(sendbuf, recvbuf, recvcount, datatype, op, comm));
}

VC_NAMES(Scan,
         (const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))
{
    PASS(VC_SCAN, vc_bytes_of(count, datatype), Scan(sendbuf, recvbuf, count, datatype, op, comm));
}

VC_NAMES(Exscan,
         (const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))
{
    PASS(VC_EXSCAN, vc_bytes_of(count, datatype), Exscan(sendbuf, recvbuf, count, datatype, op, comm));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The collectives that pass through: counted when statistics are on, otherwise one test and a jump. The bytes
 * counted are those that this rank sends, where its arguments say so without looking at other ranks.
 */
#include "pmpi/door.h"
#include "pmpi/symbols.h"

static size_t bytes_of(int count, MPI_Datatype type)
{
    MPI_Count size;
    if (count <= 0 || type == NULL || type == MPI_DATATYPE_NULL ||
        vc_next.Type_size_x(type, &size) != MPI_SUCCESS || size < 0)
        return 0;
    return (size_t)count * (size_t)size;
}

static size_t bytes_of_all(const int *counts, MPI_Datatype type, MPI_Comm comm)
{
    int size, inter;
    size_t sum = 0;
    if (!counts || comm == NULL || comm == MPI_COMM_NULL ||
        vc_next.Comm_test_inter(comm, &inter) != MPI_SUCCESS)
        return 0;
    if ((inter ? vc_next.Comm_remote_size(comm, &size) : vc_next.Comm_size(comm, &size)) != MPI_SUCCESS)
        return 0;
    for (int i = 0; i < size; i++)
        sum += counts[i] > 0 ? (size_t)counts[i] : 0;
    return sum * bytes_of(1, type);
}

/* Calls the underlying function, between begin and end when that is wanted. */
#define PASS(coll, bytes, call)                                                                              \
    do {                                                                                                     \
        if (vc_gate_open())                                                                                  \
            return vc_next.call;                                                                             \
        uint64_t begun = vc_other_begin();                                                                   \
        int rc = vc_next.call;                                                                               \
        if (begun)                                                                                           \
            vc_other_end(coll, begun, rc == MPI_SUCCESS ? bytes : 0);                                        \
        return rc;                                                                                           \
    } while (0)

VC_ALIAS(Gather)
int PMPI_Gather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                MPI_Datatype recvtype, int root, MPI_Comm comm)
{
    PASS(VC_GATHER, sendbuf == MPI_IN_PLACE ? 0 : bytes_of(sendcount, sendtype),
         Gather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_ALIAS(Gatherv)
int PMPI_Gatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                 const int recvcounts[], const int displs[], MPI_Datatype recvtype, int root, MPI_Comm comm)
{
    PASS(VC_GATHERV, sendbuf == MPI_IN_PLACE ? 0 : bytes_of(sendcount, sendtype),
         Gatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm));
}

VC_ALIAS(Scatter)
int PMPI_Scatter(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                 MPI_Datatype recvtype, int root, MPI_Comm comm)
{
    PASS(VC_SCATTER, recvbuf == MPI_IN_PLACE ? 0 : bytes_of(recvcount, recvtype),
         Scatter(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_ALIAS(Scatterv)
int PMPI_Scatterv(const void *sendbuf, const int sendcounts[], const int displs[], MPI_Datatype sendtype,
                  void *recvbuf, int recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm)
{
    PASS(VC_SCATTERV, recvbuf == MPI_IN_PLACE ? 0 : bytes_of(recvcount, recvtype),
         Scatterv(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_ALIAS(Allgatherv)
int PMPI_Allgatherv(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf,
                    const int recvcounts[], const int displs[], MPI_Datatype recvtype, MPI_Comm comm)
{
    PASS(VC_ALLGATHERV, sendbuf == MPI_IN_PLACE ? 0 : bytes_of(sendcount, sendtype),
         Allgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm));
}

VC_ALIAS(Alltoallv)
int PMPI_Alltoallv(const void *sendbuf, const int sendcounts[], const int sdispls[], MPI_Datatype sendtype,
                   void *recvbuf, const int recvcounts[], const int rdispls[], MPI_Datatype recvtype,
                   MPI_Comm comm)
{
    PASS(VC_ALLTOALLV, sendbuf == MPI_IN_PLACE ? 0 : bytes_of_all(sendcounts, sendtype, comm),
         Alltoallv(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm));
}

VC_ALIAS(Alltoallw)
int PMPI_Alltoallw(const void *sendbuf, const int sendcounts[], const int sdispls[],
                   const MPI_Datatype sendtypes[], void *recvbuf, const int recvcounts[], const int rdispls[],
                   const MPI_Datatype recvtypes[], MPI_Comm comm)
{
    PASS(VC_ALLTOALLW, 0,
         Alltoallw(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm));
}

VC_ALIAS(Reduce_scatter)
int PMPI_Reduce_scatter(const void *sendbuf, void *recvbuf, const int recvcounts[], MPI_Datatype datatype,
                        MPI_Op op, MPI_Comm comm)
{
    PASS(VC_REDUCE_SCATTER, bytes_of_all(recvcounts, datatype, comm),
         Reduce_scatter(sendbuf, recvbuf, recvcounts, datatype, op, comm));
}

VC_ALIAS(Reduce_scatter_block)
int PMPI_Reduce_scatter_block(const void *sendbuf, void *recvbuf, int recvcount, MPI_Datatype datatype,
                              MPI_Op op, MPI_Comm comm)
{
    PASS(VC_REDUCE_SCATTER_BLOCK, bytes_of(recvcount, datatype),
         Reduce_scatter_block(sendbuf, recvbuf, recvcount, datatype, op, comm));
}

VC_ALIAS(Scan)
int PMPI_Scan(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm)
{
    PASS(VC_SCAN, bytes_of(count, datatype), Scan(sendbuf, recvbuf, count, datatype, op, comm));
}

VC_ALIAS(Exscan)
int PMPI_Exscan(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm)
{
    PASS(VC_EXSCAN, bytes_of(count, datatype), Exscan(sendbuf, recvbuf, count, datatype, op, comm));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls with large counts, MPI_X_c, where the MPI that vcoll is built against has them. One rank may call
 * MPI_Bcast_c and another MPI_Bcast, so they are taken over alike. A count beyond int is more than
 * VC_CALL_LIMIT bytes, or of elements without size: such a call is the underlying MPI's on every rank, by
 * either name.
 */
#include "pmpi/pass.h"

#include <limits.h>

static inline bool fits(MPI_Count count)
{
    return count >= 0 && count <= INT_MAX;
}

static inline int run(struct vc_call *k, int (*fn)(struct vc_call *))
{
    return vc_gate_open() ? fn(k) : vc_call_slow(k, fn);
}

#define LARGE(coll, bytes, call) VC_PASS(coll, VC_PASS_LARGE, bytes, call)

VC_NAMES(Bcast_c, (void *buffer, MPI_Count count, MPI_Datatype datatype, int root, MPI_Comm comm),
         (buffer, count, datatype, root, comm))
{
    if (!fits(count))
        LARGE(VC_BCAST, vc_bytes_of(count, datatype), Bcast_c(buffer, count, datatype, root, comm));
    struct vc_call k = {.coll = VC_BCAST,
                        .root = root,
                        .recv = buffer,
                        .rcount = (int)count,
                        .rtype = datatype,
                        .comm = comm};
    return run(&k, vc_run_bcast);
}

VC_NAMES(Reduce_c,
         (const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype datatype, MPI_Op op, int root,
          MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, root, comm))
{
    if (!fits(count))
        LARGE(VC_REDUCE, vc_bytes_of(count, datatype),
              Reduce_c(sendbuf, recvbuf, count, datatype, op, root, comm));
    struct vc_call k = {.coll = VC_REDUCE,
                        .root = root,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .rcount = (int)count,
                        .rtype = datatype,
                        .op = op,
                        .comm = comm};
    return run(&k, vc_run_reduce);
}

VC_NAMES(Allreduce_c,
         (const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))
{
    if (!fits(count))
        LARGE(VC_ALLREDUCE, vc_bytes_of(count, datatype),
              Allreduce_c(sendbuf, recvbuf, count, datatype, op, comm));
    struct vc_call k = {.coll = VC_ALLREDUCE,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .rcount = (int)count,
                        .rtype = datatype,
                        .op = op,
                        .comm = comm};
    return run(&k, vc_run_allreduce);
}

/* In place, nobody looks at the count of the sending side. */
static inline bool both_fit(const void *sendbuf, MPI_Count sendcount, MPI_Count recvcount)
{
    return fits(recvcount) && (sendbuf == MPI_IN_PLACE || fits(sendcount));
}

VC_NAMES(Allgather_c,
         (const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
          MPI_Datatype recvtype, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm))
{
    if (!both_fit(sendbuf, sendcount, recvcount))
        LARGE(VC_ALLGATHER, vc_bytes_of(recvcount, recvtype),
              Allgather_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm));
    struct vc_call k = {.coll = VC_ALLGATHER,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .scount = (int)sendcount,
                        .rcount = (int)recvcount,
                        .stype = sendtype,
                        .rtype = recvtype,
                        .comm = comm};
    return run(&k, vc_run_blocks);
}

VC_NAMES(Alltoall_c,
         (const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
          MPI_Datatype recvtype, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm))
{
    if (!both_fit(sendbuf, sendcount, recvcount))
        LARGE(VC_ALLTOALL, vc_bytes_of(recvcount, recvtype),
              Alltoall_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm));
    struct vc_call k = {.coll = VC_ALLTOALL,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .scount = (int)sendcount,
                        .rcount = (int)recvcount,
                        .stype = sendtype,
                        .rtype = recvtype,
                        .comm = comm};
    return run(&k, vc_run_blocks);
}

/* ---- those that pass through ---- */

static size_t bytes_of_all(const MPI_Count *counts, MPI_Datatype type, MPI_Comm comm)
{
    size_t sum = 0;
    for (int i = 0, n = vc_counts(counts, comm); i < n; i++)
        sum += counts[i] > 0 ? (size_t)counts[i] : 0;
    return sum * vc_bytes_of(1, type);
}

#define PASS(coll, bytes, call) VC_PASS(coll, VC_PASS_NEVER, bytes, call)

VC_NAMES(Gather_c,
         (const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
          MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm))
{
    PASS(VC_GATHER, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         Gather_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_NAMES(Gatherv_c,
         (const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
          const MPI_Count recvcounts[], const MPI_Aint displs[], MPI_Datatype recvtype, int root,
          MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm))
{
    PASS(VC_GATHERV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         Gatherv_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm));
}

VC_NAMES(Scatter_c,
         (const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf, MPI_Count recvcount,
          MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm))
{
    PASS(VC_SCATTER, recvbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(recvcount, recvtype),
         Scatter_c(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_NAMES(Scatterv_c,
         (const void *sendbuf, const MPI_Count sendcounts[], const MPI_Aint displs[], MPI_Datatype sendtype,
          void *recvbuf, MPI_Count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm))
{
    PASS(VC_SCATTERV, recvbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(recvcount, recvtype),
         Scatterv_c(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm));
}

VC_NAMES(Allgatherv_c,
         (const void *sendbuf, MPI_Count sendcount, MPI_Datatype sendtype, void *recvbuf,
          const MPI_Count recvcounts[], const MPI_Aint displs[], MPI_Datatype recvtype, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm))
{
    PASS(VC_ALLGATHERV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         Allgatherv_c(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm));
}

VC_NAMES(Alltoallv_c,
         (const void *sendbuf, const MPI_Count sendcounts[], const MPI_Aint sdispls[], MPI_Datatype sendtype,
          void *recvbuf, const MPI_Count recvcounts[], const MPI_Aint rdispls[], MPI_Datatype recvtype,
          MPI_Comm comm),
         (sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm))
{
    PASS(VC_ALLTOALLV, sendbuf == MPI_IN_PLACE ? 0 : bytes_of_all(sendcounts, sendtype, comm),
         Alltoallv_c(sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm));
}

VC_NAMES(Alltoallw_c,
         (const void *sendbuf, const MPI_Count sendcounts[], const MPI_Aint sdispls[],
          const MPI_Datatype sendtypes[], void *recvbuf, const MPI_Count recvcounts[],
          const MPI_Aint rdispls[], const MPI_Datatype recvtypes[], MPI_Comm comm),
         (sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm))
{
    PASS(VC_ALLTOALLW, 0,
         Alltoallw_c(sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm));
}

VC_NAMES(Reduce_scatter_c,
         (const void *sendbuf, void *recvbuf, const MPI_Count recvcounts[], MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, recvcounts, datatype, op, comm))
{
    PASS(VC_REDUCE_SCATTER, bytes_of_all(recvcounts, datatype, comm),
         Reduce_scatter_c(sendbuf, recvbuf, recvcounts, datatype, op, comm));
}

VC_NAMES(Reduce_scatter_block_c,
         (const void *sendbuf, void *recvbuf, MPI_Count recvcount, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, recvcount, datatype, op, comm))
{
    PASS(VC_REDUCE_SCATTER_BLOCK, vc_bytes_of(recvcount, datatype),
         Reduce_scatter_block_c(sendbuf, recvbuf, recvcount, datatype, op, comm));
}

VC_NAMES(Scan_c,
         (const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))
{
    PASS(VC_SCAN, vc_bytes_of(count, datatype), Scan_c(sendbuf, recvbuf, count, datatype, op, comm));
}

VC_NAMES(Exscan_c,
         (const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))
{
    PASS(VC_EXSCAN, vc_bytes_of(count, datatype), Exscan_c(sendbuf, recvbuf, count, datatype, op, comm));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The nonblocking collectives that are accelerated, each under PMPI_X and MPI_X. */
#include "pmpi/calls.h"
#include "pmpi/post.h"

#ifndef VC_LARGE_COUNTS /* it has no count */
VC_NONBLOCKING(Ibarrier, VC_BARRIER, vc_post_barrier, vc_quick_barrier(comm), true,
               (MPI_Comm comm, MPI_Request *request), (comm, request), .comm = comm)
#endif

VC_NONBLOCKING(Ibcast, VC_BCAST, vc_post_bcast, vc_quick_bcast(buffer, count, datatype, root, comm),
               vc_fits(count),
               (void *buffer, vc_count count, MPI_Datatype datatype, int root, MPI_Comm comm,
                MPI_Request *request),
               (buffer, count, datatype, root, comm, request), .root = root, .recv = buffer,
               .rcount = (int)count, .rtype = datatype, .comm = comm)

VC_NONBLOCKING(Ireduce, VC_REDUCE, vc_post_reduce,
               vc_quick_reduce(sendbuf, recvbuf, count, datatype, op, root, comm), vc_fits(count),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                int root, MPI_Comm comm, MPI_Request *request),
               (sendbuf, recvbuf, count, datatype, op, root, comm, request), .root = root, .send = sendbuf,
               .recv = recvbuf, .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_NONBLOCKING(Iallreduce, VC_ALLREDUCE, vc_post_allreduce,
               vc_quick_allreduce(VC_ALLREDUCE, sendbuf, recvbuf, count, datatype, op, comm), vc_fits(count),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm, MPI_Request *request),
               (sendbuf, recvbuf, count, datatype, op, comm, request), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_NONBLOCKING(Iallgather, VC_ALLGATHER, vc_post_blocks,
               vc_quick_blocks(VC_ALLGATHER, sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype,
                               comm),
               vc_both_fit(sendbuf, sendcount, recvcount),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request), .send = sendbuf,
               .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount, .stype = sendtype,
               .rtype = recvtype, .comm = comm)

VC_NONBLOCKING(Ialltoall, VC_ALLTOALL, vc_post_blocks,
               vc_quick_blocks(VC_ALLTOALL, sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm),
               vc_both_fit(sendbuf, sendcount, recvcount),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request), .send = sendbuf,
               .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount, .stype = sendtype,
               .rtype = recvtype, .comm = comm)

VC_NONBLOCKING(Iallgatherv, VC_ALLGATHERV, vc_post_allgatherv,
               vc_quick_allgatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm),
               sendbuf == MPI_IN_PLACE || vc_fits(sendcount),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                const vc_count recvcounts[], const vc_displ displs[], MPI_Datatype recvtype, MPI_Comm comm,
                MPI_Request *request),
               (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm, request),
               .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount, .stype = sendtype,
               .rcounts = recvcounts, .rdispls = displs, .rtype = recvtype, .comm = comm, .wide = VC_WIDE)

VC_NONBLOCKING(Ialltoallv, VC_ALLTOALLV, vc_post_alltoallv, NULL, true,
               (const void *sendbuf, const vc_count sendcounts[], const vc_displ sdispls[],
                MPI_Datatype sendtype, void *recvbuf, const vc_count recvcounts[], const vc_displ rdispls[],
                MPI_Datatype recvtype, MPI_Comm comm, MPI_Request *request),
               (sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm,
                request),
               .send = sendbuf, .recv = recvbuf, .scounts = sendcounts, .sdispls = sdispls, .stype = sendtype,
               .rcounts = recvcounts, .rdispls = rdispls, .rtype = recvtype, .comm = comm, .wide = VC_WIDE)

VC_NONBLOCKING(
    Ialltoallw, VC_ALLTOALLW, vc_post_alltoallv, NULL, true,
    (const void *sendbuf, const vc_count sendcounts[], const vc_displ sdispls[],
     const MPI_Datatype sendtypes[], void *recvbuf, const vc_count recvcounts[], const vc_displ rdispls[],
     const MPI_Datatype recvtypes[], MPI_Comm comm, MPI_Request *request),
    (sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm, request),
    .send = sendbuf, .recv = recvbuf, .scounts = sendcounts, .sdispls = sdispls, .stypes = sendtypes,
    .rcounts = recvcounts, .rdispls = rdispls, .rtypes = recvtypes, .comm = comm, .wide = VC_WIDE)

VC_NONBLOCKING(Igather, VC_GATHER, vc_post_gather,
               vc_quick_gather(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm),
               vc_rooted_fit(sendbuf, sendcount, recvcount, root, comm),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, request),
               .root = root, .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount,
               .rcount = (int)recvcount, .stype = sendtype, .rtype = recvtype, .comm = comm)

VC_NONBLOCKING(Iscatter, VC_SCATTER, vc_post_scatter,
               vc_quick_scatter(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm),
               vc_rooted_fit(recvbuf, recvcount, sendcount, root, comm),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, root, comm, request),
               .root = root, .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount,
               .rcount = (int)recvcount, .stype = sendtype, .rtype = recvtype, .comm = comm)

VC_NONBLOCKING(Igatherv, VC_GATHERV, vc_post_gatherv,
               vc_quick_gatherv(sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root,
                                comm),
               true,
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                const vc_count recvcounts[], const vc_displ displs[], MPI_Datatype recvtype, int root,
                MPI_Comm comm, MPI_Request *request),
               (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm, request),
               .root = root, .send = sendbuf, .recv = recvbuf, .count = sendcount, .stype = sendtype,
               .rcounts = recvcounts, .rdispls = displs, .rtype = recvtype, .comm = comm, .wide = VC_WIDE)

VC_NONBLOCKING(
    Iscatterv, VC_SCATTERV, vc_post_scatterv,
    vc_quick_scatterv(sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm), true,
    (const void *sendbuf, const vc_count sendcounts[], const vc_displ displs[], MPI_Datatype sendtype,
     void *recvbuf, vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm, MPI_Request *request),
    (sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm, request), .root = root,
    .send = sendbuf, .recv = recvbuf, .count = recvcount, .rtype = recvtype, .scounts = sendcounts,
    .sdispls = displs, .stype = sendtype, .comm = comm, .wide = VC_WIDE)

VC_NONBLOCKING(Ireduce_scatter_block, VC_REDUCE_SCATTER_BLOCK, vc_post_reduce_blocks,
               vc_quick_reduce_blocks(sendbuf, recvbuf, recvcount, datatype, op, comm), vc_fits(recvcount),
               (const void *sendbuf, void *recvbuf, vc_count recvcount, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm, MPI_Request *request),
               (sendbuf, recvbuf, recvcount, datatype, op, comm, request), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)recvcount, .rtype = datatype, .op = op, .comm = comm)

VC_NONBLOCKING(Ireduce_scatter, VC_REDUCE_SCATTER, vc_post_reduce_scatter, NULL, true,
               (const void *sendbuf, void *recvbuf, const vc_count recvcounts[], MPI_Datatype datatype,
                MPI_Op op, MPI_Comm comm, MPI_Request *request),
               (sendbuf, recvbuf, recvcounts, datatype, op, comm, request), .send = sendbuf, .recv = recvbuf,
               .rcounts = recvcounts, .rtype = datatype, .op = op, .comm = comm, .wide = VC_WIDE)

VC_NONBLOCKING(Iscan, VC_SCAN, vc_post_allreduce,
               vc_quick_allreduce(VC_SCAN, sendbuf, recvbuf, count, datatype, op, comm), vc_fits(count),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm, MPI_Request *request),
               (sendbuf, recvbuf, count, datatype, op, comm, request), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_NONBLOCKING(Iexscan, VC_EXSCAN, vc_post_exscan,
               vc_quick_exscan(sendbuf, recvbuf, count, datatype, op, comm), vc_fits(count),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm, MPI_Request *request),
               (sendbuf, recvbuf, count, datatype, op, comm, request), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

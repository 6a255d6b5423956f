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

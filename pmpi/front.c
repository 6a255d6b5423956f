/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Collectives that are accelerated, each under PMPI_X and MPI_X (see calls.h): Fortran layers, other
 * tools and ROMIO call PMPI_X. ROMIO is part of the MPI, so calls do come in from underneath, and are run
 * like the program's own. The MPI's collectives do not come back in through these symbols.
 */
#include "pmpi/calls.h"

#ifndef VC_LARGE_COUNTS /* it has no count */
VC_ACCELERATED(Barrier, VC_BARRIER, vc_run_barrier, vc_quick_barrier(comm), true, 0, (MPI_Comm comm), (comm),
               .comm = comm)
#endif

VC_ACCELERATED(Bcast, VC_BCAST, vc_run_bcast, vc_quick_bcast(buffer, count, datatype, root, comm),
               vc_fits(count), vc_bytes_of(count, datatype),
               (void *buffer, vc_count count, MPI_Datatype datatype, int root, MPI_Comm comm),
               (buffer, count, datatype, root, comm), .root = root, .recv = buffer, .rcount = (int)count,
               .rtype = datatype, .comm = comm)

VC_ACCELERATED(Reduce, VC_REDUCE, vc_run_reduce,
               vc_quick_reduce(sendbuf, recvbuf, count, datatype, op, root, comm), vc_fits(count),
               vc_bytes_of(count, datatype),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                int root, MPI_Comm comm),
               (sendbuf, recvbuf, count, datatype, op, root, comm), .root = root, .send = sendbuf,
               .recv = recvbuf, .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_ACCELERATED(Allreduce, VC_ALLREDUCE, vc_run_allreduce,
               vc_quick_allreduce(VC_ALLREDUCE, sendbuf, recvbuf, count, datatype, op, comm), vc_fits(count),
               vc_bytes_of(count, datatype),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm),
               (sendbuf, recvbuf, count, datatype, op, comm), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_ACCELERATED(Allgather, VC_ALLGATHER, vc_run_blocks,
               vc_quick_blocks(VC_ALLGATHER, sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype,
                               comm),
               vc_both_fit(sendbuf, sendcount, recvcount), vc_bytes_of(recvcount, recvtype),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, MPI_Comm comm),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .send = sendbuf,
               .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount, .stype = sendtype,
               .rtype = recvtype, .comm = comm)

VC_ACCELERATED(Alltoall, VC_ALLTOALL, vc_run_blocks,
               vc_quick_blocks(VC_ALLTOALL, sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm),
               vc_both_fit(sendbuf, sendcount, recvcount), vc_bytes_of(recvcount, recvtype),
               (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
                vc_count recvcount, MPI_Datatype recvtype, MPI_Comm comm),
               (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .send = sendbuf,
               .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount, .stype = sendtype,
               .rtype = recvtype, .comm = comm)

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The six collectives that are accelerated, each under PMPI_X and MPI_X (see calls.h): Fortran layers, other
 * tools and ROMIO call PMPI_X. ROMIO is part of the MPI, so calls do come in from underneath, and are run
 * like the program's own. The MPI's collectives do not come back in through these symbols.
 */
#include "pmpi/calls.h"

#ifndef VC_LARGE_COUNTS /* it has no count */
VC_SIX(Barrier, vc_run_barrier, true, 0, (MPI_Comm comm), (comm), .coll = VC_BARRIER, .comm = comm)
#endif

VC_SIX(Bcast, vc_run_bcast, vc_fits(count), vc_bytes_of(count, datatype),
       (void *buffer, vc_count count, MPI_Datatype datatype, int root, MPI_Comm comm),
       (buffer, count, datatype, root, comm), .coll = VC_BCAST, .root = root, .recv = buffer,
       .rcount = (int)count, .rtype = datatype, .comm = comm)

VC_SIX(Reduce, vc_run_reduce, vc_fits(count), vc_bytes_of(count, datatype),
       (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op, int root,
        MPI_Comm comm),
       (sendbuf, recvbuf, count, datatype, op, root, comm), .coll = VC_REDUCE, .root = root, .send = sendbuf,
       .recv = recvbuf, .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_SIX(Allreduce, vc_run_allreduce, vc_fits(count), vc_bytes_of(count, datatype),
       (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm),
       (sendbuf, recvbuf, count, datatype, op, comm), .coll = VC_ALLREDUCE, .send = sendbuf, .recv = recvbuf,
       .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_SIX(Allgather, vc_run_blocks, vc_both_fit(sendbuf, sendcount, recvcount), vc_bytes_of(recvcount, recvtype),
       (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf, vc_count recvcount,
        MPI_Datatype recvtype, MPI_Comm comm),
       (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .coll = VC_ALLGATHER,
       .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount,
       .stype = sendtype, .rtype = recvtype, .comm = comm)

VC_SIX(Alltoall, vc_run_blocks, vc_both_fit(sendbuf, sendcount, recvcount), vc_bytes_of(recvcount, recvtype),
       (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf, vc_count recvcount,
        MPI_Datatype recvtype, MPI_Comm comm),
       (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .coll = VC_ALLTOALL,
       .send = sendbuf, .recv = recvbuf, .scount = (int)sendcount, .rcount = (int)recvcount,
       .stype = sendtype, .rtype = recvtype, .comm = comm)

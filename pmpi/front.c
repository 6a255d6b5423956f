/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The six collectives that are accelerated, each under PMPI_X and MPI_X (see symbols.h): Fortran layers,
 * other tools and ROMIO call PMPI_X. ROMIO is part of the MPI, so calls do come in from underneath, and are
 * run like the program's own. The MPI's collectives do not come back in through these symbols.
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

VC_SIX(Allgather, vc_run_allgather,
       (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
        MPI_Datatype recvtype, MPI_Comm comm),
       (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .coll = VC_ALLGATHER,
       .send = sendbuf, .recv = recvbuf, .scount = sendcount, .rcount = recvcount, .stype = sendtype,
       .rtype = recvtype, .comm = comm)

VC_SIX(Alltoall, vc_run_alltoall,
       (const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
        MPI_Datatype recvtype, MPI_Comm comm),
       (sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm), .coll = VC_ALLTOALL,
       .send = sendbuf, .recv = recvbuf, .scount = sendcount, .rcount = recvcount, .stype = sendtype,
       .rtype = recvtype, .comm = comm)

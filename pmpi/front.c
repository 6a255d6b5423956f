/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 17 blocking collectives, each under PMPI_X with the alias MPI_X: Fortran layers and other tools call
 * PMPI_X. The underlying MPI does not reach its own collectives through these symbols, so nothing comes back
 * in here.
 */
#include "pmpi/door.h"
#include "pmpi/symbols.h"

VC_ALIAS(Barrier)
int PMPI_Barrier(MPI_Comm comm)
{
    struct vc_call k = {.coll = VC_BARRIER, .comm = comm};
    return vc_gate_open() ? vc_run_barrier(&k) : vc_call_slow(&k, vc_run_barrier);
}

VC_ALIAS(Bcast)
int PMPI_Bcast(void *buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm)
{
    struct vc_call k = {
        .coll = VC_BCAST, .root = root, .recv = buffer, .rcount = count, .rtype = datatype, .comm = comm};
    return vc_gate_open() ? vc_run_bcast(&k) : vc_call_slow(&k, vc_run_bcast);
}

VC_ALIAS(Reduce)
int PMPI_Reduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op, int root,
                MPI_Comm comm)
{
    struct vc_call k = {.coll = VC_REDUCE,
                        .root = root,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .rcount = count,
                        .rtype = datatype,
                        .op = op,
                        .comm = comm};
    return vc_gate_open() ? vc_run_reduce(&k) : vc_call_slow(&k, vc_run_reduce);
}

VC_ALIAS(Allreduce)
int PMPI_Allreduce(const void *sendbuf, void *recvbuf, int count, MPI_Datatype datatype, MPI_Op op,
                   MPI_Comm comm)
{
    struct vc_call k = {.coll = VC_ALLREDUCE,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .rcount = count,
                        .rtype = datatype,
                        .op = op,
                        .comm = comm};
    return vc_gate_open() ? vc_run_allreduce(&k) : vc_call_slow(&k, vc_run_allreduce);
}

VC_ALIAS(Allgather)
int PMPI_Allgather(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                   MPI_Datatype recvtype, MPI_Comm comm)
{
    struct vc_call k = {.coll = VC_ALLGATHER,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .scount = sendcount,
                        .rcount = recvcount,
                        .stype = sendtype,
                        .rtype = recvtype,
                        .comm = comm};
    return vc_gate_open() ? vc_run_allgather(&k) : vc_call_slow(&k, vc_run_allgather);
}

VC_ALIAS(Alltoall)
int PMPI_Alltoall(const void *sendbuf, int sendcount, MPI_Datatype sendtype, void *recvbuf, int recvcount,
                  MPI_Datatype recvtype, MPI_Comm comm)
{
    struct vc_call k = {.coll = VC_ALLTOALL,
                        .send = sendbuf,
                        .recv = recvbuf,
                        .scount = sendcount,
                        .rcount = recvcount,
                        .stype = sendtype,
                        .rtype = recvtype,
                        .comm = comm};
    return vc_gate_open() ? vc_run_alltoall(&k) : vc_call_slow(&k, vc_run_alltoall);
}

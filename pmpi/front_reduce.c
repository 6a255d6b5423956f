/* SPDX-License-Identifier: BSD-3-Clause */
/* Accelerated reductions besides reduce and allreduce, as in front.c. */
#include "pmpi/calls.h"

VC_ACCELERATED(Reduce_scatter_block, VC_REDUCE_SCATTER_BLOCK, vc_run_reduce_blocks,
               vc_quick_reduce_blocks(sendbuf, recvbuf, recvcount, datatype, op, comm), vc_fits(recvcount),
               vc_bytes_of(recvcount, datatype),
               (const void *sendbuf, void *recvbuf, vc_count recvcount, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm),
               (sendbuf, recvbuf, recvcount, datatype, op, comm), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)recvcount, .rtype = datatype, .op = op, .comm = comm)

VC_ACCELERATED(Scan, VC_SCAN, vc_run_allreduce,
               vc_quick_allreduce(VC_SCAN, sendbuf, recvbuf, count, datatype, op, comm), vc_fits(count),
               vc_bytes_of(count, datatype),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm),
               (sendbuf, recvbuf, count, datatype, op, comm), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

VC_ACCELERATED(Exscan, VC_EXSCAN, vc_run_exscan, vc_quick_exscan(sendbuf, recvbuf, count, datatype, op, comm),
               vc_fits(count), vc_bytes_of(count, datatype),
               (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
                MPI_Comm comm),
               (sendbuf, recvbuf, count, datatype, op, comm), .send = sendbuf, .recv = recvbuf,
               .rcount = (int)count, .rtype = datatype, .op = op, .comm = comm)

/* The underlying MPI's call: counts are int or, by the name with _c, larger numbers. */
static int VC_NAME(native_reduce_scatter)(const struct vc_call *k)
{
    return vc_next.VC_NAME(Reduce_scatter)(k->send, k->recv, (const vc_count *)k->rcounts, k->rtype, k->op,
                                           k->comm);
}

VC_NEVER_QUICK(Reduce_scatter, VC_REDUCE_SCATTER, vc_run_reduce_scatter,
               (const void *sendbuf, void *recvbuf, const vc_count recvcounts[], MPI_Datatype datatype,
                MPI_Op op, MPI_Comm comm),
               (sendbuf, recvbuf, recvcounts, datatype, op, comm), .send = sendbuf, .recv = recvbuf,
               .rcounts = recvcounts, .rtype = datatype, .op = op, .comm = comm, .wide = VC_WIDE,
               .native = VC_NAME(native_reduce_scatter))

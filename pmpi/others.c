/* SPDX-License-Identifier: BSD-3-Clause */
/* The collectives that pass through. */
#include "pmpi/calls.h"

VC_OTHER(Reduce_scatter, VC_REDUCE_SCATTER, vc_bytes_of_all(recvcounts, datatype, comm),
         (const void *sendbuf, void *recvbuf, const vc_count recvcounts[], MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, recvcounts, datatype, op, comm))

VC_OTHER(Reduce_scatter_block, VC_REDUCE_SCATTER_BLOCK, vc_bytes_of(recvcount, datatype),
         (const void *sendbuf, void *recvbuf, vc_count recvcount, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, recvcount, datatype, op, comm))

VC_OTHER(Scan, VC_SCAN, vc_bytes_of(count, datatype),
         (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))

VC_OTHER(Exscan, VC_EXSCAN, vc_bytes_of(count, datatype),
         (const void *sendbuf, void *recvbuf, vc_count count, MPI_Datatype datatype, MPI_Op op,
          MPI_Comm comm),
         (sendbuf, recvbuf, count, datatype, op, comm))

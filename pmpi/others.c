/* SPDX-License-Identifier: BSD-3-Clause */
/* The collectives that pass through. */
#include "pmpi/calls.h"

VC_OTHER(Allgatherv, VC_ALLGATHERV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
          const vc_count recvcounts[], const vc_displ displs[], MPI_Datatype recvtype, MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, comm))

VC_OTHER(Alltoallv, VC_ALLTOALLV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of_all(sendcounts, sendtype, comm),
         (const void *sendbuf, const vc_count sendcounts[], const vc_displ sdispls[], MPI_Datatype sendtype,
          void *recvbuf, const vc_count recvcounts[], const vc_displ rdispls[], MPI_Datatype recvtype,
          MPI_Comm comm),
         (sendbuf, sendcounts, sdispls, sendtype, recvbuf, recvcounts, rdispls, recvtype, comm))

VC_OTHER(Alltoallw, VC_ALLTOALLW, 0,
         (const void *sendbuf, const vc_count sendcounts[], const vc_displ sdispls[],
          const MPI_Datatype sendtypes[], void *recvbuf, const vc_count recvcounts[],
          const vc_displ rdispls[], const MPI_Datatype recvtypes[], MPI_Comm comm),
         (sendbuf, sendcounts, sdispls, sendtypes, recvbuf, recvcounts, rdispls, recvtypes, comm))

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

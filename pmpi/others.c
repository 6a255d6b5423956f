/* SPDX-License-Identifier: BSD-3-Clause */
/* The collectives that pass through. */
#include "pmpi/calls.h"

VC_OTHER(Gatherv, VC_GATHERV, sendbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(sendcount, sendtype),
         (const void *sendbuf, vc_count sendcount, MPI_Datatype sendtype, void *recvbuf,
          const vc_count recvcounts[], const vc_displ displs[], MPI_Datatype recvtype, int root,
          MPI_Comm comm),
         (sendbuf, sendcount, sendtype, recvbuf, recvcounts, displs, recvtype, root, comm))

VC_OTHER(Scatterv, VC_SCATTERV, recvbuf == MPI_IN_PLACE ? 0 : vc_bytes_of(recvcount, recvtype),
         (const void *sendbuf, const vc_count sendcounts[], const vc_displ displs[], MPI_Datatype sendtype,
          void *recvbuf, vc_count recvcount, MPI_Datatype recvtype, int root, MPI_Comm comm),
         (sendbuf, sendcounts, displs, sendtype, recvbuf, recvcount, recvtype, root, comm))

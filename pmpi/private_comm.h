/* SPDX-License-Identifier: BSD-3-Clause */
/* Communicators that vcoll makes for its own messages. */
#ifndef VC_PMPI_PRIVATE_COMM_H
#define VC_PMPI_PRIVATE_COMM_H

#include <mpi.h>

/** A communicator of the same ranks that returns errors; collective. VC_OK or VC_ERR_MPI. */
int vc_private_comm(MPI_Comm comm, MPI_Comm *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/private_comm.h"

#include "transport/mpi/next.h"

/* Not MPI_Comm_dup: that would run the copy callbacks of the user's attributes. */
int vc_private_comm(MPI_Comm comm, MPI_Comm *out)
{
    MPI_Group group;
    if (vc_next.Comm_group(comm, &group) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Comm_group failed");
    int rc = vc_next.Comm_create(comm, group, out);
    vc_next.Group_free(&group);
    if (rc != MPI_SUCCESS || *out == MPI_COMM_NULL)
        return vc_fail(VC_ERR_MPI, "MPI_Comm_create of a communicator of vcoll's own failed");
    vc_next.Comm_set_errhandler(*out, MPI_ERRORS_RETURN);
    return VC_OK;
}

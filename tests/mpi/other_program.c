/* SPDX-License-Identifier: BSD-3-Clause */
/* A program of the other MPI. Prints what came out, and how many calls the MPI saw. */
#include "other_mpi.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct {
        MPI_Comm comm;
        int guard;
    } d = {MPI_COMM_NULL, 4711}; /* a handle is no more than an int */
    int provided, one = 1, zero = 0, in = 42, out = 0, type = MPI_INT, got = 0;
    if (argc > 1)
        MPI_Init_thread(&argc, &argv, 3, &provided);
    else
        MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &d.comm);
    for (int i = 0; i < 10; i++) {
        MPI_Barrier(d.comm);
        MPI_Bcast(&in, 1, MPI_INT, 0, MPI_COMM_WORLD);
        MPI_Allreduce(&in, &out, 1, MPI_INT, MPI_SUM, d.comm);
        MPI_Alltoallw(&out, &one, &zero, &type, &got, &one, &zero, &type, d.comm);
    }
    MPI_Comm_free(&d.comm);
    printf("got %d, handle %x, guard %d, ", got, (unsigned)d.comm, d.guard);
    MPI_Finalize();
    printf("%d calls\n", other_mpi_calls());
    return 0;
}

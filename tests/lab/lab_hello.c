/* SPDX-License-Identifier: BSD-3-Clause */
/* The lab's own test program: every rank says where it is, and an allreduce crosses the machines. */
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    enum { N = 4096 };
    static int mine[N], sum[N];
    char host[MPI_MAX_PROCESSOR_NAME];
    int rank, size, len, wrong = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(host, &len);
    for (int i = 0; i < N; i++)
        mine[i] = rank + i;
    double began = MPI_Wtime();
    enum { ROUNDS = 20 };
    for (int k = 0; k < ROUNDS; k++) {
        MPI_Allreduce(mine, sum, N, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        for (int i = 0; i < N; i++)
            wrong += sum[i] != size * (size - 1) / 2 + size * i;
    }
    double us = (MPI_Wtime() - began) / ROUNDS * 1e6;
    MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("rank %d of %d on %s\n", rank, size, host);
    fflush(stdout);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("16 KiB allreduce of %d ranks: %.0f us, %d wrong\n", size, us, wrong);
    MPI_Finalize();
    return wrong != 0;
}

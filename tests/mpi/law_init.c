/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing but MPI_Init and MPI_Finalize; with an argument, sums on several communicators in between. */
#include "law.h"

static void sums(void)
{
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    law_watchdog(90);
    for (int i = 0; i < 3; i++) {
        MPI_Comm comm;
        int sum = 0;
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, comm);
        LAW_CHECK(sum == size * (size - 1) / 2, "%d", sum);
        MPI_Comm_free(&comm);
    }
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    if (argc > 1)
        sums();
    MPI_Finalize();
    return 0;
}

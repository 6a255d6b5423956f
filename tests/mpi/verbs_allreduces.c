/* SPDX-License-Identifier: BSD-3-Clause */
/* verbs_allreduces N: N 8-byte allreduces in one function, whose instructions verbs_instructions.sh counts.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noinline)) double measured(void);

__attribute__((noinline)) double measured(void)
{
    double in = 1, out = 0;
    MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return out;
}

int main(int argc, char **argv)
{
    double in = 1, out = 0;
    const struct timespec pause = {0, 500000};
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < 200; i++)
        MPI_Allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    double got = size;
    for (long i = 0; i < (argc > 1 ? atol(argv[1]) : 2000) && got == size; i++) {
        if (rank == 0)
            nanosleep(&pause, NULL);
        got = measured();
    }
    MPI_Finalize();
    if (got != size)
        fprintf(stderr, "sum %g of %d ranks\n", got, size);
    return got != size;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * posted_cost [ROUNDS]: what nonblocking collectives take that are at once waited for, beside the blocking
 * ones: blocks of both in turns, the slowest rank's time, the median of the rounds' ratios.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 301, BYTES = 65536, KINDS = 3 };

static char *in, *out;

static void call(int kind, int bytes, int posted)
{
    MPI_Request r;
    int n = bytes / 8;
    if (kind == 0 && posted)
        MPI_Iallreduce(in, out, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD, &r);
    else if (kind == 0)
        MPI_Allreduce(in, out, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    else if (kind == 1 && posted)
        MPI_Ibcast(out, n, MPI_DOUBLE, 0, MPI_COMM_WORLD, &r);
    else if (kind == 1)
        MPI_Bcast(out, n, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    else if (posted)
        MPI_Ialltoall(in, n, MPI_DOUBLE, out, n, MPI_DOUBLE, MPI_COMM_WORLD, &r);
    else
        MPI_Alltoall(in, n, MPI_DOUBLE, out, n, MPI_DOUBLE, MPI_COMM_WORLD);
    if (posted)
        MPI_Wait(&r, MPI_STATUS_IGNORE);
}

static double measure(int kind, int bytes, int posted, int calls)
{
    double took, most;
    MPI_Barrier(MPI_COMM_WORLD);
    double begun = MPI_Wtime();
    for (int i = 0; i < calls; i++)
        call(kind, bytes, posted);
    took = (MPI_Wtime() - begun) / calls;
    MPI_Allreduce(&took, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return most;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const names[KINDS] = {"allreduce", "bcast", "alltoall"};
    static double ratio[MOST], blocking[MOST], posted[MOST];
    int rounds = argc > 1 ? atoi(argv[1]) : 51, rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    in = calloc((size_t)size, BYTES);
    out = calloc((size_t)size, BYTES);
    if (rounds < 1 || rounds > MOST)
        rounds = MOST;
    for (int k = 0; in && out && k < KINDS; k++)
        for (int bytes = 8; bytes <= BYTES; bytes *= bytes < 64 ? 8 : 4) {
            int calls = bytes < 4096 ? 2000 : 400;
            for (int r = 0; r < rounds; r++) {
                blocking[r] = measure(k, bytes, 0, calls);
                posted[r] = measure(k, bytes, 1, calls);
                ratio[r] = posted[r] / blocking[r];
            }
            qsort(ratio, (size_t)rounds, sizeof *ratio, by_value);
            qsort(blocking, (size_t)rounds, sizeof *blocking, by_value);
            qsort(posted, (size_t)rounds, sizeof *posted, by_value);
            if (rank == 0)
                printf("%-10s %6d bytes: blocking %7.3f us, posted %7.3f us, %.2f times (quartiles %.2f, "
                       "%.2f)\n",
                       names[k], bytes, blocking[rounds / 2] * 1e6, posted[rounds / 2] * 1e6,
                       ratio[rounds / 2], ratio[rounds / 4], ratio[3 * rounds / 4]);
        }
    free(in);
    free(out);
    MPI_Finalize();
    return 0;
}

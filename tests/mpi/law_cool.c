/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting cool: rank 0 computes for a second while the others wait for it in an allreduce. Together they may
 * burn half of a CPU in that time, which is very lenient: busy waiting takes every CPU there is. Prints what
 * they burnt.
 */
#include "law.h"

#include <sys/resource.h>
#include <time.h>

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

int main(int argc, char **argv)
{
    int rank, size;
    long v = 1, sum = 0;
    double burnt, all = 0;

    MPI_Init(&argc, &argv);
    law_watchdog(60);
    double limit = argc > 1 ? atof(argv[1]) : 0.5;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < 20; i++)
        MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    double begun = MPI_Wtime(), before = cpu();
    if (rank == 0)
        while (MPI_Wtime() - begun < 1.0)
            for (volatile int i = 0; i < 10000; i++)
                ;
    MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    burnt = rank == 0 ? 0 : cpu() - before;
    int (*reduce)(const void *, void *, int, MPI_Datatype, MPI_Op, int, MPI_Comm);
    *(void **)&reduce = law_native("Reduce", (void *)PMPI_Reduce);
    reduce(&burnt, &all, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    LAW_CHECK(sum == size, "sum %ld", sum);
    if (rank == 0) {
        printf("burnt %.3f\n", all);
        LAW_CHECK(all < limit, "%d waiting ranks burnt %.3f CPU seconds in one second", size - 1, all);
    }
    MPI_Finalize();
    return 0;
}

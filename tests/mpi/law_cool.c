/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting cool: rank 0 computes for a second while the others wait for it in an allreduce. Together they may
 * burn half of a CPU in that time, which is very lenient: busy waiting takes every CPU there is. Prints what
 * they burnt. Further arguments: the limit, the name of the MPI's wait in which they are for a nonblocking
 * one, and the seconds.
 */
#include "law.h"

#include <limits.h>
#include <sys/resource.h>
#include <time.h>

/* *sleeps: how often this process has given its CPU away until something woke it; yielding is not that. */
static double cpu(long *sleeps)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    *sleeps = u.ru_nvcsw;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

enum { BLOCKING, WAIT, WAITALL, WAITANY, WAITSOME, WAYS };
static const char *const ways[WAYS] = {"the call", "MPI_Wait", "MPI_Waitall", "MPI_Waitany", "MPI_Waitsome"};

static void allreduce(int way, const long *v, long *sum)
{
    int at = -1, indices[2];
    MPI_Request req[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    if (way == BLOCKING) {
        MPI_Allreduce(v, sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
        return;
    }
    MPI_Iallreduce(v, sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD, &req[1]);
    if (way == WAIT)
        MPI_Wait(&req[1], MPI_STATUS_IGNORE);
    else if (way == WAITALL)
        MPI_Waitall(2, req, MPI_STATUSES_IGNORE);
    else if (way == WAITANY)
        MPI_Waitany(2, req, &at, MPI_STATUS_IGNORE);
    else
        MPI_Waitsome(2, req, &at, indices, MPI_STATUSES_IGNORE);
    LAW_CHECK(req[1] == MPI_REQUEST_NULL && (way < WAITANY || at == 1), "%s is not done", ways[way]);
}

static void wait_once(int way, double limit, double seconds)
{
    int rank, size;
    long v = 1, sum = 0, slept, sleeps = 0, least = 0;
    double burnt, all = 0;
    int (*reduce)(const void *, void *, int, MPI_Datatype, MPI_Op, int, MPI_Comm);

    *(void **)&reduce = law_native("Reduce", (void *)PMPI_Reduce);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Barrier(MPI_COMM_WORLD);
    double begun = MPI_Wtime(), before = cpu(&slept);
    if (rank == 0)
        while (MPI_Wtime() - begun < seconds)
            for (volatile int i = 0; i < 10000; i++)
                ;
    allreduce(way, &v, &sum);
    burnt = rank == 0 ? 0 : cpu(&sleeps) - before;
    slept = rank == 0 ? LONG_MAX : sleeps - slept;
    reduce(&slept, &least, 1, MPI_LONG, MPI_MIN, 0, MPI_COMM_WORLD);
    reduce(&burnt, &all, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    LAW_CHECK(sum == size, "sum %ld", sum);
    if (rank == 0) {
        printf("burnt %.3f, each slept %ld times or more\n", all, least);
        LAW_CHECK(all < limit, "%d ranks that wait in %s burnt %.3f CPU seconds in %.1f", size - 1, ways[way],
                  all, seconds);
    }
}

int main(int argc, char **argv)
{
    long v = 1, sum = 0;
    int way = BLOCKING;

    MPI_Init(&argc, &argv);
    law_watchdog(60);
    while (argc > 2 && way < WAYS && strcmp(argv[2], ways[way]) != 0)
        way++;
    LAW_CHECK(way < WAYS, "no %s", argv[2]);
    for (int i = 0; i < 20; i++)
        MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    wait_once(way, argc > 1 ? atof(argv[1]) : 0.5, argc > 3 ? atof(argv[3]) : 1.0);
    MPI_Finalize();
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs of the laws share. They compile and run without vcoll as well, which shows that they are
 * right. */
#ifndef VC_TESTS_LAW_H
#define VC_TESTS_LAW_H

#include <dlfcn.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Ends the job with a line that says where and why. */
#define LAW_CHECK(cond, ...)                                                                                 \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "%s:%d: not true: %s: ", __FILE__, __LINE__, #cond);                             \
            fprintf(stderr, __VA_ARGS__);                                                                    \
            fputc('\n', stderr);                                                                             \
            fflush(stderr);                                                                                  \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                                    \
        }                                                                                                    \
    } while (0)

static const char *volatile law_stage = "start";

static inline void law_hung(int sig)
{
    char text[160];
    int n = snprintf(text, sizeof text, "law: hung at: %s\n", law_stage);
    (void)sig;
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(4);
    _exit(3);
}

/** A hang becomes a failure that names the stage. */
static inline void law_watchdog(unsigned seconds)
{
    signal(SIGALRM, law_hung);
    alarm(seconds);
}

/** The underlying MPI's function, or `otherwise` without vcoll. */
static inline void *law_native(const char *name, void *otherwise)
{
    void *(*find)(const char *);
    *(void **)&find = dlsym(RTLD_DEFAULT, "vcoll_native");
    return find ? find(name) : otherwise;
}

/** An argument as a number, or a default. */
static inline long law_arg(int argc, char **argv, int i, long otherwise)
{
    return argc > i ? atol(argv[i]) : otherwise;
}

/** The six accelerated collectives with `n` longs, checked; returns the number of wrong elements. */
static inline long law_six(MPI_Comm comm, int n, int round)
{
    int rank, size;
    long bad = 0;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    long *a = malloc(sizeof *a * (size_t)n * (size_t)size), *b = malloc(sizeof *b * (size_t)n * (size_t)size);
    int root = round % size;

    bad += MPI_Barrier(comm) != MPI_SUCCESS;
    for (int i = 0; i < n; i++)
        a[i] = rank == root ? i * 3L + round : -1;
    bad += MPI_Bcast(a, n, MPI_LONG, root, comm) != MPI_SUCCESS;
    for (int i = 0; i < n; i++)
        bad += a[i] != i * 3L + round;
    for (int i = 0; i < n; i++)
        a[i] = (long)(rank + 1) * (i + round), b[i] = -1;
    long sum = (long)size * (size + 1) / 2;
    bad += MPI_Reduce(a, b, n, MPI_LONG, MPI_SUM, root, comm) != MPI_SUCCESS;
    for (int i = 0; i < n; i++)
        bad += b[i] != (rank == root ? sum * (i + round) : -1);
    bad += MPI_Allreduce(a, b, n, MPI_LONG, MPI_SUM, comm) != MPI_SUCCESS;
    for (int i = 0; i < n; i++)
        bad += b[i] != sum * (i + round);
    bad += MPI_Allgather(a, n, MPI_LONG, b, n, MPI_LONG, comm) != MPI_SUCCESS;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < n; i++)
            bad += b[r * n + i] != (long)(r + 1) * (i + round);
    for (int r = 0; r < size; r++)
        for (int i = 0; i < n; i++)
            a[r * n + i] = rank * 1000L + r + i + round;
    bad += MPI_Alltoall(a, n, MPI_LONG, b, n, MPI_LONG, comm) != MPI_SUCCESS;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < n; i++)
            bad += b[r * n + i] != r * 1000L + rank + i + round;
    free(a);
    free(b);
    return bad;
}

#endif

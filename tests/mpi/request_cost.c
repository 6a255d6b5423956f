/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * request_cost [ROUNDS]: what it costs all requests of a program to stand between it and MPI_Wait, MPI_Test,
 * MPI_Start and MPI_Waitall, as persistent collectives by vcoll would have to. The MPI_ names are
 * request_shim's, a prototype that looks each request up among its own; the PMPI_ names are the MPI's.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 501, CALLS = 20000, AT_ONCE = 16, CASES = 4 };

struct functions {
    int (*wait)(MPI_Request *, MPI_Status *);
    int (*test)(MPI_Request *, int *, MPI_Status *);
    int (*waitall)(int, MPI_Request *, MPI_Status *);
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void receive_nothing(MPI_Request *r)
{
    MPI_Irecv(NULL, 0, MPI_BYTE, MPI_PROC_NULL, 0, MPI_COMM_WORLD, r);
}

/* Nanoseconds of a request. */
static double measure(int which, const struct functions *f)
{
    MPI_Request r = MPI_REQUEST_NULL, many[AT_ONCE];
    int flag;
    double begun = now_ns();
    for (int i = 0; i < CALLS; i++) {
        if (which == 0) {
            f->wait(&r, MPI_STATUS_IGNORE);
        } else if (which == 1) {
            f->test(&r, &flag, MPI_STATUS_IGNORE);
        } else if (which == 2) {
            receive_nothing(&r);
            f->wait(&r, MPI_STATUS_IGNORE);
        } else {
            receive_nothing(&many[i % AT_ONCE]);
            if (i % AT_ONCE == AT_ONCE - 1)
                f->waitall(AT_ONCE, many, MPI_STATUSES_IGNORE);
        }
    }
    return (now_ns() - begun) / CALLS;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const names[CASES] = {"MPI_Wait of MPI_REQUEST_NULL", "MPI_Test of MPI_REQUEST_NULL",
                                             "MPI_Irecv and MPI_Wait", "MPI_Irecv and MPI_Waitall of 16"};
    static double plain[MOST], more[MOST];
    const struct functions native = {PMPI_Wait, PMPI_Test, PMPI_Waitall},
                           between = {MPI_Wait, MPI_Test, MPI_Waitall};
    int rounds = argc > 1 ? atoi(argv[1]) : 201;
    MPI_Init(&argc, &argv);
    if (rounds < 1 || rounds > MOST)
        rounds = MOST;
    for (int c = 0; c < CASES; c++) {
        for (int r = 0; r < rounds; r++) {
            double first = measure(c, r % 2 ? &between : &native),
                   second = measure(c, r % 2 ? &native : &between);
            plain[r] = r % 2 ? second : first;
            more[r] = (r % 2 ? first : second) - plain[r];
        }
        qsort(plain, (size_t)rounds, sizeof *plain, by_value);
        qsort(more, (size_t)rounds, sizeof *more, by_value);
        printf("%-32s %5.1f ns a request, between +%.1f ns (quartiles %.1f, %.1f)\n", names[c],
               plain[rounds / 2], more[rounds / 2], more[rounds / 4], more[3 * rounds / 4]);
    }
    MPI_Finalize();
    return 0;
}

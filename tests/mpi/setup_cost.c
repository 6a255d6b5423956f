/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * setup_cost COMMS [LIMIT_KB]: what communicators cost: the time of a set-up beside a barrier of the MPI, and
 * memory of the process (Pss: shared pages count in parts; and what malloc() gave), with one communicator and
 * with COMMS that live at the same time. If communicators take more than LIMIT_KB of it a process, on
 * average, that is a failure. With VCOLL_DISABLE=1 it tells what the MPI takes.
 */
#include "law.h"

#include "vcoll/vcoll.h"

#include <malloc.h>
#include <stdbool.h>
#include <time.h>

static int size, rank;
static int (*barrier)(MPI_Comm);
static int (*allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static double over_ranks(double x, MPI_Op op)
{
    double all = 0;
    allreduce(&x, &all, 1, MPI_DOUBLE, op, MPI_COMM_WORLD);
    return op == MPI_SUM ? all / size : all;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n ? x[n / 2] : 0;
}

/* KiB of a process, on average; all ranks are there meanwhile. */
static double pss(void)
{
    char line[256];
    long kb = 0;
    barrier(MPI_COMM_WORLD);
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    double mean = over_ranks((double)kb, MPI_SUM);
    barrier(MPI_COMM_WORLD);
    return mean;
}

/* KiB that the process has from malloc(), on average. */
static double heap(void)
{
    struct mallinfo2 m = mallinfo2();
    return over_ranks((double)(m.uordblks + m.hblkhd) / 1024, MPI_SUM);
}

/* Microseconds by vcoll's own account, of the slowest rank; negative: there was none. */
static double set_up_us(MPI_Comm comm)
{
    struct vcoll_comm_info info = {0};
    int (*describe)(const void *, struct vcoll_comm_info *);
    *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    bool done = describe && describe(&comm, &info) == 0 && info.active;
    return over_ranks(done ? info.setup_seconds * 1e6 : -1, MPI_MAX);
}

enum { MOST = 10000 }; /* communicators */

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    law_watchdog(300);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    *(void **)&barrier = law_native("Barrier", (void *)MPI_Barrier);
    *(void **)&allreduce = law_native("Allreduce", (void *)MPI_Allreduce);
    int n = (int)law_arg(argc, argv, 1, 100), timed = 0;
    double limit = (double)law_arg(argc, argv, 2, 0), first = 0;
    static MPI_Comm comm[MOST];
    static double native[MOST], cost[MOST];
    LAW_CHECK(n >= 1 && n <= MOST, "1 to %d communicators", MOST);
    for (int i = 0; i < n; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
    for (int i = 0; i < n; i++) /* what the MPI has for each is not counted */
        barrier(comm[i]);
    double none = pss(), one = 0, heap_none = heap(), heap_one = 0;
    for (int i = 0; i < n; i++) {
        double t = now_us();
        barrier(comm[i]);
        barrier(comm[i]);
        native[i] = (now_us() - t) / 2;
        MPI_Barrier(comm[i]);
        double us = set_up_us(comm[i]);
        if (i == 0)
            first = us; /* of the process, too */
        else if (us >= 0)
            cost[timed++] = us;
        LAW_CHECK(law_six(comm[i], 10, i) == 0, "wrong result");
        if (i == 0) {
            one = pss();
            heap_one = heap();
        }
    }
    double many = pss();
    if (rank == 0) {
        double set_up = median(cost, timed), of = median(native, n);
        printf("ok: ranks %d: native barrier %.1f us, first set-up %.1f us, %d later ones %.1f us, times the "
               "barrier %.2f; "
               "Pss of a process, KiB: %.0f, with 1 communicator %+.0f, with %d %+.0f; from malloc: %.1f, "
               "with 1 %+.1f\n",
               size, of, first, timed, set_up, set_up / of, none, one - none, n, many - none, heap_none,
               heap_one - heap_none);
    }
    LAW_CHECK(limit == 0 || many - none <= limit, "%d communicators take %.0f KiB a process", n, many - none);
    MPI_Finalize();
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an exchange of 8 bytes between two machines takes: two flags in their memory, nothing else; an
 * allreduce of vcoll; the MPI's own. Blocks of the three alternate; prints medians. Two ranks, in two
 * machines that share memory. The flags are in the last page, which no program has leased.
 */
#include "tests/mpi/law.h"
#include "transport/ivshmem/bar.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCKS = 15, CALLS = 400, NATIVE_CALLS = 20, WAYS = 3 };

static int rank;
static _Atomic uint64_t *flag[2];

static void exchange_flags(uint64_t n)
{
    atomic_store_explicit(flag[rank], n, memory_order_release);
    while (atomic_load_explicit(flag[1 - rank], memory_order_acquire) < n)
        vc_cpu_relax();
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double took[WAYS][BLOCKS];
    int size;
    uint64_t n = 0;
    struct vc_bar bar;
    int (*native)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(size == 2, "two ranks are needed");
    LAW_CHECK(vc_bar_open(NULL, argc > 1 ? argv[1] : "auto", &bar) == VC_OK, "%s", vc_error_text());
    *(void **)&native = law_native("Allreduce", (void *)PMPI_Allreduce);
    for (int i = 0; i < 2; i++)
        flag[i] = (_Atomic uint64_t *)(void *)((char *)bar.base + bar.len - 4096 + i * 256);
    atomic_store(flag[rank], 0);
    for (int b = -1; b < BLOCKS; b++)
        for (int way = 0; way < WAYS; way++) {
            int calls = way == 2 ? NATIVE_CALLS : CALLS;
            double x = 1, y = 0;
            native(&x, &y, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
            double begun = MPI_Wtime();
            for (int i = 0; i < calls; i++)
                if (way == 0)
                    exchange_flags(++n);
                else if (way == 1)
                    MPI_Allreduce(&x, &y, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
                else
                    native(&x, &y, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
            if (b >= 0) /* the first round warms up */
                took[way][b] = (MPI_Wtime() - begun) / calls * 1e6;
        }
    for (int way = 0; way < WAYS; way++)
        qsort(took[way], BLOCKS, sizeof(double), compare);
    double bare = took[0][BLOCKS / 2], ours = took[1][BLOCKS / 2], theirs = took[2][BLOCKS / 2];
    if (rank == 0)
        printf("8 bytes between two machines: flags %.2f us, vcoll %.2f us (%.2f of the flags), MPI %.1f us "
               "(%.1f of "
               "vcoll)\n",
               bare, ours, ours / bare, theirs, theirs / ours);
    vc_bar_close(&bar);
    MPI_Finalize();
    return 0;
}

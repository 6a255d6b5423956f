/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_shared COMMS: shared memory of communicators that live at the same time, counted page by page. Those
 * with short messages take little, and long messages take what VCOLL_SHM_BULK says, for their communicators
 * alone. Freed, all but what is kept for the next ones goes back.
 */
#include "law.h"

#include <sys/mman.h>

enum { KB = 1024, PAGE = 4096 };
/* For each communicator: tiny and small slots, and the first rank's words. */
enum { FEW_KB = 64, BULK_KB = 256 + 16 };

/* KiB of the segment that are memory, on average for each rank. */
static long committed(int size)
{
    static unsigned char in[1 << 20];
    char line[512];
    long pages = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long begin, end;
        if (!strstr(line, "vcoll") || !strstr(line, "rw-s") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
            continue;
        for (unsigned long at = begin; at < end; at += sizeof in * PAGE) {
            unsigned long bytes = end - at < sizeof in * PAGE ? end - at : sizeof in * PAGE;
            LAW_CHECK(mincore((void *)at, bytes, in) == 0, "mincore: %m");
            for (unsigned long i = 0; i < bytes / PAGE; i++)
                pages += in[i] & 1;
        }
    }
    if (f)
        fclose(f);
    MPI_Barrier(MPI_COMM_WORLD);
    return pages * (PAGE / KB) / size;
}

int main(int argc, char **argv)
{
    int rank, size;
    MPI_Init(&argc, &argv);
    law_watchdog(100);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int n = (int)law_arg(argc, argv, 1, 40);
    MPI_Comm *comm = malloc((size_t)n * sizeof *comm);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    long none = committed(size);
    LAW_CHECK(none > 0, "no shared memory of vcoll's is found, so this test shows nothing");
    for (int i = 0; i < n; i++) {
        MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
        LAW_CHECK(law_six(comm[i], 10, i) == 0, "wrong result of a short call");
    }
    MPI_Barrier(MPI_COMM_WORLD);
    long few = committed(size);
    LAW_CHECK(few - none <= n * FEW_KB, "%d communicators with short messages take %ld KiB a rank", n,
              few - none);
    for (int i = 0; i < n / 4; i++)
        LAW_CHECK(law_six(comm[i], 4000, i) == 0, "wrong result of a long call");
    MPI_Barrier(MPI_COMM_WORLD);
    long bulk = committed(size);
    LAW_CHECK(bulk - few <= n / 4 * BULK_KB, "%d communicators with long messages take %ld KiB more a rank",
              n / 4, bulk - few);
    for (int i = 0; i < n; i++)
        MPI_Comm_free(&comm[i]);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf(
            "ok: KiB a rank: %ld, with %d communicators %ld, with long messages on a quarter of them %ld\n",
            none, n, few, bulk);
    free(comm);
    MPI_Finalize();
    return 0;
}

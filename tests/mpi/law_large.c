/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of more than 2^31 bytes, by a count of large elements: broadcast, and checked at many places. */
#include "law.h"

#include <stdint.h>
#include <sys/mman.h>

enum { ELEMENT = 1 << 20, COUNT = 2050 };

static long available_mb(void)
{
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/meminfo", "r");

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb / 1024;
}

/* One value a page, so that it takes no longer than it must. */
static uint64_t value(size_t at)
{
    return (uint64_t)at * 0x9e3779b97f4a7c15u + 1;
}

int main(int argc, char **argv)
{
    const size_t bytes = (size_t)ELEMENT * COUNT;
    int rank, enough;
    MPI_Datatype element;

    MPI_Init(&argc, &argv);
    law_watchdog(110);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    enough = available_mb() > 12 * 1024;
    MPI_Allreduce(MPI_IN_PLACE, &enough, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    char *buf = enough ? mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : MAP_FAILED;
    int have = buf != MAP_FAILED;
    if (have)
        madvise(buf, bytes + 4096, MADV_HUGEPAGE); /* most of the time would go to page faults */
    MPI_Allreduce(MPI_IN_PLACE, &have, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (!have) {
        MPI_Finalize();
        return 77;
    }
    MPI_Type_contiguous(ELEMENT, MPI_BYTE, &element);
    MPI_Type_commit(&element);
    for (size_t at = 0; at < bytes && rank == 0; at += 4096)
        *(uint64_t *)(void *)(buf + at) = value(at);
    law_stage = "bcast of 2050 MiB";
    int rc = MPI_Bcast(buf, COUNT, element, 0, MPI_COMM_WORLD);
    LAW_CHECK(rc == MPI_SUCCESS, "error %d", rc);
    for (size_t at = 0; at < bytes; at += 4096)
        LAW_CHECK(*(uint64_t *)(void *)(buf + at) == value(at), "wrong at %zu", at);
    for (size_t at = bytes; at < bytes + 4096; at++)
        LAW_CHECK(buf[at] == 0, "written past the end at %zu", at);
    munmap(buf, bytes + 4096);
    MPI_Type_free(&element);
    MPI_Finalize();
    return 0;
}

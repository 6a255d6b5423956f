/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * levels NUMA CACHES CORES: on communicators of some ranks in shuffled order, what the groups must be under
 * VCOLL_TOPOLOGY="numa:NUMA l3:CACHES core:CORES", each rank a line; and calls that must be right. levels.sh
 * compares with what the library tells.
 *
 * With LEVELS_BOUND=1 each rank seems to be bound to a CPU of its own, be it one that is not there.
 */
#include "law.h"

#include <sched.h>
#include <sys/syscall.h>

enum { KINDS = 3, RANKS = 64 };

/* Stands in for the C library's, in all of the process. */
__attribute__((visibility("default"))) int sched_getaffinity(pid_t pid, size_t len, cpu_set_t *set)
{
    const char *local = getenv("LEVELS_BOUND") ? getenv("OMPI_COMM_WORLD_LOCAL_RANK") : NULL;
    memset(set, 0, len);
    if (local)
        CPU_SET_S((size_t)atoi(local), len, set);
    return local || syscall(SYS_sched_getaffinity, pid, len, set) >= 0 ? 0 : -1;
}

/* Numbers the groups of equal units by their lowest member; how many. */
static int number(const int *unit, int n, int *group)
{
    int groups = 0;
    for (int i = 0; i < n; i++) {
        int first = 0;
        while (unit[first] != unit[i])
            first++;
        group[i] = first == i ? groups++ : group[first];
    }
    return groups;
}

/* The line for a communicator of these world ranks, all of one node. */
static void tell(int me, const int *world, int n, const int *per)
{
    static const char *const name[KINDS] = {"core", "cache", "numa"};
    int unit[RANKS], group[RANKS], before = n, divisor = 1, total = per[0] * per[1] * per[2];
    char text[512];
    int len = snprintf(text, sizeof text, "vcoll[%d]: levels of %d ranks:", me, n), empty = len;
    for (int k = 0; k < KINDS; k++) {
        for (int i = 0; i < n; i++)
            unit[i] = world[i] % total / divisor;
        divisor *= per[k];
        int groups = number(unit, n, group);
        if (groups == 1 || groups == before)
            continue;
        before = groups;
        len += snprintf(text + len, sizeof text - (size_t)len, " %s", name[k]);
        for (int i = 0; i < n; i++)
            len += snprintf(text + len, sizeof text - (size_t)len, "%c%d", i ? ',' : ' ', group[i]);
    }
    len += snprintf(text + len, sizeof text - (size_t)len, "%s\n", len == empty ? " flat" : "");
    fflush(stdout);
    if (write(STDOUT_FILENO, text, (size_t)len) != len)
        MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char **argv)
{
    int rank, size;
    int per[KINDS] = {(int)law_arg(argc, argv, 3, 1), (int)law_arg(argc, argv, 2, 1),
                      (int)law_arg(argc, argv, 1, 1)};
    law_watchdog(60);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(size <= RANKS, "%d ranks are too many for this test", size);
    for (int round = 0; round < 6; round++) {
        /* All in reverse, every second, a third each by turns, a shuffle by a number that is prime to all. */
        int color = round == 1 ? rank % 2 : round == 2 ? rank / 3 % 2 : round == 3 ? rank % 3 : 0;
        int key = round % 2 ? rank : (rank * 7 + round) % size, n, me, world[RANKS];
        MPI_Comm comm;
        if (round == 0)
            MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        else
            MPI_Comm_split(MPI_COMM_WORLD, color, round == 5 ? -rank : key, &comm);
        MPI_Comm_size(comm, &n);
        MPI_Comm_rank(comm, &me);
        int (*allgather)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, MPI_Comm);
        *(void **)&allgather = law_native("Allgather", (void *)MPI_Allgather);
        allgather(&rank, 1, MPI_INT, world, 1, MPI_INT, comm);
        for (int i = 0; i < 3; i++) {
            long bad = law_six(comm, 1 + 300 * i, round + i);
            LAW_CHECK(bad == 0, "%ld wrong elements on %d ranks, round %d", bad, n, round);
        }
        if (n > 1)
            tell(rank, world, n, per);
        MPI_Comm_free(&comm);
    }
    MPI_Finalize();
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * churn N [C]: N communicators, one after the other: made, used in C calls (4), freed. Nothing of the process
 * grows.
 *
 * alive N: N communicators at once, all of them right. Afterwards nothing of them is left.
 *
 * reuse N: communicators of changing members and sizes, whose handles repeat those of freed ones.
 */
#include "law.h"

#include <dirent.h>

struct usage {
    long rss_kb, fds, maps;
    long shared_kb; /* mapped memory that other processes may map, too */
};

static struct usage usage(void)
{
    struct usage u = {0};
    char line[512], mode[5];
    unsigned long from, to;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmRSS: %ld", &u.rss_kb);
    if (f)
        fclose(f);
    f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        u.maps++;
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && mode[3] == 's')
            u.shared_kb += (long)((to - from) / 1024);
    }
    if (f)
        fclose(f);
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        u.fds++;
    if (d)
        closedir(d);
    return u;
}

static void compare(const char *what, struct usage before, struct usage after, long kb, long maps)
{
    int rank, size;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0 && getenv("VC_TEST_VERBOSE"))
        printf("%s: rss %ld -> %ld kB, fds %ld -> %ld, mappings %ld -> %ld, shared %ld -> %ld kB\n", what,
               before.rss_kb, after.rss_kb, before.fds, after.fds, before.maps, after.maps, before.shared_kb,
               after.shared_kb);
    LAW_CHECK(after.rss_kb - before.rss_kb <= kb, "%s: %ld kB became %ld kB", what, before.rss_kb,
              after.rss_kb);
    /* A process may keep one for each neighbour, for waking it, and makes its own pipe when it first needs
     * it; far fewer than there were communicators. */
    LAW_CHECK(after.fds <= before.fds + size + 2, "%s: %ld descriptors became %ld", what, before.fds,
              after.fds);
    LAW_CHECK(after.maps - before.maps <= maps, "%s: %ld mappings became %ld", what, before.maps, after.maps);
}

static void use(MPI_Comm comm, int round, int calls)
{
    int rank, size;
    long v, sum;

    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    for (int i = 0; i < calls; i++) {
        v = rank + round + i;
        MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, comm);
        LAW_CHECK(sum == (long)size * (size - 1) / 2 + (long)size * (round + i), "sum %ld in round %d", sum,
                  round);
    }
}

static void churn(long n, int calls)
{
    struct usage warm = usage();

    for (long i = 0; i < n; i++) {
        MPI_Comm comm;
        MPI_Comm_dup(MPI_COMM_WORLD, &comm);
        use(comm, (int)i, calls);
        MPI_Comm_free(&comm);
        if (i == n / 10)
            warm = usage(); /* pools have their size by now */
    }
    struct usage end = usage();
    compare("churn", warm, end, 2048, 4);
    LAW_CHECK(end.shared_kb <= warm.shared_kb, "%ld kB of shared memory became %ld kB", warm.shared_kb,
              end.shared_kb);
}

static void alive(int n)
{
    MPI_Comm *comm = malloc(sizeof *comm * (size_t)n), extra;

    MPI_Comm_dup(MPI_COMM_WORLD, &extra);
    use(extra, 0, 4);
    MPI_Comm_free(&extra);
    struct usage before = usage();
    for (int i = 0; i < n; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < n; i++)
            use(comm[round % 2 ? n - 1 - i : i], round * n + i, 4);
    long bad = law_six(comm[n / 2], 500, 1) + law_six(comm[n - 1], 500, 2);
    LAW_CHECK(bad == 0, "%ld wrong elements", bad);
    struct usage most = usage();
    for (int i = 0; i < n; i++)
        MPI_Comm_free(&comm[i]);
    compare("alive", before, usage(), most.rss_kb / 2 + 8192, 32);
    free(comm);
}

static void reuse(int n)
{
    int rank, size, same = 0;
    MPI_Comm last = MPI_COMM_NULL;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int i = 0; i < n; i++) {
        MPI_Comm comm;
        int parts = 1 + i % 3, key = i % 2 ? -rank : rank;
        MPI_Comm_split(MPI_COMM_WORLD, (rank + i / 3) % parts, key, &comm);
        same += comm == last;
        use(comm, i, 4);
        long bad = law_six(comm, i % 7 * 30, i);
        LAW_CHECK(bad == 0, "%ld wrong elements in round %d", bad, i);
        last = comm;
        MPI_Comm_free(&comm);
    }
    LAW_CHECK(same > 0, "no handle was ever reused: this test shows nothing");
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    law_watchdog(150);
    const char *what = argc > 1 ? argv[1] : "";
    long n = law_arg(argc, argv, 2, 100);

    law_stage = what;
    use(MPI_COMM_WORLD, 0, 4);
    if (strcmp(what, "churn") == 0)
        churn(n, (int)law_arg(argc, argv, 3, 4));
    else if (strcmp(what, "alive") == 0)
        alive((int)n);
    else if (strcmp(what, "reuse") == 0)
        reuse((int)n);
    else
        LAW_CHECK(0, "usage: law_lifecycle churn|alive|reuse N");
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0)
        printf("ok\n");
    MPI_Finalize();
    return 0;
}

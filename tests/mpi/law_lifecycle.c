/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * churn N [C]: N communicators, one after the other: made, used in C calls (4), freed. Nothing of the process
 * grows.
 *
 * alive N: N communicators at once, all of them right. Afterwards nothing of them is left.
 *
 * many N: more communicators at once than VCOLL_SHM_LIMIT has room for. All are right, memory stays below the
 * limit, and is there again for later ones.
 *
 * reuse N: communicators of changing members and sizes, whose handles repeat those of freed ones.
 */
#include "law.h"

#include "include/vcoll/vcoll.h"

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
    /* Shared memory that ranks were late to leave comes back with the next communicator. */
    MPI_Comm_dup(MPI_COMM_WORLD, &extra);
    use(extra, 0, 4);
    MPI_Comm_free(&extra);
    compare("alive", before, usage(), most.rss_kb / 2 + 8192, 32);
    free(comm);
}

/* Bytes of vcoll's shared memory that this process has touched. */
static long shared_kb(void)
{
    char line[512];
    long kb = 0, sum = 0;
    int ours = 0;
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f && fgets(line, sizeof line, f))
        if (strchr(line, '-') && strstr(line, " rw-s "))
            ours = strstr(line, "/memfd:vcoll") || strstr(line, "/vcoll-");
        else if (ours && sscanf(line, "Rss: %ld", &kb) == 1)
            sum += kb;
    if (f)
        fclose(f);
    return sum;
}

enum { BULK, SMALL, NATIVE, KINDS };

static int kind_of(MPI_Comm comm)
{
    static int (*key_of)(const void *, struct vcoll_comm_key *);
    static int (*describe)(const void *, struct vcoll_comm_info *);
    struct vcoll_comm_key key = {0};
    struct vcoll_comm_info info = {0};
    if (!key_of) {
        *(void **)&key_of = dlsym(RTLD_DEFAULT, "vcoll_comm_key");
        *(void **)&describe = dlsym(RTLD_DEFAULT, "vcoll_comm_describe");
    }
    LAW_CHECK(key_of && describe, "there is no vcoll in this process");
    if (describe(&comm, &info) != 0 || info.shm_bytes == 0 || key_of(&comm, &key) != 0)
        return NATIVE;
    return key.bulk_slots ? BULK : SMALL;
}

static void many(int n)
{
    MPI_Comm *comm = malloc(sizeof *comm * (size_t)n), again;
    int count[KINDS] = {0}, rank;
    const char *limit = getenv("VCOLL_SHM_LIMIT");
    LAW_CHECK(limit && strchr(limit, 'm'), "VCOLL_SHM_LIMIT is not given in MiB");

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < n; i++) {
            MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
            use(comm[i], i, 4);
        }
        for (int i = 0; i < n; i++) {
            count[kind_of(comm[i])]++;
            long bad = law_six(comm[i], i % 3 ? 200 : 20000, i);
            LAW_CHECK(bad == 0, "%ld wrong elements on communicator %d", bad, i);
        }
        LAW_CHECK(shared_kb() > 0 && shared_kb() <= atol(limit) * 1024, "%ld kB of shared memory",
                  shared_kb());
        for (int i = 0; i < n; i++)
            MPI_Comm_free(&comm[(i * 7 + round) % n]);
    }
    LAW_CHECK(count[BULK] && count[SMALL] && count[NATIVE], "%d, %d, %d: this test shows less than it should",
              count[BULK], count[SMALL], count[NATIVE]);
    MPI_Comm_dup(MPI_COMM_WORLD, &again);
    use(again, 1, 4);
    LAW_CHECK(kind_of(again) == BULK, "memory of freed communicators is lost");
    MPI_Comm_free(&again);
    if (rank == 0 && getenv("VC_TEST_VERBOSE"))
        printf("%d with bulk slots, %d without, %d without memory, %ld kB\n", count[BULK], count[SMALL],
               count[NATIVE], shared_kb());
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
    else if (strcmp(what, "many") == 0)
        many((int)n);
    else if (strcmp(what, "reuse") == 0)
        reuse((int)n);
    else
        LAW_CHECK(0, "usage: law_lifecycle churn|alive|many|reuse N");
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0)
        printf("ok\n");
    MPI_Finalize();
    return 0;
}

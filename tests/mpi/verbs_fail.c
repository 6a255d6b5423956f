/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_fail WHEN VICTIM FAULT [COLLECTIVE]: the loopback device of rank VICTIM (-1: of all) gets a fault, in
 * the syntax of VC_LOOPBACK. Collectives go on all the same, with right results and a pause of 10 s at most.
 * WHEN is one of
 *
 *     asleep   the ranks wait for the last one in a collective; times in FAULT count from its begin
 *     busy     the ranks call one collective after another
 *     meet     before pairs that are not connected yet exchange their first messages
 *     stay     as busy, but VICTIM ends by SIGKILL (FAULT is "kill"). Every rank must get an MPI error from a
 *              collective within 10 s, and the others stay alive after their errors
 *
 * COLLECTIVE "posted": nonblocking ones, several under way.
 *
 * Prints "rank R: N calls, the longest took M ms", or "rank R: error after N ms".
 */
#include "law.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

enum { LONGS = 40000, BOUND_MS = 10000, LATE_MS = 1000 };

static int rank, size;
static long *a, *b;
static MPI_Comm comm;

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static void sleep_ms(long ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&ts, &ts) != 0)
        ;
}

/* The device was opened by vcoll: this only asks for its handle. */
static void inject(const char *fault)
{
    const char *path = getenv("VCOLL_VERBS_LIBRARY");
    void *lib = path ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    int (*fn)(const char *);

    LAW_CHECK(lib != NULL, "vcoll has not opened VCOLL_VERBS_LIBRARY=%s", path ? path : "");
    *(void **)&fn = dlsym(lib, "vc_loopback_inject");
    LAW_CHECK(fn && fn(fault) == 0, "no such fault: %s", fault);
}

static int native_barrier(void)
{
    int (*fn)(MPI_Comm);

    *(void **)&fn = law_native("Barrier", (void *)PMPI_Barrier);
    return fn(MPI_COMM_WORLD);
}

/* Whether the first rank wants to go on. */
static int goes_on(int mine)
{
    int (*fn)(void *, int, MPI_Datatype, int, MPI_Comm);

    *(void **)&fn = law_native("Bcast", (void *)PMPI_Bcast);
    LAW_CHECK(fn(&mine, 1, MPI_INT, 0, MPI_COMM_WORLD) == MPI_SUCCESS, "the MPI underneath suffered");
    return mine;
}

/* Three under way at once, of n longs, one, and none. */
static int posted(int n, long round)
{
    static long one[16], got[16];
    static int counts[16], displs[16];
    MPI_Request req[3] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    for (int i = 0; i < n; i++)
        a[i] = rank + i + round;
    for (int r = 0; r < size; r++) {
        one[r] = rank * 100L + r + round;
        counts[r] = 1;
        displs[r] = r;
    }
    int rc = MPI_Iallreduce(a, b, n, MPI_LONG, MPI_SUM, comm, &req[0]);
    if (rc == MPI_SUCCESS)
        rc = MPI_Ialltoallv(one, counts, displs, MPI_LONG, got, counts, displs, MPI_LONG, comm, &req[1]);
    if (rc == MPI_SUCCESS)
        rc = MPI_Ibarrier(comm, &req[2]);
    for (int i = 0; i < 3; i++) {
        int end = MPI_Wait(&req[i], MPI_STATUS_IGNORE);
        rc = rc == MPI_SUCCESS ? end : rc;
    }
    for (int i = 0; i < n && rc == MPI_SUCCESS; i++)
        LAW_CHECK(b[i] == (long)size * (size - 1) / 2 + size * (i + round), "iallreduce of %d: b[%d] = %ld",
                  n, i, b[i]);
    for (int r = 0; r < size && rc == MPI_SUCCESS; r++)
        LAW_CHECK(got[r] == r * 100L + rank + round, "ialltoallv: got[%d] = %ld", r, got[r]);
    return rc;
}

/* One collective of n longs, checked. */
static int collective(const char *which, int n, long round)
{
    int rc;

    if (strcmp(which, "posted") == 0)
        return posted(n, round);
    if (strcmp(which, "barrier") == 0)
        return MPI_Barrier(comm);
    if (strcmp(which, "reduce") == 0 || strcmp(which, "allgather") == 0) {
        int gather = which[0] == 'a';
        n = gather && n / size ? n / size : n;
        for (int i = 0; i < n; i++)
            a[i] = rank * 7L + i + round;
        rc = gather ? MPI_Allgather(a, n, MPI_LONG, b, n, MPI_LONG, comm)
                    : MPI_Reduce(a, b, n, MPI_LONG, MPI_SUM, size - 1, comm);
        for (int i = 0; gather && i < n * size && rc == MPI_SUCCESS; i++)
            LAW_CHECK(b[i] == i / n * 7L + i % n + round, "allgather of %d: b[%d] = %ld", n, i, b[i]);
        for (int i = 0; !gather && rank == size - 1 && i < n && rc == MPI_SUCCESS; i++)
            LAW_CHECK(b[i] == 7L * size * (size - 1) / 2 + size * (i + round), "reduce of %d: b[%d] = %ld", n,
                      i, b[i]);
        return rc;
    }
    if (strcmp(which, "bcast") == 0) { /* the last one, which comes late, is the root */
        for (int i = 0; i < n; i++)
            a[i] = rank == size - 1 ? round + i : -1;
        rc = MPI_Bcast(a, n, MPI_LONG, size - 1, comm);
        for (int i = 0; i < n && rc == MPI_SUCCESS; i++)
            LAW_CHECK(a[i] == round + i, "bcast of %d: a[%d] = %ld", n, i, a[i]);
        return rc;
    }
    if (strcmp(which, "alltoall") == 0) {
        n = n / size ? n / size : 1;
        for (int i = 0; i < n * size; i++)
            a[i] = rank * 1000L + i / n + round;
        rc = MPI_Alltoall(a, n, MPI_LONG, b, n, MPI_LONG, comm);
        for (int i = 0; i < n * size && rc == MPI_SUCCESS; i++)
            LAW_CHECK(b[i] == i / n * 1000L + rank + round, "alltoall of %d: b[%d] = %ld", n, i, b[i]);
        return rc;
    }
    for (int i = 0; i < n; i++)
        a[i] = rank + i + round;
    rc = MPI_Allreduce(a, b, n, MPI_LONG, MPI_SUM, comm);
    for (int i = 0; i < n && rc == MPI_SUCCESS; i++)
        LAW_CHECK(b[i] == (long)size * (size - 1) / 2 + size * (i + round), "allreduce of %d: b[%d] = %ld", n,
                  i, b[i]);
    return rc;
}

static const char *const all[] = {"allreduce", "barrier", "bcast", "alltoall", "reduce", "allgather"};

static int next_call(const char *which, long i)
{
    return collective(which ? which : all[i % 6], i % 7 == 3 ? LONGS : 8, i);
}

/* In one piece, whatever else is printed. */
__attribute__((format(printf, 1, 2))) static void report(const char *fmt, ...)
{
    char line[100];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (write(STDOUT_FILENO, line, (size_t)len) != len)
        _exit(1);
}

static void go_on(const char *which, uint64_t begun, long after_ms)
{
    uint64_t longest = 0;
    long i = 0;
    do
        for (int end = (int)i + 12; i < end; i++) {
            uint64_t before = now_ms();
            LAW_CHECK(next_call(which, i) == MPI_SUCCESS, "an error in call %ld", i);
            uint64_t took = now_ms() - before;
            longest = took > longest ? took : longest;
        }
    while (goes_on(now_ms() - begun < (uint64_t)after_ms));
    LAW_CHECK(longest < BOUND_MS, "a call took %llu ms", (unsigned long long)longest);
    report("rank %d: %ld calls, the longest took %" PRIu64 " ms\n", rank, i, longest);
}

/* After the victim's end. */
static void get_error(const char *which, uint64_t begun, int dies)
{
    int rc = MPI_SUCCESS;

    for (long i = 0; rc == MPI_SUCCESS; i++) {
        if (dies && i == 50)
            raise(SIGKILL);
        rc = next_call(which, i);
        LAW_CHECK(now_ms() - begun < 30000, "30 s, and no error");
    }
    uint64_t took = now_ms() - begun;
    LAW_CHECK(took < BOUND_MS, "the error came only after %llu ms", (unsigned long long)took);
    LAW_CHECK(collective("allreduce", 8, 0) != MPI_SUCCESS, "no error any more at the next call");
    LAW_CHECK(now_ms() - begun < took + 1000, "the second error took %llu ms",
              (unsigned long long)(now_ms() - begun - took));
    report("rank %d: error after %" PRIu64 " ms\n", rank, took);
    sleep_ms(BOUND_MS - (long)took); /* alive, and silent: nobody may need its end to get an error */
    _exit(0);                        /* MPI_Finalize would wait for the dead */
}

int main(int argc, char **argv)
{
    char stage[100];

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    LAW_CHECK(argc >= 4, "usage: verbs_fail asleep|busy|meet|stay VICTIM FAULT [COLLECTIVE]");
    const char *when = argv[1], *fault = argv[3], *which = argc > 4 ? argv[4] : NULL;
    int victim = atoi(argv[2]), hit = victim < 0 || victim == rank, kill = strcmp(fault, "kill") == 0;
    snprintf(stage, sizeof stage, "%s, %s of rank %d, %s", when, fault, victim, which ? which : "any");
    law_stage = stage;
    law_watchdog(45);
    a = calloc(LONGS, sizeof *a), b = calloc(LONGS, sizeof *b);

    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    if (which && strcmp(which, "posted") == 0) /* the MPI reports errors of generalized requests there */
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    /* Every pair meets, except where that is the point: bcast has few pairs. */
    const char *warm = strcmp(when, "meet") == 0 ? "bcast" : "alltoall";
    for (int i = 0; i < 10; i++)
        LAW_CHECK(collective(warm, 64, i) == MPI_SUCCESS, "before any fault");
    native_barrier();
    uint64_t begun = now_ms();
    if (hit && !kill)
        inject(fault);
    if (strcmp(when, "meet") == 0)
        sleep_ms(300);
    if (strcmp(when, "asleep") == 0 && rank == size - 1)
        sleep_ms(LATE_MS);
    if (kill)
        get_error(which, begun, hit);
    go_on(which, begun, strcmp(when, "asleep") == 0 ? LATE_MS + 200 : 700);
    LAW_CHECK(native_barrier() == MPI_SUCCESS, "the MPI underneath suffered");
    MPI_Comm_free(&comm);
    MPI_Finalize();
    free(a);
    free(b);
    return 0;
}

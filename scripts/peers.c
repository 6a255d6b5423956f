/* SPDX-License-Identifier: BSD-3-Clause */
/* peers SECONDS COLLECTIVE[:MOST],... BYTES,... [messages]: times collectives of whatever MPI it is compiled
 * for, for scripts/figures-peers; a collective up to MOST bytes, where that is said.
 *
 * A line for each collective and size: "allreduce 4096 1.234 0.987", microseconds of the slowest rank. The
 * first figure is the median of single calls from a common start: rank 0 announces an instant, for which all
 * ranks wait; 0 if they never began together. With
 * "messages" it begins after a barrier of messages instead, and each rank's own clock counts. The second is
 * the median over blocks of calls back to back. SECONDS is the time for a line. The last line, "# foreign
 * 0.02 steal 0.00", says how many CPUs other processes of this machine, and other machines of its host, took
 * meanwhile.
 *
 * flags_barrier, flags_bcast and flags_reduce are no calls of an MPI but flags in shared memory, at which
 * ranks look until they give the CPU up: what such a call takes at least where ranks share CPUs. */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, BLOCKS = 5, WARM = 10, FEWEST = 10, MOST = 20000, LONGEST = 1 << 20 };

static int rank, ranks;
static char *from[BUFFERS], *to[BUFFERS];

static void meet(void)
{
    char mine = 0, theirs = 0;
    for (int d = 1; d < ranks; d <<= 1)
        MPI_Sendrecv(&mine, 1, MPI_CHAR, (rank + d) % ranks, 77, &theirs, 1, MPI_CHAR,
                     (rank - d + ranks) % ranks, 77, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/* ---- flags alone ---- */

enum { LOOKS = 30, APART = 16 }; /* looks before a yield; longs from flag to flag */

static _Atomic long *flags; /* NULL: they are not asked for */
static long exchange;

static void open_flags(void)
{
    MPI_Win win;
    MPI_Aint bytes;
    int unit;
    void *own;
    MPI_Win_allocate_shared((MPI_Aint)(APART * sizeof *flags), 1, MPI_INFO_NULL, MPI_COMM_WORLD, &own, &win);
    *(_Atomic long *)own = 0;
    MPI_Win_shared_query(win, 0, &bytes, &unit, &own);
    flags = own;
    MPI_Barrier(MPI_COMM_WORLD); /* the window lives as long as the program */
}

static void raise_flag(void)
{
    atomic_store_explicit(&flags[rank * APART], exchange, memory_order_release);
}

static void await_flag(int of)
{
    for (int looks = 1; atomic_load_explicit(&flags[of * APART], memory_order_acquire) < exchange; looks++)
        if (looks >= LOOKS)
            sched_yield();
}

static void by_flags(const char *name)
{
    int bcast = !strcmp(name, "bcast"), reduce = !strcmp(name, "reduce");
    exchange++;
    if (bcast ? rank == 0 : !reduce || rank != 0)
        raise_flag();
    if (bcast && rank != 0)
        await_flag(0);
    for (int from_rank = ranks - 1; !bcast && (!reduce || rank == 0) && from_rank >= 0; from_rank--)
        if (from_rank != rank)
            await_flag(from_rank);
}

/* ---- calls ---- */

/* Each call takes the next pair of buffers, so that a call does not find in the cache what the one before
 * left there. */
static void call(const char *name, int n, long turn)
{
    void *s = from[turn % BUFFERS], *r = to[turn % BUFFERS];
    if (!strcmp(name, "barrier"))
        MPI_Barrier(MPI_COMM_WORLD);
    else if (!strcmp(name, "bcast"))
        MPI_Bcast(rank ? r : s, n, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    else if (!strcmp(name, "reduce"))
        MPI_Reduce(s, r, n, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    else if (!strcmp(name, "allreduce"))
        MPI_Allreduce(s, r, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    else if (!strcmp(name, "allgather"))
        MPI_Allgather(s, n, MPI_DOUBLE, r, n, MPI_DOUBLE, MPI_COMM_WORLD);
    else if (!strcmp(name, "alltoall"))
        MPI_Alltoall(s, n, MPI_DOUBLE, r, n, MPI_DOUBLE, MPI_COMM_WORLD);
    else if (!strncmp(name, "flags_", 6))
        by_flags(name + 6);
    else {
        fprintf(stderr, "peers: no collective is called %s\n", name);
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
}

/* ---- a common start ---- */

#define NEAR 60e-6 /* where ranks share CPUs they sleep until so long before it */
#define LATE 1e9   /* in place of a time: a rank heard of the instant too late */

static int crowded, by_messages;
static double ahead = 1e-3; /* how far ahead an instant is announced */

/* One clock for all processes of this machine. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Down a binomial tree, by messages. */
static double announce(void)
{
    double instant = now() + ahead;
    int bit = 1;
    while (bit < ranks && !(rank & bit))
        bit <<= 1;
    if (rank > 0)
        MPI_Recv(&instant, 1, MPI_DOUBLE, rank - bit, 76, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (bit >>= 1; bit > 0; bit >>= 1)
        if (rank + bit < ranks)
            MPI_Send(&instant, 1, MPI_DOUBLE, rank + bit, 76, MPI_COMM_WORLD);
    return instant;
}

/* The instant, in which this rank is now; LATE: it was over before. */
static double start_together(void)
{
    double instant = announce(), t = now();
    if (t > instant)
        return LATE;
    if (crowded && instant - t > NEAR) {
        double until = instant - NEAR;
        struct timespec at = {(time_t)until, (long)((until - (double)(time_t)until) * 1e9)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    while (now() < instant)
        if (crowded)
            sched_yield();
    return instant;
}

/* ---- measuring ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of each of n figures the largest of all ranks, on rank 0, by messages: collectives of a peer may be what
 * does not work. */
static void largest(double *t, long n, double *room)
{
    if (rank > 0) {
        MPI_Send(t, (int)n, MPI_DOUBLE, 0, 78, MPI_COMM_WORLD);
        return;
    }
    for (int from_rank = 1; from_rank < ranks; from_rank++) {
        MPI_Recv(room, (int)n, MPI_DOUBLE, from_rank, 78, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        for (long i = 0; i < n; i++)
            t[i] = room[i] > t[i] ? room[i] : t[i];
    }
}

/* The largest on all ranks, or the sum. */
static double of_all(double mine, int sum)
{
    double all = mine, one;
    for (int r = 1; r < ranks; r++) {
        if (rank == r)
            MPI_Send(&mine, 1, MPI_DOUBLE, 0, 79, MPI_COMM_WORLD);
        if (rank == 0) {
            MPI_Recv(&one, 1, MPI_DOUBLE, r, 79, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            all = sum ? all + one : one > all ? one : all;
        }
    }
    for (int r = 1; r < ranks; r++) {
        if (rank == 0)
            MPI_Send(&all, 1, MPI_DOUBLE, r, 80, MPI_COMM_WORLD);
        if (rank == r)
            MPI_Recv(&all, 1, MPI_DOUBLE, 0, 80, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    return all;
}

static double median(double *t, long n)
{
    qsort(t, (size_t)n, sizeof *t, ascending);
    return t[n / 2];
}

/* How many calls began together; their times are moved to the front. */
static long keep_in_time(double *t, long n)
{
    long good = 0;
    for (long i = 0; i < n; i++)
        if (t[i] < LATE)
            t[good++] = t[i];
    return good;
}

static long bounded(long calls)
{
    return calls < FEWEST ? FEWEST : calls > MOST ? MOST : calls;
}

/* So far ahead that three of four announcements come in time. */
static void choose_ahead(void)
{
    double took[64], room[64];
    for (int i = 0; i < 64; i++) {
        meet();
        took[i] = now() - (announce() - ahead);
    }
    largest(took, 64, room);
    if (rank == 0) {
        qsort(took, 64, sizeof *took, ascending);
        ahead = 1.5 * took[48] + 2e-6 + (crowded ? NEAR : 0);
    }
    ahead = of_all(rank == 0 ? ahead : 0, 0);
}

static void measure(const char *name, long bytes, double seconds)
{
    int n = bytes / 8 > 0 ? (int)(bytes / 8) : 1;
    /* The first calls of all may connect ranks or set something up. */
    for (long i = 0; i < WARM; i++)
        call(name, n, i);
    meet();
    double began = now();
    for (long i = 0; i < WARM; i++)
        call(name, n, i);
    double once = of_all(now() - began, 0) / WARM;
    long calls = bounded((long)(seconds / 2 / (once > 1e-7 ? once : 1e-7)));
    long singles = bounded((long)(seconds / 2 / (once + ahead)));
    double *single = malloc((size_t)singles * sizeof *single), *room = malloc((size_t)singles * sizeof *room),
           block[BLOCKS];
    if (!single || !room)
        MPI_Abort(MPI_COMM_WORLD, 3);
    long good = 0;
    for (int attempt = 0; attempt < 4 && good == 0; attempt++, ahead *= good ? 1 : 2) {
        for (long i = 0; i < singles; i++) {
            meet();
            double instant = by_messages ? now() : start_together();
            call(name, n, i);
            single[i] = instant == LATE ? LATE : now() - instant;
        }
        largest(single, singles, room);
        good = (long)of_all(rank == 0 ? (double)keep_in_time(single, singles) : 0, 0);
    }
    long each = calls / BLOCKS + 1;
    for (int b = 0; b < BLOCKS; b++) {
        meet();
        double t = now();
        for (long i = 0; i < each; i++)
            call(name, n, i);
        block[b] = of_all((now() - t) / (double)each, 0);
    }
    if (rank == 0) {
        printf("%s %ld %.3f %.3f\n", name, bytes, good ? median(single, good) * 1e6 : 0,
               median(block, BLOCKS) * 1e6);
        fflush(stdout);
    }
    free(single);
    free(room);
}

/* Seconds that all CPUs worked, and that the hypervisor took. */
static void read_stat(double *busy, double *steal)
{
    unsigned long long user = 0, nice = 0, sys = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, stolen = 0;
    FILE *f = fopen("/proc/stat", "re");
    if (f) {
        if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &iowait, &irq,
                   &softirq, &stolen) != 8)
            user = 0;
        fclose(f);
    }
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    *busy = (double)(user + nice + sys + irq + softirq) * tick;
    *steal = (double)stolen * tick;
}

static double cpu_of_all(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return of_all((double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                      (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6,
                  1);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    by_messages = argc == 5 && !strcmp(argv[4], "messages");
    if (argc != 4 && !by_messages) {
        fprintf(stderr, "usage: peers SECONDS COLLECTIVE,... BYTES,... [messages]\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    crowded = ranks > sysconf(_SC_NPROCESSORS_ONLN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    long longest = 8;
    char *sizes = strdup(argv[3]), *size;
    for (char *rest = sizes; (size = strsep(&rest, ","));)
        longest = atol(size) > longest ? atol(size) : longest;
    if (longest > LONGEST)
        longest = LONGEST;
    for (int k = 0; k < BUFFERS; k++) {
        size_t bytes = (size_t)longest * (size_t)ranks + 4096;
        from[k] = calloc(bytes, 1);
        to[k] = malloc(bytes);
        if (!from[k] || !to[k])
            MPI_Abort(MPI_COMM_WORLD, 3);
        memset(from[k], 0, bytes);
        memset(to[k], 1, bytes);
    }
    if (strstr(argv[2], "flags_"))
        open_flags();
    choose_ahead();
    double began = now(), ours = cpu_of_all(), busy, steal, busy_then, steal_then;
    read_stat(&busy_then, &steal_then);
    char *names = strdup(argv[2]), *name;
    for (char *rest = names; (name = strsep(&rest, ","));) {
        char *limit = name, *coll = strsep(&limit, ":");
        long most = limit ? atol(limit) : longest;
        free(sizes);
        sizes = strdup(argv[3]);
        for (char *more = sizes; (size = strsep(&more, ","));) {
            long bytes = atol(size) < longest ? atol(size) : longest;
            if (bytes <= most && (strcmp(coll, "barrier") != 0 || bytes == 8))
                measure(coll, bytes, atof(argv[1]));
        }
    }
    ours = cpu_of_all() - ours;
    read_stat(&busy, &steal);
    double took = now() - began;
    if (rank == 0)
        printf("# foreign %.2f steal %.2f\n", (busy - busy_then - ours) / took, (steal - steal_then) / took);
    free(sizes);
    free(names);
    for (int k = 0; k < BUFFERS; k++) {
        free(from[k]);
        free(to[k]);
    }
    MPI_Finalize();
    return 0;
}

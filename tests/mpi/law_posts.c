/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_posts WHAT: nonblocking collectives, checked.
 *   requests   every way to complete them; statuses; cancelling is refused
 *   mixed      several communicators, blocking calls and messages between
 *   freed      the same, communicators freed with calls under way: not with Open MPI's own, which crash
 *   progress   waits in MPI_Recv and in collectives of another communicator move them
 *   finalize   finished ones that nobody has waited for
 *   alone      no blocking collective in the program
 *   threads    two threads, each waits for what the other has posted
 */
#include "law.h"

#include <pthread.h>
#include <stdbool.h>

enum { N = 24 };

static int rank, size;

/* Posts one of the six, of n longs; what it takes and gives lies in *c. */
struct posted {
    long *a, *b;
    int which, n, round, root;
    MPI_Request req;
};

static void post(struct posted *c, MPI_Comm comm, int which, int n, int round)
{
    int me, p;
    MPI_Comm_rank(comm, &me);
    MPI_Comm_size(comm, &p);
    *c = (struct posted){.which = which, .n = n, .round = round, .root = round % p};
    c->a = malloc(sizeof(long) * (size_t)n * (size_t)p);
    c->b = malloc(sizeof(long) * (size_t)n * (size_t)p);
    for (int i = 0; i < n * p; i++) {
        c->a[i] = which == 5 ? me * 1000L + i / n + i % n + round : (me + 1L) * (i + round);
        c->b[i] = -1;
    }
    if (which == 1 && me != c->root)
        memset(c->a, -1, sizeof(long) * (size_t)n);
    int rc = which == 0   ? MPI_Ibarrier(comm, &c->req)
             : which == 1 ? MPI_Ibcast(c->a, n, MPI_LONG, c->root, comm, &c->req)
             : which == 2 ? MPI_Ireduce(c->a, c->b, n, MPI_LONG, MPI_SUM, c->root, comm, &c->req)
             : which == 3 ? MPI_Iallreduce(c->a, c->b, n, MPI_LONG, MPI_SUM, comm, &c->req)
             : which == 4 ? MPI_Iallgather(c->a, n, MPI_LONG, c->b, n, MPI_LONG, comm, &c->req)
                          : MPI_Ialltoall(c->a, n, MPI_LONG, c->b, n, MPI_LONG, comm, &c->req);
    LAW_CHECK(rc == MPI_SUCCESS, "collective %d is refused", which);
}

/* After its end. */
static void check(struct posted *c, int me, int p)
{
    long bad = 0, sum = (long)p * (p + 1) / 2;
    for (int i = 0; i < c->n; i++) {
        if (c->which == 1)
            bad += c->a[i] != (c->root + 1L) * (i + c->round);
        if (c->which == 3 || (c->which == 2 && me == c->root))
            bad += c->b[i] != sum * (i + c->round);
        for (int r = 0; r < p && c->which >= 4; r++)
            bad += c->b[r * c->n + i] !=
                   (c->which == 4 ? (r + 1L) * (i + c->round) : r * 1000L + me + i + c->round);
    }
    LAW_CHECK(bad == 0, "%ld wrong elements of %d in collective %d", bad, c->n, c->which);
    free(c->a);
    free(c->b);
}

static void requests(void)
{
    static const int sizes[] = {1, 3, 200, 9000, 1, 70000};
    struct posted c[N];
    MPI_Request req[N];
    int at, some, flag, done[N];
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < N; i++) {
            post(&c[i], MPI_COMM_WORLD, (i + round) % 6,
                 sizes[(i + round / 6) % 6] / (i % 4 == 3 ? 1 : 4) + 1, round + i);
            req[i] = c[i].req;
        }
        MPI_Status st, sts[N];
        switch (round % 7) {
        case 0:
            LAW_CHECK(MPI_Waitall(N, req, sts) == MPI_SUCCESS, "MPI_Waitall");
            break;
        case 1:
            for (int i = N - 1; i >= 0; i--)
                LAW_CHECK(MPI_Wait(&req[i], &st) == MPI_SUCCESS, "MPI_Wait");
            break;
        case 2:
            for (int left = N; left > 0; left--)
                LAW_CHECK(MPI_Waitany(N, req, &at, &st) == MPI_SUCCESS && at != MPI_UNDEFINED, "MPI_Waitany");
            break;
        case 3:
            for (int left = N; left > 0; left -= some)
                LAW_CHECK(MPI_Waitsome(N, req, &some, done, sts) == MPI_SUCCESS, "MPI_Waitsome");
            break;
        case 4:
            do
                MPI_Testall(N, req, &flag, MPI_STATUSES_IGNORE);
            while (!flag);
            break;
        case 5:
            for (int i = 0; i < N; i++)
                do
                    MPI_Test(&req[i], &flag, &st);
                while (!flag);
            break;
        default:
            for (int i = 0; i < N; i++) {
                do
                    MPI_Request_get_status(req[i], &flag, &st);
                while (!flag);
                MPI_Test_cancelled(&st, &flag);
                LAW_CHECK(!flag, "it counts as cancelled");
                LAW_CHECK(req[i] != MPI_REQUEST_NULL, "MPI_Request_get_status has freed it");
                MPI_Request_free(&req[i]);
            }
        }
        for (int i = 0; i < N; i++) {
            LAW_CHECK(req[i] == MPI_REQUEST_NULL, "a request is left");
            check(&c[i], rank, size);
        }
    }
    /* Under way on rank 0 for certain, which may not cancel it. */
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (rank != 0)
        MPI_Recv(NULL, 0, MPI_BYTE, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    post(&c[0], MPI_COMM_WORLD, 3, 5, 1);
    if (rank == 0) {
        LAW_CHECK(size == 1 || MPI_Cancel(&c[0].req) != MPI_SUCCESS, "MPI_Cancel is not refused");
        for (int r = 1; r < size; r++)
            MPI_Send(NULL, 0, MPI_BYTE, r, 5, MPI_COMM_WORLD);
    }
    MPI_Wait(&c[0].req, MPI_STATUS_IGNORE);
    check(&c[0], rank, size);
}

/* Whether the communicator is not used after this round. */
static bool ends(int round, int k)
{
    return round == 59 || (round + 1 + k) % 8 == 0;
}

static void mixed(bool freed)
{
    enum { COMMS = 4 };
    MPI_Comm comm[COMMS];
    struct posted c[N];
    for (int round = 0; round < 60; round++) {
        for (int k = 0; k < COMMS; k++)
            if (round == 0 || (round + k) % 8 == 0) {
                MPI_Comm_split(MPI_COMM_WORLD, 0, k % 2 ? -rank : rank, &comm[k]);
                MPI_Barrier(comm[k]);
            }
        for (int i = 0; i < N; i++) {
            post(&c[i], comm[i % COMMS], (i * 5 + round) % 6, 1 + (i * 37 + round) % 3000, round + i);
            if (i % 7 == 3)
                LAW_CHECK(law_six(comm[(i + 1) % COMMS], 20, round) == 0, "a blocking call between");
            if (i % 5 == 4) {
                int got = -1, to = (rank + 1) % size, from = (rank + size - 1) % size;
                MPI_Sendrecv(&rank, 1, MPI_INT, to, 0, &got, 1, MPI_INT, from, 0, MPI_COMM_WORLD,
                             MPI_STATUS_IGNORE);
                LAW_CHECK(got == from, "a message between");
            }
        }
        int r[COMMS], p[COMMS];
        for (int k = 0; k < COMMS; k++) {
            MPI_Comm_rank(comm[k], &r[k]);
            MPI_Comm_size(comm[k], &p[k]);
            if (freed && ends(round, k))
                MPI_Comm_free(&comm[k]);
        }
        for (int i = 0; i < N; i++) {
            int j = round % 2 ? i : N - 1 - i;
            MPI_Wait(&c[j].req, MPI_STATUS_IGNORE);
            check(&c[j], r[j % COMMS], p[j % COMMS]);
        }
        for (int k = 0; k < COMMS; k++)
            if (!freed && ends(round, k))
                MPI_Comm_free(&comm[k]);
    }
}

static void progress(void)
{
    MPI_Comm other;
    struct posted c;
    MPI_Comm_dup(MPI_COMM_WORLD, &other);
    for (int i = 0; i < 5; i++)
        law_six(other, 10, i);
    for (int round = 0; round < 30; round++) {
        int late = round % size;
        post(&c, MPI_COMM_WORLD, 3, round % 2 ? 5 : 60000, round);
        if (rank == late) { /* the others wait for this one elsewhere, and it for them here */
            MPI_Wait(&c.req, MPI_STATUS_IGNORE);
            if (round % 4 >= 2)
                MPI_Barrier(other);
            else
                for (int r = 0; r < size; r++)
                    if (r != late)
                        MPI_Send(NULL, 0, MPI_BYTE, r, 3, MPI_COMM_WORLD);
        } else {
            if (round % 4 >= 2)
                MPI_Barrier(other);
            else
                MPI_Recv(NULL, 0, MPI_BYTE, late, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Wait(&c.req, MPI_STATUS_IGNORE);
        }
        check(&c, rank, size);
    }
    MPI_Comm_free(&other);
}

static void alone(void)
{
    MPI_Comm more;
    struct posted c[N];
    for (int level = 0; level < 3; level++) {
        MPI_Comm comm = MPI_COMM_WORLD;
        if (level > 0) {
            MPI_Comm_dup(MPI_COMM_WORLD, &more);
            comm = more;
        }
        for (int i = 0; i < N; i++)
            post(&c[i], comm, i % 6, 100, i);
        for (int i = 0; i < N; i++) {
            MPI_Wait(&c[i].req, MPI_STATUS_IGNORE);
            check(&c[i], rank, size);
        }
        if (level > 0)
            MPI_Comm_free(&more);
    }
}

/* ---- two threads ---- */

static struct posted exchange[2];
static MPI_Comm thread_comm[2];
static pthread_barrier_t meet;

static void *work(void *arg)
{
    int id = *(int *)arg, me, p;
    for (int round = 0; round < 300; round++) {
        post(&exchange[id], thread_comm[id], (round + id) % 6, round % 3 ? 4 : 5000, round);
        pthread_barrier_wait(&meet);
        MPI_Comm_rank(thread_comm[1 - id], &me);
        MPI_Comm_size(thread_comm[1 - id], &p);
        MPI_Wait(&exchange[1 - id].req, MPI_STATUS_IGNORE);
        check(&exchange[1 - id], me, p);
        pthread_barrier_wait(&meet);
        if (round % 20 == 0)
            LAW_CHECK(law_six(thread_comm[id], 10, round) == 0, "a blocking call in a thread");
    }
    return NULL;
}

static int threads(int provided)
{
    static int id[2] = {0, 1};
    pthread_t other;
    if (provided != MPI_THREAD_MULTIPLE)
        return 77;
    pthread_barrier_init(&meet, NULL, 2);
    for (int i = 0; i < 2; i++)
        MPI_Comm_split(MPI_COMM_WORLD, 0, i ? -rank : rank, &thread_comm[i]);
    LAW_CHECK(pthread_create(&other, NULL, work, &id[1]) == 0, "no second thread");
    work(&id[0]);
    pthread_join(other, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "requests";
    int provided = 0, rc = 0;
    static struct posted left[N];

    if (strcmp(what, "threads") == 0)
        MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    else
        MPI_Init(&argc, &argv);
    law_watchdog(90);
    law_stage = what;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (strcmp(what, "alone") != 0)
        for (int i = 0; i < 4; i++)
            MPI_Barrier(MPI_COMM_WORLD);
    if (strcmp(what, "requests") == 0)
        requests();
    else if (strcmp(what, "mixed") == 0)
        mixed(false);
    else if (strcmp(what, "freed") == 0)
        mixed(true);
    else if (strcmp(what, "progress") == 0)
        progress();
    else if (strcmp(what, "alone") == 0)
        alone();
    else if (strcmp(what, "threads") == 0)
        rc = threads(provided);
    else {
        for (int i = 0; i < N; i++)
            post(&left[i], MPI_COMM_WORLD, i % 6, 1000, i);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    MPI_Finalize();
    return rc;
}

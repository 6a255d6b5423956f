/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * law_posts WHAT: nonblocking collectives, checked.
 *   requests   every way to complete them; statuses; cancelling is refused
 *   types      derived types that are freed meanwhile
 *   mixed      several communicators, blocking calls and messages between
 *   freed      the same, communicators freed with calls under way: not with Open MPI's own, which crash
 *   progress   waits in MPI_Recv and in collectives of another communicator move them
 *   finalize   finished ones that nobody has waited for
 *   alone      no blocking collective in the program
 *   threads    two threads, each waits for what the other has posted
 *   late       a rank comes so late that those who wait look at who is alive, and sends to one of them
 */
#include "law.h"

#include <pthread.h>
#include <stdbool.h>

enum { N = 24 };

static int rank, size;

enum kind {
    BARRIER,
    BCAST,
    REDUCE,
    ALLREDUCE,
    ALLGATHER,
    ALLTOALL,
    ALLGATHERV,
    ALLTOALLV,
    ALLTOALLW,
    GATHER,
    GATHERV,
    SCATTER,
    SCATTERV,
    REDUCE_SCATTER,
    REDUCE_SCATTER_BLOCK,
    SCAN,
    EXSCAN,
    KINDS
};

enum { RANKS = 8 };

/* One under way, of n longs; what it takes and gives lies in *c. */
struct posted {
    long *a, *b;
    enum kind which;
    int n, round, root;
    int counts[2][RANKS], displs[2][RANKS]; /* sent, received: MPI wants them to stay */
    MPI_Datatype types[2][RANKS];
    MPI_Request req;
};

/* Longs in a block, where lengths differ: of a rank, or from one to another. */
static int shorter(int n, int rank_or_sum)
{
    return n - rank_or_sum % 2;
}

/* A type of one long with room behind it where `wide`, which is freed before the operation is over. */
static MPI_Datatype long_type(bool wide)
{
    MPI_Datatype t;
    MPI_Type_create_resized(MPI_LONG, 0, (wide ? 2 : 1) * (MPI_Aint)sizeof(long), &t);
    MPI_Type_commit(&t);
    return t;
}

static void lengths(struct posted *c, int me, int p)
{
    for (int r = 0; r < p; r++) {
        bool pairs = c->which == ALLTOALLV || c->which == ALLTOALLW;
        int len = shorter(c->n, pairs ? me + r : r), unit = c->which == ALLTOALLW ? (int)sizeof(long) : 1;
        for (int side = 0; side < 2; side++) {
            c->counts[side][r] = len;
            c->displs[side][r] = r * c->n * unit;
            c->types[side][r] = MPI_LONG;
        }
    }
}

static int start(struct posted *c, MPI_Comm comm, int me)
{
    const int n = c->n, root = c->root, *sent = c->counts[0], *from = c->displs[0];
    switch (c->which) {
    case BARRIER:
        return MPI_Ibarrier(comm, &c->req);
    case BCAST:
        return MPI_Ibcast(c->a, n, MPI_LONG, root, comm, &c->req);
    case REDUCE:
        return MPI_Ireduce(c->a, c->b, n, MPI_LONG, MPI_SUM, root, comm, &c->req);
    case ALLREDUCE:
        return MPI_Iallreduce(c->a, c->b, n, MPI_LONG, MPI_SUM, comm, &c->req);
    case ALLGATHER:
        return MPI_Iallgather(c->a, n, MPI_LONG, c->b, n, MPI_LONG, comm, &c->req);
    case ALLTOALL:
        return MPI_Ialltoall(c->a, n, MPI_LONG, c->b, n, MPI_LONG, comm, &c->req);
    case ALLGATHERV:
        return MPI_Iallgatherv(c->a, sent[me], MPI_LONG, c->b, c->counts[1], c->displs[1], MPI_LONG, comm,
                               &c->req);
    case ALLTOALLV:
        return MPI_Ialltoallv(c->a, sent, from, MPI_LONG, c->b, c->counts[1], c->displs[1], MPI_LONG, comm,
                              &c->req);
    case ALLTOALLW:
        return MPI_Ialltoallw(c->a, sent, from, c->types[0], c->b, c->counts[1], c->displs[1], c->types[1],
                              comm, &c->req);
    case GATHER:
        return MPI_Igather(c->a, n, MPI_LONG, c->b, n, MPI_LONG, root, comm, &c->req);
    case GATHERV:
        return MPI_Igatherv(c->a, sent[me], MPI_LONG, c->b, c->counts[1], c->displs[1], MPI_LONG, root, comm,
                            &c->req);
    case SCATTER:
        return MPI_Iscatter(c->a, n, MPI_LONG, c->b, n, MPI_LONG, root, comm, &c->req);
    case SCATTERV:
        return MPI_Iscatterv(c->a, sent, from, MPI_LONG, c->b, c->counts[1][me], MPI_LONG, root, comm,
                             &c->req);
    case REDUCE_SCATTER:
        return MPI_Ireduce_scatter(c->a, c->b, c->counts[1], MPI_LONG, MPI_SUM, comm, &c->req);
    case REDUCE_SCATTER_BLOCK:
        return MPI_Ireduce_scatter_block(c->a, c->b, n, MPI_LONG, MPI_SUM, comm, &c->req);
    case SCAN:
        return MPI_Iscan(c->a, c->b, n, MPI_LONG, MPI_SUM, comm, &c->req);
    default:
        return MPI_Iexscan(c->a, c->b, n, MPI_LONG, MPI_SUM, comm, &c->req);
    }
}

static bool between_pairs(enum kind which)
{
    return which == ALLTOALL || which == ALLTOALLV || which == ALLTOALLW;
}

static void post(struct posted *c, MPI_Comm comm, int which, int n, int round)
{
    int me, p;
    MPI_Comm_rank(comm, &me);
    MPI_Comm_size(comm, &p);
    *c = (struct posted){.which = (enum kind)which, .n = n, .round = round, .root = round % p};
    LAW_CHECK(p <= RANKS, "too many ranks");
    c->a = malloc(sizeof(long) * (size_t)n * (size_t)p);
    c->b = malloc(sizeof(long) * (size_t)n * (size_t)p);
    for (int i = 0; i < n * p; i++) {
        c->a[i] = between_pairs(c->which) ? me * 1000L + i / n + i % n + round : (me + 1L) * (i + round);
        c->b[i] = -1;
    }
    if (which == BCAST && me != c->root)
        memset(c->a, -1, sizeof(long) * (size_t)n);
    lengths(c, me, p);
    LAW_CHECK(start(c, comm, me) == MPI_SUCCESS, "collective %d is refused", which);
}

/* What element i of block r of the result is to be; -1: as it was. */
static long expected(const struct posted *c, int me, int p, int r, int i)
{
    long value = i + c->round, sum = (long)p * (p + 1) / 2, offset = 0;
    bool root = me == c->root, first = r == 0;
    switch (c->which) {
    case REDUCE:
        return root && first ? sum * value : -1;
    case ALLREDUCE:
        return first ? sum * value : -1;
    case ALLGATHER:
        return (r + 1L) * value;
    case ALLGATHERV:
        return i < shorter(c->n, r) ? (r + 1L) * value : -1;
    case GATHER:
        return root ? (r + 1L) * value : -1;
    case GATHERV:
        return root && i < shorter(c->n, r) ? (r + 1L) * value : -1;
    case ALLTOALL:
        return r * 1000L + me + value;
    case ALLTOALLV:
    case ALLTOALLW:
        return i < shorter(c->n, r + me) ? r * 1000L + me + value : -1;
    case SCATTER:
        return first ? (c->root + 1L) * ((long)me * c->n + value) : -1;
    case SCATTERV:
        return first && i < shorter(c->n, me) ? (c->root + 1L) * ((long)me * c->n + value) : -1;
    case REDUCE_SCATTER:
        for (int k = 0; k < me; k++)
            offset += shorter(c->n, k);
        return first && i < shorter(c->n, me) ? sum * (offset + value) : -1;
    case REDUCE_SCATTER_BLOCK:
        return first ? sum * ((long)me * c->n + value) : -1;
    case SCAN:
        return first ? (me + 1L) * (me + 2L) / 2 * value : -1;
    case EXSCAN:
        return first && me > 0 ? me * (me + 1L) / 2 * value : -1;
    default:
        return -1;
    }
}

/* After its end. */
static void check(struct posted *c, int me, int p)
{
    long bad = 0;
    for (int i = 0; i < c->n * p; i++) {
        if (c->which == BCAST && i < c->n)
            bad += c->a[i] != (c->root + 1L) * (i + c->round);
        bad += c->b[i] != expected(c, me, p, i / c->n, i % c->n);
    }
    LAW_CHECK(bad == 0, "%ld wrong elements of %d in collective %d", bad, c->n, (int)c->which);
    free(c->a);
    free(c->b);
}

/* Derived types that the program frees while operations with them are under way, with gaps on the receiving
 * side. Its counts and displacements do not stay either, although they should: mpi4py's do not. */
static void types(void)
{
    enum { AT_ONCE = 6 };
    struct posted c[AT_ONCE];
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < AT_ONCE; i++) {
            const int n = 1 + (round * 131 + i * 17) % 900;
            struct posted *o = &c[i];
            *o = (struct posted){.n = n, .root = round % size};
            o->a = malloc(sizeof(long) * (size_t)(n * size));
            o->b = malloc(sizeof(long) * (size_t)(2 * n * size));
            for (int j = 0; j < n * size; j++)
                o->a[j] = (rank + 1L) * (j % n + round);
            for (int j = 0; j < 2 * n * size; j++)
                o->b[j] = -1;
            MPI_Datatype s = long_type(false), r = long_type(true);
            for (int k = 0; k < size; k++) {
                o->counts[0][k] = o->counts[1][k] = n;
                o->displs[0][k] = k * n * (i == 2 ? (int)sizeof(long) : 1);
                o->displs[1][k] = k * n * (i == 2 ? 2 * (int)sizeof(long) : 1);
                o->types[0][k] = s;
                o->types[1][k] = r;
            }
            int rc = i == 0 ? MPI_Iallgatherv(o->a, n, s, o->b, o->counts[1], o->displs[1], r, MPI_COMM_WORLD,
                                              &o->req)
                     : i == 1 ? MPI_Ialltoallv(o->a, o->counts[0], o->displs[0], s, o->b, o->counts[1],
                                               o->displs[1], r, MPI_COMM_WORLD, &o->req)
                     : i == 2
                         ? MPI_Ialltoallw(o->a, o->counts[0], o->displs[0], o->types[0], o->b, o->counts[1],
                                          o->displs[1], o->types[1], MPI_COMM_WORLD, &o->req)
                     : i == 3 ? MPI_Igatherv(o->a, n, s, o->b, o->counts[1], o->displs[1], r, o->root,
                                             MPI_COMM_WORLD, &o->req)
                     : i == 4 ? MPI_Iscatterv(o->a, o->counts[0], o->displs[0], s, o->b, n, r, o->root,
                                              MPI_COMM_WORLD, &o->req)
                              : MPI_Igather(o->a, n, s, o->b, n, r, o->root, MPI_COMM_WORLD, &o->req);
            LAW_CHECK(rc == MPI_SUCCESS, "collective %d with a derived type", i);
            MPI_Type_free(&s);
            MPI_Type_free(&r);
            memset(o->counts, 0x55, sizeof o->counts);
            memset(o->displs, 0x55, sizeof o->displs);
        }
        for (int i = AT_ONCE - 1; i >= 0; i--) {
            struct posted *o = &c[i];
            long bad = 0;
            MPI_Wait(&o->req, MPI_STATUS_IGNORE);
            for (int j = 0; j < 2 * o->n * size; j++) {
                int from = i == 4 ? o->root : j / 2 / o->n;
                bool mine = i < 3 || (i == 4 ? j < 2 * o->n : rank == o->root);
                bad += o->b[j] != (mine && j % 2 == 0 ? (from + 1L) * (j / 2 % o->n + round) : -1);
            }
            LAW_CHECK(bad == 0, "%ld wrong elements of collective %d with a derived type", bad, i);
            free(o->a);
            free(o->b);
        }
    }
}

/* Of two requests the second ends first, by what the last rank does before it comes to the first. */
static void any_of(MPI_Comm other, bool message, bool some)
{
    struct posted c[2];
    int at = -1, n = 1, indices[2], got = 0, last = size - 1;
    if (rank != last)
        post(&c[0], MPI_COMM_WORLD, ALLREDUCE, 500, 1);
    if (!message)
        post(&c[1], other, ALLREDUCE, 500, 2);
    if (rank == last) {
        if (message)
            MPI_Send(&size, 1, MPI_INT, 0, 6, MPI_COMM_WORLD);
        MPI_Recv(NULL, 0, MPI_BYTE, 0, 7, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        post(&c[0], MPI_COMM_WORLD, ALLREDUCE, 500, 1);
    }
    MPI_Request req[2] = {c[0].req, message ? MPI_REQUEST_NULL : c[1].req};
    if (rank == 0) {
        if (message)
            MPI_Irecv(&got, 1, MPI_INT, last, 6, MPI_COMM_WORLD, &req[1]);
        if (some)
            MPI_Waitsome(2, req, &n, indices, MPI_STATUSES_IGNORE);
        else
            MPI_Waitany(2, req, &at, MPI_STATUS_IGNORE);
        LAW_CHECK(n == 1 && (some ? indices[0] : at) == 1 && req[1] == MPI_REQUEST_NULL, "what ended first");
        LAW_CHECK(!message || got == size, "a message");
        MPI_Send(NULL, 0, MPI_BYTE, last, 7, MPI_COMM_WORLD);
    }
    for (int left = 2; left > 0 && at != MPI_UNDEFINED; left--)
        MPI_Waitany(2, req, &at, MPI_STATUS_IGNORE);
    LAW_CHECK(req[0] == MPI_REQUEST_NULL && req[1] == MPI_REQUEST_NULL, "a request is left");
    for (int i = 0; i < (message ? 1 : 2); i++)
        check(&c[i], rank, size);
}

static void requests(void)
{
    static const int sizes[] = {1, 3, 200, 9000, 1, 70000};
    struct posted c[N];
    MPI_Request req[N];
    int at, some, flag, done[N];
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < N; i++) {
            post(&c[i], MPI_COMM_WORLD, (i + round) % KINDS,
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
    MPI_Comm other;
    MPI_Comm_dup(MPI_COMM_WORLD, &other);
    law_six(other, 20, 1);
    for (int i = 0; i < 12 && size > 1; i++)
        any_of(other, i & 1, i & 2);
    MPI_Comm_free(&other);
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
            post(&c[i], comm[i % COMMS], (i * 5 + round) % KINDS, 1 + (i * 37 + round) % 3000, round + i);
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
            post(&c[i], comm, i % KINDS, 100, i);
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
        post(&exchange[id], thread_comm[id], (round + id) % KINDS, round % 3 ? 4 : 5000, round);
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

/* What the others do before the last rank comes: behind a call under way, beside it, or in MPI_Waitall. */
static void wait_long(int round, MPI_Comm comm[2])
{
    enum { LATE_US = 700000, LONGS = 100000 };
    static long message[LONGS];
    struct posted c[2];
    MPI_Request req[3] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int calls = round == 2 ? 2 : 1;
    if (rank == size - 1) {
        usleep(LATE_US);
        message[LONGS - 1] = round + 1;
        /* A long one: it ends only if its receiver makes the MPI progress. */
        MPI_Send(message, LONGS, MPI_LONG, 0, 0, MPI_COMM_WORLD);
    } else if (rank == 0) {
        MPI_Irecv(message, LONGS, MPI_LONG, size - 1, 0, MPI_COMM_WORLD, &req[2]);
    }
    for (int i = 0; i < calls; i++) {
        post(&c[i], comm[i], ALLREDUCE, 5000, round);
        req[i] = c[i].req;
    }
    if (round < 2)
        LAW_CHECK(law_six(comm[round], 20, round) == 0, "a blocking call");
    if (round == 3)
        MPI_Wait(&req[0], MPI_STATUS_IGNORE);
    MPI_Waitall(3, req, MPI_STATUSES_IGNORE);
    LAW_CHECK(rank > 0 || message[LONGS - 1] == round + 1, "a message to a rank that waits");
    for (int i = 0; i < calls; i++)
        check(&c[i], rank, size);
}

static void late(void)
{
    MPI_Comm comm[2];
    for (int i = 0; i < 2; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &comm[i]);
    for (int i = 0; i < 8; i++)
        law_six(comm[i % 2], 20, i);
    for (int round = 0; round < 4; round++)
        wait_long(round, comm);
    for (int i = 0; i < 2; i++)
        MPI_Comm_free(&comm[i]);
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
    else if (strcmp(what, "types") == 0)
        types();
    else if (strcmp(what, "mixed") == 0)
        mixed(false);
    else if (strcmp(what, "freed") == 0)
        mixed(true);
    else if (strcmp(what, "progress") == 0)
        progress();
    else if (strcmp(what, "alone") == 0)
        alone();
    else if (strcmp(what, "late") == 0)
        late();
    else if (strcmp(what, "threads") == 0)
        rc = threads(provided);
    else {
        for (int i = 0; i < N; i++)
            post(&left[i], MPI_COMM_WORLD, i % KINDS, 1000, i);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    MPI_Finalize();
    return rc;
}

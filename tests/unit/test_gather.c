/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The exchange of MPI_Init, among threads that stand for ranks over a table of functions that counts:
 * everybody gets everything, with ceil(log2 n) messages each way that have each different record once, and
 * the next exchange does not meet this one's.
 */
#include "pmpi/gather.h"
#include "transport/mpi/next.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 130, BYTES = 32 };

struct message {
    struct message *next;
    int from, tag;
    size_t len;
    char data[];
};

struct pending {
    bool recv;
    int from, tag;
    void *buf;
    size_t len;
};

static struct {
    pthread_mutex_t lock;
    struct message *first, **last;
    int sent, received;
    size_t bytes;
} box[MOST];
static int size;
static _Thread_local int me;

static int stub_size(MPI_Comm comm, int *n)
{
    (void)comm;
    *n = size;
    return MPI_SUCCESS;
}

static int stub_rank(MPI_Comm comm, int *r)
{
    (void)comm;
    *r = me;
    return MPI_SUCCESS;
}

static int stub_isend(const void *buf, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                      MPI_Request *req)
{
    struct message *m = malloc(sizeof *m + (size_t)count);
    (void)type;
    (void)comm;
    if (!m)
        abort();
    *m = (struct message){.from = me, .tag = tag, .len = (size_t)count};
    memcpy(m->data, buf, (size_t)count);
    pthread_mutex_lock(&box[to].lock);
    *box[to].last = m;
    box[to].last = &m->next;
    pthread_mutex_unlock(&box[to].lock);
    box[me].sent++;
    box[me].bytes += (size_t)count;
    struct pending *p = calloc(1, sizeof *p);
    memcpy(req, &p, sizeof *req);
    return MPI_SUCCESS;
}

static int stub_irecv(void *buf, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
                      MPI_Request *req)
{
    struct pending *p = malloc(sizeof *p);
    (void)type;
    (void)comm;
    if (!p)
        abort();
    *p = (struct pending){true, from, tag, buf, (size_t)count};
    memcpy(req, &p, sizeof *req);
    return MPI_SUCCESS;
}

static struct message *take(const struct pending *p)
{
    struct message **at, *m;
    pthread_mutex_lock(&box[me].lock);
    for (at = &box[me].first; (m = *at) && (m->from != p->from || m->tag != p->tag); at = &m->next)
        ;
    if (m) {
        *at = m->next;
        if (!m->next)
            box[me].last = at;
    }
    pthread_mutex_unlock(&box[me].lock);
    return m;
}

static int stub_test(MPI_Request *req, int *done, MPI_Status *status)
{
    struct pending *p;
    (void)status;
    memcpy(&p, req, sizeof p);
    *done = 1;
    if (p->recv) {
        struct message *m = take(p);
        *done = m != NULL;
        if (!m)
            return MPI_SUCCESS;
        if (m->len > p->len)
            abort();
        memcpy(p->buf, m->data, m->len);
        free(m);
        box[me].received++;
    }
    free(p);
    return MPI_SUCCESS;
}

static int stub_wait(MPI_Request *req, MPI_Status *status)
{
    int done = 0;
    while (!done) {
        stub_test(req, &done, status);
        if (!done)
            sched_yield();
    }
    return MPI_SUCCESS;
}

/* Ranks are dealt to nodes, whose ranks have equal records. */
static int nodes;
static bool in_turn; /* not in blocks */

static int node_of(int rank)
{
    return in_turn ? rank % nodes : rank / ((size + nodes - 1) / nodes);
}

static void fill(char *to, int node, int round)
{
    memset(to, 0, BYTES);
    snprintf(to, BYTES, "node %d round %d", node, round);
}

/* All ranks' records, in order, as this rank has them after the exchange. */
static const char *look_at(const struct vc_records *got, int round)
{
    char expect[BYTES];
    int *of = malloc((size_t)size * sizeof *of), seen = 0;
    const char *bad = got->ranks == size ? NULL : "not all ranks";
    if (!of)
        return "memory";
    vc_records_spread(got, of);
    for (int r = 0; !bad && r < size; r++) {
        fill(expect, node_of(r), round);
        if (memcmp(vc_record(got, (uint32_t)of[r]), expect, BYTES) != 0)
            bad = "wrong record";
        if (of[r] > seen)
            bad = "values are not numbered as they first occur";
        seen += of[r] == seen;
    }
    if (!bad && seen != got->nvalues)
        bad = "a value that no rank has";
    free(of);
    return bad;
}

static const char *among(char *all, int round)
{
    char mine[BYTES], expect[BYTES];
    int *ranks = malloc((size_t)size * sizeof *ranks);
    const char *bad = ranks ? NULL : "memory";
    for (int r = 0; ranks && r < size; r++)
        ranks[r] = size - 1 - r;
    fill(mine, me, round);
    if (ranks && vc_gather_among(ranks, size, size - 1 - me, mine, all, BYTES) != VC_OK)
        bad = "failed";
    for (int r = 0; !bad && r < size; r++) {
        fill(expect, size - 1 - r, round);
        if (memcmp(all + (size_t)r * BYTES, expect, BYTES) != 0)
            bad = "wrong block";
    }
    free(ranks);
    return bad;
}

static void *rank_main(void *arg)
{
    char mine[BYTES], *all = malloc((size_t)size * BYTES);
    struct vc_records got;
    me = *(int *)arg;
    const char *bad = all ? NULL : "memory";
    for (int round = 0; !bad && round < 2; round++) {
        fill(mine, node_of(me), round);
        if (vc_gather_world(mine, BYTES, round == 0, &got) != VC_OK) {
            bad = "failed";
            break;
        }
        bad = look_at(&got, round);
        vc_records_free(&got);
    }
    if (!bad)
        bad = among(all, 2);
    free(all);
    return (void *)(uintptr_t)bad;
}

static void run(int n)
{
    pthread_t thread[MOST];
    int rank[MOST], rounds = 0;
    size = n;
    for (int r = 0; r < n; r++) {
        rank[r] = r;
        box[r].first = NULL;
        box[r].last = &box[r].first;
        box[r].sent = box[r].received = 0;
        box[r].bytes = 0;
    }
    for (int r = 0; r < n; r++)
        assert_int_equal(pthread_create(&thread[r], NULL, rank_main, &rank[r]), 0);
    for (int r = 0; r < n; r++) {
        void *bad;
        pthread_join(thread[r], &bad);
        if (bad)
            fail_msg("rank %d of %d: %s", r, n, (const char *)bad);
    }
    for (int p = 1; p < n; p *= 2)
        rounds++;
    for (int r = 0; r < n; r++) {
        assert_int_equal(box[r].sent, 3 * rounds);
        assert_int_equal(box[r].received, 3 * rounds);
        assert_null(box[r].first);
    }
}

static void test_all_sizes(void **state)
{
    (void)state;
    for (int n = 1; n <= 33; n++)
        for (int split = 0; split < 4; split++) {
            nodes = split < 2 ? n : (n + 2) / 3;
            in_turn = split % 2;
            run(n);
        }
    nodes = 1;
    run(64);
    nodes = 9;
    run(MOST);
}

/* What is the same on a node travels once. */
static void test_bytes(void **state)
{
    (void)state;
    nodes = 4;
    in_turn = false;
    run(128);
    size_t most = 0;
    for (int r = 0; r < size; r++)
        most = box[r].bytes > most ? box[r].bytes : most;
    /* Two exchanges of seven messages, each of at most five runs of four values; and one of blocks. */
    assert_true(most <= 2 * 7 * (8 + 4 * BYTES + 5 * 8) + 127 * BYTES);
}

static uint64_t draw(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* What a stranger sends is refused, or read as what it says; no byte beyond it is read. */
static void test_strangers(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        struct vc_records r;
        int ranks = 1 + (int)(draw(&seed) % 9), err;
        size_t len = vc_records_most(BYTES, ranks);
        unsigned char *in = malloc(len);
        assert_non_null(in);
        for (size_t k = 0; k < len; k++)
            in[k] = (unsigned char)(k % 4 ? 0 : draw(&seed) % 4);
        assert_int_equal(vc_records_begin(&r, in, BYTES), VC_OK);
        err = vc_records_append(&r, (const char *)in, ranks);
        assert_true(err == VC_ERR_MPI || (err == VC_OK && r.ranks == ranks + 1));
        vc_records_free(&r);
        free(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_sizes), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_strangers)};
    vc_next.Comm_size = stub_size;
    vc_next.Comm_rank = stub_rank;
    vc_next.Isend = stub_isend;
    vc_next.Irecv = stub_irecv;
    vc_next.Test = stub_test;
    vc_next.Wait = stub_wait;
    for (int r = 0; r < MOST; r++)
        pthread_mutex_init(&box[r].lock, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The exchange of MPI_Init, among threads that stand for ranks over a table of functions that counts:
 * everybody gets everything, with ceil(log2 n) messages each way, and the next exchange does not meet this
 * one's.
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
        if (m->len != p->len)
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

static void fill(char *to, int rank, int round)
{
    memset(to, 0, BYTES);
    snprintf(to, BYTES, "rank %d round %d", rank, round);
}

static void *rank_main(void *arg)
{
    char mine[BYTES], expect[BYTES], *all = malloc((size_t)size * BYTES);
    me = *(int *)arg;
    const char *bad = all ? NULL : "memory";
    for (int round = 0; !bad && round < 3; round++) {
        fill(mine, me, round);
        if (vc_gather_world(mine, all, BYTES, round == 0) != VC_OK)
            bad = "failed";
        for (int r = 0; !bad && r < size; r++) {
            fill(expect, r, round);
            if (memcmp(all + (size_t)r * BYTES, expect, BYTES) != 0)
                bad = "wrong block";
        }
    }
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
        run(n);
    run(64);
    run(MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_sizes)};
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

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/doctor/comm.h"

#include "transport/shm/shm_chan.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC     UINT64_C(0x31726f74636f6476) /* "vdoctor1" */
#define ALIVE_FOR 5.0                          /* seconds in which rank 0 hears who is there */

/* ---- time ---- */

double doc_now(void)
{
    return (double)vc_now_ns() / 1e9;
}

static struct {
    pthread_mutex_t lock;
    bool running;
    char stage[64];
    double until, seconds;
    int rank;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *watcher(void *arg)
{
    (void)arg;
    for (;;) {
        usleep(100000);
        pthread_mutex_lock(&watch.lock);
        if (watch.stage[0] && doc_now() > watch.until) {
            char host[DOC_HOST] = "";
            gethostname(host, sizeof host - 1);
            fprintf(stderr, "vcoll doctor: broken: rank %d on %s has been in %s for %.0f s\n", watch.rank,
                    host, watch.stage, watch.seconds);
            _exit(DOC_EXIT_BROKEN);
        }
        pthread_mutex_unlock(&watch.lock);
    }
    return NULL;
}

void doc_watch(const char *stage, double seconds, int rank)
{
    pthread_t thread;
    pthread_mutex_lock(&watch.lock);
    snprintf(watch.stage, sizeof watch.stage, "%s", stage ? stage : "");
    watch.seconds = seconds;
    watch.until = doc_now() + seconds;
    watch.rank = rank;
    if (!watch.running && pthread_create(&thread, NULL, watcher, NULL) == 0) {
        watch.running = true;
        pthread_detach(thread);
    }
    pthread_mutex_unlock(&watch.lock);
}

bool doc_finish(MPI_Request *req, int n, double until)
{
    int done = 0;
    for (double begun = doc_now(), now = begun;; now = doc_now()) {
        if (MPI_Testall(n, req, &done, MPI_STATUSES_IGNORE) != MPI_SUCCESS)
            return false;
        if (done || now > until)
            return done != 0;
        if (now - begun > 0.01)
            usleep(500);
        else
            sched_yield();
    }
}

/* ---- meeting ---- */

/* What the single copy is tried on. */
struct doc_target {
    uint64_t word;    /* read by the rank before this one */
    uint64_t written; /* written by it, and read back */
};
static struct doc_target target; /* stays put while others reach for it */

static void fill_card(struct doc_card *card, const struct vc_params *p)
{
    struct vc_os_id os;
    memset(card, 0, sizeof *card);
    vc_os_id_get(&os);
    target.word = vc_now_ns() ^ (uintptr_t)&target;
    card->magic = MAGIC;
    memcpy(card->boot, os.boot_id, sizeof card->boot);
    card->shm_dev = os.shm_dev;
    card->pid_ns = os.pid_ns;
    card->host_id = vc_hash(VC_HASH_START, p->host_id, strlen(p->host_id));
    card->pid = getpid();
    card->probe = (uintptr_t)&target;
    card->nonce = target.word;
    card->channels = p->channels;
    card->node_split = p->node_split;
}

static bool same_os(const struct doc_card *a, const struct doc_card *b)
{
    return memcmp(a->boot, b->boot, sizeof a->boot) == 0 && a->shm_dev == b->shm_dev &&
           a->host_id == b->host_id;
}

static void number_os(struct doc_comm *c)
{
    for (int r = 0; r < c->size; r++) {
        /* Neighbours in rank usually are neighbours in place, or repeat with a period: the last match is
         * tried first. */
        int os = r > 0 ? c->os_of[r - 1] : 0, tried = 0;
        while (tried < c->nos && !same_os(&c->card[r], &c->card[c->first[os]])) {
            os = (os + 1) % c->nos;
            tried++;
        }
        if (tried == c->nos) {
            os = c->nos++;
            c->first[os] = r;
        }
        c->os_of[r] = os;
    }
    c->os = c->os_of[c->rank];
    for (int r = 0; r < c->size; r++)
        if (c->os_of[r] == c->os)
            doc_set_add(&c->kin, r);
}

/* Not all have come: rank 0 asks who is there. */
static void count_alive(const struct doc_comm *c, struct doc_set *alive)
{
    MPI_Request req;
    int word = c->rank;
    double until = doc_now() + ALIVE_FOR;
    if (c->rank != 0) {
        if (MPI_Isend(&word, 1, MPI_INT, 0, DOC_TAG_ALIVE, MPI_COMM_WORLD, &req) == MPI_SUCCESS)
            doc_finish(&req, 1, until);
        return;
    }
    doc_set_add(alive, 0);
    while (doc_now() < until && alive->n < c->size) {
        MPI_Status st;
        int there = 0;
        if (MPI_Iprobe(MPI_ANY_SOURCE, DOC_TAG_ALIVE, MPI_COMM_WORLD, &there, &st) != MPI_SUCCESS)
            return;
        if (!there) {
            usleep(500);
            continue;
        }
        MPI_Recv(&word, 1, MPI_INT, st.MPI_SOURCE, DOC_TAG_ALIVE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        doc_set_add(alive, st.MPI_SOURCE);
    }
}

bool doc_comm_meet(struct doc_comm *c, const struct vc_params *p, struct doc_set *alive)
{
    static struct doc_card mine; /* stays put should the exchange never end */
    MPI_Request req;
    int n = (int)sizeof mine;
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
    c->card = doc_alloc((size_t)c->size, sizeof *c->card);
    c->os_of = doc_alloc((size_t)c->size, sizeof *c->os_of);
    c->first = doc_alloc((size_t)c->size, sizeof *c->first);
    fill_card(&mine, p);
    if (MPI_Iallgather(&mine, n, MPI_BYTE, c->card, n, MPI_BYTE, MPI_COMM_WORLD, &req) != MPI_SUCCESS ||
        !doc_finish(&req, 1, doc_now() + c->patience)) {
        count_alive(c, alive);
        return false;
    }
    number_os(c);
    return true;
}

void doc_comm_free(struct doc_comm *c)
{
    free(c->card);
    free(c->os_of);
    free(c->first);
    doc_set_free(&c->kin);
}

/* ---- single copy ---- */

void doc_comm_try_cma(const struct doc_comm *c, struct doc_rank *r)
{
    int me = 0;
    while (c->kin.v[me] != c->rank)
        me++;
    const struct doc_card *o = &c->card[c->kin.v[(me + 1) % c->kin.n]];
    struct doc_target seen = {0, 0};
    uint64_t there = o->probe + offsetof(struct doc_target, written);
    r->cma_alone = c->kin.n == 1;
    if (o->pid_ns != c->card[c->rank].pid_ns) {
        r->cma = DOC_CMA_OTHER_NAMESPACE;
        return;
    }
    errno = 0;
    /* Another process may have that number on another machine: it is read first, and written to only when it
     * is ours. */
    bool reads = vc_cma_read((pid_t)o->pid, &seen, o->probe, sizeof seen) == VC_OK;
    bool works = reads && seen.word == o->nonce &&
                 vc_cma_write((pid_t)o->pid, &o->nonce, there, sizeof o->nonce) == VC_OK &&
                 vc_cma_read((pid_t)o->pid, &seen, o->probe, sizeof seen) == VC_OK &&
                 seen.written == o->nonce;
    r->cma_errno = works ? 0 : !reads || seen.word == o->nonce ? errno : ESRCH;
    r->cma = works ? DOC_CMA_WORKS : DOC_CMA_FAILS;
}

/* ---- texts ---- */

bool doc_send(const struct doc_comm *c, int to, int tag, const char *text)
{
    MPI_Request req;
    return MPI_Isend(text, (int)strlen(text), MPI_BYTE, to, tag, MPI_COMM_WORLD, &req) == MPI_SUCCESS &&
           doc_finish(&req, 1, doc_now() + 2 * c->patience);
}

static void remove_value(struct doc_set *s, int value)
{
    int keep = 0;
    for (int i = 0; i < s->n; i++)
        if (s->v[i] != value)
            s->v[keep++] = s->v[i];
    s->n = keep;
}

void doc_collect(struct doc_set *from, int tag, double until,
                 void (*take)(void *arg, const char *text, size_t len), void *arg)
{
    while (from->n > 0 && doc_now() < until) {
        MPI_Message msg;
        MPI_Status st;
        MPI_Request req;
        int there = 0, len = 0;
        if (MPI_Improbe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &there, &msg, &st) != MPI_SUCCESS)
            return;
        if (!there) {
            usleep(200);
            continue;
        }
        MPI_Get_count(&st, MPI_BYTE, &len);
        char *text = doc_alloc((size_t)len + 1, 1);
        /* A text whose sender stops in the middle of it is left behind, with its memory. */
        if (MPI_Imrecv(text, len, MPI_BYTE, &msg, &req) != MPI_SUCCESS || !doc_finish(&req, 1, until))
            return;
        take(arg, text, (size_t)len);
        remove_value(from, st.MPI_SOURCE);
        free(text);
    }
}

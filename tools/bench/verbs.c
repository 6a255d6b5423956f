/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw verbs: one way of a minimal message, and an exchange of two, polled and event-driven. */
#include "tools/bench/verbs.h"

#include "transport/verbs/probe.h"
#include "tune/params/params.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAG       77
#define RECVS     32    /* receives that are posted at any time */
#define SENDS     32    /* work requests that the send queue holds */
#define SIGNAL    8     /* one of so many sends raises a completion */
#define WARM      2     /* round trips at the begin of a block that do not count */
#define FEW       8     /* a block has at least so many, however long they take */
#define BLOCK     500   /* and at most so many */
#define KEPT      20000 /* round trips that are kept of a run */
#define PATIENCE  10    /* seconds that a block may last beyond its time; then the other end counts as lost */
#define AGAIN     3.0   /* seconds without a block, after which a short one is due */
#define AGAIN_FOR 0.1
#define ACK       64 /* events that are acknowledged in one call, because each call takes a lock */
/* About a second for each of eight tries: a lost packet spoils a sample and does not end the run. */
#define TIMEOUT 18
#define RETRIES 7

static bool sleeps(enum bench_pace pace)
{
    return pace == BENCH_EVENT || pace == BENCH_EXCHANGE_EVENT;
}

static bool exchanges(enum bench_pace pace)
{
    return pace == BENCH_EXCHANGE_POLLED || pace == BENCH_EXCHANGE_EVENT;
}

/* What bounces. */
struct message {
    uint32_t number, last;
};

struct bench_verbs {
    struct vc_probe probe; /* its memory: the outgoing message, then RECVS places for incoming ones */
    int other;             /* rank at the other end; -1: this rank only looks on */
    bool lost, armed;
    const char *why; /* lost, NULL: unknown */
    unsigned sent, under_way;
    double *kept[BENCH_PACES]; /* rank 0, here and below */
    int nkept[BENCH_PACES];
    double when; /* the last block ended */
};

static void discard(struct bench_verbs *v)
{
    if (!v)
        return;
    vc_probe_close(&v->probe);
    for (int i = 0; i < BENCH_PACES; i++)
        free(v->kept[i]);
    free(v);
}

/* ---- the connection ---- */

/* The rank that answers rank 0; -1 where no messages go over verbs. */
static int find_peer(const struct vc_measure_world *w, const struct vc_params *p)
{
    if (!(p->channels & VC_CHAN_VERBS) || w->size < 2 || p->disable)
        return -1;
    if (!w->one_host)
        return w->leader[1];
    if (p->node_split > 0)
        return p->node_split < w->size ? p->node_split : -1;
    return p->channels & VC_CHAN_SHM ? -1 : 1;
}

/* 0, or an errno value. */
static int post_recv(struct bench_verbs *v, int place)
{
    return vc_probe_recv(&v->probe, 0, (uint64_t)place, (size_t)(1 + place) * sizeof(struct message),
                         sizeof(struct message));
}

static bool open_end(struct bench_verbs *v, const struct vc_params *p)
{
    struct vc_verbs_cfg verbs;
    struct vc_probe_cfg cfg = {.verbs = &verbs,
                               .timeout = TIMEOUT,
                               .retries = RETRIES,
                               .bytes = (1 + RECVS) * sizeof(struct message),
                               .qps = 1,
                               .sends = SENDS,
                               .recvs = RECVS,
                               .inline_bytes = sizeof(struct message),
                               .events = true};
    vc_params_verbs_cfg(p, &verbs);
    if (vc_probe_open(&cfg, &v->probe) != VC_OK)
        return false;
    for (int i = 0; i < RECVS; i++)
        if (post_recv(v, i) != 0)
            return false;
    return true;
}

/* Both ends. False when something is missing, maybe at one end alone. */
static bool connect_ends(struct vc_measure_world *w, struct bench_verbs *v, const struct vc_params *p)
{
    struct {
        int32_t ok;
        struct vc_rc_addr addr;
    } mine, theirs;
    memset(&mine, 0, sizeof mine);
    mine.ok = open_end(v, p);
    if (mine.ok)
        mine.addr = vc_probe_addr(&v->probe, 0);
    MPI_Sendrecv(&mine, sizeof mine, MPI_BYTE, v->other, TAG, &theirs, sizeof theirs, MPI_BYTE, v->other, TAG,
                 w->ctl, MPI_STATUS_IGNORE);
    return mine.ok && theirs.ok && mine.addr.port.roce == theirs.addr.port.roce &&
           vc_probe_connect(&v->probe, 0, &theirs.addr) == 0;
}

struct bench_verbs *bench_verbs_open(struct vc_measure_world *w)
{
    static struct vc_params params;
    struct vc_param_report report;
    int peer = -1;
    if (vc_params_load(&params, NULL, &report) == VC_OK)
        peer = find_peer(w, &params);
    w->control->bcast(&peer, 1, MPI_INT, 0, w->ctl);
    if (peer < 0)
        return NULL;
    struct bench_verbs *v = calloc(1, sizeof *v);
    bool ok = v != NULL;
    if (v) {
        v->other = w->rank == 0 ? peer : w->rank == peer ? 0 : -1;
        v->when = vc_measure_now();
    }
    for (int i = 0; ok && w->rank == 0 && i < BENCH_PACES; i++)
        ok = (v->kept[i] = calloc(KEPT, sizeof(double))) != NULL;
    if (!vc_measure_all_agree(w, ok)) {
        discard(v);
        return NULL;
    }
    ok = v->other < 0 || connect_ends(w, v, &params);
    /* After this agreement both ends can receive. */
    if (!vc_measure_all_agree(w, ok)) {
        discard(v);
        return NULL;
    }
    return v;
}

void bench_verbs_close(struct vc_measure_world *w, struct bench_verbs *v)
{
    if (!v)
        return;
    vc_measure_quiet_barrier(w);
    discard(v);
}

/* ---- a block ---- */

/* When the other end vanishes, no event wakes a rank that sleeps in ibv_get_cq_event(). After the time is up
 * the watchdog breaks the queue pair, whose receives then complete with an error. */
struct watchdog {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done, running;
    struct timespec until;
    struct ibv_qp *qp;
};

static void *watch(void *arg)
{
    struct watchdog *d = arg;
    int rc = 0;
    pthread_mutex_lock(&d->lock);
    while (!d->done && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&d->over, &d->lock, &d->until);
    if (!d->done)
        vc_rc_break(d->qp);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void watch_begin(struct watchdog *d, struct ibv_qp *qp, double seconds)
{
    pthread_condattr_t attr;
    memset(d, 0, sizeof *d);
    d->qp = qp;
    clock_gettime(CLOCK_MONOTONIC, &d->until);
    d->until.tv_sec += (time_t)seconds + 1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->over, &attr);
    pthread_condattr_destroy(&attr);
    d->running = pthread_create(&d->thread, NULL, watch, d) == 0;
}

static void watch_end(struct watchdog *d)
{
    pthread_mutex_lock(&d->lock);
    d->done = true;
    pthread_cond_signal(&d->over);
    pthread_mutex_unlock(&d->lock);
    if (d->running)
        pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->over);
    pthread_mutex_destroy(&d->lock);
}

/* false, with the reason noted, when the connection is of no use any more. */
static bool fails(struct bench_verbs *v, const char *why)
{
    v->lost = true;
    v->why = why;
    return false;
}

static bool send_message(struct bench_verbs *v, struct message m)
{
    struct vc_probe_qp *end = &v->probe.end[0];
    struct ibv_wc wc;
    struct ibv_sge sge = {(uintptr_t)v->probe.mem, sizeof m, v->probe.mr->lkey};
    struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND}, *bad;
    /* The answers to these messages have come, so their completions are there and the loop ends at once. */
    while (v->under_way >= SENDS - SIGNAL) {
        int n = ibv_poll_cq(end->send_cq, 1, &wc);
        if (n < 0)
            return fails(v, "ibv_poll_cq failed");
        if (n > 0 && wc.status != IBV_WC_SUCCESS)
            return fails(v, vc_ibv.wc_status_str(wc.status));
        v->under_way -= n > 0 ? SIGNAL : 0;
    }
    memcpy(v->probe.mem, &m, sizeof m);
    wr.send_flags = (end->inline_bytes >= sizeof m ? IBV_SEND_INLINE : 0) |
                    (++v->sent % SIGNAL == 0 ? IBV_SEND_SIGNALED : 0);
    v->under_way++;
    return ibv_post_send(end->qp, &wr, &bad) == 0 || fails(v, "ibv_post_send failed");
}

static bool await_message(struct bench_verbs *v, enum bench_pace pace, struct ibv_wc *wc)
{
    struct vc_probe_qp *end = &v->probe.end[0];
    for (;;) {
        int n = ibv_poll_cq(end->recv_cq, 1, wc);
        if (n < 0)
            return fails(v, "ibv_poll_cq failed");
        if (n > 0)
            return wc->status == IBV_WC_SUCCESS || fails(v, vc_ibv.wc_status_str(wc->status));
        if (!sleeps(pace))
            continue;
        if (!v->armed) {
            /* A message that came before the queue was armed raises no event, so poll once more. */
            if (ibv_req_notify_cq(end->recv_cq, 0) != 0)
                return fails(v, "ibv_req_notify_cq failed");
            v->armed = true;
            continue;
        }
        struct ibv_cq *cq;
        void *context;
        if (vc_ibv.get_cq_event(v->probe.events, &cq, &context) != 0)
            return fails(v, "ibv_get_cq_event failed");
        v->armed = false;
        if (++end->unacked == ACK) {
            vc_ibv.ack_cq_events(end->recv_cq, end->unacked);
            end->unacked = 0;
        }
    }
}

static struct message received(const struct bench_verbs *v, const struct ibv_wc *wc)
{
    struct message m;
    memcpy(&m, v->probe.mem + (1 + wc->wr_id) * sizeof m, sizeof m);
    return m;
}

/* Rank 0. Returns how many times, of one way or of an exchange, it has stored. */
static int ping(struct bench_verbs *v, enum bench_pace pace, double seconds, int most, double *one_way)
{
    double end = vc_measure_now() + seconds;
    struct ibv_wc wc;
    for (int i = -WARM; i < most; i++) {
        double sent = vc_measure_now();
        bool last = i + 1 == most || (i >= FEW && sent > end);
        if (!send_message(v, (struct message){(uint32_t)i, last}) || !await_message(v, pace, &wc))
            return i > 0 ? i : 0;
        if (i >= 0)
            one_way[i] = (vc_measure_now() - sent) / (exchanges(pace) ? 1 : 2);
        if (post_recv(v, (int)wc.wr_id) != 0) {
            fails(v, "ibv_post_recv failed");
            return i > 0 ? i : 0;
        }
        if (last)
            return i + 1;
    }
    return most;
}

/* The rank at the other end. */
static void pong(struct bench_verbs *v, enum bench_pace pace)
{
    struct message m = {0, 0};
    struct ibv_wc wc;
    while (!m.last) {
        /* In an exchange both ends send as soon as they have received the message before. */
        if (exchanges(pace) && !send_message(v, m))
            return;
        if (!await_message(v, pace, &wc))
            return;
        m = received(v, &wc);
        if (!exchanges(pace) && !send_message(v, m))
            return;
        /* The receive is posted again while the message is on its way. */
        if (post_recv(v, (int)wc.wr_id) != 0) {
            fails(v, "ibv_post_recv failed");
            return;
        }
    }
}

static struct bench_wire_block summarize(struct bench_verbs *v, enum bench_pace pace, double *one_way, int n)
{
    struct bench_wire_block b = {NAN, NAN};
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += one_way[i];
    if (n > 0)
        b.mean = sum / n;
    b.median = vc_measure_quantile(one_way, n, 0.5);
    for (int i = 0; i < n && v->nkept[pace] < KEPT; i++)
        v->kept[pace][v->nkept[pace]++] = one_way[i];
    return b;
}

struct bench_wire_block bench_verbs_block(struct vc_measure_world *w, struct bench_verbs *v,
                                          enum bench_pace pace, double seconds, int most)
{
    struct bench_wire_block b = {NAN, NAN};
    double one_way[BLOCK];
    struct watchdog dog;
    int n = 0;
    if (v->lost)
        return b;
    if (v->other >= 0) {
        watch_begin(&dog, v->probe.end[0].qp, seconds + PATIENCE);
        if (w->rank == 0)
            n = ping(v, pace, seconds, most < BLOCK ? most : BLOCK, one_way);
        else
            pong(v, pace);
        watch_end(&dog);
    }
    vc_measure_quiet_barrier(w);
    if (!vc_measure_all_agree(w, !v->lost)) {
        if (w->rank == 0)
            fprintf(stderr, "vcoll bench: raw verbs are not measured any more: %s\n",
                    v->why ? v->why : "the other end failed");
        v->lost = true;
    }
    if (w->rank == 0) {
        b = summarize(v, pace, one_way, n);
        v->when = vc_measure_now();
    }
    return b;
}

void bench_verbs_again(struct vc_measure_world *w, struct bench_verbs *v)
{
    if (!v || v->lost)
        return;
    int due = vc_measure_now() - v->when > AGAIN;
    w->control->bcast(&due, 1, MPI_INT, 0, w->ctl);
    for (int i = 0; due && i < BENCH_PACES; i++)
        bench_verbs_block(w, v, (enum bench_pace)i, AGAIN_FOR, BLOCK);
}

void bench_verbs_sum(const struct bench_verbs *v, struct bench_wire *wire)
{
    memset(wire, 0, sizeof *wire);
    wire->known = v && v->nkept[BENCH_POLLED] > 0 && v->nkept[BENCH_EVENT] > 0;
    if (!wire->known)
        return;
    snprintf(wire->device, sizeof wire->device, "%s", v->probe.dev.name);
    wire->peer = v->other;
    for (int i = 0; i < BENCH_PACES; i++) {
        wire->time[i] = bench_stat(v->kept[i], v->nkept[i]);
    }
}

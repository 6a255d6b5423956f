/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw verbs: one way of a minimal message, and an exchange of two, polled and event-driven. */
#include "tools/bench/verbs_impl.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIGNAL    8     /* every so many sends one says that it is done */
#define WARM      2     /* round trips of a block that do not count */
#define FEW       8     /* a block has so many, however long they take */
#define BLOCK     500   /* and never more than so many */
#define KEPT      20000 /* round trips of a run */
#define PATIENCE  10    /* seconds that a block may last beyond its time; then the other end is lost */
#define AGAIN     3.0   /* seconds without a block */
#define AGAIN_FOR 0.1
#define ACK       64 /* events are acknowledged together: that takes a lock */

static bool sleeps(enum bench_pace pace)
{
    return pace == BENCH_EVENT || pace == BENCH_EXCHANGE_EVENT;
}

static bool exchanges(enum bench_pace pace)
{
    return pace == BENCH_EXCHANGE_POLLED || pace == BENCH_EXCHANGE_EVENT;
}

struct bench_verbs {
    struct bench_end end;
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
    bench_end_free(&v->end);
    for (int i = 0; i < BENCH_PACES; i++)
        free(v->kept[i]);
    free(v);
}

struct bench_verbs *bench_verbs_open(struct vc_measure_world *w)
{
    static struct vc_params params;
    struct vc_param_report report;
    int peer = -1;
    if (vc_params_load(&params, NULL, &report) == VC_OK)
        peer = bench_end_peer(w, &params);
    w->control->bcast(&peer, 1, MPI_INT, 0, w->ctl);
    if (peer < 0)
        return NULL;
    struct bench_verbs *v = calloc(1, sizeof *v);
    bool ok = v != NULL;
    if (v) {
        v->end.other = w->rank == 0 ? peer : w->rank == peer ? 0 : -1;
        v->when = vc_measure_now();
    }
    for (int i = 0; ok && w->rank == 0 && i < BENCH_PACES; i++)
        ok = (v->kept[i] = calloc(KEPT, sizeof(double))) != NULL;
    if (!vc_measure_all_agree(w, ok)) {
        discard(v);
        return NULL;
    }
    ok = v->end.other < 0 || bench_end_meet(w, &v->end, &params);
    /* Also says that both ends can receive. */
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

/* Should the other end vanish, nobody wakes a rank that sleeps in ibv_get_cq_event(): then the queue pair is
 * made to fail, which gives its receives back with an error. */
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
    if (!d->done) {
        struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
        vc_ibv.modify_qp(d->qp, &attr, IBV_QP_STATE);
    }
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

static bool send_ball(struct bench_verbs *v, struct bench_ball ball)
{
    struct ibv_wc wc;
    struct ibv_sge sge = {(uintptr_t)v->end.mem, sizeof ball, v->end.mr->lkey};
    struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND}, *bad;
    /* The answer to a message is also the news that it has left: this finds its completion at once. */
    while (v->under_way >= BENCH_SENDS - SIGNAL) {
        int n = ibv_poll_cq(v->end.send_cq, 1, &wc);
        if (n < 0)
            return fails(v, "ibv_poll_cq failed");
        if (n > 0 && wc.status != IBV_WC_SUCCESS)
            return fails(v, vc_ibv.wc_status_str(wc.status));
        v->under_way -= n > 0 ? SIGNAL : 0;
    }
    v->end.mem[0] = ball;
    wr.send_flags =
        (v->end.inlined ? IBV_SEND_INLINE : 0) | (++v->sent % SIGNAL == 0 ? IBV_SEND_SIGNALED : 0);
    v->under_way++;
    return ibv_post_send(v->end.qp, &wr, &bad) == 0 || fails(v, "ibv_post_send failed");
}

static bool get_ball(struct bench_verbs *v, enum bench_pace pace, struct ibv_wc *wc)
{
    for (;;) {
        int n = ibv_poll_cq(v->end.recv_cq, 1, wc);
        if (n < 0)
            return fails(v, "ibv_poll_cq failed");
        if (n > 0)
            return wc->status == IBV_WC_SUCCESS || fails(v, vc_ibv.wc_status_str(wc->status));
        if (!sleeps(pace))
            continue;
        if (!v->armed) {
            /* What came before it is armed raises no event: it is polled once more. */
            if (ibv_req_notify_cq(v->end.recv_cq, 0) != 0)
                return fails(v, "ibv_req_notify_cq failed");
            v->armed = true;
            continue;
        }
        struct ibv_cq *cq;
        void *context;
        if (vc_ibv.get_cq_event(v->end.events, &cq, &context) != 0)
            return fails(v, "ibv_get_cq_event failed");
        v->armed = false;
        if (++v->end.unacked == ACK) {
            vc_ibv.ack_cq_events(v->end.recv_cq, v->end.unacked);
            v->end.unacked = 0;
        }
    }
}

static struct bench_ball take_ball(struct bench_verbs *v, const struct ibv_wc *wc)
{
    return v->end.mem[1 + wc->wr_id];
}

/* Rank 0: the number of times stored, of one way or of an exchange. */
static int serve(struct bench_verbs *v, enum bench_pace pace, double seconds, int most, double *one_way)
{
    double end = vc_measure_now() + seconds;
    struct ibv_wc wc;
    for (int i = -WARM; i < most; i++) {
        double sent = vc_measure_now();
        bool last = i + 1 == most || (i >= FEW && sent > end);
        if (!send_ball(v, (struct bench_ball){(uint32_t)i, last}) || !get_ball(v, pace, &wc))
            return i > 0 ? i : 0;
        if (i >= 0)
            one_way[i] = (vc_measure_now() - sent) / (exchanges(pace) ? 1 : 2);
        if (bench_end_recv(&v->end, (int)wc.wr_id) != 0) {
            fails(v, "ibv_post_recv failed");
            return i > 0 ? i : 0;
        }
        if (last)
            return i + 1;
    }
    return most;
}

static void answer(struct bench_verbs *v, enum bench_pace pace)
{
    struct bench_ball ball = {0, 0};
    struct ibv_wc wc;
    while (!ball.last) {
        /* In an exchange both send as soon as they are through with the one before. */
        if (exchanges(pace) && !send_ball(v, ball))
            return;
        if (!get_ball(v, pace, &wc))
            return;
        ball = take_ball(v, &wc);
        if (!exchanges(pace) && !send_ball(v, ball))
            return;
        /* The receive is replaced while the message is on its way. */
        if (bench_end_recv(&v->end, (int)wc.wr_id) != 0) {
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
    if (v->end.other >= 0) {
        watch_begin(&dog, v->end.qp, seconds + PATIENCE);
        if (w->rank == 0)
            n = serve(v, pace, seconds, most < BLOCK ? most : BLOCK, one_way);
        else
            answer(v, pace);
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
    snprintf(wire->device, sizeof wire->device, "%s", v->end.dev.name);
    wire->peer = v->end.other;
    for (int i = 0; i < BENCH_PACES; i++) {
        wire->time[i] = bench_stat(v->kept[i], v->nkept[i]);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/queue.h"

#include "pmpi/busy.h"
#include "pmpi/helper.h"
#include "pmpi/requests.h"

#include <stdlib.h>

/* At the end of MPI, so long without anything that came. */
#define FINISH_NS 1000000000u
/* Beginning what has so many bytes takes longer than handing it to the helper: copies, registrations, and a
 * device that is made of software sends in the call that posts. */
#define HAND_OVER_BYTES 16384
/* Requests of which any may end, which are looked up one by one at each call. */
#define MOST_OF_ANY 64

/* ---- posting ---- */

static void fill_node_call(struct vc_posted *op)
{
    op->call.src = op->w.send;
    op->call.dst = op->w.recv;
    op->call.len = op->w.bytes;
    op->call.at = op->w.at;
    op->call.lens = op->w.lens;
    op->call.pairs = op->w.pairs;
    op->call.op = op->w.op;
    op->call.view = op->w.view;
    op->call.grain = op->w.op ? op->w.op->esize : 1;
}

/* The operation as it goes on. NULL: no memory. */
static struct vc_posted *copy_of(const struct vc_posted *op)
{
    struct vc_posted *own = malloc(sizeof *own);
    if (!own) {
        vc_fail(VC_ERR_NOMEM, "no memory for a nonblocking collective");
        return NULL;
    }
    *own = *op;
    if (op->w.op)
        own->w.op = own->call.op = &own->redop;
    return own;
}

/* In the call itself, which reports a failure. 1, or the error. */
static int finish_at_once(struct vc_posted *op)
{
    op->told = true;
    vc_posted_end(op);
    return op->err == VC_OK ? 1 : op->err;
}

/* Where nothing is under way. 1: over. 0: goes on. Negative: failed. */
static int try_at_once(struct vc_posted *op)
{
    int rc = vc_posted_advance(op);
    return rc > 0 ? finish_at_once(op) : rc;
}

static int give_request(int rc)
{
    return rc == MPI_SUCCESS ? VC_OK
                             : vc_fail(VC_ERR_MPI, "the MPI gives no request for a nonblocking collective");
}

/* An operation that is not over; `alone`: nothing else is under way. */
static int go_on(struct vc_posted *op, bool alone, MPI_Request *request)
{
    int rc;
    struct vc_posted *own = copy_of(op);
    if (!own)
        return VC_ERR_NOMEM;
    bool handed = op->by_plan && op->k.bytes >= HAND_OVER_BYTES && vc_helper_takes(op);
    if (alone && !handed && (rc = try_at_once(own)) != 0) {
        *op = *own;
        free(own);
        return rc < 0 ? rc : give_request(vc_request_done(op->k.coll, request));
    }
    rc = vc_host_call_back(vc_busy_progress);
    if (rc == VC_OK)
        rc = give_request(vc_request_start(own, request));
    if (rc != VC_OK) {
        free(own);
        return rc;
    }
    own->told = false;
    vc_helper_start();
    pthread_mutex_lock(&vc_busy_lock);
    vc_busy_add(own);
    pthread_mutex_unlock(&vc_busy_lock);
    vc_helper_wake();
    return VC_OK;
}

int vc_queue_go_on(struct vc_posted *op, MPI_Request *request)
{
    op->whom = VC_WAIT_ANY;
    return go_on(op, true, request);
}

int vc_queue_post(struct vc_posted *op, MPI_Request *request)
{
    struct vc_team *t = op->team;
    if (!op->by_plan)
        fill_node_call(op);
    if (!vc_queue_empty(t))
        vc_busy_progress();
    bool alone = vc_queue_empty(t) && vc_request_may_be_done(op->k.coll);
    if (alone && !op->by_plan) {
        int rc = vc_node_small(t->node, &op->call);
        op->begun = rc >= 0;
        op->whom = VC_WAIT_ANY;
        if (rc > 0) {
            rc = finish_at_once(op);
            return rc < 0 ? rc : give_request(vc_request_done(op->k.coll, request));
        }
    }
    return go_on(op, alone, request);
}

int vc_queue_failed(const struct vc_team *t, const char **why)
{
    *why = t->queue.why;
    return t->queue.err;
}

/* ---- waiting for the end of all ---- */

/* Begins to wait for what the first operation needs; false: there is none. */
static bool begin_wait(struct vc_team *t, struct vc_waiter *w)
{
    const struct vc_posted *op = t->queue.first;
    struct vc_parking *parking = t->parking.shared ? &t->parking : NULL;
    if (!op)
        return false;
    if (op->by_plan && op->begun)
        vc_exec_wait_begin(op->exec, w, &t->wait, parking);
    else
        vc_wait_begin(w, &t->wait, parking);
    return true;
}

/* Until *over, or, if it is NULL, until the team has nothing under way. What waits of the team's operations
 * is moved here, and by the helper no longer. */
static void drive(struct vc_team *t, const _Atomic bool *over)
{
    struct vc_waiter w;
    int whom = VC_WAIT_ANY, last = VC_WAIT_ANY, err = VC_OK;
    bool waiting = false;
    /* Acquire: see on_query() of requests.c. */
    while (over ? !atomic_load_explicit(over, memory_order_acquire) : !vc_queue_empty(t)) {
        pthread_mutex_lock(&vc_busy_lock);
        if (err != VC_OK)
            vc_busy_fail(t, err);
        err = VC_OK;
        int n = vc_busy_move();
        struct vc_posted *list = vc_busy_over();
        whom = t->queue.first ? vc_posted_whom(t->queue.first) : VC_WAIT_ANY;
        if (waiting && (n > 0 || whom != last || !t->queue.first)) { /* what comes next is a new wait */
            vc_wait_end(&w);
            waiting = false;
        }
        bool begun = !waiting && begin_wait(t, &w);
        last = whom;
        pthread_mutex_unlock(&vc_busy_lock);
        vc_busy_finish(list);
        waiting |= begun;
        if (waiting && !begun)
            err = vc_wait_idle(&w, whom);
        else if (!waiting)
            vc_cpu_relax(); /* another thread finishes the last one */
    }
    if (waiting)
        vc_wait_end(&w);
}

static void set_drained(struct vc_team *t, bool on)
{
    pthread_mutex_lock(&vc_busy_lock);
    vc_busy_drained(t, on);
    pthread_mutex_unlock(&vc_busy_lock);
}

int vc_queue_drain(struct vc_team *t)
{
    if (vc_queue_empty(t))
        return t->queue.err;
    set_drained(t, true);
    drive(t, NULL);
    set_drained(t, false);
    return t->queue.err;
}

static struct vc_posted *find_queued(MPI_Request request)
{
    for (struct vc_team *t = vc_busy_teams; t; t = t->queue.next)
        for (struct vc_posted *op = t->queue.first; op; op = op->next)
            if (op->request == request)
                return op;
    return NULL;
}

/* Until the operation is over. With the lock, which is released. */
static void wait_for(struct vc_posted *op)
{
    struct vc_team *t = op->team;
    /* Counted as one more: another thread may free the communicator as soon as its queue is empty. */
    atomic_fetch_add_explicit(&t->queue.count, 1, memory_order_relaxed);
    vc_busy_drained(t, true);
    pthread_mutex_unlock(&vc_busy_lock);
    drive(t, &op->over);
    pthread_mutex_lock(&vc_busy_lock);
    vc_busy_drained(t, false);
    bool more = t->queue.first != NULL;
    pthread_mutex_unlock(&vc_busy_lock);
    /* Release: as in busy.c; the last access to the team. */
    atomic_fetch_sub_explicit(&t->queue.count, 1, memory_order_release);
    if (more)
        vc_helper_wake();
}

void vc_queue_wait(MPI_Request request)
{
    pthread_mutex_lock(&vc_busy_lock);
    struct vc_posted *op = find_queued(request);
    if (op)
        wait_for(op);
    else
        pthread_mutex_unlock(&vc_busy_lock);
}

/* The one that is over first, if all of them are under way on one team, whose operations run in order. NULL:
 * they are not, or there is none. */
static struct vc_posted *find_first(int n, const MPI_Request requests[])
{
    const struct vc_team *t = NULL;
    for (int i = 0; i < n; i++) {
        const struct vc_posted *op;
        if (requests[i] == MPI_REQUEST_NULL)
            continue;
        if (!(op = find_queued(requests[i])) || (t && op->team != t))
            return NULL;
        t = op->team;
    }
    for (struct vc_posted *op = t ? t->queue.first : NULL; op; op = op->next)
        for (int i = 0; i < n; i++)
            if (requests[i] == op->request)
                return op;
    return NULL;
}

void vc_queue_wait_any(int n, const MPI_Request requests[])
{
    if (n > MOST_OF_ANY)
        return;
    pthread_mutex_lock(&vc_busy_lock);
    struct vc_posted *op = find_first(n, requests);
    if (op)
        wait_for(op);
    else
        pthread_mutex_unlock(&vc_busy_lock);
}

void vc_queue_finish(void)
{
    uint64_t since = vc_now_ns();
    while (atomic_load_explicit(&vc_busy_count, memory_order_relaxed) > 0 &&
           vc_now_ns() - since < FINISH_NS) {
        if (vc_busy_progress() > 0)
            since = vc_now_ns();
        vc_host_progress();
    }
    vc_helper_stop();
}

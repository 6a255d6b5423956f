/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/queue.h"

#include "pmpi/ft.h"
#include "pmpi/helper.h"
#include "pmpi/pack.h"
#include "pmpi/redop.h"
#include "pmpi/requests.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Polls in vain between looks at the clock. */
#define POLLS_PER_LOOK 64
/* At the end of MPI, so long without anything that came. */
#define FINISH_NS 1000000000u

/* Never held while a request is completed, or while anything else of the MPI's is called that could call the
 * program, and with it this library. Progress within progress finds it taken, and does nothing. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vc_team *busy;                           /* those whose queue is not empty */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER; /* there are some, or the helper is to end */
static bool resting;                                   /* the helper waits for that */
static struct vc_posted *over;                         /* out of their queues, and still to be finished */
static struct vc_posted **over_end = &over;
/* In queues, or still to be finished. Relaxed: whoever has to see an operation has posted it, or has been
 * told of it. */
static _Atomic int pending;

/* ---- the end of an operation ---- */

void vc_posted_release(struct vc_posted *op)
{
    for (int i = 0; i < VC_SCRATCHES; i++) {
        free(op->mem[i]);
        op->mem[i] = NULL;
    }
    if (op->owns_type)
        vc_next.Type_free(&op->type.type);
    op->owns_type = false;
}

static int move_result(struct vc_posted *op)
{
    if (!op->padded)
        return vc_unpack(op->w.recv, op->k.recv, op->count, &op->type);
    if (op->type.device)
        return vc_store(op->w.recv, op->k.recv, op->count, &op->type);
    struct vc_reduction r = {.op = op->redop, .type = op->type};
    vc_reduction_copy(&r, op->w.recv, op->k.recv, op->count);
    return VC_OK;
}

static void note_failure(struct vc_queue *q, int err, const char *why)
{
    if (q->err != VC_OK)
        return;
    q->err = err;
    snprintf(q->why, sizeof q->why, "%s", why);
}

/* As vc_call_failed(), but for the communicator's state, which the next call on it changes. */
static void conclude_failure(struct vc_posted *op)
{
    op->class = vc_ft_class(op->k.comm, op->err);
    bool expected = op->class != MPI_ERR_OTHER;
    if (op->err == VC_ERR_TRUNCATE && !expected)
        op->class = MPI_ERR_TRUNCATE;
    if (!op->told)
        vc_log(expected ? VC_LOG_INFO : VC_LOG_ERROR, "%s of rank %d on a communicator of %d ranks: %s",
               vc_coll_name(op->k.coll), op->comm->rank, op->comm->size, op->why);
}

/* In a thread that may call the MPI, without the lock. */
static void finish(struct vc_posted *op)
{
    if (op->err == VC_OK && op->unpacks && (op->err = move_result(op)) != VC_OK) {
        snprintf(op->why, sizeof op->why, "%s", vc_error_text());
        pthread_mutex_lock(&lock);
        note_failure(&op->team->queue, op->err, op->why);
        pthread_mutex_unlock(&lock);
    }
    op->class = MPI_SUCCESS;
    if (op->err != VC_OK)
        conclude_failure(op);
    vc_posted_release(op);
}

static int finish_all(struct vc_posted *list)
{
    int n = 0;
    while (list) {
        struct vc_posted *op = list;
        list = op->next;
        finish(op);
        /* Release: pairs with vc_queue_empty(); this thread does not touch the team after that. */
        atomic_fetch_sub_explicit(&op->team->queue.count, 1, memory_order_release);
        vc_request_end(op);
        atomic_fetch_sub_explicit(&pending, 1, memory_order_relaxed);
        n++;
    }
    return n;
}

/* ---- running; all of this with the lock, or with the team's queue empty ---- */

static int begin(struct vc_posted *op)
{
    struct vc_team *t = op->team;
    op->begun = true;
    op->whom = VC_WAIT_ANY;
    if (!op->by_plan)
        return vc_node_start(t->node, &op->call);
    struct vc_plan_slot *slot;
    int err = vc_plans_get(t, &op->key, op->k.coll, &slot);
    if (err != VC_OK)
        return err;
    if (!slot->exec)
        return vc_fail(VC_ERR_INVAL, "the algorithm refuses the plan that was chosen");
    op->exec = slot->exec;
    op->k.via = slot->via;
    return vc_exec_start(op->exec, op->w.send, op->w.recv, op->w.op);
}

/* 1: done. 0: waits. Negative: failed. */
static int advance(struct vc_posted *op)
{
    if (!op->begun) {
        int err = begin(op);
        if (err != VC_OK)
            return err;
    }
    return op->by_plan ? vc_exec_progress(op->exec) : vc_node_progress(op->team->node, &op->call, &op->whom);
}

/* Whether those that the operation waits for are alive, now and then. */
static int look_at_peers(struct vc_team *t, const struct vc_posted *op)
{
    struct vc_queue *q = &t->queue;
    if (++q->polls % POLLS_PER_LOOK != 0)
        return VC_OK;
    uint64_t now = vc_now_ns();
    if (q->checked == 0)
        q->checked = now;
    if (now - q->checked < VC_LIVENESS_NS)
        return VC_OK;
    q->checked = now;
    return vc_wait_check(&t->wait, t->parking.shared ? &t->parking : NULL,
                         op->by_plan ? vc_exec_watch(op->exec) : NULL,
                         op->by_plan ? vc_exec_whom(op->exec) : op->whom);
}

/* ---- queues, with the lock ---- */

static void count_duty(struct vc_team *t, int n)
{
    if (!t->queue.drained)
        atomic_fetch_add_explicit(&vc_wait_duties, n, memory_order_relaxed);
}

static void enqueue(struct vc_team *t, struct vc_posted *op)
{
    struct vc_queue *q = &t->queue;
    op->next = NULL;
    if (q->first)
        q->last->next = op;
    else
        q->first = op;
    q->last = op;
    atomic_fetch_add_explicit(&q->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pending, 1, memory_order_relaxed);
    if (!q->listed) {
        q->listed = true;
        q->next = busy;
        busy = t;
        count_duty(t, 1);
    }
}

static void dequeue(struct vc_team *t, int err)
{
    struct vc_queue *q = &t->queue;
    struct vc_posted *op = q->first;
    q->first = op->next;
    q->polls = 0;
    q->checked = 0;
    op->next = NULL;
    op->err = err;
    *over_end = op;
    over_end = &op->next;
}

static void fail_all(struct vc_team *t, int err)
{
    struct vc_queue *q = &t->queue;
    char why[sizeof q->why];
    snprintf(why, sizeof why, "%s", vc_error_text());
    bool told = q->err != VC_OK;
    note_failure(q, err, why);
    vc_team_break(t, why);
    while (q->first) {
        snprintf(q->first->why, sizeof q->first->why, "%s", why);
        q->first->told = told;
        told = true;
        dequeue(t, err);
    }
}

/* Those over the MPI's messages move by calls of the MPI. */
static bool needs_mpi(const struct vc_team *t, const struct vc_posted *op)
{
    const struct vc_team_chan *c = t->chan_for[op->key.channel];
    return op->by_plan && (c == &t->chan[VC_NET_MPI] || c->reach) &&
           (t->hier.nnodes > 1 || !t->key.have_node);
}

/* The helper's part: how many operations are over; *moved: whether anything else moved. It leaves failures to
 * the program's calls, which find them again. */
static int help_team(struct vc_team *t, bool may_call_mpi, bool *moved)
{
    struct vc_queue *q = &t->queue;
    int n = 0;
    while (q->first && !q->left && (may_call_mpi || !needs_mpi(t, q->first))) {
        int rc = advance(q->first);
        *moved |= q->first->exec && vc_exec_advanced(q->first->exec);
        q->left = rc < 0;
        if (rc <= 0)
            break;
        n++;
        dequeue(t, VC_OK);
    }
    if (q->first && !may_call_mpi && needs_mpi(t, q->first)) {
        static bool said;
        if (!said)
            vc_log(VC_LOG_WARN,
                   "VCOLL_PROGRESS: the program has no MPI_THREAD_MULTIPLE, so nonblocking collectives over "
                   "the MPI's messages move in MPI calls alone");
        said = true;
    }
    return n;
}

/* How many operations are over. */
static int progress_team(struct vc_team *t)
{
    struct vc_queue *q = &t->queue;
    int n = 0, rc;
    while (q->first) {
        rc = advance(q->first);
        if (rc == 0)
            rc = look_at_peers(t, q->first);
        if (rc == 0)
            break;
        n++;
        if (rc < 0)
            fail_all(t, rc);
        else
            dequeue(t, VC_OK);
    }
    return n;
}

/* Returns the next one. */
static struct vc_team *unlist(struct vc_team *t)
{
    t->queue.listed = t->queue.left = false;
    count_duty(t, -1);
    return t->queue.next;
}

static int progress_all(void)
{
    int n = 0;
    for (struct vc_team **at = &busy, *t; (t = *at);) {
        struct vc_queue *q = &t->queue;
        n += progress_team(t);
        if (q->first) {
            at = &q->next;
            continue;
        }
        *at = unlist(t);
    }
    return n;
}

static struct vc_posted *remove_over(void)
{
    struct vc_posted *list = over;
    over = NULL;
    over_end = &over;
    return list;
}

/* ---- the helper ---- */

static int help(bool may_call_mpi)
{
    int n = 0;
    bool moved = false, any = false;
    pthread_mutex_lock(&lock);
    for (struct vc_team **at = &busy, *t; (t = *at);) {
        n += help_team(t, may_call_mpi, &moved);
        if (t->queue.first) {
            any |= !t->queue.left && (may_call_mpi || !needs_mpi(t, t->queue.first));
            at = &t->queue.next;
        } else {
            *at = unlist(t);
        }
    }
    pthread_mutex_unlock(&lock);
    return n > 0 || moved ? 1 : any ? 0 : -1;
}

static void rest(void)
{
    pthread_mutex_lock(&lock);
    resting = true;
    if (!vc_helper_ends())
        pthread_cond_wait(&work, &lock);
    resting = false;
    pthread_mutex_unlock(&lock);
}

static void wake_helper(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&work);
    pthread_mutex_unlock(&lock);
}

/* ---- from outside ---- */

int vc_queue_progress(void)
{
    if (VC_LIKELY(atomic_load_explicit(&pending, memory_order_relaxed) == 0) || pthread_mutex_trylock(&lock))
        return 0;
    int n = progress_all();
    struct vc_posted *list = remove_over();
    pthread_mutex_unlock(&lock);
    return finish_all(list) > n ? 1 : n;
}

static void fill_node_call(struct vc_posted *op)
{
    op->call.src = op->w.send;
    op->call.dst = op->w.recv;
    op->call.len = op->w.bytes;
    op->call.op = op->w.op;
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
    finish(op);
    return op->err == VC_OK ? 1 : op->err;
}

/* Where nothing is under way. 1: over. 0: goes on. Negative: failed. */
static int try_at_once(struct vc_posted *op)
{
    int rc = advance(op);
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
    if (alone && (rc = try_at_once(own)) != 0) {
        *op = *own;
        free(own);
        return rc < 0 ? rc : give_request(vc_request_done(request));
    }
    rc = vc_host_call_back(vc_queue_progress);
    if (rc == VC_OK)
        rc = give_request(vc_request_start(own, request));
    if (rc != VC_OK) {
        free(own);
        return rc;
    }
    own->told = false;
    vc_helper_start(help, rest);
    pthread_mutex_lock(&lock);
    enqueue(op->team, own);
    bool wake = resting;
    pthread_mutex_unlock(&lock);
    if (wake)
        pthread_cond_signal(&work);
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
        vc_queue_progress();
    bool alone = vc_queue_empty(t);
    if (alone && !op->by_plan) {
        int rc = vc_node_small(t->node, &op->call);
        op->begun = rc >= 0;
        op->whom = VC_WAIT_ANY;
        if (rc > 0) {
            rc = finish_at_once(op);
            return rc < 0 ? rc : give_request(vc_request_done(request));
        }
    }
    return go_on(op, alone, request);
}

int vc_queue_failed(const struct vc_team *t, const char **why)
{
    *why = t->queue.why;
    return t->queue.err;
}

/* Whom the first operation waits for. */
static int find_whom(const struct vc_team *t)
{
    const struct vc_posted *op = t->queue.first;
    if (!op || !op->begun)
        return VC_WAIT_ANY;
    return op->by_plan ? vc_exec_whom(op->exec) : op->whom;
}

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

static void set_drained(struct vc_team *t, bool on)
{
    pthread_mutex_lock(&lock);
    if (t->queue.listed)
        count_duty(t, on ? -1 : 1);
    t->queue.drained = on;
    if (t->queue.listed)
        count_duty(t, on ? -1 : 1);
    pthread_mutex_unlock(&lock);
}

int vc_queue_drain(struct vc_team *t)
{
    struct vc_waiter w;
    int whom = VC_WAIT_ANY, last = VC_WAIT_ANY, err = VC_OK;
    bool waiting = false;
    if (vc_queue_empty(t))
        return t->queue.err;
    set_drained(t, true);
    while (!vc_queue_empty(t)) {
        pthread_mutex_lock(&lock);
        if (err != VC_OK)
            fail_all(t, err);
        int n = progress_all();
        struct vc_posted *list = remove_over();
        whom = find_whom(t);
        if (waiting && (n > 0 || whom != last || !t->queue.first)) { /* what comes next is a new wait */
            vc_wait_end(&w);
            waiting = false;
        }
        bool begun = !waiting && begin_wait(t, &w);
        last = whom;
        pthread_mutex_unlock(&lock);
        finish_all(list);
        waiting |= begun;
        if (waiting && !begun)
            err = vc_wait_idle(&w, whom);
        else if (!waiting)
            vc_cpu_relax(); /* another thread finishes the last one */
    }
    if (waiting)
        vc_wait_end(&w);
    set_drained(t, false);
    return t->queue.err;
}

void vc_queue_finish(void)
{
    uint64_t since = vc_now_ns();
    while (atomic_load_explicit(&pending, memory_order_relaxed) > 0 && vc_now_ns() - since < FINISH_NS) {
        if (vc_queue_progress() > 0)
            since = vc_now_ns();
        vc_host_progress();
    }
    vc_helper_stop(wake_helper);
}

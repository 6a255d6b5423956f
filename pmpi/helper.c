/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/helper.h"

#include "pmpi/busy.h"
#include "transport/verbs/verbs.h"

#include <signal.h>
#include <stdio.h>

/* Longest sleep while something is under way that wakes nobody. */
#define SLICE_MAX_NS 200000u

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static bool tried; /* with the mutex */
static _Atomic bool runs;
static bool may_call_mpi; /* before the thread starts */

/* All of these with the lock of busy.h. */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER; /* there is some, or the thread is to end */
static bool rests;                                     /* it waits for that */
static bool ends;

/* ---- its work, with the lock ---- */

/* Those over the MPI's messages move by calls of the MPI. */
static bool needs_mpi(const struct vc_team *t, const struct vc_posted *op)
{
    if (!op->by_plan) /* then it has no key */
        return false;
    const struct vc_team_chan *c = t->chan_for[op->key.channel];
    return c->far && (c == &t->chan[VC_NET_MPI] || c->reach);
}

static bool may_move(const struct vc_team *t)
{
    const struct vc_posted *first = t->queue.first;
    return first && !t->queue.left && !t->queue.drained && (may_call_mpi || !needs_mpi(t, first));
}

static void tell_of_messages(const struct vc_team *t)
{
    static bool said;
    if (said || may_call_mpi || !t->queue.first || !needs_mpi(t, t->queue.first))
        return;
    said = true;
    vc_log(VC_LOG_WARN,
           "VCOLL_PROGRESS: the program has no MPI_THREAD_MULTIPLE, so nonblocking collectives over "
           "the MPI's messages move in MPI calls alone");
}

/* Whether anything moved. Failures are left to the program's calls, which find them again. */
static bool move_team(struct vc_team *t)
{
    struct vc_queue *q = &t->queue;
    bool moved = false;
    while (may_move(t)) {
        int rc = vc_posted_advance(q->first);
        moved |= rc > 0 || (q->first->exec && vc_exec_advanced(q->first->exec));
        q->left = rc < 0;
        if (q->left) /* the text of an error is its thread's */
            snprintf(q->first->why, sizeof q->first->why, "%s", vc_error_text());
        if (rc <= 0)
            break;
        vc_busy_remove_first(t, VC_OK);
    }
    tell_of_messages(t);
    return moved;
}

static bool move_all(void)
{
    bool moved = false;
    for (struct vc_team **at = &vc_busy_teams, *t; (t = *at);) {
        moved |= move_team(t);
        if (t->queue.first)
            at = &t->queue.next;
        else
            *at = vc_busy_unlist(t);
    }
    return moved;
}

static bool has_work(void)
{
    for (const struct vc_team *t = vc_busy_teams; t; t = t->queue.next)
        if (may_move(t))
            return true;
    return false;
}

/* Sleeps until there is something to do. False: it is to end. */
static bool rest(bool *rested)
{
    *rested = false;
    while (!ends && !has_work()) {
        *rested = rests = true;
        pthread_cond_wait(&work, &vc_busy_lock);
    }
    rests = false;
    return !ends;
}

/* ---- the thread ---- */

/* The program's own threads drive the MPI. */
static int drive_nothing(void)
{
    return 0;
}

/* What the thread's waits have in common. */
static struct vc_wait_cfg own_way(uint64_t slice_max_ns)
{
    struct vc_wait_cfg cfg = vc_wait;
    cfg.mode = vc_wait.mode == VC_WAIT_POLL ? VC_WAIT_POLL : VC_WAIT_EVENT;
    cfg.slice_max_ns = slice_max_ns;
    cfg.host_progress = drive_nothing;
    cfg.check = NULL;
    cfg.look_around = NULL;
    cfg.on_duty = true;
    return cfg;
}

/* With the lock: the only thing that can end the wait for all that it moves; NULL: there are several, or one
 * that wakes nobody. It belongs to the process, so it outlives teams. */
static struct vc_wake_src *only_source(void)
{
    struct vc_wake_src *only = NULL;
    for (const struct vc_team *t = vc_busy_teams; t; t = t->queue.next) {
        if (!may_move(t))
            continue;
        const struct vc_exec *x = t->queue.first->exec;
        struct vc_wake_src *src = x ? vc_exec_source(x) : NULL;
        if (!src || (only && src != only))
            return NULL;
        only = src;
    }
    return only;
}

static void *help(void *arg)
{
    const struct vc_wait_cfg timed = own_way(SLICE_MAX_NS), woken = own_way(vc_wait.slice_max_ns);
    struct vc_waiter w;
    struct vc_wake_src *src;
    bool rested, moved;
    (void)arg;
    if (!may_call_mpi)
        vc_verbs_forbid_boot();
    vc_wait_begin(&w, &timed, NULL);
    pthread_mutex_lock(&vc_busy_lock);
    while (rest(&rested)) {
        moved = move_all();
        src = only_source();
        pthread_mutex_unlock(&vc_busy_lock);
        if (moved || rested || src != w.src) {
            vc_wait_begin_src(&w, src ? &woken : &timed, NULL, src);
            w.watch = NULL; /* the program's own threads look at who is alive */
        } else {
            vc_wait_idle(&w, VC_WAIT_ANY);
        }
        pthread_mutex_lock(&vc_busy_lock);
    }
    pthread_mutex_unlock(&vc_busy_lock);
    return NULL;
}

/* ---- from outside ---- */

/* auto: only where a CPU is left for it. */
static bool is_wanted(void)
{
    return vc_params.progress == VC_PROGRESS_THREAD ||
           (vc_params.progress == VC_PROGRESS_AUTO && !vc_wait_crowded(&vc_wait));
}

static bool is_running(void)
{
    /* Acquire: pairs with the release after the thread was made. */
    return atomic_load_explicit(&runs, memory_order_acquire);
}

bool vc_helper_takes(const struct vc_posted *op)
{
    return is_running() && (may_call_mpi || !needs_mpi(op->team, op));
}

void vc_helper_start(void)
{
    if (vc_params.progress == VC_PROGRESS_OFF || is_running() || !is_wanted())
        return;
    pthread_mutex_lock(&starting);
    if (!tried) {
        sigset_t all;
        pthread_attr_t attr;
        int level = MPI_THREAD_SINGLE;
        tried = true;
        vc_next.Query_thread(&level);
        may_call_mpi = level == MPI_THREAD_MULTIPLE;
        /* The program's signals are not for this thread. */
        sigfillset(&all);
        bool started = pthread_attr_init(&attr) == 0;
        if (started) {
            started = pthread_attr_setsigmask_np(&attr, &all) == 0 &&
                      pthread_create(&thread, &attr, help, NULL) == 0;
            pthread_attr_destroy(&attr);
        }
        atomic_store_explicit(&runs, started, memory_order_release);
        if (!started)
            vc_log(VC_LOG_WARN, "VCOLL_PROGRESS: no thread could be started; nonblocking collectives move in "
                                "MPI calls alone");
    }
    pthread_mutex_unlock(&starting);
}

void vc_helper_wake(void)
{
    if (!is_running())
        return;
    pthread_mutex_lock(&vc_busy_lock);
    if (rests)
        pthread_cond_signal(&work);
    pthread_mutex_unlock(&vc_busy_lock);
}

void vc_helper_stop(void)
{
    if (!is_running())
        return;
    pthread_mutex_lock(&vc_busy_lock);
    ends = true;
    pthread_cond_signal(&work);
    pthread_mutex_unlock(&vc_busy_lock);
    pthread_join(thread, NULL);
    atomic_store_explicit(&runs, false, memory_order_release);
}

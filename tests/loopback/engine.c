/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: a thread for work that cannot be done at once: sends that found no receive or no peer, delays,
 * events held back by moderation, faults at a set time. It is started with the first such work.
 */
#include "tests/loopback/internal.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void lb_kick(struct lb_seg *seg)
{
    __atomic_fetch_add(&seg->kick, 1, __ATOMIC_SEQ_CST);
    /* The engine announces its sleep before FUTEX_WAIT compares `kick`, so either the engine sees the kick or
     * the waker sees the sleeper. */
    if (__atomic_load_n(&seg->sleeping, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &seg->kick, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static uint64_t run_sends(struct lb_engine *e, uint64_t now)
{
    for (;;) {
        struct lb_qp *best = NULL, **at = NULL;
        pthread_mutex_lock(&e->lock);
        for (struct lb_qp **p = &e->list; *p; p = &(*p)->next) {
            if (!best || (*p)->due < best->due) {
                best = *p;
                at = p;
            }
        }
        uint64_t due = best ? best->due : LB_NEVER;
        if (due > now) {
            pthread_mutex_unlock(&e->lock);
            return due;
        }
        *at = best->next;
        best->listed = false;
        e->current = best;
        pthread_mutex_unlock(&e->lock);
        lb_qp_progress(best);
        pthread_mutex_lock(&e->lock);
        e->current = NULL;
        pthread_cond_broadcast(&e->idle);
        pthread_mutex_unlock(&e->lock);
    }
}

static uint64_t run_cqs(uint64_t now)
{
    uint64_t next = LB_NEVER;
    pthread_mutex_lock(&lb->lock);
    for (uint32_t i = 0; i < LB_CQS; i++) {
        if (!lb->cq[i])
            continue;
        uint64_t t = lb_cq_timer(lb->cq[i], now);
        next = t < next ? t : next;
    }
    pthread_mutex_unlock(&lb->lock);
    return next;
}

static void *engine_main(void *arg)
{
    struct lb_engine *e = arg;
    struct lb_seg *seg = lb->seg;
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) {
        uint32_t kick = __atomic_load_n(&seg->kick, __ATOMIC_SEQ_CST);
        uint64_t now = lb_now();
        uint64_t next = lb_faults_run(now), t = run_cqs(now);
        next = t < next ? t : next;
        t = run_sends(e, now);
        next = t < next ? t : next;
        now = lb_now();
        if (next <= now)
            continue;
        struct timespec ts = {.tv_sec = (time_t)((next - now) / 1000000000u),
                              .tv_nsec = (long)((next - now) % 1000000000u)};
        __atomic_store_n(&seg->sleeping, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &seg->kick, FUTEX_WAIT, kick, next == LB_NEVER ? NULL : &ts, NULL, 0);
        __atomic_store_n(&seg->sleeping, 0, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

int lb_engine_start(void)
{
    struct lb_engine *e = &lb->engine;
    int rc = 0;
    pthread_mutex_lock(&e->lock);
    if (!e->running) {
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        rc = pthread_create(&e->thread, NULL, engine_main, e);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        e->running = rc == 0;
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

void lb_engine_stop(void)
{
    struct lb_engine *e = &lb->engine;
    if (!e->running)
        return;
    __atomic_store_n(&e->stop, 1, __ATOMIC_RELEASE);
    lb_kick(lb->seg);
    pthread_join(e->thread, NULL);
    e->running = false;
}

void lb_engine_schedule(struct lb_qp *qp, uint64_t due)
{
    struct lb_engine *e = &lb->engine;
    lb_engine_start();
    pthread_mutex_lock(&e->lock);
    qp->due = due;
    if (!qp->listed) {
        qp->listed = true;
        qp->next = e->list;
        e->list = qp;
    }
    bool own = pthread_equal(pthread_self(), e->thread);
    pthread_mutex_unlock(&e->lock);
    if (!own)
        lb_kick(lb->seg);
}

void lb_engine_cancel(struct lb_qp *qp)
{
    struct lb_engine *e = &lb->engine;
    pthread_mutex_lock(&e->lock);
    for (;;) {
        for (struct lb_qp **p = &e->list; *p; p = &(*p)->next) {
            if (*p == qp) {
                *p = qp->next;
                qp->listed = false;
                break;
            }
        }
        if (e->current != qp)
            break;
        pthread_cond_wait(&e->idle, &e->lock);
    }
    pthread_mutex_unlock(&e->lock);
}

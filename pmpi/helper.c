/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/helper.h"

#include "pmpi/door.h"

#include <pthread.h>
#include <signal.h>

/* Longest sleep while something is under way. */
#define SLICE_MAX_NS 200000u

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static bool tried; /* with the mutex */
static _Atomic bool runs, ends;
static bool may_call_mpi; /* before the thread starts */
static vc_helper_work *move;
static vc_helper_sleep *rest;

/* The program's own threads drive the MPI. */
static int drive_nothing(void)
{
    return 0;
}

static void *help(void *arg)
{
    struct vc_wait_cfg cfg = vc_wait;
    struct vc_waiter w;
    (void)arg;
    cfg.mode = vc_wait.mode == VC_WAIT_POLL ? VC_WAIT_POLL : VC_WAIT_EVENT;
    cfg.slice_max_ns = SLICE_MAX_NS;
    cfg.host_progress = drive_nothing;
    cfg.check = NULL;
    cfg.look_around = NULL;
    vc_wait_begin(&w, &cfg, NULL);
    while (!vc_helper_ends()) {
        int moved = move(may_call_mpi);
        if (moved < 0)
            rest();
        if (moved != 0)
            vc_wait_begin(&w, &cfg, NULL);
        else
            vc_wait_idle(&w, VC_WAIT_ANY);
    }
    return NULL;
}

/* auto: only where a CPU is left for it. */
static bool is_wanted(void)
{
    return vc_params.progress == VC_PROGRESS_THREAD ||
           (vc_params.progress == VC_PROGRESS_AUTO && !vc_wait_crowded(&vc_wait));
}

void vc_helper_start(vc_helper_work *work, vc_helper_sleep *sleep)
{
    if (vc_params.progress == VC_PROGRESS_OFF || vc_helper_runs() || !is_wanted())
        return;
    pthread_mutex_lock(&starting);
    if (!tried) {
        sigset_t all;
        pthread_attr_t attr;
        int level = MPI_THREAD_SINGLE;
        tried = true;
        move = work;
        rest = sleep;
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
        /* Release: pairs with vc_helper_runs(). */
        atomic_store_explicit(&runs, started, memory_order_release);
        if (!started)
            vc_log(VC_LOG_WARN, "VCOLL_PROGRESS: no thread could be started; nonblocking collectives move in "
                                "MPI calls alone");
    }
    pthread_mutex_unlock(&starting);
}

bool vc_helper_runs(void)
{
    return atomic_load_explicit(&runs, memory_order_acquire);
}

bool vc_helper_ends(void)
{
    return atomic_load_explicit(&ends, memory_order_acquire);
}

void vc_helper_stop(void (*wake)(void))
{
    if (!vc_helper_runs())
        return;
    atomic_store_explicit(&ends, true, memory_order_release);
    wake();
    pthread_join(thread, NULL);
    atomic_store_explicit(&runs, false, memory_order_release);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/bench/yields.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WARM_UP    50
#define LOOKS      8 /* at a flag, before the CPU is given up */
#define CALLS_MOST 20000

struct flag {
    _Alignas(128) _Atomic unsigned v;
    _Atomic uint64_t data;
};

struct bench_yields {
    MPI_Comm host;
    MPI_Win win;
    struct flag *flag; /* [n] */
    int n, me;
    unsigned epoch;
    double took; /* a barrier of the block before; the same on all ranks */
};

static void barrier(struct bench_yields *y)
{
    unsigned e = ++y->epoch;
    /* Release, and acquire below: the barrier orders what comes before it on one rank with what follows it on
     * another, as one that is of use has to. */
    atomic_store_explicit(&y->flag[y->me].v, e, memory_order_release);
    for (int i = 0; i < y->n; i++)
        for (unsigned looks = 1; (int)(atomic_load_explicit(&y->flag[i].v, memory_order_acquire) - e) < 0;
             looks++)
            if (looks > LOOKS)
                sched_yield();
}

/* Whose calls run; they have the arguments of MPI's. */
static struct bench_yields *running;

static int run_barrier(MPI_Comm comm)
{
    (void)comm;
    barrier(running);
    return MPI_SUCCESS;
}

static int run_allreduce(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    struct bench_yields *y = running;
    uint64_t word;
    (void)count, (void)type, (void)op, (void)comm;
    memcpy(&word, send, sizeof word);
    /* Relaxed: what it says does not matter, and the owner may be ahead. */
    atomic_store_explicit(&y->flag[y->me].data, word, memory_order_relaxed);
    barrier(y);
    word = atomic_load_explicit(&y->flag[y->n - 1].data, memory_order_relaxed);
    memcpy(recv, &word, sizeof word);
    return MPI_SUCCESS;
}

struct bench_yields *bench_yields_open(struct vc_measure_world *w)
{
    if (!w->one_host || !w->oversubscribed)
        return NULL;
    struct bench_yields *y = calloc(1, sizeof *y);
    int ok = y != NULL, all = 0;
    w->control->allreduce(&ok, &all, 1, MPI_INT, MPI_MIN, w->ctl);
    if (!all) {
        free(y);
        return NULL;
    }
    MPI_Comm_split_type(w->ctl, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &y->host);
    MPI_Comm_set_errhandler(y->host, MPI_ERRORS_RETURN);
    MPI_Comm_rank(y->host, &y->me);
    MPI_Comm_size(y->host, &y->n);
    y->win = MPI_WIN_NULL;
    char *mem = NULL;
    MPI_Aint bytes = y->me == 0 ? (MPI_Aint)sizeof(struct flag) * (y->n + 1) : 0;
    int unit;
    ok = y->n == w->size &&
         MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, y->host, &mem, &y->win) == MPI_SUCCESS &&
         MPI_Win_shared_query(y->win, 0, &bytes, &unit, (void *)&mem) == MPI_SUCCESS;
    w->control->allreduce(&ok, &all, 1, MPI_INT, MPI_MIN, w->ctl);
    if (!all) {
        bench_yields_close(y);
        return NULL;
    }
    /* The window begins somewhere in a page, at the same place of it in every process. */
    y->flag = (void *)(((uintptr_t)mem + _Alignof(struct flag) - 1) / _Alignof(struct flag) *
                       _Alignof(struct flag));
    atomic_store_explicit(&y->flag[y->me].v, 0, memory_order_relaxed);
    vc_measure_quiet_barrier(w);
    return y;
}

void bench_yields_close(struct bench_yields *y)
{
    if (!y)
        return;
    if (y->win != MPI_WIN_NULL)
        MPI_Win_free(&y->win);
    MPI_Comm_free(&y->host);
    free(y);
}

static void call(struct vc_measure_world *w, struct bench_yields *y, struct vc_measure_call *buffers)
{
    static const struct vc_measure_fns fns = {
        .measured = {
            [VC_BARRIER] = (vc_measure_fn *)run_barrier, [VC_ALLREDUCE] = (vc_measure_fn *)run_allreduce}};
    if (buffers)
        vc_measure_call_run(buffers, &fns, w->comm);
    else
        barrier(y);
}

double bench_yields_block(struct vc_measure_world *w, struct bench_yields *y, struct vc_measure_call *buffers,
                          double seconds)
{
    running = y;
    vc_measure_quiet_barrier(w);
    for (int i = 0; i < WARM_UP; i++)
        call(w, y, buffers);
    long calls = y->took > 0 ? (long)fmin(seconds / y->took, CALLS_MOST) : WARM_UP;
    if (calls < WARM_UP)
        calls = WARM_UP;
    double begun = vc_measure_now();
    for (long i = 0; i < calls; i++)
        call(w, y, buffers);
    double mine = (vc_measure_now() - begun) / (double)calls;
    w->control->allreduce(&mine, &y->took, 1, MPI_DOUBLE, MPI_MAX, w->ctl);
    return y->took;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* One clock for all ranks, a start that all of them know beforehand, and a barrier that burns nothing. */
#include "tools/bench.h"

#include <math.h>
#include <sched.h>
#include <time.h>

#define TOLERANCE   1e-6   /* a rank with a CPU of its own that starts later than this was interrupted */
#define SPIN_BEFORE 150e-6 /* a sleeper wakes up so long before the start: more than a wake-up takes */
#define LEAD_MIN    10e-6
#define LEAD_MAX    20e-3
#define PINGS       60

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_until(double when)
{
    struct timespec t = {.tv_sec = (time_t)when, .tv_nsec = (long)((when - floor(when)) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Of many round trips the shortest was disturbed least: its middle is the instant the other clock was read.
 */
void bench_clock_sync(struct bench_world *w)
{
    if (w->one_host)
        return;
    for (int r = 1; r < w->size; r++) {
        double best = INFINITY;
        for (int i = 0; i < PINGS; i++) {
            double theirs, sent = bench_now();
            if (w->rank == 0) {
                MPI_Recv(&theirs, 1, MPI_DOUBLE, r, 1, w->ctl, MPI_STATUS_IGNORE);
                theirs = bench_now();
                MPI_Send(&theirs, 1, MPI_DOUBLE, r, 2, w->ctl);
            } else if (w->rank == r) {
                MPI_Send(&sent, 1, MPI_DOUBLE, 0, 1, w->ctl);
                MPI_Recv(&theirs, 1, MPI_DOUBLE, 0, 2, w->ctl, MPI_STATUS_IGNORE);
                double got = bench_now();
                if (got - sent < best) {
                    best = got - sent;
                    w->offset = theirs - (sent + got) / 2;
                }
            }
        }
    }
}

enum bench_begin bench_clock_start(struct bench_world *w, bool stop, double *start)
{
    double at = stop ? -1 : bench_now() + w->lead;
    w->fn[BENCH_NATIVE].bcast(&at, 1, MPI_DOUBLE, 0, w->ctl);
    if (at < 0)
        return BENCH_STOP;
    at -= w->offset;
    *start = at;
    double now = bench_now();
    if (now > at)
        return BENCH_UNHEARD;
    if (!w->oversubscribed) {
        while (now < at)
            now = bench_now();
        return now - at < TOLERANCE ? BENCH_ON_TIME : BENCH_INTERRUPTED;
    }
    /* Spinning ranks would keep the others of their CPU from seeing the start at all. Those that share a CPU
     * cannot all begin at the same instant: they begin as the scheduler gets to them, and that belongs to the
     * measured time. */
    if (at - now > 2 * SPIN_BEFORE)
        sleep_until(at - SPIN_BEFORE);
    while (bench_now() < at)
        sched_yield();
    return BENCH_ON_TIME;
}

void bench_clock_adapt(struct bench_world *w, double unheard)
{
    if (unheard > 0.1)
        w->lead = fmin(w->lead * 1.5, LEAD_MAX);
    else if (unheard < 0.01)
        w->lead = fmax(w->lead * 0.9, LEAD_MIN);
}

void bench_quiet_barrier(struct bench_world *w)
{
    MPI_Request req;
    int done = 0;
    MPI_Ibarrier(w->ctl, &req);
    for (;;) {
        MPI_Test(&req, &done, MPI_STATUS_IGNORE);
        if (done)
            return;
        sleep_until(bench_now() + 200e-6);
    }
}

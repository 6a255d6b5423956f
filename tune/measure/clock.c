/* SPDX-License-Identifier: BSD-3-Clause */
/* One clock for all ranks, a start that all of them know beforehand, and a barrier that burns nothing. */
#include "tune/measure/internal.h"

#include <math.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#define SPIN_BEFORE 150e-6 /* a sleeper wakes up so long before the start: more than a wake-up takes */
#define SPIN_LONG   1e-3   /* the same where ranks are of several hosts */
#define LEAD_MIN    10e-6
#define LEAD_MAX    (w->one_host ? 20e-3 : 100e-3)
#define PINGS       60
#define PINGS_MIN   4
#define DRIFT       100e-6 /* seconds per second that two clocks may go apart */
#define DOZE        (w->one_host ? 200e-6 : 2e-3)

double vc_measure_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void vc_measure_host_cpu(double *busy, double *irq)
{
    double v[8] = {0}, tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    *busy = *irq = 0;
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return;
    /* user nice system idle iowait irq softirq steal */
    if (fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
               &v[7]) == 8) {
        *busy = vc_measure_now() * (double)sysconf(_SC_NPROCESSORS_ONLN) - (v[3] + v[4] + v[7]) * tick;
        *irq = (v[5] + v[6]) * tick;
    }
    fclose(f);
}

static void sleep_until(double when)
{
    struct timespec t = {.tv_sec = (time_t)when, .tv_nsec = (long)((when - floor(when)) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/*
 * The other clock was read between the sending of a question and the coming of its answer: each round trip
 * bounds the offset from both sides. The bounds of many together are close, even where no single round trip
 * was short; those of earlier points still hold, widened by what clocks drift apart in the time since.
 */
struct bounds {
    double low, high, when;
};

static void tighten(struct bounds *b, double low, double high, double now)
{
    b->low = fmax(b->low - DRIFT * (now - b->when), low);
    b->high = fmin(b->high + DRIFT * (now - b->when), high);
    b->when = now;
    if (b->low <= b->high)
        return;
    /* One of the clocks was set in between. */
    b->low = low;
    b->high = high;
}

/* The asking side. Returns the shortest round trip. */
static double ping(struct vc_measure_world *w, struct bounds *b, double seconds)
{
    double shortest = INFINITY, end = vc_measure_now() + seconds;
    bool more = true;
    for (int i = 1; more; i++) {
        double theirs, sent = vc_measure_now();
        more = i < PINGS && (i < PINGS_MIN || sent < end);
        double words[2] = {more, shortest};
        MPI_Send(words, 2, MPI_DOUBLE, 0, 1, w->ctl);
        MPI_Recv(&theirs, 1, MPI_DOUBLE, 0, 2, w->ctl, MPI_STATUS_IGNORE);
        double got = vc_measure_now();
        shortest = fmin(shortest, got - sent);
        tighten(b, theirs - got, theirs - sent, got);
    }
    return shortest;
}

/* Rank 0. Returns the shortest round trip but for the last. */
static double pong(struct vc_measure_world *w, int r)
{
    double words[2] = {1, INFINITY};
    while (words[0] > 0) {
        MPI_Recv(words, 2, MPI_DOUBLE, r, 1, w->ctl, MPI_STATUS_IGNORE);
        double now = vc_measure_now();
        MPI_Send(&now, 1, MPI_DOUBLE, r, 2, w->ctl);
    }
    return words[1];
}

void vc_measure_clock_sync(struct vc_measure_world *w, double seconds)
{
    static struct bounds b = {-INFINITY, INFINITY, 0};
    double shortest = 0, error = 0;
    if (w->one_host)
        return;
    /* One rank of each host: they share a clock. */
    for (int i = 1; i < w->nleader; i++) {
        if (w->rank == 0)
            shortest = fmax(shortest, pong(w, w->leader[i]));
        else if (w->rank == w->leader[i])
            ping(w, &b, seconds / (w->nleader - 1));
    }
    if (w->rank != 0 && w->local_rank == 0) {
        w->offset = (b.low + b.high) / 2;
        error = (b.high - b.low) / 2;
    }
    w->fn[VC_IMPL_NATIVE].bcast(&w->offset, 1, MPI_DOUBLE, 0, w->host);
    w->control->allreduce(&error, &w->offset_error, 1, MPI_DOUBLE, MPI_MAX, w->ctl);
    /* The news of a start takes half a round trip for each step of the broadcast's tree, if nothing delays
     * it. */
    if (w->rank == 0)
        w->lead = fmin(fmax(w->lead, shortest * (1 + log2(w->nleader))), LEAD_MAX);
}

enum vc_measure_begin vc_measure_clock_start(struct vc_measure_world *w, bool stop, double *start)
{
    double at = stop ? -1 : vc_measure_now() + w->lead;
    w->control->bcast(&at, 1, MPI_DOUBLE, 0, w->ctl);
    if (at < 0)
        return BEGIN_STOP;
    at -= w->offset;
    *start = at;
    double now = vc_measure_now();
    if (now > at)
        return BEGIN_UNHEARD;
    if (!w->oversubscribed) {
        /* Other hosts hear of it late, so there is much time to wait, and a device made of software needs the
         * CPU. */
        if (!w->one_host && at - now > 2 * SPIN_LONG)
            sleep_until(at - SPIN_LONG);
        while (now < at)
            now = vc_measure_now();
        return now - at < w->tolerance ? BEGIN_ON_TIME : BEGIN_INTERRUPTED;
    }
    /* Spinning ranks would keep the others of their CPU from seeing the start at all. Those that share a CPU
     * cannot all begin at the same instant: they begin as the scheduler gets to them, and that belongs to the
     * measured time. */
    if (at - now > 2 * SPIN_BEFORE)
        sleep_until(at - SPIN_BEFORE);
    while (vc_measure_now() < at)
        sched_yield();
    return BEGIN_ON_TIME;
}

void vc_measure_clock_adapt(struct vc_measure_world *w, double unheard)
{
    if (unheard > 0.1)
        w->lead = fmin(w->lead * (unheard > 0.5 ? 2 : 1.5), LEAD_MAX);
    else if (unheard < 0.01)
        w->lead = fmax(w->lead * (w->one_host ? 0.9 : 0.97), LEAD_MIN);
}

void vc_measure_quiet_barrier(struct vc_measure_world *w)
{
    MPI_Request req;
    int done = 0;
    MPI_Ibarrier(w->ctl, &req);
    for (;;) {
        MPI_Test(&req, &done, MPI_STATUS_IGNORE);
        if (done)
            return;
        sleep_until(vc_measure_now() + DOZE);
    }
}

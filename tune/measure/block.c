/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks: single calls from common starts, and calls without a pause. */
#include "tune/measure/internal.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#define LATE      0.25 /* on several hosts: part of a call's time that a rank may be late */
#define TOLERANCE 1e-6 /* a rank with a CPU of its own that starts later than this was interrupted */
#define TRIES     3    /* more for a block without a usable start */
#define PATIENCE  3    /* times its share of the time; then a block of starts ends */

bool vc_measure_starts_init(struct vc_measure_starts *s, long most)
{
    *s = (struct vc_measure_starts){.block_time = INFINITY};
    s->mine = calloc(2 * (size_t)most, sizeof(double));
    s->all = calloc(2 * (size_t)most, sizeof(double));
    return s->mine && s->all;
}

void vc_measure_starts_free(struct vc_measure_starts *s)
{
    free(s->mine);
    free(s->all);
    s->mine = s->all = NULL;
}

double vc_measure_tolerate(struct vc_measure_world *w, double call)
{
    /* How late a rank may begin, on all ranks alike. On one host that is no time at all; hosts rarely begin
     * together, and the clocks that say so are themselves only so good. */
    w->control->bcast(&call, 1, MPI_DOUBLE, 0, w->ctl);
    w->tolerance = w->one_host ? TOLERANCE : fmax(TOLERANCE, fmax(LATE * call, w->offset_error));
    return call;
}

/* Single calls from common starts, at most n. On rank 0 s->all holds the usable times then; their number. */
static int run_starts(struct vc_measure_world *w, struct vc_measure_call *c, const struct vc_measure_fns *f,
                      long n, struct vc_measure_starts *s)
{
    double give_up = vc_measure_now() + PATIENCE * s->block_time;
    long done = 0, unheard = 0;
    int usable = 0;
    for (; done < n; done++) {
        double start;
        /* Other work on this machine can make starts rare; one block must not take the time of the whole run.
         */
        bool stop = w->rank == 0 && done > 0 && vc_measure_now() > give_up;
        enum vc_measure_begin begin = vc_measure_clock_start(w, stop, &start);
        if (begin == BEGIN_STOP)
            break;
        vc_measure_call_run(c, f, w->comm);
        s->mine[2 * done] = vc_measure_now() - start;
        s->mine[2 * done + 1] = begin;
    }
    w->control->reduce(s->mine, s->all, (int)(2 * done), MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    for (long i = 0; i < done && w->rank == 0; i++) {
        unheard += s->all[2 * i + 1] == BEGIN_UNHEARD;
        if (s->all[2 * i + 1] == BEGIN_ON_TIME)
            s->all[usable++] = s->all[2 * i];
    }
    if (w->rank == 0)
        vc_measure_clock_adapt(w, (double)unheard / (double)done);
    s->started += done;
    s->late += done - usable;
    return usable;
}

int vc_measure_block_starts(struct vc_measure_world *w, struct vc_measure_call *c,
                            const struct vc_measure_fns *f, long n, struct vc_measure_starts *s)
{
    int usable = 0;
    for (int tries = 0, again = 1; again; tries++) {
        usable = run_starts(w, c, f, n, s);
        /* Hosts that share no memory rarely begin together, and blocks are short there. */
        again = !w->one_host && usable == 0 && tries < TRIES;
        if (!w->one_host)
            w->control->bcast(&again, 1, MPI_INT, 0, w->ctl);
    }
    return usable;
}

static double cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double vc_measure_block_b2b(struct vc_measure_world *w, struct vc_measure_call *c,
                            const struct vc_measure_fns *f, long n, double *cpu)
{
    double mine, worst = NAN, burnt = 0;
    w->control->barrier(w->ctl);
    double used = cpu ? cpu_now() : 0;
    double begin = vc_measure_now();
    for (long i = 0; i < n; i++)
        vc_measure_call_run(c, f, w->comm);
    mine = (vc_measure_now() - begin) / (double)n;
    if (cpu)
        burnt = (cpu_now() - used) / (double)n;
    w->control->reduce(&mine, &worst, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    if (cpu)
        w->control->reduce(&burnt, cpu, 1, MPI_DOUBLE, MPI_SUM, 0, w->ctl);
    return worst;
}

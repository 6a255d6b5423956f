/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time: what is burnt while waiting for a late rank, and what an operation costs. */
#include "tools/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WARM   8
#define ROUNDS 5
#define CALLS  10 /* of a round, at least */

static double cpu_used(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* ---- waiting ---- */

/* Works for so many seconds of CPU time, however long that takes when others want the CPU. */
static void compute(double seconds)
{
    struct timespec t;
    volatile double sink = 1;
    double end = 0;
    do {
        for (int i = 0; i < 20000; i++)
            sink = sink * 1.0000001;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        double now = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
        if (end == 0)
            end = now + seconds;
        if (now >= end)
            return;
    } while (true);
}

void bench_cpu_run(struct vc_measure_world *w, struct bench_cpu *c)
{
    bool late = w->rank == w->size - 1;
    c->compute = bench_opts_of(w)->cpu_seconds;
    for (int impl = 0; impl < VC_IMPLS; impl++) {
        double in = w->rank, out = 0, used, mine, took, dummy;
        for (int i = 0; i < WARM; i++)
            w->fn[impl].allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, w->comm);
        vc_measure_quiet_barrier(w);
        used = cpu_used();
        double begin = vc_measure_now();
        if (late)
            compute(c->compute);
        w->fn[impl].allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, w->comm);
        took = vc_measure_now() - begin;
        mine = late ? 0 : cpu_used() - used;
        w->control->reduce(&mine, w->rank == 0 ? &c->wait[impl] : &dummy, 1, MPI_DOUBLE, MPI_SUM, 0, w->ctl);
        w->control->reduce(&mine, w->rank == 0 ? &c->worst[impl] : &dummy, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
        w->control->reduce(&took, w->rank == 0 ? &c->took[impl] : &dummy, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
        if (w->rank == 0)
            c->percent[impl] = 100 * c->wait[impl] / c->took[impl];
    }
}

/* ---- per operation ---- */

/* CPU-seconds that this host was busy since some instant, and those of them in interrupts. Busy is what was
 * not idle: the kernel knows idle time exactly, while busy time is counted in ticks, which virtual CPUs may
 * miss. Either is told in ticks: blocks must be long. */
static void host_busy(double *busy, double *irq)
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

enum { RANKS, RANKS_SYS, HOSTS, HOSTS_IRQ, CPUS };

/* This rank's part of all the sums. */
static void read_cpus(const struct vc_measure_world *w, double v[CPUS])
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    v[RANKS] = cpu_used();
    v[RANKS_SYS] = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec * 1e-6;
    v[HOSTS] = v[HOSTS_IRQ] = 0;
    if (w->local_rank == 0)
        host_busy(&v[HOSTS], &v[HOSTS_IRQ]);
}

/* A block; the slowest rank's time, on rank 0, and CPU-seconds per operation of all together. */
static double ops_block(struct vc_measure_world *w, enum vc_impl impl, long n, double cpu[CPUS])
{
    double in = w->rank, out = 0, before[CPUS], after[CPUS], took, worst = NAN;
    w->control->barrier(w->ctl);
    read_cpus(w, before);
    double begin = vc_measure_now();
    for (long i = 0; i < n; i++)
        w->fn[impl].allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, w->comm);
    took = (vc_measure_now() - begin) / (double)n;
    read_cpus(w, after);
    for (int i = 0; i < CPUS; i++)
        after[i] = (after[i] - before[i]) / (double)n;
    w->control->reduce(&took, &worst, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    w->control->reduce(after, cpu, CPUS, MPI_DOUBLE, MPI_SUM, 0, w->ctl);
    return worst;
}

/* Calls that take about `seconds`; the same on all ranks. */
static long fill_time(struct vc_measure_world *w, enum vc_impl impl, double seconds)
{
    double cpu[CPUS];
    long n = CALLS;
    for (double took = 0; took < 0.1 * seconds;) {
        took = ops_block(w, impl, n, cpu) * (double)n;
        double more = w->rank == 0 ? fmin((double)n * seconds / fmax(took, 1e-9), 64.0 * (double)n) : 0;
        double words[2] = {took, more};
        w->control->bcast(words, 2, MPI_DOUBLE, 0, w->ctl);
        took = words[0];
        n = (long)fmax(words[1], CALLS);
    }
    return n;
}

void bench_ops_run(struct vc_measure_world *w, struct bench_ops o[VC_IMPLS])
{
    double v[VC_IMPLS][CPUS + 1][ROUNDS];
    double in = 1, out;
    for (int impl = 0; impl < VC_IMPLS; impl++) {
        for (int i = 0; i < WARM; i++)
            w->fn[impl].allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, w->comm);
        o[impl] = (struct bench_ops){.rounds = ROUNDS};
        o[impl].calls = fill_time(w, (enum vc_impl)impl, bench_opts_of(w)->op_seconds / ROUNDS);
    }
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < VC_IMPLS; k++) {
            /* Who goes first alternates. */
            int impl = (k + r) % VC_IMPLS;
            double cpu[CPUS] = {0};
            v[impl][CPUS][r] = ops_block(w, (enum vc_impl)impl, o[impl].calls, cpu);
            for (int i = 0; i < CPUS; i++)
                v[impl][i][r] = cpu[i];
        }
    for (int impl = 0; impl < VC_IMPLS && w->rank == 0; impl++) {
        o[impl].time = vc_measure_quantile(v[impl][CPUS], ROUNDS, 0.5);
        o[impl].ranks = vc_measure_quantile(v[impl][RANKS], ROUNDS, 0.5);
        o[impl].ranks_sys = vc_measure_quantile(v[impl][RANKS_SYS], ROUNDS, 0.5);
        o[impl].hosts = vc_measure_quantile(v[impl][HOSTS], ROUNDS, 0.5);
        o[impl].hosts_irq = vc_measure_quantile(v[impl][HOSTS_IRQ], ROUNDS, 0.5);
    }
}

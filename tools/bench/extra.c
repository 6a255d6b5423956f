/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions beside latency: CPU time while waiting and per operation, the cost of a communicator, that of the
 * front door. */
#include "tools/bench/bench.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define WARM        8
#define ROUNDS      5
#define CALLS       10 /* of a round, at least */
#define COMMS       20
#define UNTIL       64 /* collectives after which a communicator that vcoll has not taken over stays native */
#define DOOR_BLOCKS 201
#define DOOR_CALLS  1000

/* n allreduces of 8 bytes. */
static void allreduces(const struct vc_measure_world *w, int impl, MPI_Comm comm, long n)
{
    double in = w->rank, out = 0;
    for (long i = 0; i < n; i++)
        w->fn[impl].allreduce(&in, &out, 1, MPI_DOUBLE, MPI_SUM, comm);
}

/* On rank 0. */
static double slowest(struct vc_measure_world *w, double mine)
{
    double most = NAN;
    w->control->reduce(&mine, &most, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    return most;
}

/* ---- waiting ---- */

/* CPU-seconds of this process, and in *kernel those of them in the kernel. */
static double cpu_used(double *kernel)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    *kernel = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec * 1e-6;
    return *kernel + (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec * 1e-6;
}

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
        double kernel, sum = 0;
        allreduces(w, impl, w->comm, WARM);
        vc_measure_quiet_barrier(w);
        double used = cpu_used(&kernel), begin = vc_measure_now();
        if (late)
            compute(c->compute);
        allreduces(w, impl, w->comm, 1);
        double took = vc_measure_now() - begin, mine = late ? 0 : cpu_used(&kernel) - used;
        w->control->reduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, w->ctl);
        c->wait[impl] = sum;
        c->worst[impl] = slowest(w, mine);
        c->took[impl] = slowest(w, took);
        c->percent[impl] = 100 * c->wait[impl] / c->took[impl];
    }
}

/* ---- per operation ---- */

/* This rank's part of all the sums. */
static void read_cpus(const struct vc_measure_world *w, double v[BENCH_OPS])
{
    v[BENCH_OPS_RANKS] = cpu_used(&v[BENCH_OPS_KERNEL]);
    v[BENCH_OPS_HOSTS] = v[BENCH_OPS_IRQ] = 0;
    if (w->local_rank == 0)
        vc_measure_host_cpu(&v[BENCH_OPS_HOSTS], &v[BENCH_OPS_IRQ]);
}

/* A block; on rank 0 the slowest rank's time and CPU-seconds of all together, per operation. */
static void ops_block(struct vc_measure_world *w, int impl, long n, double v[BENCH_OPS])
{
    double before[BENCH_OPS], after[BENCH_OPS];
    w->control->barrier(w->ctl);
    read_cpus(w, before);
    double begin = vc_measure_now();
    allreduces(w, impl, w->comm, n);
    double took = (vc_measure_now() - begin) / (double)n;
    read_cpus(w, after);
    for (int i = BENCH_OPS_RANKS; i < BENCH_OPS; i++)
        after[i] = (after[i] - before[i]) / (double)n;
    v[BENCH_OPS_TIME] = slowest(w, took);
    w->control->reduce(&after[BENCH_OPS_RANKS], &v[BENCH_OPS_RANKS], BENCH_OPS - BENCH_OPS_RANKS, MPI_DOUBLE,
                       MPI_SUM, 0, w->ctl);
}

/* Calls that take about `seconds`; the same on all ranks. */
static long fill_time(struct vc_measure_world *w, int impl, double seconds)
{
    double v[BENCH_OPS], words[2] = {0, CALLS};
    while (words[0] < 0.1 * seconds) {
        long n = (long)words[1];
        ops_block(w, impl, n, v);
        words[0] = v[BENCH_OPS_TIME] * (double)n;
        words[1] = fmax(fmin((double)n * seconds / fmax(words[0], 1e-9), 64.0 * (double)n), CALLS);
        w->control->bcast(words, 2, MPI_DOUBLE, 0, w->ctl);
    }
    return (long)words[1];
}

void bench_ops_run(struct vc_measure_world *w, struct bench_ops o[VC_IMPLS])
{
    double v[VC_IMPLS][BENCH_OPS][ROUNDS];
    for (int impl = 0; impl < VC_IMPLS; impl++) {
        allreduces(w, impl, w->comm, WARM);
        o[impl].rounds = ROUNDS;
        o[impl].calls = fill_time(w, impl, bench_opts_of(w)->op_seconds / ROUNDS);
    }
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < VC_IMPLS; k++) {
            /* Which one goes first alternates. */
            int impl = (k + r) % VC_IMPLS;
            double one[BENCH_OPS] = {0};
            ops_block(w, impl, o[impl].calls, one);
            for (int i = 0; i < BENCH_OPS; i++)
                v[impl][i][r] = one[i];
        }
    for (int impl = 0; impl < VC_IMPLS && w->rank == 0; impl++)
        for (int i = 0; i < BENCH_OPS; i++)
            o[impl].v[i] = vc_measure_quantile(v[impl][i], ROUNDS, 0.5);
}

/* ---- the cost of a communicator ---- */

/* The slowest rank's time of one 8-byte allreduce, on rank 0. */
static double time_one(struct vc_measure_world *w, int impl, MPI_Comm comm)
{
    w->control->barrier(w->ctl);
    double begin = vc_measure_now();
    allreduces(w, impl, comm, 1);
    return slowest(w, vc_measure_now() - begin);
}

/* Whether vcoll has set the communicator up; all ranks agree on it, because they go on together. */
static bool is_active(struct vc_measure_world *w, MPI_Comm comm, struct vcoll_comm_info *info)
{
    memset(info, 0, sizeof *info);
    return vc_measure_all_agree(w, vcoll_comm_describe(&comm, info) == 0 && info->active);
}

/* The set-up is in the dearest of the calls up to the one that has it done (VCOLL_SETUP_AFTER), the first of
 * which took so long. Seconds of that call. */
static double until_set_up(struct vc_measure_world *w, MPI_Comm comm, double first, struct bench_setup *s,
                           double *setup)
{
    struct vcoll_comm_info info;
    double dearest = first;
    bool active = is_active(w, comm, &info);
    for (int n = 1; n < UNTIL && !active; n++) {
        dearest = fmax(dearest, time_one(w, VC_IMPL_VCOLL, comm));
        active = is_active(w, comm, &info);
    }
    if (!active) {
        snprintf(s->why_not, sizeof s->why_not, "%s", info.why_not ? info.why_not : "");
        return first;
    }
    setup[s->active++] = slowest(w, info.setup_seconds);
    s->shm_bytes = slowest(w, (double)info.shm_bytes);
    s->heap_bytes = slowest(w, (double)info.heap_bytes);
    s->nodes = info.nodes;
    return dearest;
}

void bench_setup_run(struct vc_measure_world *w, struct bench_setup *s)
{
    double dup[COMMS], first[VC_IMPLS][COMMS], second[VC_IMPLS][COMMS], setup[COMMS];
    *s = (struct bench_setup){.comms = COMMS};
    for (int i = 0; i < COMMS; i++)
        for (int k = 0; k < VC_IMPLS; k++) {
            int impl = (k + i) % VC_IMPLS;
            MPI_Comm comm;
            double begin = vc_measure_now();
            MPI_Comm_dup(w->comm, &comm);
            dup[i] = slowest(w, vc_measure_now() - begin);
            first[impl][i] = time_one(w, impl, comm);
            if (impl == VC_IMPL_VCOLL)
                first[impl][i] = until_set_up(w, comm, first[impl][i], s, setup);
            second[impl][i] = time_one(w, impl, comm);
            MPI_Comm_free(&comm);
        }
    if (w->rank != 0)
        return;
    s->dup = vc_measure_quantile(dup, COMMS, 0.5);
    s->setup = vc_measure_quantile(setup, s->active, 0.5);
    for (int impl = 0; impl < VC_IMPLS; impl++) {
        s->first[impl] = vc_measure_quantile(first[impl], COMMS, 0.5);
        s->second[impl] = vc_measure_quantile(second[impl], COMMS, 0.5);
    }
}

/* ---- the front door ---- */

static double door_block(struct vc_measure_world *w, int door, const struct vc_measure_fns *f, MPI_Comm self)
{
    int one = 1, zero = 0;
    double in = 1, out = 0;
    double begin = vc_measure_now();
    switch (door) {
    case 0:
        for (int i = 0; i < DOOR_CALLS; i++)
            f->scan(&in, &out, 0, MPI_DOUBLE, MPI_SUM, w->comm);
        break;
    case 1:
        for (int i = 0; i < DOOR_CALLS; i++)
            f->gatherv(&in, 1, MPI_DOUBLE, &out, &one, &zero, MPI_DOUBLE, 0, self);
        break;
    default:
        for (int i = 0; i < DOOR_CALLS; i++)
            f->scatterv(&in, &one, &zero, MPI_DOUBLE, &out, 1, MPI_DOUBLE, 0, self);
        break;
    }
    return (vc_measure_now() - begin) / DOOR_CALLS * 1e9;
}

void bench_door_run(struct vc_measure_world *w, struct bench_door d[BENCH_DOORS])
{
    static const char *const name[BENCH_DOORS] = {"scan of no elements", "gatherv on one rank",
                                                  "scatterv on one rank"};
    double ns[VC_IMPLS][DOOR_BLOCKS], extra[DOOR_BLOCKS];
    MPI_Comm self;
    MPI_Comm_dup(MPI_COMM_SELF, &self);
    for (int i = 0; i < WARM; i++)
        w->fn[VC_IMPL_VCOLL].barrier(w->comm);
    for (int k = 0; k < BENCH_DOORS; k++) {
        struct vc_measure_series s;
        for (int b = 0; b < DOOR_BLOCKS; b++) {
            int first = (int)(vc_measure_rand(&w->rng) & 1);
            for (int i = 0; i < VC_IMPLS; i++)
                ns[i ^ first][b] = door_block(w, k, &w->fn[i ^ first], self);
            extra[b] = ns[VC_IMPL_VCOLL][b] - ns[VC_IMPL_NATIVE][b];
        }
        vc_measure_summarize(extra, DOOR_BLOCKS, w->opt->seed, &s);
        d[k] = (struct bench_door){.name = name[k], .extra = s.median, .low = s.low, .high = s.high};
        for (int i = 0; i < VC_IMPLS; i++)
            d[k].ns[i] = vc_measure_quantile(ns[i], DOOR_BLOCKS, 0.5);
    }
    MPI_Comm_free(&self);
}

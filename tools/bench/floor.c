/* SPDX-License-Identifier: BSD-3-Clause */
/* What this machine allows at best: a cache line there and back between two CPUs, and copying. */
#include "coll/info.h"
#include "tools/bench/verbs.h"
#include "tools/bench/yields.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_TRIPS  2000
#define BATCHES      25
#define PATIENCE     2.0 /* seconds; then the other side is not running */
#define COPY_POOL    (4u << 20)
#define COPY_TIME    3e-3
#define COPY_REPS    5
#define COPY_MIN     4096 /* below, latency and not bandwidth is the floor */
#define YIELD_TIME   5e-3
#define YIELD_BLOCKS 9
#define WIRE_TIME    1.0 /* seconds of raw verbs, of each kind, at most */
#define WIRE_TRIPS   300

struct table {
    _Alignas(128) _Atomic unsigned there;
    _Alignas(128) _Atomic unsigned back;
};

static int core_of(int cpu)
{
    char path[96];
    int core = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%d", &core) != 1)
            core = -1;
        fclose(f);
    }
    return core >= 0 ? core : -1 - cpu;
}

/* Two different CPUs that the two ranks may run on, of different cores if there are such. */
static bool choose_cpus(const cpu_set_t mask[2], int cpu[2])
{
    bool found = false;
    for (int a = 0; a < CPU_SETSIZE; a++) {
        for (int b = 0; CPU_ISSET(a, &mask[0]) && b < CPU_SETSIZE; b++) {
            if (a == b || !CPU_ISSET(b, &mask[1]))
                continue;
            if (!found) {
                cpu[0] = a;
                cpu[1] = b;
                found = true;
            }
            if (core_of(a) != core_of(b)) {
                cpu[0] = a;
                cpu[1] = b;
                return true;
            }
        }
    }
    return found;
}

/* Waits until *flag is `value`: acquire pairs with the other side's release store of the same round. */
static bool await(_Atomic unsigned *flag, unsigned value, double give_up)
{
    for (unsigned spins = 1; atomic_load_explicit(flag, memory_order_acquire) != value; spins++)
        if (spins % (1u << 20) == 0 && vc_measure_now() > give_up)
            return false;
    return true;
}

/* One side of the ping-pong; the median time of a round trip, or NAN. */
static double ping_pong(struct table *t, int side)
{
    double batch[BATCHES], give_up = vc_measure_now() + PATIENCE;
    bool lost = false;
    unsigned i = 0;
    int b = 0;
    for (; b < BATCHES && !lost; b++) {
        double begin = vc_measure_now();
        for (int k = 0; k < ROUND_TRIPS && !lost; k++) {
            i++;
            if (side == 0)
                atomic_store_explicit(&t->there, i, memory_order_release);
            lost = !await(side == 0 ? &t->back : &t->there, i, give_up);
            if (side == 1)
                atomic_store_explicit(&t->back, i, memory_order_release);
        }
        batch[b] = (vc_measure_now() - begin) / ROUND_TRIPS;
    }
    /* Where other work had the CPU so long that patience ended, the batches before it still tell. */
    return vc_measure_quantile(batch, lost ? b - 1 : b, 0.5);
}

static double run_line(struct vc_measure_world *w)
{
    MPI_Comm host;
    MPI_Win win;
    struct table *mem = NULL;
    cpu_set_t mask[2], saved;
    int local, nlocal, cpu[2], ok, first;
    double rtt = NAN;
    MPI_Comm_split_type(w->ctl, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    MPI_Comm_rank(host, &local);
    MPI_Comm_size(host, &nlocal);
    MPI_Comm_set_errhandler(host, MPI_ERRORS_RETURN);
    first = w->rank == 0;
    w->fn[VC_IMPL_NATIVE].bcast(&first, 1, MPI_INT, 0, host);
    ok = first && nlocal >= 2 &&
         MPI_Win_allocate_shared(local == 0 ? 2 * sizeof *mem : 0, 1, MPI_INFO_NULL, host, &mem, &win) ==
             MPI_SUCCESS;
    if (ok) {
        MPI_Aint len;
        int unit;
        CPU_ZERO(&saved);
        ok = sched_getaffinity(0, sizeof saved, &saved) == 0;
        mask[0] = mask[1] = saved;
        MPI_Win_shared_query(win, 0, &len, &unit, (void *)&mem);
        /* The window begins somewhere in a page, at the same place of it in every process. */
        mem = (void *)(((uintptr_t)mem + _Alignof(struct table) - 1) / _Alignof(struct table) *
                       _Alignof(struct table));
        if (local == 0)
            memset(mem, 0, sizeof *mem);
        w->fn[VC_IMPL_NATIVE].bcast(&mask[0], sizeof mask[0], MPI_BYTE, 0, host);
        w->fn[VC_IMPL_NATIVE].bcast(&mask[1], sizeof mask[1], MPI_BYTE, 1, host);
        vc_measure_quiet_barrier(w);
        if (local < 2 && ok && choose_cpus(mask, cpu)) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu[local], &one);
            if (sched_setaffinity(0, sizeof one, &one) == 0)
                rtt = ping_pong(mem, local);
            sched_setaffinity(0, sizeof saved, &saved);
        }
        vc_measure_quiet_barrier(w);
        MPI_Win_free(&win);
    } else {
        vc_measure_quiet_barrier(w);
        vc_measure_quiet_barrier(w);
    }
    MPI_Comm_free(&host);
    return rtt;
}

/* Bytes per second of copying blocks of `bytes` between changing places. */
static double copy_rate(struct vc_measure_world *w, char *from, char *to, size_t pool, size_t bytes)
{
    double rate[COPY_REPS];
    uint64_t places = (pool - bytes) / 64 + 1;
    for (int r = 0; r < COPY_REPS; r++) {
        double begin = vc_measure_now(), took;
        size_t moved = 0;
        do {
            for (size_t left = 65536; left > 0; left -= bytes < left ? bytes : left) {
                size_t a = (size_t)(vc_measure_rand(&w->rng_local) % places) * 64;
                size_t b = (size_t)(vc_measure_rand(&w->rng_local) % places) * 64;
                memcpy(to + b, from + a, bytes);
                /* The compiler may not conclude that nobody reads the copy. */
                __asm__ volatile("" : : "r"(to) : "memory");
                moved += bytes;
            }
            took = vc_measure_now() - begin;
        } while (took < COPY_TIME);
        rate[r] = (double)moved / took;
    }
    /* A floor is what is possible, not what is usual. */
    return vc_measure_quantile(rate, COPY_REPS, 1);
}

static void run_copies(struct vc_measure_world *w, struct bench_floor *f)
{
    const struct bench_opts *o = bench_opts_of(w);
    size_t pool = COPY_POOL, most = o->m.sizes[o->m.nsizes - 1];
    if (pool < 2 * most)
        pool = 2 * most;
    bool copies = w->local_rank < w->cpus;
    char *from = copies ? malloc(pool) : NULL, *to = copies ? malloc(pool) : NULL;
    if (from && to) {
        memset(from, 1, pool);
        memset(to, 2, pool);
    }
    /* Copying bounds nothing that goes from host to host. */
    for (int i = 0; i < o->m.nsizes && (w->one_host || o->floor); i++) {
        double mine[2] = {0, 0}, sum[2] = {0, 0};
        vc_measure_quiet_barrier(w);
        if (from && to && o->m.sizes[i] >= COPY_MIN) {
            mine[0] = copy_rate(w, from, to, pool, o->m.sizes[i]);
            mine[1] = 1;
        }
        vc_measure_quiet_barrier(w);
        w->control->reduce(mine, sum, 2, MPI_DOUBLE, MPI_SUM, 0, w->ctl);
        f->memcpy_rate[i] = sum[1] > 0 ? sum[0] / sum[1] : NAN;
    }
    free(from);
    free(to);
}

static double run_yields(struct vc_measure_world *w, struct bench_yields *y)
{
    double block[YIELD_BLOCKS];
    for (int i = 0; y && i < YIELD_BLOCKS; i++)
        block[i] = bench_yields_block(w, y, NULL, YIELD_TIME);
    return y ? vc_measure_quantile(block, YIELD_BLOCKS, 0.5) : NAN;
}

void bench_floor_run(struct vc_measure_world *w, const struct bench_beside *beside, struct bench_floor *f)
{
    struct bench_verbs *v = beside->verbs;
    f->line = run_line(w);
    f->yields = run_yields(w, beside->yields);
    run_copies(w, f);
    for (int i = 0; v && i < BENCH_PACES; i++)
        bench_verbs_block(w, v, (enum bench_pace)i, fmin(WIRE_TIME, w->opt->seconds), WIRE_TRIPS);
    if (w->rank == 0)
        bench_verbs_sum(v, &f->wire);
}

/* Some message must go from host to host; how long more bytes would take at best is not known. */
static double wire_of(const struct bench_floor *f, size_t bytes)
{
    const struct bench_stat *t = f->wire.time;
    return f->wire.known && bytes <= COPY_MIN ? fmin(t[BENCH_POLLED].median, t[BENCH_EVENT].median) : NAN;
}

double bench_floor_of(const struct vc_measure_world *w, const struct bench_floor *f, enum vc_coll coll, int i)
{
    size_t bytes = vc_coll_sized(coll) ? w->opt->sizes[i] : 0;
    double copy = 0, lines = f->line;
    if (w->size < 2)
        return NAN;
    if (!w->one_host)
        return wire_of(f, bytes);
    if (bytes >= COPY_MIN && f->memcpy_rate[i] > 0) {
        int hands = w->cpus < w->size ? w->cpus : w->size;
        copy = vc_measure_call_moved(coll, bytes, w->size) / (f->memcpy_rate[i] * hands);
    }
    if (isnan(lines))
        return copy > 0 ? copy : NAN;
    return fmax(copy, lines);
}

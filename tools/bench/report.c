/* SPDX-License-Identifier: BSD-3-Clause */
/* The table. */
#include "coll/info.h"
#include "tools/bench/bench.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define SLOWER 0.95 /* below, a ratio is pointed at */

/* Microseconds in eight columns. */
static void put_us(FILE *f, double seconds)
{
    double us = seconds * 1e6;
    if (isnan(us))
        fprintf(f, " %8s", "-");
    else
        fprintf(f, us < 1000 ? " %8.2f" : us < 100000 ? " %8.1f" : " %8.0f", us);
}

static void put_ratio(FILE *f, double ratio, double low, double high)
{
    if (isnan(ratio))
        fprintf(f, " %6s %13s", "-", "");
    else if (isnan(low))
        fprintf(f, " %6.2f %13s", ratio, "");
    else
        fprintf(f, " %6.2f [%5.2f,%5.2f]", ratio, low, high);
}

static void put_wire(const struct bench_report *r)
{
    const struct bench_wire *x = &r->floor.wire;
    if (x->known)
        fprintf(r->table,
                "raw verbs between ranks 0 and %d (%s), one way of 8 bytes: polled %.4g us, event-driven "
                "%.4g us; both ways at once: %.4g us, %.4g us\n",
                x->peer, x->device, x->median[BENCH_POLLED] * 1e6, x->median[BENCH_EVENT] * 1e6,
                x->median[BENCH_EXCHANGE_POLLED] * 1e6, x->median[BENCH_EXCHANGE_EVENT] * 1e6);
}

void bench_table_head(const struct vc_measure_world *w, const struct bench_report *r)
{
    fprintf(r->table, "vcoll %s against %s: %d rank%s, %d on this host with %d CPU%s%s%s\n", vcoll_version(),
            vc_measure_mpi_name(), w->size, w->size == 1 ? "" : "s", w->local_size, w->cpus,
            w->cpus == 1 ? "" : "s", w->oversubscribed ? " (overcommitted)" : "",
            w->one_host ? "" : ", several hosts");
    for (int i = 0; i < w->opt->nset; i++)
        fprintf(r->table, "%sVCOLL_%s%s", i ? " " : "with ", w->opt->set[i],
                i + 1 == w->opt->nset ? "\n" : "");
    if (r->has_floor) {
        if (isnan(r->floor.line))
            fprintf(r->table,
                    "cache-line round trip: unknown (it takes two ranks on two idle CPUs of one host)");
        else
            fprintf(r->table, "cache-line round trip between two CPUs %.3f us", r->floor.line * 1e6);
        for (int i = 0, n = 0; i < w->opt->nsizes; i++) {
            char size[24];
            if (isnan(r->floor.memcpy_rate[i]) || r->floor.memcpy_rate[i] <= 0)
                continue;
            fprintf(r->table, "%s%s %.1f",
                    n++ ? ", " : "; memcpy, GB/s per CPU: ", vc_measure_size_text(w->opt->sizes[i], size),
                    r->floor.memcpy_rate[i] * 1e-9);
        }
        fputc('\n', r->table);
        put_wire(r);
    }
    if (bench_opts_of(w)->points)
        fprintf(r->table, "Times in microseconds, slowest rank, medians. ratio = native / vcoll, above 1 "
                          "vcoll is faster; in "
                          "brackets its 95%% interval.\n");
    fflush(r->table);
}

void bench_table_coll(const struct vc_measure_world *w, const struct bench_report *r, enum vc_coll coll)
{
    fprintf(r->table, "\n%s\n%6s", vc_coll_name(coll), "");
    if (w->opt->measure[VC_MEASURE_START])
        fprintf(r->table, " | %-56s", "from a common start");
    if (w->opt->measure[VC_MEASURE_B2B])
        fprintf(r->table, " | %-38s", "back to back");
    fprintf(r->table, " |\n%6s", "bytes");
    if (w->opt->measure[VC_MEASURE_START])
        fprintf(r->table, " | %8s %8s %8s %8s %6s %13s", "native", "p99", "vcoll", "p99", "ratio", "");
    if (w->opt->measure[VC_MEASURE_B2B])
        fprintf(r->table, " | %8s %8s %6s %13s", "native", "vcoll", "ratio", "");
    fprintf(r->table, " | %8s  algorithm\n", "floor");
}

/* How many times the floor of raw verbs that is. */
static void put_over(const struct vc_measure_world *w, const struct bench_point *p, FILE *f)
{
    static const char *const measure[VC_MEASURES] = {"from a common start", "back to back"};
    for (int i = 0; i < BENCH_PACES; i++) {
        int shown = 0;
        for (int m = 0; m < VC_MEASURES; m++) {
            const struct bench_multiple *o = &p->over[m][i];
            if (!w->opt->measure[m] || o->rounds == 0)
                continue;
            if (shown++ == 0)
                fprintf(f, "       vcoll / raw verbs %s:", bench_pace_description[i]);
            fprintf(f, " %.2f", o->ratio);
            if (!isnan(o->low))
                fprintf(f, " [%.2f, %.2f]", o->low, o->high);
            fprintf(f, " %s%s", measure[m],
                    m == VC_MEASURE_START && w->opt->measure[VC_MEASURE_B2B] ? "," : "");
        }
        if (shown)
            fputc('\n', f);
    }
}

void bench_table_point(const struct vc_measure_world *w, const struct bench_report *r,
                       const struct bench_point *p)
{
    static const char *const name[VC_MEASURES] = {"start", "b2b"};
    FILE *f = r->table;
    char size[24];
    fprintf(f, "%6s", vc_coll_sized(p->coll) ? vc_measure_size_text(p->bytes, size) : "-");
    for (int m = 0; m < VC_MEASURES; m++) {
        const struct bench_series *s = &p->s[m];
        if (!w->opt->measure[m])
            continue;
        fprintf(f, " |");
        for (int impl = 0; impl < VC_IMPLS; impl++) {
            put_us(f, s->median[impl]);
            /* A block is the mean of many calls; its 99th percentile says nothing about the tail of one. */
            if (m == VC_MEASURE_START)
                put_us(f, s->p99[impl]);
        }
        put_ratio(f, s->ratio, s->low, s->high);
    }
    fprintf(f, " |");
    put_us(f, p->floor);
    fprintf(f, "  %s", p->algorithm);
    for (int m = 0; m < VC_MEASURES; m++)
        if (w->opt->measure[m] && p->s[m].ratio < SLOWER)
            /* A question mark where the interval says that it may be noise. */
            fprintf(f, "  %s<%.2f%s", name[m], SLOWER, p->s[m].high < SLOWER ? "" : "?");
    if (p->bad > 0)
        fprintf(f, "  WRONG RESULT on %d rank%s", p->bad, p->bad == 1 ? "" : "s");
    else if (p->bad == 0)
        fprintf(f, "  verified");
    fputc('\n', f);
    if (p->has_over)
        put_over(w, p, f);
    fflush(f);
}

const struct bench_range bench_ranges[BENCH_RANGES] = {
    {"8 B..1 KiB", 8, 1024},
    {"8 B..4 KiB", 8, 4096},
    {"16 KiB..1 MiB", 16384, 1048576},
};

static void average_one(const struct bench_report *r, enum vc_coll coll, enum vc_measure m,
                        const struct bench_range *range, double *geometric, double *arithmetic)
{
    double logs = 0, sum = 0;
    int n = 0;
    for (int i = 0; i < r->npoint; i++) {
        const struct bench_point *p = &r->point[i];
        /* A barrier is a small message: it counts in the ranges that begin at 8 bytes. */
        size_t bytes = vc_coll_sized(p->coll) ? p->bytes : 8;
        double ratio = p->s[m].ratio;
        if (p->coll != coll || bytes < range->low || bytes > range->high || !(ratio > 0))
            continue;
        logs += log(ratio);
        sum += ratio;
        n++;
    }
    *geometric = n ? exp(logs / n) : NAN;
    *arithmetic = n ? sum / n : NAN;
}

void bench_average(const struct bench_report *r, int coll, enum vc_measure m, const struct bench_range *range,
                   double *geometric, double *arithmetic)
{
    if (coll >= 0) {
        average_one(r, (enum vc_coll)coll, m, range, geometric, arithmetic);
        return;
    }
    double logs = 0, sum = 0;
    int n = 0;
    for (int c = 0; c < VC_COLL_ACCELERATED; c++) {
        double g, a;
        average_one(r, (enum vc_coll)c, m, range, &g, &a);
        if (isnan(g))
            continue;
        logs += log(g);
        sum += a;
        n++;
    }
    *geometric = n ? exp(logs / n) : NAN;
    *arithmetic = n ? sum / n : NAN;
}

static void put_average(FILE *f, double geometric)
{
    if (isnan(geometric))
        fprintf(f, "   %15s", "-");
    else
        fprintf(f, "   %15.2f", geometric);
}

static void put_averages(const struct vc_measure_world *w, const struct bench_report *r)
{
    static const char *const name[VC_MEASURES] = {"from a common start", "back to back"};
    for (int m = 0; m < VC_MEASURES; m++) {
        double g, a;
        if (!w->opt->measure[m])
            continue;
        fprintf(r->table, "\nGeometric mean of the ratios, %s\n%12s", name[m], "");
        for (int i = 0; i < BENCH_RANGES; i++)
            fprintf(r->table, "   %15s", bench_ranges[i].name);
        fputc('\n', r->table);
        for (int c = 0; c <= w->opt->ncoll; c++) {
            if (c == w->opt->ncoll && c == 1)
                break;
            int coll = c < w->opt->ncoll ? (int)w->opt->coll[c] : -1;
            fprintf(r->table, "%-12s", coll < 0 ? "all of them" : vc_coll_name((enum vc_coll)coll));
            for (int i = 0; i < BENCH_RANGES; i++) {
                bench_average(r, coll, (enum vc_measure)m, &bench_ranges[i], &g, &a);
                put_average(r->table, g);
            }
            fputc('\n', r->table);
        }
    }
    fprintf(r->table,
            "(\"all of them\" is the mean of the collectives' means; a barrier counts as 8 bytes)\n");
}

static void put_cpu(const struct vc_measure_world *w, const struct bench_report *r)
{
    static const char *const name[VC_IMPLS] = {"native", "vcoll"};
    fprintf(r->table, "\nWaiting: one rank computes for %g s, %d wait in an 8-byte allreduce\n",
            r->cpu.compute, w->size - 1);
    if (w->size < 2) {
        fprintf(r->table, "  needs two ranks\n");
        return;
    }
    fprintf(r->table, "%8s %22s %18s %18s %14s\n", "", "CPU-s of all waiting", "% of one CPU",
            "hottest rank, s", "took, s");
    for (int i = 0; i < VC_IMPLS; i++)
        fprintf(r->table, "%8s %22.3f %18.2f %18.3f %14.3f\n", name[i], r->cpu.wait[i], r->cpu.percent[i],
                r->cpu.worst[i], r->cpu.took[i]);
}

static void put_ops(const struct vc_measure_world *w, const struct bench_report *r)
{
    static const char *const name[VC_IMPLS] = {"native", "vcoll"};
    fprintf(
        r->table,
        "\nCPU-seconds for 1000 allreduces of 8 bytes: %d ranks, %d host%s\n%8s %18s %14s %14s %14s %14s\n",
        w->size, w->nleader, w->nleader == 1 ? "" : "s", "", "us per operation", "all ranks", "of it kernel",
        "all hosts", "of it irqs");
    for (int i = 0; i < VC_IMPLS; i++)
        fprintf(r->table, "%8s %18.2f %14.4f %14.4f %14.4f %14.4f\n", name[i], r->ops[i].time * 1e6,
                r->ops[i].ranks * 1e3, r->ops[i].ranks_sys * 1e3, r->ops[i].hosts * 1e3,
                r->ops[i].hosts_irq * 1e3);
    fprintf(r->table, "(a host's count is of everything that runs on it, and moves in steps of %.0f ms)\n",
            1e3 / (double)sysconf(_SC_CLK_TCK));
}

static void put_setup(const struct bench_report *r)
{
    const struct bench_setup *s = &r->setup;
    fprintf(r->table, "\nA fresh communicator (medians of %d, slowest rank, us): MPI_Comm_dup %.1f\n",
            s->comms, s->dup * 1e6);
    fprintf(r->table, "%8s %18s %18s\n", "", "first allreduce", "second allreduce");
    fprintf(r->table, "%8s %18.1f %18.1f\n", "native", s->first[VC_IMPL_NATIVE] * 1e6,
            s->second[VC_IMPL_NATIVE] * 1e6);
    fprintf(r->table, "%8s %18.1f %18.1f\n", "vcoll", s->first[VC_IMPL_VCOLL] * 1e6,
            s->second[VC_IMPL_VCOLL] * 1e6);
    if (s->active > 0)
        fprintf(r->table,
                "vcoll took over %d of %d: set-up %.1f us; %.1f KiB shared memory on the node, %.1f KiB of "
                "each rank's own\n",
                s->active, s->comms, s->setup * 1e6, s->shm_bytes / 1024, s->heap_bytes / 1024);
    else
        fprintf(r->table, "vcoll took over none of them: %s\n", *s->why_not ? s->why_not : "no reason given");
}

static void put_doors(const struct bench_report *r)
{
    fprintf(r->table, "\nCalls that pass through (ns, medians)\n%-24s %8s %8s %8s\n", "", "direct", "vcoll",
            "extra");
    for (int i = 0; i < BENCH_DOORS; i++)
        fprintf(r->table, "%-24s %8.1f %8.1f %8.1f  [%.1f, %.1f]\n", r->door[i].name,
                r->door[i].ns[VC_IMPL_NATIVE], r->door[i].ns[VC_IMPL_VCOLL], r->door[i].extra, r->door[i].low,
                r->door[i].high);
}

void bench_table_tail(const struct vc_measure_world *w, const struct bench_report *r)
{
    if (bench_opts_of(w)->points)
        put_averages(w, r);
    if (r->has_cpu)
        put_cpu(w, r);
    if (r->has_ops)
        put_ops(w, r);
    if (r->has_setup)
        put_setup(r);
    if (r->has_door)
        put_doors(r);
    if (bench_opts_of(w)->points && !w->one_host) {
        fprintf(r->table, "\nClocks of the hosts aligned within %.3g us\n", w->offset_error * 1e6);
        put_wire(r);
    }
    fprintf(r->table, "\ntook %.1f s\n", r->seconds);
    fflush(r->table);
}

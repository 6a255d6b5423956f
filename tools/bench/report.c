/* SPDX-License-Identifier: BSD-3-Clause */
/* The table. */
#include "coll/info.h"
#include "tools/bench/bench.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define SLOWER 0.95 /* below, a ratio is pointed at */

/* ---- averages ---- */

/* ---- head ---- */

/* Microseconds in eight columns. */
static void print_us(FILE *f, double seconds)
{
    double us = seconds * 1e6;
    if (isnan(us))
        fprintf(f, " %8s", "-");
    else
        fprintf(f, us < 1000 ? " %8.2f" : us < 100000 ? " %8.1f" : " %8.0f", us);
}

static void print_ratio(FILE *f, const struct vc_measure_series *s)
{
    if (isnan(s->median))
        fprintf(f, " %6s %13s", "-", "");
    else if (isnan(s->low))
        fprintf(f, " %6.2f %13s", s->median, "");
    else
        fprintf(f, " %6.2f [%5.2f,%5.2f]", s->median, s->low, s->high);
}

static void print_wire(const struct bench_report *r)
{
    const struct bench_wire *x = &r->floor.wire;
    if (x->known)
        fprintf(r->table,
                "raw verbs between ranks 0 and %d (%s), one way of 8 bytes: polled %.4g us, event-driven "
                "%.4g us; both ways at once: %.4g us, %.4g us\n",
                x->peer, x->device, x->time[BENCH_POLLED].median * 1e6, x->time[BENCH_EVENT].median * 1e6,
                x->time[BENCH_EXCHANGE_POLLED].median * 1e6, x->time[BENCH_EXCHANGE_EVENT].median * 1e6);
}

static void print_floor(const struct vc_measure_world *w, const struct bench_report *r)
{
    const double *rate = r->floor.memcpy_rate;
    if (isnan(r->floor.line))
        fprintf(r->table, "cache-line round trip: unknown (it takes two ranks on two idle CPUs of one host)");
    else
        fprintf(r->table, "cache-line round trip between two CPUs %.3f us", r->floor.line * 1e6);
    for (int i = 0, n = 0; i < w->opt->nsizes; i++) {
        char size[24];
        if (rate[i] > 0)
            fprintf(r->table, "%s%s %.1f",
                    n++ ? ", " : "; memcpy, GB/s per CPU: ", vc_measure_size_text(w->opt->sizes[i], size),
                    rate[i] * 1e-9);
    }
    fputc('\n', r->table);
    if (!isnan(r->floor.yields))
        fprintf(r->table, "barrier of flags and yields by the same ranks %.4g us\n", r->floor.yields * 1e6);
    print_wire(r);
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
    if (r->has_floor)
        print_floor(w, r);
    if (bench_opts_of(w)->points)
        fprintf(
            r->table,
            "Times in microseconds, slowest rank, medians. ratio = native / vcoll, above 1 vcoll is faster; "
            "in brackets its 95%% interval.\n");
    fflush(r->table);
}

/* ---- points ---- */

void bench_table_coll(const struct vc_measure_world *w, const struct bench_report *r, enum vc_coll coll)
{
    bool start = w->opt->measure[VC_MEASURE_START], b2b = w->opt->measure[VC_MEASURE_B2B];
    fprintf(r->table, "\n%s\n%6s", vc_coll_name(coll), "");
    if (start)
        fprintf(r->table, " | %-56s", bench_measure_words[VC_MEASURE_START]);
    if (b2b)
        fprintf(r->table, " | %-38s", bench_measure_words[VC_MEASURE_B2B]);
    fprintf(r->table, " |\n%6s", "bytes");
    if (start)
        fprintf(r->table, " | %8s %8s %8s %8s %6s %13s", "native", "p99", "vcoll", "p99", "ratio", "");
    if (b2b)
        fprintf(r->table, " | %8s %8s %6s %13s", "native", "vcoll", "ratio", "");
    fprintf(r->table, " | %8s  algorithm\n", "floor");
}

/* How many times the barrier of flags and yields that is. */
static void print_over_yields(const struct vc_measure_series *o, FILE *f)
{
    fprintf(f, "       vcoll / flags and yields: %.2f", o->median);
    if (!isnan(o->low))
        fprintf(f, " [%.2f, %.2f]", o->low, o->high);
    fprintf(f, " %s\n", bench_measure_words[VC_MEASURE_B2B]);
}

/* How many times the floor of raw verbs that is. */
static void print_over(const struct vc_measure_world *w, const struct bench_point *p, FILE *f)
{
    for (int i = 0; i < BENCH_PACES; i++) {
        int shown = 0;
        for (int m = 0; m < VC_MEASURES; m++) {
            const struct vc_measure_series *o = &p->over[m][i];
            if (!w->opt->measure[m] || o->n == 0)
                continue;
            if (shown++ == 0)
                fprintf(f, "       vcoll / raw verbs %s:", bench_pace_words[i]);
            fprintf(f, " %.2f", o->median);
            if (!isnan(o->low))
                fprintf(f, " [%.2f, %.2f]", o->low, o->high);
            fprintf(f, " %s%s", bench_measure_words[m],
                    m == VC_MEASURE_START && w->opt->measure[VC_MEASURE_B2B] ? "," : "");
        }
        if (shown)
            fputc('\n', f);
    }
}

void bench_table_point(const struct vc_measure_world *w, const struct bench_report *r,
                       const struct bench_point *p)
{
    FILE *f = r->table;
    char size[24];
    fprintf(f, "%6s", vc_coll_sized(p->coll) ? vc_measure_size_text(p->bytes, size) : "-");
    for (int m = 0; m < VC_MEASURES; m++) {
        if (!w->opt->measure[m])
            continue;
        fprintf(f, " |");
        for (int i = 0; i < VC_IMPLS; i++) {
            print_us(f, p->time[m][i].median);
            /* A block is the mean of many calls; its 99th percentile says nothing about the tail of one. */
            if (m == VC_MEASURE_START)
                print_us(f, p->time[m][i].p99);
        }
        print_ratio(f, &p->ratio[m]);
    }
    fprintf(f, " |");
    print_us(f, p->floor);
    fprintf(f, "  %s", p->algorithm);
    for (int m = 0; m < VC_MEASURES; m++)
        if (w->opt->measure[m] && p->ratio[m].median < SLOWER)
            /* A question mark where the interval says that it may be noise. */
            fprintf(f, "  %s<%.2f%s", bench_measure_name[m], SLOWER, p->ratio[m].high < SLOWER ? "" : "?");
    if (p->bad > 0)
        fprintf(f, "  WRONG RESULT on %d rank%s", p->bad, p->bad == 1 ? "" : "s");
    else if (p->bad == 0)
        fprintf(f, "  verified");
    fputc('\n', f);
    if (p->has_over)
        print_over(w, p, f);
    if (p->over_yields.n > 0)
        print_over_yields(&p->over_yields, f);
    fflush(f);
}

static void print_averages(const struct vc_measure_world *w, const struct bench_report *r)
{
    const struct vc_measure_opts *o = w->opt;
    for (int m = 0; m < VC_MEASURES; m++) {
        if (!o->measure[m])
            continue;
        fprintf(r->table, "\nGeometric mean of the ratios, %s\n%12s", bench_measure_words[m], "");
        for (int i = 0; i < BENCH_RANGES; i++)
            fprintf(r->table, "   %15s", bench_ranges[i].name);
        for (int c = 0; c < o->ncoll + (o->ncoll > 1); c++) {
            int coll = c < o->ncoll ? (int)o->coll[c] : -1;
            fprintf(r->table, "\n%-12s", coll < 0 ? "all of them" : vc_coll_name((enum vc_coll)coll));
            for (int i = 0; i < BENCH_RANGES; i++) {
                double g, a;
                bench_average(r, coll, (enum vc_measure)m, &bench_ranges[i], &g, &a);
                fprintf(r->table, isnan(g) ? "   %15s" : "   ", "-");
                if (!isnan(g))
                    fprintf(r->table, "%15.2f", g);
            }
        }
        fputc('\n', r->table);
    }
    fprintf(r->table,
            "(\"all of them\" is the mean of the collectives' means; a barrier counts as 8 bytes)\n");
}

/* ---- other questions ---- */

static void print_cpu(const struct vc_measure_world *w, FILE *f, const struct bench_cpu *c)
{
    fprintf(f, "\nWaiting: one rank computes for %g s, %d wait in an 8-byte allreduce\n", c->compute,
            w->size - 1);
    if (w->size < 2) {
        fprintf(f, "  needs two ranks\n");
        return;
    }
    fprintf(f, "%8s %22s %18s %18s %14s\n", "", "CPU-s of all waiting", "% of one CPU", "hottest rank, s",
            "took, s");
    for (int i = 0; i < VC_IMPLS; i++)
        fprintf(f, "%8s %22.3f %18.2f %18.3f %14.3f\n", bench_impl_name[i], c->wait[i], c->percent[i],
                c->worst[i], c->took[i]);
}

static void print_ops(const struct vc_measure_world *w, FILE *f, const struct bench_ops *o)
{
    fprintf(
        f,
        "\nCPU-seconds for 1000 allreduces of 8 bytes: %d ranks, %d host%s\n%8s %18s %14s %14s %14s %14s\n",
        w->size, w->nleader, w->nleader == 1 ? "" : "s", "", "us per operation", "all ranks", "of it kernel",
        "all hosts", "of it irqs");
    for (int i = 0; i < VC_IMPLS; i++) {
        fprintf(f, "%8s %18.2f", bench_impl_name[i], o[i].v[BENCH_OPS_TIME] * 1e6);
        for (int k = BENCH_OPS_RANKS; k < BENCH_OPS; k++)
            fprintf(f, " %14.4f", o[i].v[k] * 1e3);
        fputc('\n', f);
    }
    fprintf(f, "(a host's count is of everything that runs on it, and moves in steps of %.0f ms)\n",
            1e3 / (double)sysconf(_SC_CLK_TCK));
}

static void print_setup(FILE *f, const struct bench_setup *s)
{
    fprintf(f, "\nA fresh communicator (medians of %d, slowest rank, us): MPI_Comm_dup %.1f\n", s->comms,
            s->dup * 1e6);
    fprintf(f, "%8s %18s %18s\n", "", "first allreduce", "second allreduce");
    for (int i = 0; i < VC_IMPLS; i++)
        fprintf(f, "%8s %18.1f %18.1f\n", bench_impl_name[i], s->first[i] * 1e6, s->second[i] * 1e6);
    if (s->active > 0)
        fprintf(f,
                "vcoll took over %d of %d: set-up %.1f us; %.1f KiB shared memory on the node, %.1f KiB of "
                "each rank's own\n",
                s->active, s->comms, s->setup * 1e6, s->shm_bytes / 1024, s->heap_bytes / 1024);
    else
        fprintf(f, "vcoll took over none of them: %s\n", *s->why_not ? s->why_not : "no reason given");
}

static void print_doors(FILE *f, const struct bench_door *d)
{
    fprintf(f, "\nCalls that pass through (ns, medians)\n%-24s %8s %8s %8s\n", "", "direct", "vcoll",
            "extra");
    for (int i = 0; i < BENCH_DOORS; i++)
        fprintf(f, "%-24s %8.1f %8.1f %8.1f  [%.1f, %.1f]\n", d[i].name, d[i].ns[VC_IMPL_NATIVE],
                d[i].ns[VC_IMPL_VCOLL], d[i].extra, d[i].low, d[i].high);
}

static void print_overlap(FILE *f, const struct bench_report *r, bool sleeps)
{
    char size[24];
    fprintf(f,
            "\nNonblocking: alone, and with as long a %s (us, slowest rank); overlap in per cent as "
            "OSU and as IMB-NBC\ndefine it; CPU time of a rank%s (us)\n",
            sleeps ? "sleep" : "computation", sleeps ? "" : " beyond the computation");
    fprintf(f, "%-12s %8s %8s %10s %10s %6s %6s %10s\n", "", "bytes", "", "alone", "both", "OSU", "IMB",
            "CPU");
    for (int i = 0; i < r->noverlap; i++) {
        const struct bench_overlap *o = &r->overlap[i];
        for (int k = 0; k < VC_IMPLS; k++)
            fprintf(f, "%-12s %8s %8s %10.2f %10.2f %6.0f %6.0f %10.2f\n", vc_coll_name(o->coll),
                    o->bytes ? vc_measure_size_text(o->bytes, size) : "", bench_impl_name[k],
                    o->alone[k] * 1e6, o->both[k] * 1e6, o->osu[k], o->imb[k], o->cpu[k] * 1e6);
    }
}

void bench_table_tail(const struct vc_measure_world *w, const struct bench_report *r)
{
    const struct bench_opts *o = bench_opts_of(w);
    if (o->points)
        print_averages(w, r);
    if (o->cpu)
        print_cpu(w, r->table, &r->cpu);
    if (o->cpu_per_op)
        print_ops(w, r->table, r->ops);
    if (o->setup_cost)
        print_setup(r->table, &r->setup);
    if (o->overhead)
        print_doors(r->table, r->door);
    if (o->overlap)
        print_overlap(r->table, r, o->overlap == BENCH_SLEEPING);
    if (o->points && !w->one_host) {
        fprintf(r->table, "\nClocks of the hosts aligned within %.3g us\n", w->offset_error * 1e6);
        print_wire(r);
    }
    fprintf(r->table, "\ntook %.1f s\n", r->seconds);
    fflush(r->table);
}

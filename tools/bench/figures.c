/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures of a run: what they are called, and what a reader gets of many samples or points. */
#include "coll/info.h"
#include "tools/bench/bench.h"

#include <math.h>

const char *const bench_impl_name[VC_IMPLS] = {"native", "vcoll"};
const char *const bench_measure_name[VC_MEASURES] = {"start", "b2b"};
const char *const bench_measure_words[VC_MEASURES] = {"from a common start", "back to back"};
const char *const bench_pace_name[BENCH_PACES] = {"polled", "event", "exchange_polled", "exchange_event"};
const char *const bench_pace_words[BENCH_PACES] = {"one way, polled", "one way, event", "exchange, polled",
                                                   "exchange, event"};

struct bench_stat bench_stat(double *v, int n)
{
    return (struct bench_stat){vc_measure_quantile(v, n, 0.5), vc_measure_quantile(v, n, 0.99),
                               vc_measure_quantile(v, n, 0), n};
}

const struct bench_range bench_ranges[BENCH_RANGES] = {
    {"8 B..1 KiB", 8, 1024},
    {"8 B..4 KiB", 8, 4096},
    {"16 KiB..1 MiB", 16384, 1048576},
};

void bench_average(const struct bench_report *r, int coll, enum vc_measure m, const struct bench_range *range,
                   double *geometric, double *arithmetic)
{
    struct vc_measure_mean mean = {0};
    double sum = 0;
    for (int c = 0; coll < 0 && c < VC_COLL_COUNT; c++) {
        double g, a;
        bench_average(r, c, m, range, &g, &a);
        if (isnan(g))
            continue;
        vc_measure_mean_add(&mean, g);
        sum += a;
    }
    for (int i = 0; coll >= 0 && i < r->npoint; i++) {
        const struct bench_point *p = &r->point[i];
        /* A barrier is a small message: it counts in the ranges that begin at 8 bytes. */
        size_t bytes = vc_coll_sized(p->coll) ? p->bytes : 8;
        double ratio = p->ratio[m].median;
        if ((int)p->coll != coll || bytes < range->low || bytes > range->high || !(ratio > 0))
            continue;
        vc_measure_mean_add(&mean, ratio);
        sum += ratio;
    }
    *geometric = vc_measure_mean(&mean);
    *arithmetic = mean.n > 0 ? sum / mean.n : NAN;
}

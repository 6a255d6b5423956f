/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians, quantiles, bootstrap intervals and the averages that goals are stated in. */
#include "coll/info.h"
#include "tools/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 1000

uint64_t bench_rand(uint64_t *state)
{
    /* splitmix64: any state is a good one, so seeds may be small numbers. */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *v, int n, double q)
{
    if (n == 0)
        return NAN;
    qsort(v, (size_t)n, sizeof *v, compare);
    /* Between the two neighbours of the exact place, as the mean of the middle two is the median. */
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[n - 1];
}

void bench_interval(const double *v, int n, uint64_t seed, double *low, double *high)
{
    *low = *high = NAN;
    if (n < 3)
        return;
    double *pick = calloc((size_t)n, sizeof *pick);
    double *medians = calloc(RESAMPLES, sizeof *medians);
    if (pick && medians) {
        for (int b = 0; b < RESAMPLES; b++) {
            for (int i = 0; i < n; i++)
                pick[i] = v[bench_rand(&seed) % (unsigned)n];
            medians[b] = bench_quantile(pick, n, 0.5);
        }
        *low = bench_quantile(medians, RESAMPLES, 0.025);
        *high = bench_quantile(medians, RESAMPLES, 0.975);
    }
    free(pick);
    free(medians);
}

const struct bench_range bench_ranges[BENCH_RANGES] = {
    {"8 B..1 KiB", 8, 1024},
    {"8 B..4 KiB", 8, 4096},
    {"16 KiB..1 MiB", 16384, 1048576},
};

static void average_one(const struct bench_report *r, enum vc_coll coll, enum bench_measure m,
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

void bench_average(const struct bench_report *r, int coll, enum bench_measure m,
                   const struct bench_range *range, double *geometric, double *arithmetic)
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

const char *bench_size_text(size_t bytes, char buf[24])
{
    if (bytes >= 1u << 20 && bytes % (1u << 20) == 0)
        snprintf(buf, 24, "%zuM", bytes >> 20);
    else if (bytes >= 1024 && bytes % 1024 == 0)
        snprintf(buf, 24, "%zuk", bytes >> 10);
    else
        snprintf(buf, 24, "%zu", bytes);
    return buf;
}

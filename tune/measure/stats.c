/* SPDX-License-Identifier: BSD-3-Clause */
/* Medians, quantiles, bootstrap intervals, geometric means; numbers as text. */
#include "tune/measure/measure.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 1000

uint64_t vc_measure_rand(uint64_t *state)
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

double vc_measure_quantile(double *v, int n, double q)
{
    if (n == 0)
        return NAN;
    qsort(v, (size_t)n, sizeof *v, compare);
    /* Between the two neighbours of the exact place, as the mean of the middle two is the median. */
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[n - 1];
}

void vc_measure_interval(const double *v, int n, uint64_t seed, double *low, double *high)
{
    *low = *high = NAN;
    if (n < 3)
        return;
    double *sample = calloc((size_t)n, sizeof *sample);
    double *medians = calloc(RESAMPLES, sizeof *medians);
    if (sample && medians) {
        for (int b = 0; b < RESAMPLES; b++) {
            for (int i = 0; i < n; i++)
                sample[i] = v[vc_measure_rand(&seed) % (unsigned)n];
            medians[b] = vc_measure_quantile(sample, n, 0.5);
        }
        *low = vc_measure_quantile(medians, RESAMPLES, 0.025);
        *high = vc_measure_quantile(medians, RESAMPLES, 0.975);
    }
    free(sample);
    free(medians);
}

void vc_measure_summarize(double *v, int n, uint64_t seed, struct vc_measure_series *out)
{
    int m = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(v[i]))
            v[m++] = v[i];
    out->n = m;
    vc_measure_interval(v, m, seed, &out->low, &out->high);
    out->median = vc_measure_quantile(v, m, 0.5);
    out->p99 = vc_measure_quantile(v, m, 0.99);
}

void vc_measure_mean_add(struct vc_measure_mean *m, double v)
{
    m->logs += log(v);
    m->n++;
}

double vc_measure_mean(const struct vc_measure_mean *m)
{
    return m->n > 0 ? exp(m->logs / m->n) : NAN;
}

/* ---- text ---- */

json_t *vc_measure_json_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

int vc_measure_json_save(const char *program, const json_t *o, const char *file)
{
    bool console = strcmp(file, "-") == 0;
    FILE *f = console ? stdout : fopen(file, "we");
    bool ok =
        f && o && json_dumpf(o, f, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', f) != EOF;
    if (f)
        ok = (console ? fflush(f) : fclose(f)) == 0 && ok;
    if (!ok)
        fprintf(stderr, "%s: cannot write %s: %s\n", program, file, strerror(errno));
    return ok ? 0 : -1;
}

const char *vc_measure_size_text(size_t bytes, char buf[24])
{
    if (bytes >= 1u << 20 && bytes % (1u << 20) == 0)
        snprintf(buf, 24, "%zuM", bytes >> 20);
    else if (bytes >= 1024 && bytes % 1024 == 0)
        snprintf(buf, 24, "%zuk", bytes >> 10);
    else
        snprintf(buf, 24, "%zu", bytes);
    return buf;
}

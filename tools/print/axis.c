/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/print/axis.h"

/* ---- ranges ---- */

void plot_cover(struct plot_axis *a, double v)
{
    if (!isfinite(v) || v <= 0)
        return;
    a->lo = a->lo > 0 ? fmin(a->lo, v) : v;
    a->hi = fmax(a->hi, v);
}

void plot_settle(struct plot_axis *a)
{
    if (!(a->lo > 0))
        a->lo = a->hi = 1;
    if (a->kind == PLOT_BYTES && a->has_zero) {
        a->zero_at = a->lo / 4;
        a->lo = a->zero_at;
    }
    double span = log(a->hi / a->lo);
    double air = a->kind == PLOT_BYTES ? fmax(span * 0.04, 0.3) : fmax(span * 0.07, 0.05);
    a->lo *= exp(-air);
    a->hi *= exp(air);
}

double plot_at(const struct plot_axis *a, double v)
{
    if (v <= 0)
        v = a->has_zero ? a->zero_at : a->lo;
    return a->from + (a->to - a->from) * log(v / a->lo) / log(a->hi / a->lo);
}

/* ---- ticks ---- */

static void add_tick(const struct plot_axis *a, struct plot_ticks *t, double v)
{
    const int room = sizeof t->at / sizeof t->at[0];
    if (v >= a->lo * 0.9999 && v <= a->hi * 1.0001) {
        if (t->n < room)
            t->at[t->n] = v;
        t->n++; /* beyond the room too: such a choice of ticks is too dense and is thrown away */
    }
}

static void byte_ticks(const struct plot_axis *a, int most, struct plot_ticks *t)
{
    for (int step = 1; step <= 8; step++) {
        t->n = 0;
        for (int e = 0; e < 60; e += step)
            add_tick(a, t, ldexp(1, e));
        if (t->n <= most)
            return;
    }
}

static void decade_ticks(const struct plot_axis *a, const double *digit, int ndigits, int step,
                         struct plot_ticks *t)
{
    t->n = 0;
    int first = (int)floor(log10(a->lo));
    first -= ((first % step) + step) % step;
    for (int e = first; e <= (int)ceil(log10(a->hi)); e += step)
        for (int i = 0; i < ndigits; i++)
            add_tick(a, t, digit[i] * pow(10, e));
}

static void linear_ticks(const struct plot_axis *a, int most, struct plot_ticks *t)
{
    static const double nice[] = {1, 2, 2.5, 5};
    double unit = pow(10, floor(log10((a->hi - a->lo) / most)));
    for (int i = 0; i < 8; i++) {
        double step = unit * nice[i % 4] * (i < 4 ? 1 : 10);
        t->n = 0;
        for (double v = ceil(a->lo / step) * step; v <= a->hi * 1.0001 && t->n <= most; v += step)
            add_tick(a, t, v);
        if (t->n <= most)
            return;
    }
}

void plot_find_ticks(const struct plot_axis *a, int most, struct plot_ticks *t)
{
    static const double dense[] = {1, 1.5, 2, 3, 4, 5, 7}, middle[] = {1, 2, 5}, thin[] = {1, 3};
    if (a->kind == PLOT_BYTES) {
        byte_ticks(a, most, t);
        return;
    }
    if (a->hi / a->lo < 4) {
        linear_ticks(a, most, t);
        return;
    }
    decade_ticks(a, dense, 7, 1, t);
    if (t->n > most)
        decade_ticks(a, middle, 3, 1, t);
    if (t->n > most)
        decade_ticks(a, thin, 2, 1, t);
    for (int step = 1; t->n > most; step++)
        decade_ticks(a, thin, 1, step, t);
}

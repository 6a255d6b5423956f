/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SVG: axes with their ticks, shapes, intervals. Colours stand in attributes for who takes an SVG out of the
 * page, and in classes that the page's style overrides, for dark mode. Each colour of the palette (after
 * Okabe and Ito, told apart by colour-blind readers too) comes with a shape of its own.
 */
#include "tools/report/plot.h"

#include <stdlib.h>

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

static const char *tick_text(const struct plot_axis *a, double v, char *buf)
{
    if (a->kind == PLOT_BYTES)
        return rep_bytes(v, buf);
    snprintf(buf, REP_SHORT, a->kind == PLOT_RATIO ? "%.4g×" : "%.10g", a->kind == PLOT_RATIO ? v : v * 1e6);
    return buf;
}

/* ---- drawing ---- */

/* The heading stands above the SVG and not in it, where a long one would not wrap. */
void plot_begin(struct report *r, const struct plot *p, double width, double height)
{
    int id = ++r->plots;
    fputs("<figure>\n<p class=\"pt\" aria-hidden=\"true\">", r->f);
    rep_text(r->f, p->title);
    fprintf(r->f,
            "</p>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\" "
            "aria-labelledby=\"p%d-t p%d-d\" font-family=\"sans-serif\" font-size=\"12\">\n<title "
            "id=\"p%d-t\">",
            width, height, id, id, id);
    rep_text(r->f, p->title);
    fprintf(r->f, "</title>\n<desc id=\"p%d-d\">", id);
    rep_text(r->f, p->desc);
    fputs("</desc>\n", r->f);
}

void plot_end(struct report *r)
{
    fputs("</figure>\n", r->f);
}

static void put_x_tick(FILE *f, const struct plot_axis *a, double v, double top, double bottom)
{
    char text[REP_SHORT];
    double x = plot_at(a, v);
    fprintf(f,
            "<line class=\"grid\" stroke=\"#d0d7de\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
            x, x, top, bottom, x, bottom + 16, v > 0 ? tick_text(a, v, text) : "0");
}

void plot_draw_x(struct report *r, const struct plot *p, double top, double bottom)
{
    const struct plot_axis *a = &p->x;
    struct plot_ticks t = {.n = 0};
    plot_find_ticks(a, (int)((a->to - a->from) / 55), &t);
    double zero = a->has_zero ? plot_at(a, 0) : -1e9;
    if (a->has_zero)
        put_x_tick(r->f, a, 0, top, bottom);
    for (int i = 0; i < t.n; i++)
        if (plot_at(a, t.at[i]) > zero + 20)
            put_x_tick(r->f, a, t.at[i], top, bottom);
    fprintf(r->f, "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (a->from + a->to) / 2,
            bottom + 34);
    rep_text(r->f, a->label);
    fputs("</text>\n", r->f);
}

void plot_draw_y(struct report *r, const struct plot *p)
{
    const struct plot_axis *a = &p->y, *x = &p->x;
    struct plot_ticks t = {.n = 0};
    char text[REP_SHORT];
    plot_find_ticks(a, (int)((a->from - a->to) / 24), &t);
    for (int i = 0; i < t.n; i++) {
        double y = plot_at(a, t.at[i]);
        fprintf(r->f,
                "<line class=\"grid\" stroke=\"#d0d7de\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                x->from, x->to, y, y, x->from - 7, y + 4, tick_text(a, t.at[i], text));
    }
    fputs("<text class=\"soft\" x=\"8\" y=\"15\">", r->f);
    rep_text(r->f, a->label);
    fprintf(r->f,
            "</text>\n<rect class=\"frame\" stroke=\"#57606a\" fill=\"none\" x=\"%.1f\" y=\"%.1f\" "
            "width=\"%.1f\" "
            "height=\"%.1f\"/>\n",
            x->from, a->to, x->to - x->from, a->from - a->to);
}

const char *plot_colour(int look)
{
    static const char *const colour[PLOT_COLOURS] = {"class=\"c0\" stroke=\"#0072b2\" fill=\"#0072b2\"",
                                                     "class=\"c1\" stroke=\"#d55e00\" fill=\"#d55e00\"",
                                                     "class=\"c2\" stroke=\"#009e73\" fill=\"#009e73\"",
                                                     "class=\"c3\" stroke=\"#a6458a\" fill=\"#a6458a\"",
                                                     "class=\"c4\" stroke=\"#b87a00\" fill=\"#b87a00\"",
                                                     "class=\"c5\" stroke=\"#2f8fc4\" fill=\"#2f8fc4\"",
                                                     "class=\"c6\" stroke=\"#6b5f00\" fill=\"#6b5f00\""};
    if (look >= 0)
        return colour[look % PLOT_COLOURS];
    if (look == PLOT_CHOICE)
        return colour[0];
    return look == PLOT_NATIVE ? "class=\"cn\" stroke=\"#1b1f24\" fill=\"#1b1f24\""
                               : "class=\"cf\" stroke=\"#57606a\" fill=\"#57606a\"";
}

void plot_shape(FILE *f, int look, double x, double y)
{
    static const char *const shape[PLOT_COLOURS] = {"m-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
                                                    "m-3.6,-3.6h7.2v7.2h-7.2z",
                                                    "m0,-4.8l4.6,8h-9.2z",
                                                    "m0,-5l5,5l-5,5l-5,-5z",
                                                    "m0,4.8l4.6,-8h-9.2z",
                                                    "m-4,-4l8,8m0,-8l-8,8",
                                                    "m-5,0h10m-5,-5v10"};
    const char *d = look >= 0             ? shape[look % PLOT_COLOURS]
                    : look == PLOT_CHOICE ? shape[0]
                    : look == PLOT_NATIVE ? "m-2.5,-2.5h5v5h-5z"
                                          : "m-1.8,0a1.8,1.8 0 1,0 3.6,0a1.8,1.8 0 1,0 -3.6,0z";
    /* The last two are lines and not areas. */
    fprintf(f, "<path d=\"M%.1f,%.1f%s\" stroke-width=\"%s\"/>", x, y, d,
            look >= 0 && look % PLOT_COLOURS >= PLOT_COLOURS - 2 ? "2.2" : "1");
}

void plot_bar(FILE *f, const struct plot_axis *a, bool upright, double across, double low, double high)
{
    if (!isfinite(low) || !isfinite(high))
        return;
    double from = plot_at(a, fmin(fmax(low, a->lo), a->hi)), to = plot_at(a, fmax(fmin(high, a->hi), a->lo));
    if (upright)
        fprintf(f, "<path d=\"M%.1f,%.1fV%.1fm-3,0h6M%.1f,%.1fh6\" fill=\"none\"/>", across, from, to,
                across - 3, from);
    else
        fprintf(f, "<path d=\"M%.1f,%.1fH%.1fm0,-3v6M%.1f,%.1fv6\" fill=\"none\"/>", from, across, to, from,
                across - 3);
}

static double line_width(int look)
{
    return look == PLOT_NATIVE ? 4 : look == PLOT_FAINT ? 0.8 : 1.8;
}

void plot_legend(FILE *f, const struct plot *p)
{
    fputs("<figcaption><ul class=\"key\">\n", f);
    for (int i = 0; i < p->nseries; i++) {
        const struct plot_series *s = &p->series[i];
        if (!s->name)
            continue;
        fprintf(f, "<li><svg viewBox=\"0 0 30 14\" aria-hidden=\"true\"><g %s>", plot_colour(s->look));
        if (!p->identity)
            fprintf(f, "<path d=\"M1,7H29\" stroke-width=\"%g\" fill=\"none\"/>", line_width(s->look));
        plot_shape(f, s->look, 15, 7);
        fputs("</g></svg><span>", f);
        rep_text(f, s->name);
        fputs("</span></li>\n", f);
    }
    fputs("</ul></figcaption>\n", f);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SVG: lines over size (and scatter), rows of values with their intervals. Colours stand in attributes, for a
 * picture by itself or one that is taken out of its page, and in classes, which the style of a page overrides
 * for dark mode. Each colour of the palette (after Okabe and Ito, told apart by colour-blind readers too)
 * comes with a shape of its own.
 */
#include "tools/print/axis.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH   600
#define HEIGHT  352
#define LEFT    58
#define RIGHT   16
#define TOP     26
#define BOTTOM  44
#define ROW     36
#define STRETCH 3 /* an interval makes an axis longer up to this factor beyond its median */

/* ---- series ---- */

struct plot_series *plot_add(struct plot *p, int look, const char *name)
{
    static struct plot_series spare;
    struct plot_series *more = realloc(p->series, ((size_t)p->nseries + 1) * sizeof *more);
    if (!more) {
        free(spare.mark);
        spare = (struct plot_series){0};
        return &spare;
    }
    p->series = more;
    more[p->nseries] = (struct plot_series){.look = look, .name = text_format("%s", name)};
    return &more[p->nseries++];
}

void plot_put(struct plot_series *s, struct plot_mark m)
{
    struct plot_mark *more = realloc(s->mark, ((size_t)s->n + 1) * sizeof *more);
    if (!more)
        return;
    s->mark = more;
    more[s->n++] = m;
}

static void forget_series(struct plot *p)
{
    for (int i = 0; i < p->nseries; i++)
        free(p->series[i].mark);
    free(p->series);
    p->series = NULL;
    p->nseries = 0;
}

/* ---- ranges ---- */

static bool drawable(const struct plot_mark *m)
{
    return isfinite(m->y) && m->y > 0;
}

static void cover_interval(struct plot_axis *a, const struct plot_mark *m)
{
    plot_cover(a, m->y);
    if (isfinite(m->low) && isfinite(m->high)) {
        plot_cover(a, fmax(m->low, m->y / STRETCH));
        plot_cover(a, fmin(m->high, m->y * STRETCH));
    }
}

static void find_ranges(struct plot *p)
{
    for (int i = 0; i < p->nseries; i++)
        for (int j = 0; j < p->series[i].n; j++) {
            const struct plot_mark *m = &p->series[i].mark[j];
            if (!drawable(m))
                continue;
            p->x.has_zero |= m->x == 0;
            plot_cover(&p->x, m->x);
            cover_interval(&p->y, m);
        }
    plot_cover(&p->y, p->line);
    if (p->identity) {
        plot_cover(&p->x, p->y.lo);
        plot_cover(&p->x, p->y.hi);
        plot_cover(&p->y, p->x.lo);
        plot_cover(&p->y, p->x.hi);
    }
    plot_settle(&p->x);
    plot_settle(&p->y);
}

/* ---- looks ---- */

struct look {
    const char *class, *colour, *shape, *shape_width;
    double width, opacity; /* of the line */
};

static const struct look *look_of(int look)
{
    static const struct look colours[PLOT_COLOURS] = {
        {"c0", "#0072b2", "m-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "1", 1.8, 1},
        {"c1", "#d55e00", "m-3.6,-3.6h7.2v7.2h-7.2z", "1", 1.8, 1},
        {"c2", "#009e73", "m0,-4.8l4.6,8h-9.2z", "1", 1.8, 1},
        {"c3", "#a6458a", "m0,-5l5,5l-5,5l-5,-5z", "1", 1.8, 1},
        {"c4", "#b87a00", "m0,4.8l4.6,-8h-9.2z", "1", 1.8, 1},
        {"c5", "#2f8fc4", "m-4,-4l8,8m0,-8l-8,8", "2.2", 1.8, 1},
        {"c6", "#6b5f00", "m-5,0h10m-5,-5v10", "2.2", 1.8, 1},
    };
    static const struct look native = {"cn", "#1b1f24", "m-2.5,-2.5h5v5h-5z", "1", 4, 0.75},
                             faint = {"cf", "#57606a", "m-1.8,0a1.8,1.8 0 1,0 3.6,0a1.8,1.8 0 1,0 -3.6,0z",
                                      "1",  0.8,       0.55};
    if (look == PLOT_NATIVE)
        return &native;
    return look == PLOT_FAINT ? &faint : &colours[look >= 0 ? look % PLOT_COLOURS : 0];
}

static void begin_series(FILE *f, int look)
{
    const struct look *l = look_of(look);
    fprintf(f, "<g class=\"%s\" stroke=\"%s\" fill=\"%s\">", l->class, l->colour, l->colour);
}

static void write_shape(FILE *f, int look, double x, double y)
{
    const struct look *l = look_of(look);
    fprintf(f, "<path d=\"M%.1f,%.1f%s\" stroke-width=\"%s\"/>", x, y, l->shape, l->shape_width);
}

/* A line across that stands for native, or for what is equal. */
static void write_rule(FILE *f, double width, double opacity, double x1, double y1, double x2, double y2)
{
    fprintf(f,
            "<line class=\"cn\" stroke=\"#1b1f24\" stroke-width=\"%g\" stroke-opacity=\"%g\" x1=\"%.1f\" "
            "y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            width, opacity, x1, y1, x2, y2);
}

/* ---- axes ---- */

static struct text tick_text(const struct plot_axis *a, double v)
{
    if (a->kind == PLOT_BYTES)
        return v > 0 ? text_bytes(v) : text_format("0");
    return a->kind == PLOT_RATIO ? text_format("%.4g×", v) : text_format("%.10g", v * 1e6);
}

static void write_grid(FILE *f, double x1, double x2, double y1, double y2)
{
    fprintf(f, "<line class=\"grid\" stroke=\"#d0d7de\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
            x1, x2, y1, y2);
}

static void write_x_tick(FILE *f, const struct plot_axis *a, double v, double top, double bottom)
{
    double x = plot_at(a, v);
    write_grid(f, x, x, top, bottom);
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x, bottom + 16,
            tick_text(a, v).s);
}

static void write_x_axis(FILE *f, const struct plot_axis *a, double top, double bottom)
{
    struct plot_ticks t = {.n = 0};
    plot_find_ticks(a, (int)((a->to - a->from) / 55), &t);
    double zero = a->has_zero ? plot_at(a, 0) : -1e9;
    if (a->has_zero)
        write_x_tick(f, a, 0, top, bottom);
    for (int i = 0; i < t.n; i++)
        if (plot_at(a, t.at[i]) > zero + 20)
            write_x_tick(f, a, t.at[i], top, bottom);
    fprintf(f, "<text class=\"soft\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (a->from + a->to) / 2,
            bottom + 34);
    html_text(f, a->label);
    fputs("</text>\n", f);
}

static void write_y_axis(FILE *f, const struct plot_axis *x, const struct plot_axis *a)
{
    struct plot_ticks t = {.n = 0};
    plot_find_ticks(a, (int)((a->from - a->to) / 24), &t);
    for (int i = 0; i < t.n; i++) {
        double y = plot_at(a, t.at[i]);
        write_grid(f, x->from, x->to, y, y);
        fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", x->from - 7, y + 4,
                tick_text(a, t.at[i]).s);
    }
    fputs("<text class=\"soft\" x=\"8\" y=\"15\">", f);
    html_text(f, a->label);
    fprintf(f,
            "</text>\n<rect class=\"frame\" stroke=\"#57606a\" fill=\"none\" x=\"%.1f\" y=\"%.1f\" "
            "width=\"%.1f\" height=\"%.1f\"/>\n",
            x->from, a->to, x->to - x->from, a->from - a->to);
}

/* ---- marks ---- */

/* An interval: a line with ends, cut off at the frame. */
static void write_interval(FILE *f, const struct plot_axis *a, bool upright, double across,
                           const struct plot_mark *m)
{
    if (!isfinite(m->low) || !isfinite(m->high))
        return;
    double from = plot_at(a, fmin(fmax(m->low, a->lo), a->hi)),
           to = plot_at(a, fmax(fmin(m->high, a->hi), a->lo));
    if (upright)
        fprintf(f, "<path d=\"M%.1f,%.1fV%.1fm-3,0h6M%.1f,%.1fh6\" fill=\"none\"/>", across, from, to,
                across - 3, from);
    else
        fprintf(f, "<path d=\"M%.1f,%.1fH%.1fm0,-3v6M%.1f,%.1fv6\" fill=\"none\"/>", from, across, to, from,
                across - 3);
}

static void write_mark(FILE *f, const struct plot_mark *m, int look, double x, double y)
{
    fputs("<g><title>", f);
    html_text(f, m->tip.s);
    fputs("</title>", f);
    /* A place to point at that is larger than the shape. */
    if (look != PLOT_FAINT)
        fprintf(
            f,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"9\" fill=\"none\" stroke=\"none\" pointer-events=\"all\"/>",
            x, y);
    write_shape(f, look, x, y);
    if (m->ring)
        fprintf(f,
                "<circle class=\"ring\" cx=\"%.1f\" cy=\"%.1f\" r=\"8\" fill=\"none\" stroke-width=\"1.8\"/>",
                x, y);
    fputs("</g>\n", f);
}

/* ---- lines ---- */

static void write_line(FILE *f, const struct plot *p, const struct plot_series *s, double shift)
{
    const struct look *l = look_of(s->look);
    bool open = false;
    fprintf(f, "<path fill=\"none\" stroke-linejoin=\"round\" stroke-width=\"%g\" stroke-opacity=\"%g\" d=\"",
            l->width, l->opacity);
    for (int i = 0; i < s->n; i++) {
        const struct plot_mark *m = &s->mark[i];
        if (drawable(m))
            fprintf(f, "%c%.1f,%.1f", open && !m->gap ? 'L' : 'M', plot_at(&p->x, m->x) + shift,
                    plot_at(&p->y, m->y));
        open = drawable(m);
    }
    fputs(s->n == 0 ? "M0,0\"/>" : "\"/>", f);
}

static void write_band(FILE *f, const struct plot *p, const struct plot_series *s)
{
    int n = 0;
    for (int i = 0; i < s->n; i++)
        n += isfinite(s->mark[i].low);
    if (n < 2)
        return;
    fputs("<path stroke=\"none\" fill-opacity=\"0.18\" d=\"", f);
    char op = 'M';
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < s->n; k++) {
            const struct plot_mark *m = &s->mark[side ? s->n - 1 - k : k];
            if (!isfinite(m->low))
                continue;
            double v = side ? m->low : m->high;
            fprintf(f, "%c%.1f,%.1f", op, plot_at(&p->x, m->x),
                    plot_at(&p->y, fmin(fmax(v, p->y.lo), p->y.hi)));
            op = 'L';
        }
    fputs("z\"/>", f);
}

static void write_series(FILE *f, const struct plot *p, const struct plot_series *s)
{
    /* Series lie a little beside each other, so that equal values do not hide. */
    double shift = s->look >= 0 && !p->identity ? (s->look - 3) * 1.1 : 0;
    begin_series(f, s->look);
    if (p->band)
        write_band(f, p, s);
    if (!p->identity)
        write_line(f, p, s, shift);
    for (int j = 0; j < s->n; j++) {
        const struct plot_mark *m = &s->mark[j];
        if (!drawable(m))
            continue;
        double x = plot_at(&p->x, m->x) + shift;
        if (s->look != PLOT_FAINT && !p->identity)
            write_interval(f, &p->y, true, x, m);
        write_mark(f, m, s->look, x, plot_at(&p->y, m->y));
    }
    fputs("</g>\n", f);
}

static void write_lines(FILE *f, struct plot *p)
{
    find_ranges(p);
    p->x.from = LEFT;
    p->x.to = WIDTH - RIGHT;
    p->y.from = HEIGHT - BOTTOM;
    p->y.to = TOP;
    write_x_axis(f, &p->x, TOP, HEIGHT - BOTTOM);
    write_y_axis(f, &p->x, &p->y);
    if (p->line > 0)
        write_rule(f, 3, 0.75, p->x.from, plot_at(&p->y, p->line), p->x.to, plot_at(&p->y, p->line));
    if (p->identity)
        write_rule(f, 1.5, 1, p->x.from, p->y.from, p->x.to, p->y.to);
    /* What matters most is drawn last, over the others. */
    static const int order[] = {PLOT_FAINT, PLOT_NATIVE, PLOT_CHOICE, 0};
    for (size_t pass = 0; pass < sizeof order / sizeof order[0]; pass++)
        for (int i = 0; i < p->nseries; i++)
            if (p->series[i].look == order[pass] || (order[pass] == 0 && p->series[i].look > 0))
                write_series(f, p, &p->series[i]);
}

static void write_sample(FILE *f, int look, bool line, double x, double y)
{
    begin_series(f, look);
    if (line)
        fprintf(f, "<path d=\"M%.0f,%.0fh28\" stroke-width=\"%g\" fill=\"none\"/>", x, y,
                look_of(look)->width);
    write_shape(f, look, x + 14, y);
    fputs("</g>", f);
}

/* ---- figures of a page ---- */

/* The heading stands above the SVG and not in it, where a long one would not wrap. */
static void begin_figure(FILE *f, int id, const struct plot *p, double height)
{
    fputs("<figure>\n<p class=\"pt\" aria-hidden=\"true\">", f);
    html_text(f, p->title.s);
    fprintf(
        f,
        "</p>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %g\" role=\"img\" "
        "aria-labelledby=\"p%d-t p%d-d\" font-family=\"sans-serif\" font-size=\"12\">\n<title id=\"p%d-t\">",
        WIDTH, height, id, id, id);
    html_text(f, p->title.s);
    fprintf(f, "</title>\n<desc id=\"p%d-d\">", id);
    html_text(f, p->desc);
    fputs("</desc>\n", f);
}

static void write_legend(FILE *f, const struct plot *p)
{
    fputs("<figcaption><ul class=\"key\">\n", f);
    for (int i = 0; i < p->nseries; i++) {
        const struct plot_series *s = &p->series[i];
        if (!s->name.s[0])
            continue;
        fputs("<li><svg viewBox=\"0 0 30 14\" aria-hidden=\"true\">", f);
        write_sample(f, s->look, !p->identity, 1, 7);
        fputs("</svg><span>", f);
        html_text(f, s->name.s);
        fputs("</span></li>\n", f);
    }
    fputs("</ul></figcaption>\n", f);
}

/* As many characters of the label as fit into the width. */
static void write_row(FILE *f, const struct plot *p, const struct plot_row *row, double y)
{
    const char *label = row->label.s;
    size_t room = 92, n = strlen(label);
    if (n > room) {
        n = room;
        while (n > 0 && ((unsigned char)label[n] & 0xc0) == 0x80)
            n--;
    }
    fprintf(f, "<text class=\"row\" x=\"14\" y=\"%.1f\">", y + 13);
    html_textf(f, "%.*s%s", (int)n, label, label[n] ? "…" : "");
    fputs("</text>", f);
    y += 24;
    begin_series(f, row->look);
    if (isfinite(row->low2))
        fprintf(f, "<path stroke-opacity=\"0.4\" stroke-width=\"5\" fill=\"none\" d=\"M%.1f,%.1fH%.1f\"/>",
                plot_at(&p->x, row->low2), y, plot_at(&p->x, row->high2));
    write_interval(f, &p->x, false, y, &row->mark);
    if (isfinite(row->mark.y))
        write_mark(f, &row->mark, row->look, plot_at(&p->x, row->mark.y), y);
    fputs("</g>\n", f);
}

void plot_rows(FILE *f, int id, struct plot *p, const struct plot_row *row, int n)
{
    double top = TOP - 14, bottom = top + n * ROW;
    for (int i = 0; i < n; i++) {
        cover_interval(&p->x, &row[i].mark);
        plot_cover(&p->x, row[i].low2);
        plot_cover(&p->x, row[i].high2);
    }
    plot_cover(&p->x, p->line);
    plot_settle(&p->x);
    p->x.from = 14;
    p->x.to = WIDTH - RIGHT;
    begin_figure(f, id, p, bottom + BOTTOM);
    write_x_axis(f, &p->x, top, bottom);
    if (p->line > 0)
        write_rule(f, 2, 0.75, plot_at(&p->x, p->line), top, plot_at(&p->x, p->line), bottom);
    for (int i = 0; i < n; i++)
        write_row(f, p, &row[i], top + i * ROW);
    fputs("</svg>\n</figure>\n", f);
}

/* ---- lines, or rows where there is one size ---- */

#define MOST_ROWS 14

static int count_sizes(const struct plot *p)
{
    double size = -1;
    for (int i = 0; i < p->nseries; i++)
        for (int j = 0; j < p->series[i].n; j++) {
            if (size >= 0 && p->series[i].mark[j].x != size)
                return 2;
            size = p->series[i].mark[j].x;
        }
    return size >= 0;
}

static int compare_rows(const void *a, const void *b)
{
    double x = ((const struct plot_row *)a)->mark.y, y = ((const struct plot_row *)b)->mark.y;
    return (x > y) - (x < y);
}

/* The fastest, and those that are told apart by more than their speed. */
static void draw_as_rows(FILE *f, int id, struct plot *p)
{
    int n = 0, kept = 0;
    struct plot_row *row = calloc((size_t)p->nseries, sizeof *row);
    if (!row)
        return;
    for (int i = 0; i < p->nseries; i++) {
        const struct plot_series *s = &p->series[i];
        if (s->n > 0 && drawable(&s->mark[0]))
            row[n++] = (struct plot_row){s->mark[0].tip, s->look, NAN, NAN, s->mark[0]};
    }
    qsort(row, (size_t)n, sizeof *row, compare_rows);
    for (int i = 0; i < n; i++)
        if (kept < MOST_ROWS || row[i].mark.ring || row[i].look == PLOT_NATIVE)
            row[kept++] = row[i];
    p->x = p->y;
    plot_rows(f, id, p, row, kept);
    free(row);
}

void plot_draw(FILE *f, int id, struct plot *p)
{
    int sizes = count_sizes(p);
    if (p->identity || sizes > 1) {
        begin_figure(f, id, p, HEIGHT);
        write_lines(f, p);
        fputs("</svg>\n", f);
        write_legend(f, p);
        fputs("</figure>\n", f);
    } else if (sizes == 1)
        draw_as_rows(f, id, p);
    forget_series(p);
}

/* ---- pictures ---- */

#define HEAD 56 /* title of the picture, titles of the panels */
#define FOOT 34 /* legend */

static void write_heading(FILE *f, double x, double y, const char *text)
{
    fprintf(f, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" font-weight=\"600\">", x, y);
    html_text(f, text);
    fputs("</text>\n", f);
}

void plot_picture(FILE *f, const char *title, struct plot *panel, int n)
{
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<title>",
            n * WIDTH, HEAD + HEIGHT + FOOT);
    html_text(f, title);
    fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", f);
    write_heading(f, n * WIDTH / 2.0, 20, title);
    for (int i = 0; i < n; i++) {
        write_heading(f, (i + 0.5) * WIDTH, 44, panel[i].title.s);
        fprintf(f, "<g transform=\"translate(%d,%d)\">\n", i * WIDTH, HEAD);
        write_lines(f, &panel[i]);
        fputs("</g>\n", f);
    }
    double x = LEFT;
    for (int i = 0; n > 0 && i < panel[0].nseries; i++) {
        const struct plot_series *s = &panel[0].series[i];
        write_sample(f, s->look, true, x, HEAD + HEIGHT + 14);
        fprintf(f, "<text x=\"%.0f\" y=\"%d\">", x + 34, HEAD + HEIGHT + 18);
        html_text(f, s->name.s);
        fputs("</text>\n", f);
        x += 54 + 6.5 * (double)strlen(s->name.s);
    }
    fputs("</svg>\n", f);
    for (int i = 0; i < n; i++)
        forget_series(&panel[i]);
}

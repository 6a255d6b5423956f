/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole figures: lines over size (and scatter), rows of values with their intervals. */
#include "tools/report/plot.h"

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

static void cover_interval(struct plot_axis *a, double mid, double low, double high)
{
    plot_cover(a, mid);
    if (isfinite(low) && isfinite(high)) {
        plot_cover(a, fmax(low, mid / STRETCH));
        plot_cover(a, fmin(high, mid * STRETCH));
    }
}

static void find_ranges(struct plot *p)
{
    for (int i = 0; i < p->nseries; i++)
        for (int j = 0; j < p->series[i].n; j++) {
            const struct plot_mark *m = &p->series[i].mark[j];
            if (!isfinite(m->y) || m->y <= 0)
                continue;
            if (m->x == 0)
                p->x.has_zero = true;
            plot_cover(&p->x, m->x);
            cover_interval(&p->y, m->y, m->low, m->high);
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

static bool drawable(const struct plot_mark *m)
{
    return isfinite(m->y) && m->y > 0;
}

static void put_line(FILE *f, const struct plot *p, const struct plot_series *s, double shift)
{
    double width = s->look == PLOT_NATIVE ? 4 : s->look == PLOT_FAINT ? 0.8 : 1.8;
    bool open = false;
    fprintf(f, "<path fill=\"none\" stroke-linejoin=\"round\" stroke-width=\"%g\"%s d=\"", width,
            s->look == PLOT_NATIVE  ? " stroke-opacity=\"0.75\""
            : s->look == PLOT_FAINT ? " stroke-opacity=\"0.55\""
                                    : "");
    for (int i = 0; i < s->n; i++) {
        const struct plot_mark *m = &s->mark[i];
        if (!drawable(m)) {
            open = false;
            continue;
        }
        fprintf(f, "%c%.1f,%.1f", open && !m->gap ? 'L' : 'M', plot_at(&p->x, m->x) + shift,
                plot_at(&p->y, m->y));
        open = true;
    }
    if (!open && s->n == 0)
        fputs("M0,0", f);
    fputs("\"/>", f);
}

static void put_band(FILE *f, const struct plot *p, const struct plot_series *s)
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

static void put_mark(FILE *f, const struct plot_mark *m, int look, double x, double y)
{
    fputs("<g><title>", f);
    rep_text(f, m->tip);
    fputs("</title>", f);
    if (look != PLOT_FAINT)
        fprintf(
            f,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"9\" fill=\"none\" stroke=\"none\" pointer-events=\"all\"/>",
            x, y);
    plot_shape(f, look, x, y);
    if (m->ring)
        fprintf(f,
                "<circle class=\"ring\" cx=\"%.1f\" cy=\"%.1f\" r=\"8\" fill=\"none\" stroke-width=\"1.8\"/>",
                x, y);
    fputs("</g>\n", f);
}

static void put_series(FILE *f, const struct plot *p, int i)
{
    const struct plot_series *s = &p->series[i];
    /* Series lie a little beside each other, so that equal values do not hide. */
    double shift = s->look >= 0 && !p->identity ? (s->look - 3) * 1.1 : 0;
    fprintf(f, "<g %s>", plot_colour(s->look));
    if (p->band)
        put_band(f, p, s);
    if (!p->identity)
        put_line(f, p, s, shift);
    for (int j = 0; j < s->n; j++) {
        const struct plot_mark *m = &s->mark[j];
        if (!drawable(m))
            continue;
        double x = plot_at(&p->x, m->x) + shift;
        if (s->look != PLOT_FAINT && !p->identity)
            plot_bar(f, &p->y, true, x, m->low, m->high);
        put_mark(f, m, s->look, x, plot_at(&p->y, m->y));
    }
    fputs("</g>\n", f);
}

static void put_reference_line(FILE *f, const struct plot *p)
{
    double y = plot_at(&p->y, p->line);
    fprintf(f,
            "<line class=\"cn\" stroke=\"#1b1f24\" stroke-width=\"3\" stroke-opacity=\"0.75\" x1=\"%.1f\" "
            "x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
            p->x.from, p->x.to, y, y);
}

void plot_lines(struct report *r, struct plot *p)
{
    find_ranges(p);
    p->x.from = LEFT;
    p->x.to = WIDTH - RIGHT;
    p->y.from = HEIGHT - BOTTOM;
    p->y.to = TOP;
    plot_begin(r, p, WIDTH, HEIGHT);
    plot_draw_x(r, p, TOP, HEIGHT - BOTTOM);
    plot_draw_y(r, p);
    if (p->line > 0)
        put_reference_line(r->f, p);
    if (p->identity)
        fprintf(
            r->f,
            "<line class=\"cn\" stroke=\"#1b1f24\" stroke-width=\"1.5\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
            "y2=\"%.1f\"/>\n",
            p->x.from, p->y.from, p->x.to, p->y.to);
    static const int order[] = {PLOT_FAINT, PLOT_NATIVE, PLOT_CHOICE, 0};
    for (size_t pass = 0; pass < sizeof order / sizeof order[0]; pass++)
        for (int i = 0; i < p->nseries; i++)
            if (p->series[i].look == order[pass] || (order[pass] == 0 && p->series[i].look > 0))
                put_series(r->f, p, i);
    fputs("</svg>\n", r->f);
    plot_legend(r->f, p);
    plot_end(r);
}

/* ---- rows ---- */

/* As many characters as fit into the width. */
static void put_row_label(FILE *f, const char *label, double y)
{
    size_t room = 92, n = strlen(label);
    if (n > room) {
        n = room;
        while (n > 0 && ((unsigned char)label[n] & 0xc0) == 0x80)
            n--;
    }
    fprintf(f, "<text class=\"row\" x=\"%d\" y=\"%.1f\">", 14, y);
    rep_textf(f, "%.*s%s", (int)n, label, label[n] ? "…" : "");
    fputs("</text>", f);
}

static void put_row(FILE *f, const struct plot *p, const struct plot_row *row, double y)
{
    put_row_label(f, row->label, y + 13);
    y += 24;
    fprintf(f, "<g %s>", plot_colour(row->look));
    if (isfinite(row->low2))
        fprintf(f, "<path stroke-opacity=\"0.4\" stroke-width=\"5\" fill=\"none\" d=\"M%.1f,%.1fH%.1f\"/>",
                plot_at(&p->x, row->low2), y, plot_at(&p->x, row->high2));
    plot_bar(f, &p->x, false, y, row->mark.low, row->mark.high);
    if (isfinite(row->mark.y))
        put_mark(f, &row->mark, row->look, plot_at(&p->x, row->mark.y), y);
    fputs("</g>\n", f);
}

void plot_rows(struct report *r, struct plot *p, const struct plot_row *row, int n)
{
    double bottom = TOP - 14 + n * ROW;
    for (int i = 0; i < n; i++) {
        cover_interval(&p->x, row[i].mark.y, row[i].mark.low, row[i].mark.high);
        plot_cover(&p->x, row[i].low2);
        plot_cover(&p->x, row[i].high2);
    }
    plot_cover(&p->x, p->line);
    plot_settle(&p->x);
    p->x.from = 14;
    p->x.to = WIDTH - RIGHT;
    plot_begin(r, p, WIDTH, bottom + BOTTOM);
    plot_draw_x(r, p, TOP - 14, bottom);
    if (p->line > 0) {
        double x = plot_at(&p->x, p->line);
        fprintf(
            r->f,
            "<line class=\"cn\" stroke=\"#1b1f24\" stroke-width=\"2\" stroke-opacity=\"0.75\" x1=\"%.1f\" "
            "x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>\n",
            x, x, TOP - 14, bottom);
    }
    for (int i = 0; i < n; i++)
        put_row(r->f, p, &row[i], TOP - 14 + i * ROW);
    fputs("</svg>\n", r->f);
    plot_end(r);
}

/* ---- either ---- */

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
static int thin_out(struct plot_row *row, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (kept < MOST_ROWS || row[i].mark.ring || row[i].look == PLOT_NATIVE)
            row[kept++] = row[i];
    return kept;
}

static void as_rows(struct report *r, struct plot *p)
{
    int n = 0;
    struct plot_row *row = calloc((size_t)p->nseries, sizeof *row);
    if (!row)
        return;
    for (int i = 0; i < p->nseries; i++) {
        const struct plot_series *s = &p->series[i];
        if (s->n == 0 || !drawable(&s->mark[0]))
            continue;
        row[n] = (struct plot_row){.look = s->look, .low2 = NAN, .high2 = NAN, .mark = s->mark[0]};
        snprintf(row[n].label, sizeof row[n].label, "%s", s->mark[0].tip);
        n++;
    }
    qsort(row, (size_t)n, sizeof *row, compare_rows);
    p->x = p->y;
    plot_rows(r, p, row, thin_out(row, n));
    free(row);
}

void plot_by_size(struct report *r, struct plot *p)
{
    int sizes = count_sizes(p);
    if (sizes > 1)
        plot_lines(r, p);
    else if (sizes == 1)
        as_rows(r, p);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Each collective on each set of ranks: candidates over size, speed-up of the choice, the chosen rows. */
#include "tools/report/plot.h"
#include "tools/report/lines.h"

#include <stdlib.h>
#include <string.h>

/* ---- speed-up ---- */

static void plot_speedup(struct report *r, const struct rep_group *g)
{
    struct plot_mark *mark = calloc((size_t)g->npoint, sizeof *mark);
    if (!mark)
        return;
    for (int i = 0; i < g->npoint; i++) {
        const struct rep_point *p = &g->point[i];
        struct rep_series s = rep_ratio(p);
        char bytes[REP_SHORT], text[REP_SHORT];
        mark[i] = (struct plot_mark){.x = p->bytes, .y = s.median, .low = s.low, .high = s.high};
        snprintf(mark[i].tip, PLOT_TIP, "%.32s: %.60s, %.100s", rep_bytes(p->bytes, bytes),
                 rep_times_range(s.median, s.low, s.high, text), p->cand[p->chosen].choice);
    }
    struct plot_series series[] = {{PLOT_CHOICE, "what was chosen, with its 95 % interval", mark, g->npoint},
                                   {PLOT_NATIVE, "native", NULL, 0}};
    char title[2 * REP_LONG], where[REP_LONG];
    snprintf(title, sizeof title, "Speed-up of the choice: %s", rep_where_text(&g->where, true, where));
    struct plot p = {
        .title = title,
        .desc = "Native's time divided by that of the choice, for each message size; above 1 the choice "
                "is faster. The figures are in the table of chosen rows.",
        .x = {.kind = PLOT_BYTES, .label = "message size"},
        .y = {.kind = PLOT_RATIO, .label = "times as fast as native"},
        .series = series,
        .nseries = 2,
        .line = 1,
        .band = true};
    plot_lines(r, &p);
    free(mark);
}

static bool several_sizes(const struct rep_group *g)
{
    return g->point[g->npoint - 1].bytes > g->point[0].bytes;
}

/* ---- the chosen rows ---- */

/* Columns that are there only where something was measured. */
struct columns {
    bool tail, b2b;
};

static struct columns columns_of(const struct rep_group *g)
{
    struct columns c = {0};
    for (int i = 0; i < g->npoint; i++) {
        const struct rep_cand *x = &g->point[i].cand[g->point[i].chosen];
        c.tail |= isfinite(x->start.p99);
        c.b2b |= isfinite(x->b2b.median) && isfinite(x->start.median);
    }
    return c;
}

static void put_speedup(FILE *f, const struct rep_point *p)
{
    char text[REP_SHORT];
    struct rep_series s = rep_ratio(p);
    const char *class = p->chosen == p->native ? "n" : s.low > 1 ? "n good" : s.high < 1 ? "n bad" : "n";
    fprintf(f, "<td class=\"%s\">%s</td>", class,
            p->chosen == p->native ? "native kept" : rep_times_range(s.median, s.low, s.high, text));
}

static void put_row(FILE *f, const struct rep_point *p, const struct columns *show)
{
    static const struct rep_cand unknown = {
        .start = {NAN, NAN, NAN, NAN}, .b2b = {NAN, NAN, NAN, NAN}, .rounds = -1};
    const struct rep_cand *native = p->native >= 0 ? &p->cand[p->native] : &unknown,
                          *chosen = &p->cand[p->chosen];
    char a[REP_SHORT], b[REP_SHORT];
    fputs("<tr>", f);
    rep_num(f, "%s", rep_bytes(p->bytes, a));
    fputs("<td><code>", f);
    rep_text(f, chosen->choice);
    fputs("</code></td>", f);
    rep_num(f, "%s", rep_us_range(rep_time(native), a));
    rep_num(f, "%s", rep_us_range(rep_time(chosen), a));
    put_speedup(f, p);
    if (show->tail)
        rep_num(f, "%s → %s", rep_us(native->start.p99, a), rep_us(chosen->start.p99, b));
    if (show->b2b)
        rep_num(f, "%s → %s", rep_us(native->b2b.median, a), rep_us(chosen->b2b.median, b));
    fputs("<td class=\"why\">", f);
    rep_text(f, p->why);
    fputs("</td></tr>\n", f);
}

static void put_chosen(struct report *r, const struct rep_group *g)
{
    struct columns show = columns_of(g);
    char head[REP_LONG];
    snprintf(head, sizeof head, "size|choice|native, µs|choice, µs|speed-up%s%s|why",
             show.tail ? "|p99, µs" : "", show.b2b ? "|back to back, µs" : "");
    rep_table_begin(r->f,
                    show.tail || show.b2b
                        ? "What was chosen: median and 95 % interval; with an arrow: native → choice"
                        : "What was chosen: median and 95 % interval",
                    head);
    for (int i = 0; i < g->npoint; i++)
        put_row(r->f, &g->point[i], &show);
    rep_table_end(r->f);
}

/* ---- all candidates ---- */

#define MOST_ROWS 16 /* of one point; the samples file has the others */

static int faster(const void *a, const void *b)
{
    double x = rep_time(*(const struct rep_cand *const *)a)->median,
           y = rep_time(*(const struct rep_cand *const *)b)->median;
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static void put_candidate(FILE *f, const struct rep_point *p, const struct rep_cand *c)
{
    char text[REP_SHORT];
    bool chosen = c == &p->cand[p->chosen];
    fprintf(f, "<tr%s>", chosen ? " class=\"won\"" : c->dropped ? " class=\"lost\"" : "");
    rep_num(f, "%s", rep_bytes(p->bytes, text));
    fputs("<td><code>", f);
    rep_text(f, c->choice);
    fputs("</code></td>", f);
    rep_num(f, "%s", rep_us_range(&c->start, text));
    rep_num(f, "%s", rep_us(c->start.p99, text));
    rep_num(f, "%s", rep_us_range(&c->b2b, text));
    rep_num(f, "%s", rep_times_range(c->ratio.median, c->ratio.low, c->ratio.high, text));
    rep_num(f, "%s", rep_us(c->cpu, text));
    rep_num(f, "%s", rep_us(c->predicted, text));
    if (c->rounds >= 0)
        rep_num(f, "%d", c->rounds);
    else
        rep_num(f, "–");
    rep_cell(f, "%s", chosen ? "chosen" : c->dropped ? "dropped" : "");
    fputs("</tr>\n", f);
}

static void put_candidates(FILE *f, const struct rep_point *p)
{
    const struct rep_cand **c = calloc((size_t)p->ncand, sizeof *c);
    if (!c)
        return;
    for (int i = 0; i < p->ncand; i++)
        c[i] = &p->cand[i];
    qsort(c, (size_t)p->ncand, sizeof *c, faster);
    int left = 0;
    for (int i = 0; i < p->ncand; i++) {
        bool must = c[i] == &p->cand[p->chosen] || (p->native >= 0 && c[i] == &p->cand[p->native]);
        if (i < MOST_ROWS || must)
            put_candidate(f, p, c[i]);
        else
            left++;
    }
    if (left > 0)
        fprintf(f,
                "<tr class=\"lost\"><td></td><td colspan=\"9\">%d slower ones are left out here</td></tr>\n",
                left);
    free(c);
}

static void put_details(struct report *r, const struct rep_group *g)
{
    fputs("<details><summary>All that was measured here, as a table</summary>\n", r->f);
    rep_table_begin(
        r->f, "Candidates of each size, fastest first; times in µs with 95 % intervals",
        "size|candidate|from a common start|p99|back to back|native / this|CPU per call, all ranks|"
        "predicted|rounds|");
    for (int i = 0; i < g->npoint; i++)
        put_candidates(r->f, &g->point[i]);
    rep_table_end(r->f);
    fputs("</details>\n", r->f);
}

/* ---- the section ---- */

static bool has_both_measures(const struct rep_group *g)
{
    return columns_of(g).b2b;
}

static void put_group(struct report *r, const struct rep_group *g)
{
    char where[REP_LONG];
    fputs("<h3>", r->f);
    rep_text(r->f, rep_where_text(&g->where, true, where));
    fputs("</h3>\n<div class=\"plots\">\n", r->f);
    rep_plot_candidates(r, g, false);
    if (several_sizes(g))
        plot_speedup(r, g);
    fputs("</div>\n", r->f);
    put_chosen(r, g);
    if (has_both_measures(g)) {
        fputs("<details><summary>The same, called back to back without waiting for each other</summary>\n",
              r->f);
        rep_plot_candidates(r, g, true);
        fputs("</details>\n", r->f);
    }
    put_details(r, g);
}

void rep_section_colls(struct report *r)
{
    fputs("<h2 id=\"collectives\">Collectives</h2>\n", r->f);
    if (r->d.ngroup == 0) {
        fputs("<p class=\"none\">No measurements are in this table.</p>\n", r->f);
        return;
    }
    for (int i = 0; i < r->d.ngroup; i++)
        put_group(r, &r->d.group[i]);
}

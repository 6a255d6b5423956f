/* SPDX-License-Identifier: BSD-3-Clause */
/* Each collective on each set of ranks: candidates over size, speed-up of the choice, the chosen rows. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

#define RUNNERS_UP 3  /* coloured besides what was chosen somewhere */
#define MOST_FAINT 20 /* more of them are a grey area, and a large file */
#define MOST_ROWS  16 /* of one point in a table; the samples file has the others */

/* ---- candidates as lines over size ---- */

/* A candidate over all sizes of a group. */
struct line {
    const char *choice;
    int chosen;     /* at how many sizes */
    double penalty; /* mean logarithm of how much slower than the fastest; 0: always the fastest */
    int n, look;
};

static struct line *line_of(struct line *line, int *n, const char *choice)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(line[i].choice, choice) == 0)
            return &line[i];
    line[*n] = (struct line){.choice = choice, .look = PLOT_FAINT};
    return &line[(*n)++];
}

static int collect_lines(const struct rep_group *g, struct line *line)
{
    int n = 0;
    for (int i = 0; i < g->npoint; i++) {
        const struct rep_point *p = &g->point[i];
        double least = NAN;
        for (int j = 0; j < p->ncand; j++)
            least = fmin(least, rep_time(&p->cand[j])->median);
        for (int j = 0; j < p->ncand; j++) {
            struct line *l = line_of(line, &n, p->cand[j].choice);
            double t = rep_time(&p->cand[j])->median;
            l->chosen += j == p->chosen;
            if (isfinite(t)) {
                l->penalty += log(t / least);
                l->n++;
            }
        }
    }
    /* Not having been measured at a size counts like twice the time. */
    for (int i = 0; i < n; i++)
        line[i].penalty = (line[i].penalty + (g->npoint - line[i].n) * log(2)) / g->npoint;
    return n;
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->chosen != y->chosen)
        return y->chosen - x->chosen;
    return (x->penalty > y->penalty) - (x->penalty < y->penalty);
}

static void assign_looks(struct line *line, int n)
{
    int colours = 0, runners = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(line[i].choice, "native") == 0)
            line[i].look = PLOT_NATIVE;
        else if (colours < PLOT_COLOURS && (line[i].chosen || runners++ < RUNNERS_UP))
            line[i].look = colours++;
    }
}

static bool make_mark(const struct rep_point *p, const char *choice, bool b2b, struct plot_mark *m)
{
    const struct rep_cand *c = p->cand, *end = p->cand + p->ncand;
    while (c < end && strcmp(c->choice, choice) != 0)
        c++;
    const struct rep_series *s = c == end ? NULL : b2b ? &c->b2b : rep_time(c);
    if (!s || !isfinite(s->median))
        return false;
    *m = (struct plot_mark){p->bytes, s->median, s->low, s->high, .ring = c == &p->cand[p->chosen]};
    m->tip = text_format("%.128s, %s: %s µs", choice, text_bytes(p->bytes).s, rep_us_range(s).s);
    if (c->rounds >= 0)
        m->tip = text_format("%s, %d rounds", m->tip.s, c->rounds);
    m->tip = text_format("%s%s", m->tip.s, m->ring ? ", chosen" : c->dropped ? ", dropped" : "");
    return true;
}

/* False where the candidate was not measured at any size. */
static bool add_series(struct plot *p, const struct rep_group *g, const struct line *line, bool b2b)
{
    struct plot_series *s = NULL;
    bool missing = false;
    for (int i = 0; i < g->npoint; i++) {
        struct plot_mark m;
        bool there = make_mark(&g->point[i], line->choice, b2b, &m);
        if (there) {
            s = s ? s : plot_add(p, line->look, line->look == PLOT_FAINT ? "" : line->choice);
            m.gap = missing;
            plot_put(s, m);
        }
        missing = !there;
    }
    return s != NULL;
}

static void draw_candidates(struct report *r, const struct rep_group *g, bool b2b)
{
    int most = 0, faint = 0, left = 0, first = 0;
    for (int i = 0; i < g->npoint; i++)
        most += g->point[i].ncand;
    struct line *line = calloc((size_t)most + 1, sizeof *line);
    if (!line)
        return;
    int n = collect_lines(g, line);
    qsort(line, (size_t)n, sizeof *line, compare_lines);
    assign_looks(line, n);
    struct plot p = {.title = text_format("%s: %s", b2b ? "Back to back" : "Time of the candidates",
                                          rep_where_text(&g->where).s),
                     .desc = "Median time of one call for each candidate over message size, with 95% "
                             "intervals; rings mark what was chosen. The figures are in the tables below.",
                     .x = {.kind = PLOT_BYTES, .label = "message size"},
                     .y = {.kind = PLOT_TIME, .label = "µs per call (below is better)"}};
    for (int i = 0; i < n; i++) {
        bool thin = line[i].look == PLOT_FAINT;
        if (thin && faint == MOST_FAINT)
            left++;
        else if (add_series(&p, g, &line[i], b2b) && thin && faint++ == 0)
            first = p.nseries - 1;
    }
    if (faint > 0 && first >= 0)
        p.series[first].name = left ? text_format("%d others (%d slower ones not drawn)", faint, left)
                                    : text_format("%d others", faint);
    plot_draw(r->f, ++r->plots, &p);
    free(line);
}

/* ---- speed-up ---- */

static void draw_speedup(struct report *r, const struct rep_group *g)
{
    struct plot p = {.title = text_format("Speed-up of the choice: %s", rep_where_text(&g->where).s),
                     .desc = "Native's time divided by that of the choice, for each message size; above 1 "
                             "the choice is faster. The figures are in the table of chosen rows.",
                     .x = {.kind = PLOT_BYTES, .label = "message size"},
                     .y = {.kind = PLOT_RATIO, .label = "times as fast as native"},
                     .line = 1,
                     .band = true};
    struct plot_series *s = plot_add(&p, PLOT_CHOICE, "what was chosen, with its 95 % interval");
    for (int i = 0; i < g->npoint; i++) {
        const struct rep_point *x = &g->point[i];
        struct rep_series t = rep_ratio(x);
        plot_put(s, (struct plot_mark){x->bytes, t.median, t.low, t.high,
                                       .tip = text_format("%s: %s, %.100s", text_bytes(x->bytes).s,
                                                          text_times_range(t.median, t.low, t.high).s,
                                                          x->cand[x->chosen].choice)});
    }
    plot_add(&p, PLOT_NATIVE, "native");
    plot_draw(r->f, ++r->plots, &p);
}

/* ---- the chosen rows ---- */

static void write_chosen(FILE *f, const struct rep_point *p, bool tail, bool b2b)
{
    static const struct rep_cand unknown = {
        .start = {NAN, NAN, NAN, NAN}, .b2b = {NAN, NAN, NAN, NAN}, .rounds = -1};
    const struct rep_cand *native = p->native >= 0 ? &p->cand[p->native] : &unknown,
                          *chosen = &p->cand[p->chosen];
    struct rep_series s = rep_ratio(p);
    bool kept = p->chosen == p->native;
    fputs("<tr>", f);
    rep_cells(f, "nknn", text_bytes(p->bytes).s, chosen->choice, rep_us_range(rep_time(native)).s,
              rep_us_range(rep_time(chosen)).s);
    rep_cells(f,
              !kept && s.low > 1    ? "g"
              : !kept && s.high < 1 ? "b"
                                    : "n",
              kept ? "native kept" : text_times_range(s.median, s.low, s.high).s);
    if (tail)
        rep_cells(f, "n",
                  text_format("%s → %s", text_us(native->start.p99).s, text_us(chosen->start.p99).s).s);
    if (b2b)
        rep_cells(f, "n",
                  text_format("%s → %s", text_us(native->b2b.median).s, text_us(chosen->b2b.median).s).s);
    rep_cells(f, "w", p->why);
    fputs("</tr>\n", f);
}

static void write_all_chosen(FILE *f, const struct rep_group *g, bool tail, bool b2b)
{
    rep_table_begin(f,
                    tail || b2b ? "What was chosen: median and 95 % interval; with an arrow: native → choice"
                                : "What was chosen: median and 95 % interval",
                    text_format("size|choice|native, µs|choice, µs|speed-up%s%s|why", tail ? "|p99, µs" : "",
                                b2b ? "|back to back, µs" : "")
                        .s);
    for (int i = 0; i < g->npoint; i++)
        write_chosen(f, &g->point[i], tail, b2b);
    rep_table_end(f);
}

/* ---- all candidates ---- */

static int compare_times(const void *a, const void *b)
{
    double x = rep_time(*(const struct rep_cand *const *)a)->median,
           y = rep_time(*(const struct rep_cand *const *)b)->median;
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static void write_candidate(FILE *f, const struct rep_point *p, const struct rep_cand *c)
{
    bool chosen = c == &p->cand[p->chosen];
    rep_row(f,
            chosen       ? "won"
            : c->dropped ? "lost"
                         : NULL,
            "nknnnnnnnc", text_bytes(p->bytes).s, c->choice, rep_us_range(&c->start).s,
            text_us(c->start.p99).s, rep_us_range(&c->b2b).s,
            text_times_range(c->ratio.median, c->ratio.low, c->ratio.high).s, text_us(c->cpu).s,
            text_us(c->predicted).s, c->rounds >= 0 ? text_format("%d", c->rounds).s : "–",
            chosen       ? "chosen"
            : c->dropped ? "dropped"
                         : "");
}

static void write_candidates(FILE *f, const struct rep_point *p)
{
    const struct rep_cand **c = calloc((size_t)p->ncand, sizeof *c);
    if (!c)
        return;
    for (int i = 0; i < p->ncand; i++)
        c[i] = &p->cand[i];
    qsort(c, (size_t)p->ncand, sizeof *c, compare_times);
    int left = 0;
    for (int i = 0; i < p->ncand; i++) {
        bool must = c[i] == &p->cand[p->chosen] || (p->native >= 0 && c[i] == &p->cand[p->native]);
        if (i < MOST_ROWS || must)
            write_candidate(f, p, c[i]);
        else
            left++;
    }
    if (left > 0)
        fprintf(f,
                "<tr class=\"lost\"><td></td><td colspan=\"9\">%d slower ones are left out here</td></tr>\n",
                left);
    free(c);
}

/* ---- the section ---- */

static void write_group(struct report *r, const struct rep_group *g)
{
    bool tail = false, b2b = false;
    for (int i = 0; i < g->npoint; i++) {
        const struct rep_cand *c = &g->point[i].cand[g->point[i].chosen];
        tail |= isfinite(c->start.p99);
        b2b |= isfinite(c->b2b.median) && isfinite(c->start.median);
    }
    rep_heading(r->f, rep_where_text(&g->where).s);
    fputs("<div class=\"plots\">\n", r->f);
    draw_candidates(r, g, false);
    if (g->point[g->npoint - 1].bytes > g->point[0].bytes)
        draw_speedup(r, g);
    fputs("</div>\n", r->f);
    write_all_chosen(r->f, g, tail, b2b);
    if (b2b) {
        fputs("<details><summary>The same, called back to back without waiting for each other</summary>\n",
              r->f);
        draw_candidates(r, g, true);
        fputs("</details>\n", r->f);
    }
    fputs("<details><summary>All that was measured here, as a table</summary>\n", r->f);
    rep_table_begin(r->f, "Candidates of each size, fastest first; times in µs with 95 % intervals",
                    "size|candidate|from a common start|p99|back to back|native / this|CPU per call, all "
                    "ranks|predicted|rounds|");
    for (int i = 0; i < g->npoint; i++)
        write_candidates(r->f, &g->point[i]);
    rep_table_end(r->f);
    fputs("</details>\n", r->f);
}

void rep_section_colls(struct report *r)
{
    fputs("<h2 id=\"collectives\">Collectives</h2>\n", r->f);
    if (r->d.ngroup == 0)
        fputs("<p class=\"none\">No measurements are in this table.</p>\n", r->f);
    for (int i = 0; i < r->d.ngroup; i++)
        write_group(r, &r->d.group[i]);
}

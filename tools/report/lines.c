/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/report/lines.h"

#include <stdlib.h>
#include <string.h>

#define RUNNERS_UP 3  /* coloured besides what was chosen somewhere */
#define MOST_FAINT 20 /* more of them are a grey area, and a large file */

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

static double fastest(const struct rep_point *p)
{
    double t = NAN;
    for (int i = 0; i < p->ncand; i++)
        t = fmin(t, rep_time(&p->cand[i])->median);
    return t;
}

static int collect(const struct rep_group *g, struct line *line)
{
    int n = 0;
    for (int i = 0; i < g->npoint; i++) {
        const struct rep_point *p = &g->point[i];
        double least = fastest(p);
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

static int matter(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->chosen != y->chosen)
        return y->chosen - x->chosen;
    return (x->penalty > y->penalty) - (x->penalty < y->penalty);
}

static void give_looks(struct line *line, int n)
{
    int colours = 0, runners = 0;
    for (int i = 0; i < n; i++) {
        if (strcmp(line[i].choice, "native") == 0)
            line[i].look = PLOT_NATIVE;
        else if (colours < PLOT_COLOURS && (line[i].chosen || runners++ < RUNNERS_UP))
            line[i].look = colours++;
    }
}

static const struct rep_cand *cand_at(const struct rep_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->cand[i].choice, choice) == 0)
            return &p->cand[i];
    return NULL;
}

static bool mark_of(const struct rep_point *p, const char *choice, bool b2b, struct plot_mark *m)
{
    const struct rep_cand *c = cand_at(p, choice);
    if (!c)
        return false;
    const struct rep_series *s = b2b ? &c->b2b : rep_time(c);
    if (!isfinite(s->median))
        return false;
    char text[REP_SHORT], bytes[REP_SHORT], rounds[32] = "";
    if (c->rounds >= 0)
        snprintf(rounds, sizeof rounds, ", %d rounds", c->rounds);
    *m = (struct plot_mark){
        .x = p->bytes, .y = s->median, .low = s->low, .high = s->high, .ring = c == &p->cand[p->chosen]};
    snprintf(m->tip, PLOT_TIP, "%.128s, %.16s: %.40s µs%s%s", choice, rep_bytes(p->bytes, bytes),
             rep_us_range(s, text), rounds,
             m->ring      ? ", chosen"
             : c->dropped ? ", dropped"
                          : "");
    return true;
}

static int fill_series(const struct rep_group *g, const struct line *line, bool b2b, struct plot_series *s)
{
    *s = (struct plot_series){.look = line->look, .mark = calloc((size_t)g->npoint, sizeof *s->mark)};
    bool missing = false;
    for (int i = 0; s->mark && i < g->npoint; i++) {
        bool there = mark_of(&g->point[i], line->choice, b2b, &s->mark[s->n]);
        if (there)
            s->mark[s->n++].gap = missing;
        missing = !there;
    }
    if (line->look != PLOT_FAINT && s->n > 0)
        s->name = line->choice;
    return s->n;
}

static void draw(struct report *r, const struct rep_group *g, const struct line *line, int n, bool b2b)
{
    struct plot_series *s = calloc((size_t)n + 1, sizeof *s);
    if (!s)
        return;
    int used = 0, faint = 0, left = 0;
    char others[96];
    for (int i = 0; i < n; i++) {
        bool thin = line[i].look == PLOT_FAINT;
        if (thin && faint == MOST_FAINT)
            left++;
        else if (fill_series(g, &line[i], b2b, &s[used]) > 0) {
            if (thin && faint++ == 0)
                s[used].name = others;
            used++;
        } else
            free(s[used].mark);
    }
    snprintf(others, sizeof others, left ? "%d others (%d slower ones not drawn)" : "%d others", faint, left);
    char title[2 * REP_LONG], where[REP_LONG];
    snprintf(title, sizeof title, "%s: %s", b2b ? "Back to back" : "Time of the candidates",
             rep_where_text(&g->where, true, where));
    struct plot p = {
        .title = title,
        .desc = "Median time of one call for each candidate over message size, with 95% intervals; rings "
                "mark what was chosen. The figures are in the tables below.",
        .x = {.kind = PLOT_BYTES, .label = "message size"},
        .y = {.kind = PLOT_TIME, .label = "µs per call (below is better)"},
        .series = s,
        .nseries = used};
    plot_by_size(r, &p);
    for (int i = 0; i < used; i++)
        free(s[i].mark);
    free(s);
}

void rep_plot_candidates(struct report *r, const struct rep_group *g, bool b2b)
{
    int most = 0;
    for (int i = 0; i < g->npoint; i++)
        most += g->point[i].ncand;
    struct line *line = calloc((size_t)most + 1, sizeof *line);
    if (!line)
        return;
    int n = collect(g, line);
    qsort(line, (size_t)n, sizeof *line, matter);
    give_looks(line, n);
    draw(r, g, line, n, b2b);
    free(line);
}

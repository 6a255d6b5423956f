/* SPDX-License-Identifier: BSD-3-Clause */
/* The cost model against what was measured. */
#include "tools/report/plot.h"

#include <stdlib.h>
#include <string.h>

#define MOST_MARKS 1500 /* in the scatter; more make the file large and the plot no clearer */
#define NEAR       1.5  /* a prediction this near is told as such */

static bool predicted(const struct rep_cand *c)
{
    return isfinite(c->predicted) && isfinite(c->start.median);
}

static int count(const struct rep_data *d, const char *coll)
{
    int n = 0;
    for (int i = 0; i < d->npoint; i++)
        for (int j = 0; (!coll || strcmp(d->point[i].where.coll, coll) == 0) && j < d->point[i].ncand; j++)
            n += predicted(&d->point[i].cand[j]);
    return n;
}

/* ---- scatter ---- */

static void add_mark(const struct rep_point *p, const struct rep_cand *c, struct plot_series *s)
{
    char a[REP_SHORT], b[REP_SHORT], bytes[REP_SHORT];
    struct plot_mark *m = &s->mark[s->n++];
    *m = (struct plot_mark){.x = c->start.median, .y = c->predicted, .low = NAN, .high = NAN};
    snprintf(m->tip, PLOT_TIP, "%.40s, %.16s, %.100s: measured %.16s µs, predicted %.16s µs", p->where.coll,
             rep_bytes(p->bytes, bytes), c->choice, rep_us(c->start.median, a), rep_us(c->predicted, b));
}

static void fill(const struct rep_data *d, const char *coll, int every, struct plot_series *s)
{
    int n = 0;
    for (int i = 0; i < d->npoint; i++)
        for (int j = 0; strcmp(d->point[i].where.coll, coll) == 0 && j < d->point[i].ncand; j++)
            if (predicted(&d->point[i].cand[j]) && n++ % every == 0)
                add_mark(&d->point[i], &d->point[i].cand[j], s);
}

/* The collectives that have predictions, in order. */
static int colls_of(const struct rep_data *d, const char **coll, int room)
{
    int n = 0;
    for (int i = 0; i < d->npoint && n < room; i++)
        if ((n == 0 || strcmp(coll[n - 1], d->point[i].where.coll) != 0) &&
            count(d, d->point[i].where.coll) > 0)
            coll[n++] = d->point[i].where.coll;
    return n;
}

static void put_scatter(struct report *r, const char **coll, int n)
{
    int all = count(&r->d, NULL), every = (all + MOST_MARKS - 1) / MOST_MARKS;
    struct plot_series s[VC_COLL_COUNT] = {0};
    for (int i = 0; i < n; i++) {
        s[i] = (struct plot_series){.look = i, .name = coll[i]};
        s[i].mark = calloc((size_t)count(&r->d, coll[i]) + 1, sizeof *s[i].mark);
        if (s[i].mark)
            fill(&r->d, coll[i], every, &s[i]);
    }
    struct plot p = {
        .title = "Predicted against measured",
        .desc = "Each mark is one candidate at one point: across what it took, upwards what the model "
                "had said. On the diagonal both are equal; above it the model was too pessimistic.",
        .x = {.kind = PLOT_TIME, .label = "measured, µs"},
        .y = {.kind = PLOT_TIME, .label = "predicted, µs"},
        .series = s,
        .nseries = n,
        .identity = true};
    plot_lines(r, &p);
    if (every > 1)
        fprintf(r->f, "<p><small>One in %d of %d predictions is drawn.</small></p>\n", every, all);
    for (int i = 0; i < n; i++)
        free(s[i].mark);
}

/* ---- errors ---- */

struct errors {
    double *error; /* percent of what was measured */
    int n, near;
    double worst; /* the factor farthest from 1, above or below */
    double *loss; /* percent that the model's own first choice is behind the fastest, by point */
    int nloss;
};

static double farther(double a, double b)
{
    return fabs(log(b)) > fabs(log(a)) ? b : a;
}

static void add_errors(struct errors *e, const struct rep_point *p)
{
    const struct rep_cand *first = NULL;
    double fastest = NAN;
    int n = 0;
    for (int i = 0; i < p->ncand; i++) {
        const struct rep_cand *c = &p->cand[i];
        if (!predicted(c))
            continue;
        double factor = c->predicted / c->start.median;
        e->error[e->n++] = 100 * fabs(factor - 1);
        e->near += fabs(log(factor)) <= log(NEAR);
        e->worst = farther(e->worst, factor);
        if (!first || c->predicted < first->predicted)
            first = c;
        fastest = fmin(fastest, c->start.median);
        n++;
    }
    if (n > 1)
        e->loss[e->nloss++] = 100 * (first->start.median / fastest - 1);
}

static double greatest(const double *v, int n)
{
    double m = NAN;
    for (int i = 0; i < n; i++)
        m = fmax(m, v[i]);
    return m;
}

static void put_errors(struct report *r, const char *coll)
{
    struct errors e = {.worst = 1};
    e.error = calloc((size_t)count(&r->d, coll) + 1, sizeof *e.error);
    e.loss = calloc((size_t)r->d.npoint, sizeof *e.loss);
    if (e.error && e.loss) {
        for (int i = 0; i < r->d.npoint; i++)
            if (!coll || strcmp(r->d.point[i].where.coll, coll) == 0)
                add_errors(&e, &r->d.point[i]);
        char text[REP_SHORT];
        fputs("<tr>", r->f);
        rep_cell(r->f, "%s", coll ? coll : "all");
        rep_num(r->f, "%d", e.n);
        rep_num(r->f, "%.0f %%", rep_median(e.error, e.n));
        rep_num(r->f, "%s too %s", rep_times(fmax(e.worst, 1 / e.worst), text), e.worst > 1 ? "high" : "low");
        rep_num(r->f, "%.0f %%", 100.0 * e.near / e.n);
        if (e.nloss > 0)
            rep_num(r->f, "%.0f %% / %.0f %%", rep_median(e.loss, e.nloss), greatest(e.loss, e.nloss));
        else
            rep_num(r->f, "–");
        fputs("</tr>\n", r->f);
    }
    free(e.error);
    free(e.loss);
}

static void put_comparison(struct report *r)
{
    const char *coll[VC_COLL_COUNT];
    int n = colls_of(&r->d, coll, VC_COLL_COUNT);
    if (n == 0) {
        fputs("<p class=\"none\">No predictions are in this table.</p>\n", r->f);
        return;
    }
    fputs("<div class=\"plots\">\n", r->f);
    put_scatter(r, coll, n);
    rep_table_begin(
        r->f,
        "Error of the predictions; the last column tells how far behind the fastest the model's own first "
        "choice among the candidates would be (median / worst)",
        "collective|predictions|median error|worst|within 1.5×|if it chose alone");
    for (int i = 0; i < n; i++)
        put_errors(r, coll[i]);
    if (n > 1)
        put_errors(r, NULL);
    rep_table_end(r->f);
    fputs("</div>\n", r->f);
}

void rep_section_model(struct report *r)
{
    fputs("<h2 id=\"model\">The cost model</h2>\n<p>Before anything is measured a model (LogGP, with terms "
          "for what "
          "virtualization adds) predicts how long each candidate takes, from a few parameters measured on "
          "these "
          "machines. It decides nothing: it says what to measure first and what is hopeless. So its order "
          "matters "
          "more than its figures.</p>\n",
          r->f);
    put_comparison(r);
    if (r->d.table->has_model)
        rep_model_params(r, &r->d.table->model);
    else
        fputs("<p class=\"none\">The table holds no parameters of the model.</p>\n", r->f);
}

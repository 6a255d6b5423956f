/* SPDX-License-Identifier: BSD-3-Clause */
/* Averages over points, and what a reader should not trust blindly. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

#define FEW_ROUNDS 8    /* an interval of fewer says little */
#define WIDE       1.25 /* upper over lower end of a speed-up's interval */

const struct rep_series *rep_time(const struct rep_cand *c)
{
    return isfinite(c->start.median) ? &c->start : &c->b2b;
}

struct text rep_us_range(const struct rep_series *s)
{
    return text_us_range(s->median, s->low, s->high);
}

struct rep_series rep_ratio(const struct rep_point *p)
{
    const struct rep_cand *c = &p->cand[p->chosen];
    if (p->chosen == p->native)
        return (struct rep_series){1, 1, 1, NAN};
    if (isfinite(c->ratio.median))
        return c->ratio;
    double r = p->native < 0 ? NAN : rep_time(&p->cand[p->native])->median / rep_time(c)->median;
    return (struct rep_series){r, NAN, NAN, NAN};
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double rep_median(double *v, int n)
{
    if (n == 0)
        return NAN;
    qsort(v, (size_t)n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Logarithms of speed-ups and the halves of their intervals, which add up as errors of separate measurements
 * do: the squares. */
struct logs {
    double sum, squares;
    int known;
};

static void add_point(struct rep_mean *m, struct logs *l, const struct rep_point *p)
{
    m->points++;
    m->kept += p->chosen == p->native;
    struct rep_series s = rep_ratio(p);
    if (!isfinite(s.median))
        return;
    m->n++;
    l->sum += log(s.median);
    if (isfinite(s.low)) {
        double half = log(s.high / s.low) / 2;
        l->squares += half * half;
        l->known++;
    }
    if (!m->best || s.median > rep_ratio(m->best).median)
        m->best = p;
    if (!m->worst || s.median < rep_ratio(m->worst).median)
        m->worst = p;
}

struct rep_mean rep_mean_of(const struct rep_data *d, const char *coll)
{
    struct rep_mean m = {.mean = NAN, .low = NAN, .high = NAN};
    struct logs l = {0};
    for (int i = 0; i < d->npoint; i++)
        if ((!coll || strcmp(d->point[i].where.coll, coll) == 0) && (d->nusual == 0 || d->point[i].usual))
            add_point(&m, &l, &d->point[i]);
    if (m.n > 0)
        m.mean = exp(l.sum / m.n);
    if (l.known > 0) {
        /* Points without an interval of their own count as uncertain as the others. */
        double half = sqrt(l.squares * m.n / l.known) / m.n;
        m.low = m.mean * exp(-half);
        m.high = m.mean * exp(half);
    }
    return m;
}

/* ---- warnings ---- */

enum care { CARE_SLOWER, CARE_NO_NATIVE, CARE_DROPPED, CARE_ROUNDS, CARE_WIDE, CARE_NO_INTERVAL, CARE_KINDS };

static const char *const care_text[CARE_KINDS] = {
    [CARE_SLOWER] = "the choice is clearly slower than native: its whole interval is below 1",
    [CARE_NO_NATIVE] = "native was not measured, so no speed-up is known",
    [CARE_DROPPED] = "the choice had been dropped as a loser: the table was edited, or merged",
    [CARE_ROUNDS] = "the choice or native was measured in fewer than 8 rounds",
    [CARE_WIDE] = "the speed-up's interval is wide (its upper end above 1.25 times its lower)",
    [CARE_NO_INTERVAL] = "too few rounds for an interval that tells how far to trust the figure",
};

static bool few(const struct rep_cand *c)
{
    return c->rounds >= 0 && c->rounds < FEW_ROUNDS;
}

static unsigned cares_of(const struct rep_point *p)
{
    const struct rep_cand *c = &p->cand[p->chosen];
    struct rep_series s = rep_ratio(p);
    unsigned care = 0;
    if (isfinite(s.high) && s.high < 1)
        care |= 1u << CARE_SLOWER;
    if (p->native < 0)
        care |= 1u << CARE_NO_NATIVE;
    if (c->dropped)
        care |= 1u << CARE_DROPPED;
    if (few(c) || (p->native >= 0 && few(&p->cand[p->native])))
        care |= 1u << CARE_ROUNDS;
    if (s.high > WIDE * s.low)
        care |= 1u << CARE_WIDE;
    if (isfinite(s.median) && !isfinite(s.low))
        care |= 1u << CARE_NO_INTERVAL;
    return care;
}

static void warn_of(struct report *r, enum care kind)
{
    int n = 0;
    const struct rep_point *first = NULL;
    for (int i = 0; i < r->d.npoint; i++)
        if (cares_of(&r->d.point[i]) & 1u << kind) {
            first = first ? first : &r->d.point[i];
            n++;
        }
    if (n == 0)
        return;
    fprintf(r->f, "<li>%d of %d points: %s. %s: ", n, r->d.npoint, care_text[kind],
            n > 1 ? "The first" : "It is");
    html_text(r->f, rep_call_text(&first->where, first->bytes).s);
    fputs(".</li>\n", r->f);
}

static bool partial(const struct rep_data *d)
{
    return json_is_true(json_object_get(d->provenance, "partial")) ||
           json_is_true(json_object_get(d->provenance, "interrupted")) ||
           json_is_false(json_object_get(d->provenance, "complete"));
}

static void warn_of_run(struct report *r)
{
    if (!r->d.provenance)
        fputs("<li>The table does not say where, when and how it was made.</li>\n", r->f);
    if (partial(&r->d)) {
        double skipped = rep_number(r->d.provenance, "points_skipped");
        fputs("<li>The run ended before it had reached all points", r->f);
        if (isfinite(skipped))
            fprintf(r->f, ": %.0f are missing", skipped);
        fputs(". <code>vcoll tune run --resume</code> goes on from its samples, a longer "
              "<code>--budget</code> reaches more.</li>\n",
              r->f);
    }
    if (r->d.nbad > 0) {
        fprintf(r->f, "<li>%d entries of the table's measurements could not be read and are not shown: ",
                r->d.nbad);
        html_text(r->f, r->d.bad.s);
        fputs(".</li>\n", r->f);
    }
}

static void warn_of_crowding(struct report *r)
{
    int n = 0;
    for (int i = 0; i < r->d.npoint; i++)
        n += rep_where_number(&r->d.point[i].where, "crowded") == 1;
    if (n > 0)
        fprintf(r->f,
                "<li>%d of %d points were measured with more ranks than CPUs on some node: ranks take turns, "
                "and the times say more about how processes wait than about how data moves.</li>\n",
                n, r->d.npoint);
}

void rep_warnings(struct report *r)
{
    fputs("<h3 id=\"care\">To be taken with care</h3>\n<ul class=\"care\">\n", r->f);
    long before = ftell(r->f);
    warn_of_run(r);
    for (int k = 0; k < CARE_KINDS; k++)
        warn_of(r, (enum care)k);
    warn_of_crowding(r);
    if (ftell(r->f) == before)
        fputs("<li>Nothing: every interval is narrow and the run went to its end.</li>\n", r->f);
    fputs("</ul>\n", r->f);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The gap to the machine without virtualization: of each call, and over all calls by moderation setting. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

static const struct rep_point *call_in(const struct rep_data *d, const struct rep_where *w, double bytes)
{
    const struct rep_point *best = NULL;
    int ranks = rep_where_number(w, "ranks"), most = -2;
    for (int i = 0; i < d->npoint; i++) {
        const struct rep_point *p = &d->point[i];
        int n = rep_where_number(&p->where, "ranks");
        if (strcmp(p->where.coll, w->coll) == 0 && strcmp(p->where.op, w->op) == 0 && p->bytes == bytes &&
            (n < 0 || ranks < 0 || n == ranks) && n > most) {
            best = p;
            most = n;
        }
    }
    return best;
}

const struct rep_point *rep_reference_of(const struct report *r, const struct rep_where *w, double bytes)
{
    return call_in(&r->ref, w, bytes);
}

/* The gap of the virtual machine is its native against native without virtualization. Returns the percentage
 * that is closed of it, or NAN. */
static double write_gap(FILE *f, const struct rep_point *here, const struct rep_point *bare)
{
    const struct rep_series *native = rep_time(&here->cand[here->native]),
                            *mine = rep_time(&here->cand[here->chosen]),
                            *ref = rep_time(&bare->cand[bare->native]);
    double gap = native->median - ref->median,
           closed = gap > 0 ? 100 * (native->median - mine->median) / gap : NAN;
    rep_row(f, NULL, "cnnnn", rep_call_text(&here->where, here->bytes).s, rep_us_range(ref).s,
            rep_us_range(native).s, rep_us_range(mine).s,
            isfinite(closed) ? text_format("%.0f %%", closed).s : "no gap");
    return closed;
}

void rep_gaps(struct report *r)
{
    int n = 0, shown = 0;
    double *closed = calloc((size_t)r->d.npoint + 1, sizeof *closed);
    fputs("<h3 id=\"gap\">The gap to the machine without virtualization</h3>\n<p>What virtualization costs "
          "is the gap between native there and native here. What is closed of it is native here minus the "
          "choice here, in percent of the gap; above 100 % the tuned virtual machine is faster than native "
          "without virtualization.</p>\n",
          r->f);
    rep_table_begin(r->f, "µs per call (95 % interval)",
                    "call|native without virtualization|native here|choice here|gap closed");
    for (int i = 0; closed && i < r->d.npoint; i++) {
        const struct rep_point *here = &r->d.point[i], *bare = rep_reference_of(r, &here->where, here->bytes);
        if (!bare || bare->native < 0 || here->native < 0)
            continue;
        closed[n] = write_gap(r->f, here, bare);
        n += isfinite(closed[n]);
        shown++;
    }
    rep_table_end(r->f);
    if (n > 0)
        fprintf(r->f, "<p>The median over the %d points with a gap is <strong>%.0f %%</strong>.</p>\n", n,
                rep_median(closed, n));
    else if (shown == 0)
        fputs("<p class=\"none\">The two tables have no call in common: measure both with the same "
              "collectives, sizes and numbers of ranks.</p>\n",
              r->f);
    free(closed);
}

/* ---- by moderation setting ---- */

/* Times as multiples of native without virtualization, over calls: the sum of the logarithms, and of the
 * squares of half their intervals, which add up as errors of separate measurements do. */
struct multiple {
    double sum, squares;
    int n, known;
};

/* A mean of logarithms, and half its interval; NAN: not known. */
struct mean {
    double log, half;
};

static double half_of(const struct rep_series *s)
{
    return log(s->high / s->low) / 2;
}

static void add_call(struct multiple *m, const struct rep_series *here, const struct rep_series *bare)
{
    double a = half_of(here), b = half_of(bare);
    m->n++;
    m->sum += log(here->median / bare->median);
    if (!isfinite(a) || !isfinite(b))
        return;
    m->squares += a * a + b * b;
    m->known++;
}

/* Calls without an interval of their own count as uncertain as the others. */
static struct mean mean_of(const struct multiple *m)
{
    return (struct mean){m->n > 0 ? m->sum / m->n : NAN,
                         m->known > 0 ? sqrt(m->squares * m->n / m->known) / m->n : NAN};
}

/* Native and the choices under a setting. Returns how many calls both tables have. */
static int multiples_under(const struct report *r, const struct rep_setting *s, struct mean *native,
                           struct mean *choice)
{
    struct multiple n = {0}, c = {0};
    for (int i = 0; i < s->npoint; i++) {
        const struct rep_modpoint *p = &s->point[i];
        const struct rep_point *ref = rep_reference_of(r, &p->where, p->bytes);
        if (!ref || ref->native < 0 || !isfinite(p->native.median))
            continue;
        const struct rep_series *bare = rep_time(&ref->cand[ref->native]);
        if (!isfinite(bare->median))
            continue;
        add_call(&n, &p->native, bare);
        add_call(&c, &p->time, bare);
    }
    *native = mean_of(&n);
    *choice = mean_of(&c);
    return n.n;
}

static struct text times_of(const struct mean *m)
{
    return text_times_range(exp(m->log), exp(m->log - m->half), exp(m->log + m->half));
}

/* How much of the gap, of `from` to 1, `to` closes, in percent of the gap's logarithm. */
static struct text share_closed(const struct mean *from, const struct mean *to)
{
    if (!(from->log > 0))
        return text_format("no gap");
    double closed = 1 - to->log / from->log, a = to->half / from->log,
           b = to->log * from->half / (from->log * from->log), half = sqrt(a * a + b * b);
    return isfinite(half) ? text_format("%.0f %% (%.0f…%.0f)", 100 * closed, 100 * (closed - half),
                                        100 * (closed + half))
                          : text_format("%.0f %%", 100 * closed);
}

void rep_gap_by_setting(struct report *r, const struct rep_setting *first, const struct rep_setting *end)
{
    const struct rep_setting *found = NULL, *chosen = NULL;
    struct mean base = {NAN, NAN}, tuned = {NAN, NAN}, native, choice;
    int calls = 0;
    for (const struct rep_setting *s = first; s < end; s++) {
        found = s->found && !found ? s : found;
        chosen = s->chosen && !chosen ? s : chosen;
    }
    if (found)
        calls = multiples_under(r, found, &base, &choice);
    if (calls == 0)
        return;
    rep_table_begin(r->f,
                    "Native without virtualization, the virtual machine as found, and tuned: geometric means "
                    "over all calls that both tables have, as multiples of native without virtualization "
                    "(95 % interval)",
                    "setting|calls|native|choice|of the gap closed");
    rep_row(r->f, NULL, "cnnnn", "without virtualization", "", "1.00×", "", "");
    for (const struct rep_setting *s = first; s < end; s++) {
        int n = multiples_under(r, s, &native, &choice);
        if (n > 0)
            rep_row(r->f, NULL, "cnnnn", text_format("%.120s%s", s->name, rep_role(s)).s,
                    text_format("%d", n).s, times_of(&native).s, times_of(&choice).s,
                    share_closed(&base, &choice).s);
        if (s == chosen)
            tuned = choice;
    }
    rep_table_end(r->f);
    fputs("<p>The gap is that of native as found to native without virtualization; what is closed of it is "
          "measured "
          "in logarithms, as the means are.",
          r->f);
    if (isfinite(tuned.log))
        fprintf(r->f,
                " <strong>Native as found takes %s; the choices under the tuned setting take %s: tuning "
                "closes %s "
                "of the gap.</strong>",
                times_of(&base).s, times_of(&tuned).s, share_closed(&base, &tuned).s);
    if (end - first < 3)
        fputs(" Fewer than three settings were tried, so that little is known of what moderation costs.",
              r->f);
    fputs("</p>\n", r->f);
}

/* ---- as found ---- */

/* Back to back where that was measured: between nodes, common starts are few and often missed. */
static const struct rep_series *back_to_back(const struct rep_point *p, int cand)
{
    if (!p || cand < 0)
        return NULL;
    const struct rep_cand *c = &p->cand[cand];
    return isfinite(c->b2b.median) ? &c->b2b : rep_time(c);
}

static const struct rep_series *native_of(const struct rep_point *p)
{
    return p ? back_to_back(p, p->native) : NULL;
}

/* Of the calls that all three tables have: native as found, and the choice here. Returns how many. */
static int multiples_as_found(const struct report *r, const struct rep_data *found, struct mean *native,
                              struct mean *choice)
{
    struct multiple n = {0}, c = {0};
    for (int i = 0; i < r->d.npoint; i++) {
        const struct rep_point *here = &r->d.point[i];
        const struct rep_series *bare = native_of(call_in(&r->ref, &here->where, here->bytes)),
                                *before = native_of(call_in(found, &here->where, here->bytes)),
                                *mine = back_to_back(here, here->chosen);
        if (!bare || !before || !mine || !isfinite(bare->median) || !isfinite(before->median) ||
            !isfinite(mine->median))
            continue;
        add_call(&n, before, bare);
        add_call(&c, mine, bare);
    }
    *native = mean_of(&n);
    *choice = mean_of(&c);
    return n.n;
}

/* How much less time than `from` `to` takes, in percent. */
static struct text time_saved(const struct mean *from, const struct mean *to)
{
    double d = to->log - from->log, half = hypot(from->half, to->half);
    return isfinite(half) ? text_format("%.0f %% (%.0f…%.0f)", 100 * (1 - exp(d)), 100 * (1 - exp(d + half)),
                                        100 * (1 - exp(d - half)))
                          : text_format("%.0f %%", 100 * (1 - exp(d)));
}

void rep_gap_as_found(struct report *r)
{
    struct mean native, choice;
    if (r->nfound == 0 || !r->ref.root)
        return;
    fputs("<h3 id=\"as-found\">Native, the virtual machine as found, and tuned</h3>\n", r->f);
    rep_table_begin(r->f,
                    "Geometric means over all collectives and sizes that the tables have in common, as "
                    "multiples of native without virtualization (95 % interval)",
                    "as found|calls|native, as found|tuned|time saved|of the gap closed");
    rep_row(r->f, NULL, "cnnnnn", "without virtualization", "", "1.00×", "", "", "");
    for (int i = 0; i < r->nfound; i++) {
        const char *origin = r->found[i].origin, *base = strrchr(origin, '/');
        int n = multiples_as_found(r, &r->found[i], &native, &choice);
        if (n > 0)
            rep_row(r->f, NULL, "cnnnnn", base ? base + 1 : origin, text_format("%d", n).s,
                    times_of(&native).s, times_of(&choice).s, time_saved(&native, &choice).s,
                    share_closed(&native, &choice).s);
        else
            rep_row(r->f, NULL, "cnnnnn", base ? base + 1 : origin, "0", "–", "–", "–", "–");
    }
    rep_table_end(r->f);
    fputs("<p>The gap is that of native as found to native without virtualization; what is closed of it is "
          "measured in logarithms, as the means are.</p>\n",
          r->f);
}

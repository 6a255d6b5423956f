/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts: from agreed scores to who stays in the race, and who is in use. */
#include "tune/online/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A switch in the middle of a search wants a large and clear gain, at its end a clear one; away from what is
 * slower than native, less. */
#define GAIN_EARLY  0.10
#define GAIN        0.03
#define GAIN_NATIVE 0.02
/* Out of the race: slower than this beyond doubt; after the first three calls, when nothing is, by far. */
#define LOSER       1.1
#define LOSER_FIRST 3.0
/* The control's time changed so much against the incumbent's that old results are worth nothing. */
#define DRIFT 1.4
/* Settled slots are searched again when they have seen so many times as many calls. */
#define AGAIN 8
/* Most that one call can cost. */
#define COST_MAX         (10000 * CALL)
#define VERDICT_COST_MAX (32 * CALL)

/* ---- samples ---- */

static int kept(const struct online_cand *c)
{
    return (c->total < KEPT ? c->total : KEPT) * MEASURED;
}

int vc_online_fill_scores(const struct online_slot *s, double *out)
{
    int n = 0;
    out[n++] = s->verdict_seconds;
    for (int i = 0; i < s->ncand; i++) {
        const struct online_cand *c = &s->cand[i];
        for (int k = 0; c->alive && k < kept(c); k++) {
            out[n++] = (double)c->time[k];
            out[n++] = (double)c->base[k];
        }
    }
    return n;
}

static void forget_samples(struct online_cand *c)
{
    c->bursts = c->total = 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values. */
static double quantile(const double *v, int n, double q)
{
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[n - 1];
}

static double median_of(const double *v, int n)
{
    double sorted[SAMPLES];
    memcpy(sorted, v, (size_t)n * sizeof *v);
    qsort(sorted, (size_t)n, sizeof *v, compare);
    return quantile(sorted, n, 0.5);
}

struct side {
    double mid, dev, low; /* median, its relative deviation, best */
};

/* Sorts v. Quartiles, because outliers do not move them, but a program that has two kinds of calls does. */
static struct side summarize(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    double sigma = (quantile(v, n, 0.75) - quantile(v, n, 0.25)) / 1.349, mid = quantile(v, n, 0.5);
    return (struct side){.mid = mid, .dev = 1.2533 * sigma / sqrt(n) / mid, .low = v[0]};
}

/* ---- what the scores say ---- */

static int64_t cost_of(double q)
{
    return q <= 1 ? CALL : q >= (double)COST_MAX / (double)CALL ? COST_MAX : (int64_t)(q * (double)CALL);
}

/* Takes what is agreed of a challenger out of its samples. False: some call was timed by no rank. */
static bool read_cand(struct online_cand *c, const double *scores, int n, double *incumbent)
{
    double time[SAMPLES] = {0}, base[SAMPLES] = {0};
    for (int i = 0; i < n; i++) {
        time[i] = scores[2 * i];
        base[i] = scores[2 * i + 1];
        if (time[i] <= 0 || base[i] <= 0)
            return false;
    }
    c->won = 0;
    c->of = n / MEASURED;
    for (int i = 0; i < n; i += MEASURED)
        c->won += median_of(time + i, MEASURED) < median_of(base + i, MEASURED);
    struct side t = summarize(time, n), b = summarize(base, n);
    double few = 0.5 / n, rel = hypot(t.dev, b.dev); /* few samples tell little, whatever they look like */
    c->q = t.mid / b.mid;
    c->err = c->q * (rel > few ? rel : few);
    c->low = t.low / b.low;
    *incumbent = b.mid;
    return true;
}

/* With few samples on a busy machine a median may be all bad luck: then a candidate's best is what keeps it
 * in the race, and what it is charged for. */
static double standing(const struct online_slot *s, int i)
{
    return s->round < 2 ? s->cand[i].low : s->cand[i].q;
}

/* Reads the scores of all challengers, and pays for what turned out to be dearer than thought. */
static void read_scores(struct online_slot *s, const double *scores)
{
    double unit = 0, seconds = scores[0];
    scores++;
    for (int i = 0; i < s->ncand; i++) {
        struct online_cand *c = &s->cand[i];
        if (!c->alive)
            continue;
        int n = kept(c);
        double base = 0;
        c->alive = n > 0 && read_cand(c, scores, n, &base);
        scores += 2 * (ptrdiff_t)n;
        if (!c->alive)
            continue;
        int64_t cost = cost_of(standing(s, i));
        if (cost > c->cost)
            s->credit -= c->calls * (cost - c->cost);
        c->cost = cost;
        c->calls = 0;
        unit = unit == 0 || base < unit ? base : unit;
    }
    int64_t verdict = unit > 0 ? cost_of(seconds / unit) : CALL;
    s->credit -= verdict < VERDICT_COST_MAX ? verdict : VERDICT_COST_MAX;
}

/* By more than `gain`, beyond noise, and in so many bursts that it can hardly be chance: of a program that
 * has a rhythm, each burst may show the two different parts. */
static bool better(const struct online_cand *c, double gain, double sure, double most)
{
    return 1 - c->q > gain && 1 - c->q > sure * c->err && c->won > c->of / 2.0 + most * sqrt(c->of);
}

/* Better than the incumbent beyond noise, for good. */
static bool wins(const struct online_slot *s, int i)
{
    bool to_native = i == s->native;
    return to_native ? better(&s->cand[i], GAIN_NATIVE, 1.5, 1) : better(&s->cand[i], GAIN, 2, 1.25);
}

static int best_of(const struct online_slot *s)
{
    int best = -1;
    for (int i = 0; i < s->ncand; i++)
        if (s->cand[i].alive && (best < 0 || s->cand[i].q < s->cand[best].q))
            best = i;
    return best;
}

/* ---- what is done about it ---- */

/* Makes i the incumbent: all that was measured against the old one now is against the new one. */
static void promote(struct online_slot *s, int i)
{
    struct online_cand *old = &s->cand[s->now];
    double q = s->cand[i].q;
    for (int k = 0; k < s->ncand; k++) {
        struct online_cand *c = &s->cand[k];
        c->q /= q;
        c->err /= q;
        c->low /= q;
        c->cost = c->cost > COST_MAX / 4 ? COST_MAX : cost_of((double)c->cost / (double)CALL / q);
        forget_samples(c);
    }
    old->q = old->low = 1 / q;
    old->err = s->cand[i].err;
    old->cost = cost_of(old->q);
    old->alive = true;
    s->cand[i].alive = false;
    s->gain /= q;
    s->now = i;
    s->decided = true;
}

static void drop_losers(struct online_slot *s)
{
    for (int i = 0; i < s->ncand; i++) {
        const struct online_cand *c = &s->cand[i];
        double least = fmin(c->q, standing(s, i)) - 3 * c->err;
        if (least > (s->round == 0 ? LOSER_FIRST : LOSER))
            s->cand[i].alive = false;
    }
}

/* Native stays until it is beaten beyond doubt: nothing may be chosen that has not been held against it. */
static int halve(struct online_slot *s)
{
    int n = 0;
    for (int i = 0; i < s->ncand; i++)
        n += s->cand[i].alive && i != s->native;
    for (int keep = n > 1 ? n / 2 : n; n > keep; n--) {
        int worst = -1;
        for (int i = 0; i < s->ncand; i++)
            if (s->cand[i].alive && i != s->native && (worst < 0 || standing(s, i) > standing(s, worst)))
                worst = i;
        if (worst >= 0)
            s->cand[worst].alive = false;
    }
    return n;
}

/* Whom the incumbent is checked against from now on: native, or if that is in use, the best of the others. */
static int choose_control(const struct online_slot *s)
{
    if (s->now != s->native && !s->cand[s->native].gone)
        return s->native;
    int best = -1;
    for (int i = 0; i < s->ncand; i++) {
        const struct online_cand *c = &s->cand[i];
        if (i != s->now && !c->gone && c->q > 0 && (best < 0 || c->q < s->cand[best].q))
            best = i;
    }
    return best;
}

static void settle(struct online_slot *s)
{
    s->control = choose_control(s);
    s->control_q = 0;
    for (int i = 0; i < s->ncand; i++) {
        s->cand[i].alive = i == s->control;
        forget_samples(&s->cand[i]);
    }
    s->settled = s->decided = true;
    s->again = s->calls * AGAIN;
}

void vc_online_search(struct online_slot *s)
{
    s->settled = s->due = false;
    s->round = s->switches = 0;
    s->control = s->against = -1;
    s->last = s->now;
    for (int i = 0; i < s->ncand; i++) {
        s->cand[i].alive = i != s->now && !s->cand[i].gone;
        forget_samples(&s->cand[i]);
    }
}

static void next_round(struct online_slot *s)
{
    s->round++;
    for (int i = 0; i < s->ncand; i++)
        s->cand[i].bursts = 0;
}

static void race(struct online_slot *s)
{
    int best = best_of(s);
    if (best >= 0 && s->round > 0 && s->round < LAST_ROUND && s->switches < SWITCHES &&
        better(&s->cand[best], GAIN_EARLY, 3, 1.25)) {
        promote(s, best);
        s->switches++;
        drop_losers(s);
        if (best_of(s) < 0)
            settle(s);
        else
            s->round = 1; /* the others prove themselves against the new one */
        return;
    }
    if (best >= 0 && s->round >= LAST_ROUND) {
        if (wins(s, best))
            promote(s, best);
        else if (s->cand[s->native].alive && wins(s, s->native))
            promote(s, s->native);
        settle(s);
        return;
    }
    drop_losers(s);
    halve(s);
    if (best_of(s) < 0)
        settle(s);
    else
        next_round(s);
}

static void check_drift(struct online_slot *s)
{
    struct online_cand *c = &s->cand[s->control];
    if (!c->alive) {
        settle(s);
        return;
    }
    if (wins(s, s->control)) {
        promote(s, s->control);
        vc_online_search(s);
        return;
    }
    double was = s->control_q;
    if (was == 0) {
        s->control_q = was = c->q;
    }
    if (fabs(c->q - was) > 3 * c->err && (c->q > DRIFT * was || c->q < was / DRIFT))
        vc_online_search(s);
    else
        forget_samples(c);
}

void vc_online_verdict(struct online_slot *s, const double *scores)
{
    s->due = false;
    read_scores(s, scores);
    if (s->settled)
        check_drift(s);
    else
        race(s);
}

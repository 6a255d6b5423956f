/* SPDX-License-Identifier: BSD-3-Clause */
/* Which candidate wins a point: scores, paired intervals, and the choice, which stays native (or that of the
 * built-in rules) in doubt. */
#include "tune/measure/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAR_WEIGHT  (1.0 / 3) /* of the starts on several hosts, where they are few and less certain */
#define CPU_LATENCY 0.1       /* weight of the time under --objective cpu: of equally cheap ones the faster */
#define ROUNDS      3         /* fewer prove nothing */
#define MANY        5         /* and so many are enough for an interval */
#define LOUD        1.05      /* with fewer, all must be above this */
#define NOTICED     1.05 /* another launch may differ by so much, which no interval of this one can tell */

const char *vc_objective_name(enum vc_objective objective)
{
    static const char *const name[] = {"latency", "tail", "cpu", "balanced"};
    return name[objective];
}

int vc_objective_by_name(const char *name, const char **nearest)
{
    int best = 0;
    for (int i = 0; i < VC_OBJECTIVES; i++) {
        const char *one = vc_objective_name((enum vc_objective)i);
        if (strcmp(name, one) == 0)
            return i;
        if (nearest &&
            vc_word_distance(name, one) < vc_word_distance(name, vc_objective_name((enum vc_objective)best)))
            best = i;
    }
    if (nearest)
        *nearest = vc_objective_name((enum vc_objective)best);
    return -1;
}

struct figures {
    double start, tail, b2b, cpu;
};

static double score_of(const struct figures *f, enum vc_objective objective, bool one_host)
{
    double weight = isnan(f->start) ? 0 : one_host ? 0.5 : FAR_WEIGHT;
    double latency = weight > 0 ? exp(weight * log(f->start) + (1 - weight) * log(f->b2b)) : f->b2b;
    switch (objective) {
    case VC_OBJECTIVE_TAIL:
        return isnan(f->tail) ? f->b2b : f->tail;
    case VC_OBJECTIVE_CPU:
        return exp((1 - CPU_LATENCY) * log(f->cpu) + CPU_LATENCY * log(latency));
    case VC_OBJECTIVE_BALANCED:
        return sqrt(f->cpu * latency);
    default:
        return latency;
    }
}

/* Of a round. `by`: an objective, or VC_OBJECTIVES and a measure. */
static double score_in(const struct vc_entrant *k, int round, int by, bool one_host, bool starts)
{
    if (by >= VC_OBJECTIVES)
        return k->raw[by - VC_OBJECTIVES][round];
    struct figures f = {starts ? k->raw[VC_MEASURE_START][round] : NAN, starts ? k->tail[round] : NAN,
                        k->raw[VC_MEASURE_B2B][round], k->cpus[round]};
    return score_of(&f, (enum vc_objective)by, one_host);
}

static void compare(const struct vc_entrant *a, const struct vc_entrant *b, int by, bool one_host,
                    uint64_t seed, struct vc_measure_series *out)
{
    int n = a->rounds < b->rounds ? a->rounds : b->rounds;
    double *v = calloc((size_t)n + 1, sizeof *v);
    *out = (struct vc_measure_series){NAN, NAN, NAN, NAN, 0};
    for (int r = 0; v && r < n; r++) {
        /* What one of them lacks, neither is judged by. */
        bool starts = !isnan(a->raw[VC_MEASURE_START][r]) && !isnan(b->raw[VC_MEASURE_START][r]);
        v[r] = score_in(a, r, by, one_host, starts) / score_in(b, r, by, one_host, starts);
    }
    if (v)
        vc_measure_summarize(v, n, seed, out);
    free(v);
}

void vc_entrant_compare(const struct vc_entrant *a, const struct vc_entrant *b, enum vc_objective objective,
                        bool one_host, uint64_t seed, struct vc_measure_series *out)
{
    compare(a, b, (int)objective, one_host, seed, out);
}

void vc_entrant_ratio(const struct vc_entrant *a, const struct vc_entrant *b, enum vc_measure m,
                      uint64_t seed, struct vc_measure_series *out)
{
    compare(a, b, VC_OBJECTIVES + (int)m, true, seed, out);
}

void vc_entrant_describe(struct vc_entrant *k, uint64_t seed)
{
    int n = k->rounds, starts = n > 0 ? k->upto[n - 1] : 0;
    double *v = calloc((size_t)(n > starts ? n : starts) + 1, sizeof *v);
    k->cpu = NAN;
    if (!v)
        return;
    for (int m = 0; m < VC_MEASURES; m++) {
        memcpy(v, k->raw[m], (size_t)n * sizeof *v);
        vc_measure_summarize(v, n, seed, &k->time[m]);
    }
    memcpy(v, k->sample, (size_t)starts * sizeof *v);
    k->time[VC_MEASURE_START].p99 = vc_measure_quantile(v, starts, 0.99);
    memcpy(v, k->cpus, (size_t)n * sizeof *v);
    k->cpu = vc_measure_quantile(v, n, 0.5);
    free(v);
}

static bool enough(const struct vc_entrant *k)
{
    return !k->wrong && k->rounds >= ROUNDS;
}

/* All statistics of all candidates. */
static void describe_all(struct vc_point *p, enum vc_objective objective, bool one_host, uint64_t seed)
{
    bool starts = true;
    for (int i = 0; i < p->ncand; i++) {
        vc_entrant_describe(&p->cand[i], seed);
        starts = starts && (p->cand[i].dropped || p->cand[i].time[VC_MEASURE_START].n > 0);
    }
    for (int i = 0; i < p->ncand; i++) {
        struct vc_entrant *k = &p->cand[i];
        struct vc_measure_series s, b;
        struct figures f = {starts ? k->time[VC_MEASURE_START].median : NAN,
                            starts ? k->time[VC_MEASURE_START].p99 : NAN, k->time[VC_MEASURE_B2B].median,
                            k->cpu};
        k->score = k->rounds > 0 ? score_of(&f, objective, one_host) : NAN;
        /* Of an earlier race: its ratios were taken there. */
        if (k->race == 1)
            continue;
        vc_entrant_compare(&p->cand[0], k, VC_OBJECTIVE_LATENCY, one_host, seed, &k->ratio);
        vc_entrant_compare(&p->cand[0], k, objective, one_host, seed, &k->gain);
        vc_entrant_ratio(&p->cand[0], k, VC_MEASURE_START, seed, &s);
        vc_entrant_ratio(&p->cand[0], k, VC_MEASURE_B2B, seed, &b);
        k->slower = i > 0 && ((s.n >= ROUNDS && s.high < 1) || (b.n >= ROUNDS && b.high < 1));
    }
}

/* Better beyond noise: by more than launches differ, and by still more where there are few rounds. */
static bool clearly(const struct vc_measure_series *gain)
{
    return gain->n >= ROUNDS && gain->median > NOTICED && gain->low > (gain->n < MANY ? LOUD : 1);
}

static bool eligible(const struct vc_point *p, int i, enum vc_objective objective)
{
    const struct vc_entrant *k = &p->cand[i];
    if (i == 0 || k->dropped || !enough(k) || !clearly(&k->gain))
        return false;
    return objective == VC_OBJECTIVE_CPU || !k->slower;
}

/* The best of those that are clearly better than native, or 0. */
static int leader(const struct vc_point *p, enum vc_objective objective)
{
    int best = 0;
    for (int i = 1; i < p->ncand; i++)
        if (eligible(p, i, objective) && (best == 0 || p->cand[i].score < p->cand[best].score))
            best = i;
    return best;
}

/* The same candidate under the default policy, or itself. */
static int without_policy(const struct vc_point *p, int at)
{
    const char *choice = p->cand[at].choice, *wait = strstr(choice, ":wait=");
    for (int i = 0; i < p->ncand && wait; i++)
        if (strlen(p->cand[i].choice) == (size_t)(wait - choice) &&
            strncmp(p->cand[i].choice, choice, (size_t)(wait - choice)) == 0)
            return i;
    return at;
}

static void why_native(struct vc_point *p)
{
    int near = 0;
    for (int i = 1; i < p->ncand; i++)
        if (enough(&p->cand[i]) && p->cand[i].race == 0 &&
            (near == 0 || p->cand[i].gain.median > p->cand[near].gain.median))
            near = i;
    const struct vc_entrant *k = &p->cand[near];
    if (near == 0)
        snprintf(p->why, sizeof p->why, "nothing else was measured to the end");
    else if (k->slower && k->gain.low > 1)
        snprintf(p->why, sizeof p->why,
                 "%.60s is %.2f times as good, but clearly slower in one of the two measures", k->choice,
                 k->gain.median);
    else
        snprintf(p->why, sizeof p->why,
                 "nothing is clearly better; %.50s comes closest, %.2f [%.2f, %.2f] times as good", k->choice,
                 k->gain.median, k->gain.low, k->gain.high);
}

/* Whether the choice is this candidate, because the best one is not clearly better than it. */
static bool stays(struct vc_point *p, int at, const char *words, enum vc_objective objective, bool one_host,
                  uint64_t seed)
{
    struct vc_measure_series over;
    if (at == p->best || !eligible(p, at, objective))
        return false;
    vc_entrant_compare(&p->cand[at], &p->cand[p->best], objective, one_host, seed, &over);
    if (clearly(&over))
        return false;
    snprintf(p->why, sizeof p->why, "%.50s %s; %.50s is not clearly better, %.2f [%.2f, %.2f]",
             p->cand[at].choice, words, p->cand[p->best].choice, over.median, over.low, over.high);
    p->best = at;
    return true;
}

void vc_point_judge(struct vc_point *p, enum vc_objective objective, bool one_host, uint64_t seed)
{
    describe_all(p, objective, one_host, seed);
    p->best = leader(p, objective);
    if (p->best == 0) {
        why_native(p);
        return;
    }
    if (stays(p, p->builtin, "of the built-in rules", objective, one_host, seed) ||
        stays(p, without_policy(p, p->best), "under the default policy", objective, one_host, seed))
        return;
    const struct vc_entrant *k = &p->cand[p->best];
    snprintf(p->why, sizeof p->why, "best of %d; %.2f [%.2f, %.2f] times as good as native", p->ncand,
             k->gain.median, k->gain.low, k->gain.high);
}

bool vc_entrant_alloc(struct vc_entrant *s, int rounds, long starts)
{
    size_t n = (size_t)rounds;
    bool ok = true;
    for (int m = 0; m < VC_MEASURES; m++) {
        s->raw[m] = calloc(n, sizeof(double));
        ok = ok && s->raw[m];
    }
    s->cpus = calloc(n, sizeof(double));
    s->tail = calloc(n, sizeof(double));
    s->upto = calloc(n, sizeof(int));
    s->sample = calloc(n * (size_t)starts, sizeof(double));
    return ok && s->cpus && s->tail && s->upto && s->sample;
}

void vc_entrant_free(struct vc_entrant *s)
{
    for (int m = 0; m < VC_MEASURES; m++)
        free(s->raw[m]);
    free(s->cpus);
    free(s->tail);
    free(s->upto);
    free(s->sample);
}

int vc_point_find(const struct vc_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->cand[i].choice, choice) == 0)
            return i;
    return -1;
}

void vc_point_free(struct vc_point *p)
{
    for (int i = 0; i < p->ncand; i++)
        vc_entrant_free(&p->cand[i]);
    free(p->cand);
    p->cand = NULL;
    p->ncand = 0;
}

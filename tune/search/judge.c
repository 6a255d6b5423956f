/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wins a point: scores, paired intervals, and the choice, which stays native (or with the built-in rules)
 * when in doubt. Looks at rounds alone, so that samples taken over from a file give the same verdict. */
#include "tune/search/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAR_WEIGHT  (1.0 / 3) /* of the starts on several hosts, where they are few and less certain */
#define CPU_LATENCY 0.1       /* weight of the time under --objective cpu: of equally cheap ones the faster */
#define ROUNDS      3         /* fewer prove nothing */
#define MANY        5         /* and so many are enough for an interval */
#define LOUD        1.05      /* with fewer, all must be above this */
#define NOTICED     1.05 /* another launch may differ by so much, which no interval of this one can tell */

const char *vc_search_objective_name(enum vc_search_objective objective)
{
    static const char *const name[] = {"latency", "tail", "cpu", "balanced"};
    return name[objective];
}

struct figures {
    double start, tail, b2b, cpu;
};

static double score_of(const struct figures *f, enum vc_search_objective objective, bool one_host)
{
    double weight = isnan(f->start) ? 0 : one_host ? 0.5 : FAR_WEIGHT;
    double latency = weight > 0 ? exp(weight * log(f->start) + (1 - weight) * log(f->b2b)) : f->b2b;
    switch (objective) {
    case VC_SEARCH_TAIL:
        return isnan(f->tail) ? f->b2b : f->tail;
    case VC_SEARCH_CPU:
        return exp((1 - CPU_LATENCY) * log(f->cpu) + CPU_LATENCY * log(latency));
    case VC_SEARCH_BALANCED:
        return sqrt(f->cpu * latency);
    default:
        return latency;
    }
}

static struct figures figures_of(const struct vc_search_cand *k, int round)
{
    return (struct figures){k->raw[VC_MEASURE_START][round], k->tail[round], k->raw[VC_MEASURE_B2B][round],
                            k->cpus[round]};
}

void vc_search_compare(const struct vc_search_cand *a, const struct vc_search_cand *b,
                       enum vc_search_objective objective, bool one_host, uint64_t seed,
                       struct vc_measure_series *out)
{
    int n = a->rounds < b->rounds ? a->rounds : b->rounds;
    double *v = calloc((size_t)n + 1, sizeof *v);
    *out = (struct vc_measure_series){NAN, NAN, NAN, NAN, 0};
    for (int r = 0; v && r < n; r++) {
        struct figures x = figures_of(a, r), y = figures_of(b, r);
        /* What one of them lacks, neither is judged by. */
        if (isnan(x.start) || isnan(y.start))
            x.start = y.start = x.tail = y.tail = NAN;
        v[r] = score_of(&x, objective, one_host) / score_of(&y, objective, one_host);
    }
    if (v)
        vc_measure_summarize(v, n, seed, out);
    free(v);
}

/* One measure of native over that of a candidate, paired by rounds. */
static void compare_measure(const struct vc_search_cand *native, const struct vc_search_cand *k,
                            enum vc_measure m, uint64_t seed, struct vc_measure_series *out)
{
    int n = native->rounds < k->rounds ? native->rounds : k->rounds;
    double *v = calloc((size_t)n + 1, sizeof *v);
    *out = (struct vc_measure_series){NAN, NAN, NAN, NAN, 0};
    for (int r = 0; v && r < n; r++)
        v[r] = native->raw[m][r] / k->raw[m][r];
    if (v)
        vc_measure_summarize(v, n, seed, out);
    free(v);
}

static void describe(struct vc_search_cand *k, uint64_t seed)
{
    int n = k->rounds, starts = n > 0 ? k->upto[n - 1] : 0;
    double *v = calloc((size_t)(n > starts ? n : starts) + 1, sizeof *v);
    k->cpu = NAN;
    if (!v)
        return;
    for (int m = 0; m < VC_MEASURES; m++) {
        memcpy(v, k->raw[m], (size_t)n * sizeof *v);
        vc_measure_summarize(v, n, seed, m == VC_MEASURE_START ? &k->start : &k->b2b);
    }
    memcpy(v, k->sample, (size_t)starts * sizeof *v);
    k->start.p99 = vc_measure_quantile(v, starts, 0.99);
    memcpy(v, k->cpus, (size_t)n * sizeof *v);
    k->cpu = vc_measure_quantile(v, n, 0.5);
    free(v);
}

static bool enough(const struct vc_search_cand *k)
{
    return !k->wrong && k->rounds >= ROUNDS;
}

/* All statistics of all candidates. */
static void describe_all(struct vc_search_point *p, enum vc_search_objective objective, bool one_host,
                         uint64_t seed)
{
    bool starts = true;
    for (int i = 0; i < p->ncand; i++) {
        describe(&p->cand[i], seed);
        starts = starts && (p->cand[i].dropped || p->cand[i].start.n > 0);
    }
    for (int i = 0; i < p->ncand; i++) {
        struct vc_search_cand *k = &p->cand[i];
        struct vc_measure_series s, b;
        struct figures f = {starts ? k->start.median : NAN, starts ? k->start.p99 : NAN, k->b2b.median,
                            k->cpu};
        k->score = k->rounds > 0 ? score_of(&f, objective, one_host) : NAN;
        /* Of an earlier race: its ratios were taken there. */
        if (k->race == 1)
            continue;
        vc_search_compare(&p->cand[0], k, VC_SEARCH_LATENCY, one_host, seed, &k->ratio);
        vc_search_compare(&p->cand[0], k, objective, one_host, seed, &k->gain);
        compare_measure(&p->cand[0], k, VC_MEASURE_START, seed, &s);
        compare_measure(&p->cand[0], k, VC_MEASURE_B2B, seed, &b);
        k->slower = i > 0 && ((s.n >= ROUNDS && s.high < 1) || (b.n >= ROUNDS && b.high < 1));
    }
}

/* Better beyond noise: by more than what nobody notices, and few rounds have to say it louder. */
static bool clearly(const struct vc_measure_series *gain)
{
    return gain->n >= ROUNDS && gain->median > NOTICED && gain->low > (gain->n < MANY ? LOUD : 1);
}

static bool eligible(const struct vc_search_point *p, int i, enum vc_search_objective objective)
{
    const struct vc_search_cand *k = &p->cand[i];
    if (i == 0 || k->dropped || !enough(k) || !clearly(&k->gain))
        return false;
    return objective == VC_SEARCH_CPU || !k->slower;
}

/* The best of those that are clearly better than native, or 0. */
static int leader(const struct vc_search_point *p, enum vc_search_objective objective)
{
    int best = 0;
    for (int i = 1; i < p->ncand; i++)
        if (eligible(p, i, objective) && (best == 0 || p->cand[i].score < p->cand[best].score))
            best = i;
    return best;
}

/* The same candidate under the default policy, or itself. */
static int without_policy(const struct vc_search_point *p, int at)
{
    const char *choice = p->cand[at].choice, *wait = strstr(choice, ":wait=");
    for (int i = 0; i < p->ncand && wait; i++)
        if (strlen(p->cand[i].choice) == (size_t)(wait - choice) &&
            strncmp(p->cand[i].choice, choice, (size_t)(wait - choice)) == 0)
            return i;
    return at;
}

static void why_native(struct vc_search_point *p)
{
    int near = 0;
    for (int i = 1; i < p->ncand; i++)
        if (enough(&p->cand[i]) && p->cand[i].race == 0 &&
            (near == 0 || p->cand[i].gain.median > p->cand[near].gain.median))
            near = i;
    const struct vc_search_cand *k = &p->cand[near];
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

void vc_search_judge(struct vc_search_point *p, enum vc_search_objective objective, bool one_host,
                     uint64_t seed)
{
    describe_all(p, objective, one_host, seed);
    p->best = leader(p, objective);
    if (p->best == 0) {
        why_native(p);
        return;
    }
    if (p->builtin > 0 && p->best != p->builtin && eligible(p, p->builtin, objective)) {
        struct vc_measure_series over;
        vc_search_compare(&p->cand[p->builtin], &p->cand[p->best], objective, one_host, seed, &over);
        if (!clearly(&over)) {
            snprintf(p->why, sizeof p->why,
                     "%.50s of the built-in rules; %.50s is not clearly better, %.2f [%.2f, %.2f]",
                     p->cand[p->builtin].choice, p->cand[p->best].choice, over.median, over.low, over.high);
            p->best = p->builtin;
            return;
        }
    }
    int plain = without_policy(p, p->best);
    if (plain != p->best && eligible(p, plain, objective)) {
        struct vc_measure_series over;
        vc_search_compare(&p->cand[plain], &p->cand[p->best], objective, one_host, seed, &over);
        if (!clearly(&over)) {
            snprintf(p->why, sizeof p->why,
                     "%.50s under the default policy; %.50s is not clearly better, %.2f [%.2f, %.2f]",
                     p->cand[plain].choice, p->cand[p->best].choice, over.median, over.low, over.high);
            p->best = plain;
            return;
        }
    }
    const struct vc_search_cand *k = &p->cand[p->best];
    snprintf(p->why, sizeof p->why, "best of %d; %.2f [%.2f, %.2f] times as good as native", p->ncand,
             k->gain.median, k->gain.low, k->gain.high);
}

bool vc_search_cand_alloc(struct vc_search_cand *k, int rounds)
{
    size_t n = (size_t)rounds;
    bool ok = true;
    for (int m = 0; m < VC_MEASURES; m++) {
        k->raw[m] = calloc(n, sizeof(double));
        ok = ok && k->raw[m];
    }
    k->cpus = calloc(n, sizeof(double));
    k->tail = calloc(n, sizeof(double));
    k->upto = calloc(n, sizeof(int));
    k->sample = calloc(n * VC_SEARCH_STARTS, sizeof(double));
    return ok && k->cpus && k->tail && k->upto && k->sample;
}

void vc_search_point_free(struct vc_search_point *p)
{
    for (int i = 0; i < p->ncand; i++) {
        struct vc_search_cand *k = &p->cand[i];
        for (int m = 0; m < VC_MEASURES; m++)
            free(k->raw[m]);
        free(k->cpus);
        free(k->tail);
        free(k->upto);
        free(k->sample);
    }
    free(p->cand);
    p->cand = NULL;
    p->ncand = 0;
}

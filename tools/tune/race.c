/* SPDX-License-Identifier: BSD-3-Clause */
/* All candidates of a point against each other: rounds of one block each in shuffled order; who has clearly
 * lost is dropped. */
#include "tools/tune/race.h"

#include <math.h>
#include <string.h>

#define ROUNDS_GOAL 12     /* so many rounds of all candidates are to fit into the time */
#define BLOCK_MIN   0.3e-3 /* seconds */
#define BLOCK_MAX   20e-3
#define MAX_B2B     20000
#define FAR_STARTS  8    /* of a block on several hosts */
#define ENTERING    0.4  /* part of the time in which candidates may come in */
#define SYNC        0.05 /* part of the time for aligning clocks */
#define ALIKE       1.02 /* who is not further apart is the same */
#define SEPARATE    1.02 /* from MANY rounds on an interval above this has lost, */
#define SEPARATE_3  1.15 /* and before so much above */
#define MANY        6
#define PROOF       3 /* rounds that prove something, */
#define PATIENCE    3 /* for which a point may take so many times more than it was given */
#define FAR_BEHIND  2 /* with every pair so much worse, two rounds are enough */
#define NATIVE_OUT  4 /* native is kept for the pairs, unless it takes all the time */
#define CHECK                                                                                                \
    200e-6 /* calls longer than this leave the time uncertain: it is looked at between candidates            \
            */

/* What rank 0 decides between rounds. */
struct verdict {
    bool stop;
    bool out[TUNE_MAX_CANDS];
};

static double left(const struct tune_race_state *r)
{
    return r->limits->seconds - (bench_now() - r->begin);
}

static bool asked_to_stop(const struct tune_race_state *r)
{
    return r->stop && r->stop(r->arg);
}

/* Everybody comes in; in the order they stand in, as long as there is time. False: the race was stopped. */
static bool enter_all(struct tune_race_state *r)
{
    struct bench_world *w = &r->c->w;
    double best = INFINITY;
    for (int i = 0; i < r->p->ncand; i++) {
        int word = 0;
        if (w->rank == 0 && asked_to_stop(r))
            word = 2;
        else if (w->rank == 0 && r->limits->drop && i > 1 && i != r->p->builtin &&
                 left(r) < (1 - ENTERING) * r->limits->seconds)
            word = 1;
        w->control->bcast(&word, 1, MPI_INT, 0, w->ctl);
        if (word == 2)
            return false;
        r->entrant[i].out = r->p->cand[i].dropped = word == 1 || r->p->cand[i].skip;
        if (!r->entrant[i].out)
            best = fmin(best, tune_enter(r, i, best));
        if (i == 0) {
            bench_tolerate(w, r->entrant[0].call);
        }
    }
    /* The first ones were measured before the best was known. */
    struct verdict v = {0};
    for (int i = 0; i < r->p->ncand && w->rank == 0; i++) {
        double call = r->entrant[i].call;
        v.out[i] = r->entrant[i].out ||
                   (i > 0 && r->limits->drop && r->limits->objective != TUNE_CPU &&
                    r->limits->objective != TUNE_BALANCED && call > 3 * best && i != r->p->builtin);
    }
    w->control->bcast(&v, sizeof v, MPI_BYTE, 0, w->ctl);
    for (int i = 0; i < r->p->ncand; i++)
        r->entrant[i].out = r->p->cand[i].dropped = v.out[i];
    return true;
}

static int racing(const struct tune_race_state *r)
{
    int n = 0;
    for (int i = 0; i < r->p->ncand; i++)
        n += !r->entrant[i].out;
    return n;
}

/* Rank 0: how many calls a block has, so that enough rounds fit into the time. */
static void size_blocks(struct tune_race_state *r)
{
    struct bench_world *w = &r->c->w;
    long block[TUNE_MAX_CANDS][BENCH_MEASURES] = {{0}};
    double each = left(r) / (fmax(ROUNDS_GOAL, r->limits->rounds_min) * racing(r) * BENCH_MEASURES);
    each = fmin(fmax(each, BLOCK_MIN), BLOCK_MAX);
    for (int i = 0; i < r->p->ncand && w->rank == 0; i++) {
        double call = r->entrant[i].call, single = call + 2 * w->lead + 10e-6;
        if (r->entrant[i].out)
            continue;
        block[i][BENCH_B2B] = (long)fmin(fmax(each / fmax(call, 1e-8), 2), MAX_B2B);
        block[i][BENCH_START] = (long)fmin(fmax(each / single, 3), w->one_host ? TUNE_STARTS : FAR_STARTS);
    }
    r->starts.block_time = each;
    w->control->bcast(block, sizeof block, MPI_BYTE, 0, w->ctl);
    for (int i = 0; i < r->p->ncand; i++)
        memcpy(r->entrant[i].block, block[i], sizeof block[i]);
}

static double mean_score(const struct tune_race_state *r, int i)
{
    struct tune_series s;
    /* Against native, which took part in every round that anybody took part in. */
    tune_compare(&r->p->cand[i], &r->p->cand[0], r->limits->objective, r->c->w.one_host, 1, &s);
    return s.n > 0 ? s.median : INFINITY;
}

/* Whether candidate i has clearly lost against the best. */
static bool lost(const struct tune_race_state *r, int i, int best)
{
    struct tune_series s;
    const struct tune_cand *k = &r->p->cand[i];
    tune_compare(k, &r->p->cand[best], r->limits->objective, r->c->w.one_host, 1, &s);
    if (s.n < 2)
        return false;
    if (i == 0)
        return s.n >= r->limits->rounds_min && s.low > NATIVE_OUT;
    if (s.n < r->limits->rounds_min || s.n < 3)
        return s.n == 2 && s.median > FAR_BEHIND * 1.5;
    return s.low > (s.n >= MANY ? SEPARATE : SEPARATE_3);
}

/* Whether those that are left are the same within what anybody would notice. */
static bool alike(const struct tune_race_state *r, int best)
{
    for (int i = 0; i < r->p->ncand; i++) {
        struct tune_series s;
        if (r->entrant[i].out || i == best)
            continue;
        tune_compare(&r->p->cand[i], &r->p->cand[best], r->limits->objective, r->c->w.one_host, 1, &s);
        bool apart = i == 0 && s.low > SEPARATE; /* native has lost and stays for the pairs alone */
        if (!apart && !(s.n >= MANY && s.low > 1 / ALIKE && s.high < ALIKE))
            return false;
    }
    return true;
}

static void judge_round(struct tune_race_state *r, int round, struct verdict *v)
{
    int best = 0;
    double score = 1;
    for (int i = 0; i < r->p->ncand; i++) {
        v->out[i] = r->entrant[i].out;
        double s = v->out[i] ? INFINITY : mean_score(r, i);
        if (s < score) {
            best = i;
            score = s;
        }
    }
    for (int i = 0; i < r->p->ncand && r->limits->drop; i++)
        v->out[i] = v->out[i] || (i != best && lost(r, i, best));
    if (round + 1 < r->limits->rounds_min) {
        /* Fewer rounds give no interval; but nor is a point to take several times what it was given. */
        v->stop = left(r) < -(round + 1 < PROOF ? PATIENCE : 1) * r->limits->seconds;
        return;
    }
    v->stop = round + 1 >= r->limits->rounds_max || left(r) <= 0 || (r->limits->drop && alike(r, best));
}

static void run_rounds(struct tune_race_state *r)
{
    struct bench_world *w = &r->c->w;
    for (int round = 0; round < r->limits->rounds_max && racing(r) > 0; round++) {
        int order[TUNE_MAX_CANDS], n = 0;
        for (int i = 0; i < r->p->ncand; i++)
            if (!r->entrant[i].out)
                order[n++] = i;
        for (int i = n - 1; i > 0; i--) {
            int j = (int)(bench_rand(&w->rng) % (unsigned)(i + 1)), t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
        for (int i = 0; i < n; i++)
            tune_round(r, order[i], bench_rand(&w->rng) & 1);
        struct verdict v = {0};
        if (w->rank == 0) {
            judge_round(r, round, &v);
            v.stop = v.stop || asked_to_stop(r);
        }
        w->control->bcast(&v, sizeof v, MPI_BYTE, 0, w->ctl);
        if (v.stop)
            return;
        for (int i = 0; i < r->p->ncand; i++) {
            r->entrant[i].out = v.out[i];
            r->p->cand[i].dropped = v.out[i];
        }
    }
}

static bool prepare(struct tune_race_state *r)
{
    struct tune_point *p = r->p;
    bool ok = bench_call_init(&r->call, &r->c->w, p->coll, p->bytes);
    ok = bench_starts_init(&r->starts, TUNE_STARTS) && ok;
    for (int i = 0; i < p->ncand; i++) {
        struct tune_cand *k = &p->cand[i];
        k->rounds = 0;
        k->dropped = k->wrong = k->slower = false;
        ok = tune_cand_alloc(k, r->limits->rounds_max) && ok;
    }
    return bench_all_agree(&r->c->w, ok);
}

int tune_race(struct tune_comm *c, struct tune_point *p, const struct tune_limits *limits,
              bool (*stop)(void *arg), void *arg)
{
    static struct tune_race_state race;
    struct tune_race_state *r = &race;
    *r = (struct tune_race_state){.c = c, .p = p, .limits = limits, .stop = stop, .arg = arg};
    r->begin = bench_now();
    p->best = 0;
    snprintf(p->why, sizeof p->why, "not measured");
    bool ok = p->ncand > 0 && p->ncand <= TUNE_MAX_CANDS && prepare(r);
    if (ok) {
        bench_clock_sync(&c->w, SYNC * limits->seconds);
        if (enter_all(r) && racing(r) > 0) {
            size_blocks(r);
            run_rounds(r);
        }
        vcoll_comm_force(&c->w.comm, vc_coll_name(p->coll), "auto", NULL, 0);
        if (c->w.rank == 0)
            tune_judge(p, limits->objective, c->w.one_host, c->w.opt->seed);
        c->w.control->bcast(&p->best, 1, MPI_INT, 0, c->w.ctl);
    }
    bench_call_free(&r->call);
    bench_starts_free(&r->starts);
    p->seconds = bench_now() - r->begin;
    return ok ? 0 : -1;
}

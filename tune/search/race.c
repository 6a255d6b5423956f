/* SPDX-License-Identifier: BSD-3-Clause */
/* All candidates of a point against each other: rounds of one block each in shuffled order; who has clearly
 * lost is dropped. */
#include "tune/search/race.h"

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
    bool out[VC_SEARCH_MAX_CANDS];
};

static double left(const struct vc_search_race_state *r)
{
    return r->limits->seconds - (vc_measure_now() - r->begin);
}

static bool asked_to_stop(const struct vc_search_race_state *r)
{
    return r->stop && r->stop(r->arg);
}

/* Everybody comes in; in the order they stand in, as long as there is time. False: the race was stopped. */
static bool enter_all(struct vc_search_race_state *r)
{
    struct vc_measure_world *w = &r->c->w;
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
            best = fmin(best, vc_search_enter(r, i, best));
        if (i == 0) {
            vc_measure_tolerate(w, r->entrant[0].call);
        }
    }
    /* The first ones were measured before the best was known. */
    struct verdict v = {0};
    for (int i = 0; i < r->p->ncand && w->rank == 0; i++) {
        double call = r->entrant[i].call;
        v.out[i] = r->entrant[i].out ||
                   (i > 0 && r->limits->drop && r->limits->objective != VC_SEARCH_CPU &&
                    r->limits->objective != VC_SEARCH_BALANCED && call > 3 * best && i != r->p->builtin);
    }
    w->control->bcast(&v, sizeof v, MPI_BYTE, 0, w->ctl);
    for (int i = 0; i < r->p->ncand; i++)
        r->entrant[i].out = r->p->cand[i].dropped = v.out[i];
    return true;
}

static int racing(const struct vc_search_race_state *r)
{
    int n = 0;
    for (int i = 0; i < r->p->ncand; i++)
        n += !r->entrant[i].out;
    return n;
}

/* Rank 0: how many calls a block has, so that enough rounds fit into the time. */
static void size_blocks(struct vc_search_race_state *r)
{
    struct vc_measure_world *w = &r->c->w;
    long block[VC_SEARCH_MAX_CANDS][VC_MEASURES] = {{0}};
    double each = left(r) / (fmax(ROUNDS_GOAL, r->limits->rounds_min) * racing(r) * VC_MEASURES);
    each = fmin(fmax(each, BLOCK_MIN), BLOCK_MAX);
    for (int i = 0; i < r->p->ncand && w->rank == 0; i++) {
        double call = r->entrant[i].call, single = call + 2 * w->lead + 10e-6;
        if (r->entrant[i].out)
            continue;
        block[i][VC_MEASURE_B2B] = (long)fmin(fmax(each / fmax(call, 1e-8), 2), MAX_B2B);
        block[i][VC_MEASURE_START] =
            (long)fmin(fmax(each / single, 3), w->one_host ? VC_SEARCH_STARTS : FAR_STARTS);
    }
    r->starts.block_time = each;
    w->control->bcast(block, sizeof block, MPI_BYTE, 0, w->ctl);
    for (int i = 0; i < r->p->ncand; i++)
        memcpy(r->entrant[i].block, block[i], sizeof block[i]);
}

static double mean_score(const struct vc_search_race_state *r, int i)
{
    struct vc_measure_series s;
    /* Against native, which took part in every round that anybody took part in. */
    vc_search_compare(&r->p->cand[i], &r->p->cand[0], r->limits->objective, r->c->w.one_host, 1, &s);
    return s.n > 0 ? s.median : INFINITY;
}

/* Whether candidate i has clearly lost against the best. */
static bool lost(const struct vc_search_race_state *r, int i, int best)
{
    struct vc_measure_series s;
    const struct vc_search_cand *k = &r->p->cand[i];
    vc_search_compare(k, &r->p->cand[best], r->limits->objective, r->c->w.one_host, 1, &s);
    if (s.n < 2)
        return false;
    if (i == 0)
        return s.n >= r->limits->rounds_min && s.low > NATIVE_OUT;
    if (s.n < r->limits->rounds_min || s.n < 3)
        return s.n == 2 && s.median > FAR_BEHIND * 1.5;
    return s.low > (s.n >= MANY ? SEPARATE : SEPARATE_3);
}

/* Whether those that are left are the same within what anybody would notice. */
static bool alike(const struct vc_search_race_state *r, int best)
{
    for (int i = 0; i < r->p->ncand; i++) {
        struct vc_measure_series s;
        if (r->entrant[i].out || i == best)
            continue;
        vc_search_compare(&r->p->cand[i], &r->p->cand[best], r->limits->objective, r->c->w.one_host, 1, &s);
        bool apart = i == 0 && s.low > SEPARATE; /* native has lost and stays for the pairs alone */
        if (!apart && !(s.n >= MANY && s.low > 1 / ALIKE && s.high < ALIKE))
            return false;
    }
    return true;
}

static void judge_round(struct vc_search_race_state *r, int round, struct verdict *v)
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

static void run_rounds(struct vc_search_race_state *r)
{
    struct vc_measure_world *w = &r->c->w;
    for (int round = 0; round < r->limits->rounds_max && racing(r) > 0; round++) {
        int order[VC_SEARCH_MAX_CANDS], n = 0;
        for (int i = 0; i < r->p->ncand; i++)
            if (!r->entrant[i].out)
                order[n++] = i;
        for (int i = n - 1; i > 0; i--) {
            int j = (int)(vc_measure_rand(&w->rng) % (unsigned)(i + 1)), t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
        for (int i = 0; i < n; i++)
            vc_search_round(r, order[i], vc_measure_rand(&w->rng) & 1);
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

static bool prepare(struct vc_search_race_state *r)
{
    struct vc_search_point *p = r->p;
    bool ok = vc_measure_call_init(&r->call, &r->c->w, p->coll, p->bytes);
    ok = vc_measure_starts_init(&r->starts, VC_SEARCH_STARTS) && ok;
    for (int i = 0; i < p->ncand; i++) {
        struct vc_search_cand *k = &p->cand[i];
        k->rounds = 0;
        k->dropped = k->wrong = k->slower = false;
        ok = vc_search_cand_alloc(k, r->limits->rounds_max) && ok;
    }
    return vc_measure_all_agree(&r->c->w, ok);
}

int vc_search_race(struct vc_search_comm *c, struct vc_search_point *p, const struct vc_search_limits *limits,
                   bool (*stop)(void *arg), void *arg)
{
    static struct vc_search_race_state race;
    struct vc_search_race_state *r = &race;
    *r = (struct vc_search_race_state){.c = c, .p = p, .limits = limits, .stop = stop, .arg = arg};
    r->begin = vc_measure_now();
    p->best = 0;
    snprintf(p->why, sizeof p->why, "not measured");
    bool ok = p->ncand > 0 && p->ncand <= VC_SEARCH_MAX_CANDS && prepare(r);
    if (ok) {
        vc_measure_clock_sync(&c->w, SYNC * limits->seconds);
        if (enter_all(r) && racing(r) > 0) {
            size_blocks(r);
            run_rounds(r);
        }
        vcoll_comm_force(&c->w.comm, vc_coll_name(p->coll), "auto", NULL, 0);
        if (c->w.rank == 0)
            vc_search_judge(p, limits->objective, c->w.one_host, c->w.opt->seed);
        c->w.control->bcast(&p->best, 1, MPI_INT, 0, c->w.ctl);
    }
    vc_measure_call_free(&r->call);
    vc_measure_starts_free(&r->starts);
    p->seconds = vc_measure_now() - r->begin;
    return ok ? 0 : -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* All candidates of a point against each other; those that have clearly lost are dropped. */
#include "tune/search/internal.h"

#include <math.h>
#include <string.h>

#define ROUNDS_GOAL 12 /* so many rounds of all candidates are to fit into the time */
#define BLOCK_MAX   20e-3
#define FAR_STARTS  8    /* of a block on several hosts */
#define ENTERING    0.4  /* part of the time in which candidates may come in */
#define HOPELESS    20   /* times the best: out after a single call, */
#define LONG        5e-3 /* when that took so long: shorter ones may have met an interrupt */
#define SCREEN      3    /* times the best: out after a few calls */
#define ALIKE       1.02 /* those that are not further apart are the same */
#define SEPARATE    1.02 /* from MANY rounds on an interval above this has lost, */
#define SEPARATE_3  1.15 /* and before so much above */
#define MANY        6
#define FAR_BEHIND  3 /* with both pairs so much worse, two rounds are enough */
#define NATIVE_OUT  4 /* native is kept for the pairs, unless it takes all the time */

struct race {
    struct vc_rounds r;
    struct vc_search_comm *c;
    struct vc_point *p;
    const struct vc_search_limits *limits;
};

static bool force(struct vc_search_comm *c, enum vc_coll coll, const char *choice)
{
    struct vc_measure_world *w = &c->w;
    bool ok = vcoll_comm_force(&w->comm, vc_coll_name(coll), choice, NULL, 0) == 0;
    if (vc_measure_all_agree(w, ok))
        return true;
    /* Some ranks may have taken it. */
    vcoll_comm_force(&w->comm, vc_coll_name(coll), "auto", NULL, 0);
    return false;
}

/* ---- candidates come in ---- */

static bool is_right(struct race *a, int i)
{
    struct vc_measure_world *w = &a->c->w;
    struct vc_entrant *k = &a->p->cand[i];
    int bad = !vc_measure_call_verify(k->buffers, w, k->fns, (unsigned)i), all = 0;
    w->control->allreduce(&bad, &all, 1, MPI_INT, MPI_SUM, w->ctl);
    if (all > 0 && w->rank == 0)
        fprintf(stderr,
                "vcoll tune: WRONG RESULT of %s %zu B as %s on %d of %d ranks: it will not be chosen; "
                "please report this\n",
                vc_coll_name(k->coll), k->bytes, k->choice, all, w->size);
    return all == 0;
}

/* The objective's score, from a few calls back to back. */
static double rough_score(const struct vc_entrant *k, enum vc_objective objective)
{
    return objective == VC_OBJECTIVE_CPU        ? k->burnt
           : objective == VC_OBJECTIVE_BALANCED ? sqrt(k->burnt * k->call)
                                                : k->call;
}

/* Forces it, checks one result, and times it roughly, given rank 0's score of the best so far. Returns this
 * one's, on rank 0; INFINITY on all ranks when it is out: it refuses, is wrong, or is far behind. */
static double enter(struct race *a, int i, double best)
{
    struct vc_measure_world *w = &a->c->w;
    struct vc_entrant *k = &a->p->cand[i];
    k->dropped = true;
    if (k->fns == &w->fn[VC_IMPL_VCOLL] && !force(a->c, k->coll, k->choice))
        return INFINITY;
    k->wrong = !is_right(a, i);
    if (k->wrong)
        return INFINITY;
    double once = vc_measure_block_b2b(w, k->buffers, k->fns, 1, NULL);
    if (vc_measure_told(w, a->limits->drop && once > HOPELESS * best && once > LONG))
        return INFINITY;
    vc_rounds_enter(&a->r, i);
    double score = w->rank == 0 ? rough_score(k, a->limits->objective) : NAN;
    /* The first time is the noisiest: what the built-in rules take gets another chance. */
    k->dropped = vc_measure_told(w, i > 0 && i != a->p->builtin && a->limits->drop && score > SCREEN * best);
    return k->dropped ? INFINITY : score;
}

/* All of them, in the order they stand in, as long as there is time. */
static void enter_all(struct race *a)
{
    enum { COME, STAY_OUT, STOP };
    struct vc_measure_world *w = &a->c->w;
    struct vc_point *p = a->p;
    const struct vc_search_limits *l = a->limits;
    bool times = l->objective != VC_OBJECTIVE_CPU && l->objective != VC_OBJECTIVE_BALANCED;
    double best = INFINITY;
    for (int i = 0; i < p->ncand; i++) {
        bool late =
            l->drop && i > 1 && i != p->builtin && vc_rounds_left(&a->r) < (1 - ENTERING) * l->seconds;
        int word = vc_measure_told(w, vc_search_interrupted() ? STOP : late ? STAY_OUT : COME);
        a->r.over = word == STOP;
        if (a->r.over)
            return;
        p->cand[i].dropped = word == STAY_OUT || p->cand[i].skip;
        if (!p->cand[i].dropped)
            best = fmin(best, enter(a, i, best));
    }
    /* The first ones were measured before the best was known. */
    for (int i = 1; i < p->ncand; i++)
        p->cand[i].dropped |= l->drop && times && p->cand[i].call > SCREEN * best && i != p->builtin;
    vc_rounds_agree(&a->r);
}

/* ---- after a round, rank 0 ---- */

static void over(const struct race *a, int i, int than, struct vc_measure_series *s)
{
    vc_entrant_compare(&a->p->cand[i], &a->p->cand[than], a->limits->objective, a->c->w.one_host, 1, s);
}

/* Whether candidate i has clearly lost against the best. */
static bool has_lost(const struct race *a, int i, int best)
{
    struct vc_measure_series s;
    over(a, i, best, &s);
    if (s.n < 2)
        return false;
    if (i == 0)
        return s.n >= a->limits->rounds_min && s.low > NATIVE_OUT;
    if (s.n < a->limits->rounds_min || s.n < 3)
        return s.n == 2 && s.median > FAR_BEHIND;
    return s.low > (s.n >= MANY ? SEPARATE : SEPARATE_3);
}

/* Whether those that are left are the same within what anybody would notice. */
static bool are_alike(const struct race *a, int best)
{
    for (int i = 0; i < a->p->ncand; i++) {
        struct vc_measure_series s;
        if (a->p->cand[i].dropped || i == best)
            continue;
        over(a, i, best, &s);
        bool apart = i == 0 && s.low > SEPARATE; /* native has lost and stays for the pairs alone */
        if (!apart && !(s.n >= MANY && s.low > 1 / ALIKE && s.high < ALIKE))
            return false;
    }
    return true;
}

static void judge_round(struct vc_rounds *r, int rounds)
{
    struct race *a = r->arg;
    struct vc_measure_series s;
    bool lost[VC_ENTRANTS] = {false}, any = false;
    int best = 0;
    double score = 1;
    /* Against native, which took part in every round that anybody took part in. */
    for (int i = 0; i < r->n; i++) {
        if (r->entrant[i].dropped)
            continue;
        over(a, i, 0, &s);
        if (s.n > 0 && s.median < score) {
            best = i;
            score = s.median;
        }
    }
    if (!a->limits->drop)
        return;
    for (int i = 0; i < r->n; i++) {
        lost[i] = !r->entrant[i].dropped && i != best && has_lost(a, i, best);
        any = any || lost[i];
    }
    r->over = !any && rounds >= r->rounds_min && are_alike(a, best);
    for (int i = 0; i < r->n; i++)
        r->entrant[i].dropped |= lost[i];
}

int vc_search_race(struct vc_search_comm *c, struct vc_point *p, const struct vc_search_limits *limits)
{
    struct vc_measure_world *w = &c->w;
    struct race a = {.c = c, .p = p, .limits = limits};
    a.r = (struct vc_rounds){.w = w,
                             .entrant = p->cand,
                             .n = p->ncand,
                             .seconds = limits->seconds,
                             .rounds_min = limits->rounds_min,
                             .rounds_max = limits->rounds_max,
                             .rounds_goal = ROUNDS_GOAL,
                             .starts_max = w->one_host ? VC_STARTS : FAR_STARTS,
                             .block_max = BLOCK_MAX,
                             .stop = vc_search_interrupted,
                             .judge = judge_round,
                             .arg = &a};
    double begin = vc_measure_now();
    p->best = 0;
    snprintf(p->why, sizeof p->why, "not measured");
    for (int i = 0; i < p->ncand; i++) {
        struct vc_entrant *k = &p->cand[i];
        /* What the user has without vcoll is what is to be beaten. */
        k->fns = &w->fn[strcmp(k->choice, "native") == 0 ? VC_IMPL_NATIVE : VC_IMPL_VCOLL];
        k->on = w;
        k->coll = p->coll;
        k->bytes = p->bytes;
        k->dropped = k->wrong = k->slower = false;
    }
    bool ok = p->ncand > 0 && p->ncand <= VC_ENTRANTS && vc_rounds_open(&a.r);
    if (ok) {
        enter_all(&a);
        vc_rounds_run(&a.r);
        vcoll_comm_force(&w->comm, vc_coll_name(p->coll), "auto", NULL, 0);
        if (w->rank == 0)
            vc_point_judge(p, limits->objective, w->one_host, w->opt->seed);
        p->best = vc_measure_told(w, p->best);
    }
    vc_rounds_close(&a.r);
    p->seconds = vc_measure_now() - begin;
    return ok ? 0 : -1;
}

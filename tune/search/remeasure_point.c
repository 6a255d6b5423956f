/* SPDX-License-Identifier: BSD-3-Clause */
/* One point, measured again: what the table chooses against native and what came close, and who is better. */
#include "tune/search/remeasure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MIN 5
#define ROUNDS_MAX 30

static bool interrupted(void *arg)
{
    (void)arg;
    return vc_search_interrupted();
}

static int find(const struct vc_search_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->cand[i].choice, choice) == 0)
            return i;
    return -1;
}

static bool append(struct vc_search_point *p, const char *choice)
{
    if (find(p, choice) >= 0)
        return true;
    if (p->ncand == VC_SEARCH_MAX_CANDS)
        return false;
    struct vc_search_cand *more = realloc(p->cand, ((size_t)p->ncand + 1) * sizeof *more);
    if (!more)
        return false;
    p->cand = more;
    more[p->ncand] = (struct vc_search_cand){.predicted = NAN};
    snprintf(more[p->ncand].choice, VC_CHOICE_TEXT, "%s", choice);
    p->ncand++;
    return true;
}

/* Who takes part, native first; rank 0's list counts. Asking for all candidates is collective. */
static bool list(struct vc_again_run *r, const struct vc_again_point *p, bool again,
                 struct vc_search_point *t)
{
    struct vc_search_comm *c = &r->place[p->place].c;
    bool ok = true;
    if (r->o->all && !again)
        ok = vc_search_candidates(c, p->coll, p->bytes, t) == 0;
    if (c->w.rank != 0) {
        vc_search_point_free(t);
        return true;
    }
    ok = ok && append(t, "native") && append(t, p->subject);
    if (again)
        return ok && (!p->best[0] || append(t, p->best));
    for (int i = 0; i < p->ncand && ok; i++)
        ok = append(t, p->choice[i]);
    return ok;
}

/* Rank 0's list for everybody on the communicator. */
static bool share(struct vc_measure_world *w, bool ok, struct vc_search_point *t)
{
    int head[2] = {ok ? t->ncand : 0, t->builtin};
    w->control->bcast(head, 2, MPI_INT, 0, w->ctl);
    if (head[0] == 0)
        return false;
    if (w->rank != 0)
        t->cand = calloc((size_t)head[0], sizeof *t->cand);
    if (!vc_measure_all_agree(w, t->cand != NULL))
        return false;
    t->ncand = head[0];
    t->builtin = head[1];
    w->control->bcast(t->cand, (int)((size_t)t->ncand * sizeof *t->cand), MPI_BYTE, 0, w->ctl);
    return true;
}

/* ---- the verdict, rank 0 ---- */

static bool counts(const struct vc_search_cand *k)
{
    return !k->wrong && k->rounds >= 3;
}

/* Of all candidates the one that the subject is furthest behind of. */
static void judge(struct vc_again_run *r, struct vc_again_point *p, const struct vc_search_point *t)
{
    bool one_host = r->place[p->place].c.w.one_host;
    int s = find(t, p->subject), best = s;
    const struct vc_search_cand *k = &t->cand[s];
    p->over_best = (struct vc_measure_series){1, 1, 1, 1, k->rounds};
    p->over_native = p->over_best;
    for (int i = 0; i < t->ncand; i++) {
        struct vc_measure_series over;
        if (i == s || !counts(&t->cand[i]))
            continue;
        vc_search_compare(k, &t->cand[i], r->objective, one_host, r->seed, &over);
        if (i == 0)
            p->over_native = over;
        if (over.n >= 3 && over.median > p->over_best.median) {
            p->over_best = over;
            best = i;
        }
    }
    /* Dropped before it had rounds, among all candidates: it is far behind, and looked at again. */
    if (!counts(k) && !k->wrong)
        for (int i = 0; i < t->ncand; i++)
            if (counts(&t->cand[i]) && (best == s || t->cand[i].score < t->cand[best].score))
                best = i;
    p->wrong = k->wrong;
    p->score = k->score;
    p->native_score = t->cand[0].score;
    p->best_score = t->cand[best].score;
    p->loss = p->over_best.median - 1;
    snprintf(p->best, sizeof p->best, "%s", t->cand[best].choice);
}

static bool behind(const struct vc_again_point *p)
{
    return p->over_best.n >= 3 && p->over_best.median > VC_AGAIN_BETTER && p->over_best.low > 1;
}

static bool behind_native(const struct vc_again_point *p)
{
    return p->over_native.n >= 3 && p->over_native.low > VC_AGAIN_NATIVE;
}

static void set_number(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

static void keep_cands(struct vc_again_point *p, const struct vc_search_point *t)
{
    json_decref(p->cands);
    p->cands = json_array();
    for (int i = 0; i < t->ncand; i++) {
        const struct vc_search_cand *k = &t->cand[i];
        if (k->rounds == 0)
            continue;
        json_t *o = json_object();
        json_object_set_new(o, "choice", json_string(k->choice));
        json_object_set_new(o, "rounds", json_integer(k->rounds));
        json_object_set_new(o, "dropped", json_boolean(k->dropped));
        set_number(o, "score", k->score);
        set_number(o, "start", k->start.median);
        set_number(o, "b2b", k->b2b.median);
        json_array_append_new(p->cands, o);
    }
}

static void conclude(struct vc_again_run *r, struct vc_again_point *p, const struct vc_search_point *t,
                     bool again)
{
    int s = find(t, p->subject);
    bool ran = t->cand[s].rounds > 0;
    judge(r, p, t);
    keep_cands(p, t);
    p->fate = VC_AGAIN_MEASURED;
    if (!again) {
        /* Proof or not: of several candidates one is ahead by chance, and by how much tells a new race. */
        p->suspect = p->loss > VC_AGAIN_BETTER - 1 || behind_native(p) || p->wrong || !ran;
        return;
    }
    /* Nothing drops it now but that it cannot run. */
    p->refused = !ran && !p->wrong && !vc_search_interrupted();
    p->lost = behind(p);
    p->to_native = behind_native(p);
}

static int race(struct vc_again_run *r, struct vc_again_point *p, double seconds, bool again)
{
    struct vc_search_comm *c = &r->place[p->place].c;
    struct vc_search_point t = {.coll = p->coll, .bytes = p->bytes};
    bool ok = list(r, p, again, &t);
    /* The subject takes part even where time is short. */
    if (ok && c->w.rank == 0)
        t.builtin = find(&t, p->subject);
    ok = share(&c->w, ok, &t);
    struct vc_search_limits limits = {seconds, ROUNDS_MIN, ROUNDS_MAX, r->o->all && !again, r->objective};
    ok = ok && vc_search_race(c, &t, &limits, interrupted, NULL) == 0;
    if (ok && c->w.rank == 0)
        conclude(r, p, &t, again);
    vc_search_point_free(&t);
    return ok ? 0 : -1;
}

int vc_again_measure(struct vc_again_run *r, struct vc_again_point *p, double seconds, bool again)
{
    int rc = 0;
    if (r->place[p->place].c.member)
        rc = race(r, p, seconds, again);
    /* The others sleep here until the members have come. */
    vc_measure_quiet_barrier(r->w);
    return vc_measure_all_agree(r->w, rc == 0) ? 0 : -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What all ranks do at rank 0's word: one point (algorithms first, then the policies of the best), entrants,
 * or a setting of the devices. Ranks outside the communicator sleep meanwhile. */
#include "tune/search/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PART   0.65 /* of the time, where policies follow */
#define BEST         2    /* algorithms whose policies are tried */
#define AGAIN        4    /* candidates of an earlier visit that may still win */
#define FINALISTS    12   /* of a later visit, at most */
#define ROUNDS_MIN   5
#define ROUNDS_FEW   3   /* where the time is short */
#define SHORT        0.1 /* seconds */
#define ROUNDS_MAX   40
#define POLICIES     8
#define POLICY       32
#define SIDES_ROUNDS 7 /* of entrants: fewer give no interval that could be believed, */
#define SIDES_MAX    15

/* The first NOT_CROWDED of them are left out where ranks share CPUs, unless asked for: in these measurements
 * all ranks wait at the same time, so that spinning seems to cost nothing; in a program other ranks would
 * compute meanwhile. */
static const char *const usual_policies[] = {"poll", "hybrid:200", "event", "hybrid:10", "hybrid:50"};
#define NOT_CROWDED 2

static int policies(const struct vc_search_opts *o, bool crowded, char list[POLICIES][POLICY])
{
    int n = 0;
    if (!o->waits) {
        for (size_t i = crowded ? NOT_CROWDED : 0; i < sizeof usual_policies / sizeof usual_policies[0]; i++)
            snprintf(list[n++], POLICY, "%s", usual_policies[i]);
        return n;
    }
    for (const char *s = o->waits; *s && n < POLICIES;) {
        int len = (int)strcspn(s, ",");
        if (len != 4 || strncmp(s, "auto", 4) != 0)
            snprintf(list[n++], POLICY, "%.*s", len, s);
        s += s[len] ? len + 1 : len;
    }
    return n;
}

/* Whether how ranks wait may decide here. */
static bool policies_matter(const struct vc_search_job *j, const struct vc_search_comm *c)
{
    return j->o->waits || j->objective != VC_OBJECTIVE_LATENCY || c->at.crowded || c->at.nnodes > 1 ||
           !c->w.one_host;
}

/* Rank 0's list of candidates for everybody; false when it has none, or there is no memory for it. */
static bool share(struct vc_measure_world *w, struct vc_point *p)
{
    int ncand = vc_measure_told(w, p->ncand);
    p->builtin = vc_measure_told(w, p->builtin);
    if (w->rank != 0) {
        free(p->cand);
        p->cand = calloc((size_t)ncand + 1, sizeof *p->cand);
    }
    if (!vc_measure_all_agree(w, p->cand != NULL)) {
        p->ncand = w->rank == 0 ? p->ncand : 0;
        return false;
    }
    p->ncand = ncand;
    w->control->bcast(p->cand, (int)((size_t)ncand * sizeof *p->cand), MPI_BYTE, 0, w->ctl);
    return ncand > 0;
}

int vc_search_next_best(const struct vc_point *p, const bool *taken)
{
    int at = -1;
    for (int i = 1; i < p->ncand && i < VC_ENTRANTS; i++) {
        const struct vc_entrant *k = &p->cand[i];
        if (!taken[i] && !k->wrong && !k->skip && k->rounds > 0 && (at < 0 || k->score < p->cand[at].score))
            at = i;
    }
    return at;
}

/* Rank 0: native, the best algorithms, and these under all policies. False: there is nothing to try. */
static bool second_list(const struct vc_search_job *j, const struct vc_search_comm *c,
                        const struct vc_point *first, struct vc_point *p)
{
    char policy[POLICIES][POLICY];
    bool taken[VC_ENTRANTS] = {false}, ok = vc_search_add(p, "native", NAN);
    int best[BEST], n = 0, np = policies(j->o, c->at.crowded, policy);
    for (int at; n < BEST; n++) {
        /* The choice first. */
        at = n == 0 && first->best > 0 ? first->best : vc_search_next_best(first, taken);
        if (at < 0)
            break;
        taken[at] = true;
        best[n] = at;
        ok = ok && vc_search_add(p, first->cand[at].choice, first->cand[at].predicted);
    }
    for (int i = 0; i < n; i++)
        for (int q = 0; q < np; q++) {
            char text[2 * VC_CHOICE_TEXT];
            vc_search_with_policy(first->cand[best[i]].choice, policy[q], text, sizeof text);
            if (text[0] && strlen(text) < VC_CHOICE_TEXT)
                ok = ok && vc_search_add(p, text, vc_search_predict_one(c, first, &j->model, text));
        }
    /* A policy is left alone unless another is clearly better: as with the rules. */
    p->builtin = 1;
    return ok && n > 0 && np > 0;
}

bool vc_search_merge(struct vc_point *last, struct vc_point *first)
{
    struct vc_entrant *all =
        realloc(last->cand, ((size_t)last->ncand + (size_t)first->ncand + 1) * sizeof *all);
    if (!all)
        return false;
    last->cand = all;
    for (int i = 0, before = last->ncand; i < first->ncand; i++) {
        struct vc_point known = {.cand = all, .ncand = before};
        if (vc_point_find(&known, first->cand[i].choice) >= 0) {
            vc_entrant_free(&first->cand[i]);
            continue;
        }
        all[last->ncand] = first->cand[i];
        all[last->ncand].dropped = true;
        all[last->ncand++].race = 1;
    }
    last->seconds += first->seconds;
    free(first->cand);
    first->cand = NULL;
    first->ncand = 0;
    return true;
}

/* Whether the point has such a candidate, under whatever policy. */
static bool runs_here(const struct vc_point *p, const char *choice)
{
    size_t len = vc_search_plain(choice);
    for (int i = 0; i < p->ncand; i++)
        if (vc_search_plain(p->cand[i].choice) == len && memcmp(p->cand[i].choice, choice, len) == 0)
            return true;
    return false;
}

/*
 * Rank 0: another visit is one race of those that may still win: native, what the rules take, the choice of
 * the earlier visit with the policy it was chosen with and without, its best, and the choices of the
 * neighbours in size. In place of p's candidates.
 */
static void finalists(const struct vc_search_job *j, const struct vc_search_comm *c,
                      const struct vc_search_command *cmd, struct vc_point *p)
{
    struct vc_search_result *list[VC_MEASURE_SIZES],
        *old = vc_search_find(j, cmd->place, cmd->coll, cmd->bytes);
    struct vc_point f = {.coll = p->coll, .bytes = p->bytes};
    int n = vc_search_measured(j, cmd->place, cmd->coll, list);
    bool taken[VC_ENTRANTS] = {false};
    const char *choice = vc_search_chosen(old)->choice;
    char plain[VC_CHOICE_TEXT];
    bool ok = vc_search_add(&f, "native", NAN) && vc_search_add(&f, p->cand[p->builtin].choice, NAN);
    f.builtin = f.ncand - 1;
    snprintf(plain, sizeof plain, "%.*s", (int)vc_search_plain(choice), choice);
    ok = ok && vc_search_add(&f, choice, NAN) && vc_search_add(&f, plain, NAN);
    for (int i = 0; i < n; i++)
        for (int k = i - 1; k <= i + 1 && list[i] == old; k += 2)
            if (k >= 0 && k < n && runs_here(p, vc_search_chosen(list[k])->choice))
                ok = ok && vc_search_add(&f, vc_search_chosen(list[k])->choice, NAN);
    for (int k = 0; k < AGAIN && f.ncand < FINALISTS; k++) {
        int at = vc_search_next_best(&old->p, taken);
        if (at < 0)
            break;
        taken[at] = true;
        ok = ok && vc_search_add(&f, old->p.cand[at].choice, NAN);
    }
    if (!ok) {
        free(f.cand);
        return; /* all of them then */
    }
    for (int i = 0; i < f.ncand; i++)
        f.cand[i].predicted = vc_search_predict_one(c, &f, &j->model, f.cand[i].choice);
    free(p->cand);
    p->cand = f.cand;
    p->ncand = f.ncand;
    p->builtin = f.builtin;
}

static int race(struct vc_search_job *j, struct vc_search_comm *c, double seconds, bool drop,
                struct vc_point *p)
{
    struct vc_search_limits limits = {seconds, seconds < SHORT ? ROUNDS_FEW : ROUNDS_MIN, ROUNDS_MAX, drop,
                                      j->objective};
    return share(&c->w, p) ? vc_search_race(c, p, &limits) : -1;
}

/* Algorithms under the default policy, all that the model does not rule out; then the policies of the best of
 * them. */
static int search_point(struct vc_search_job *j, const struct vc_search_command *cmd, struct vc_point *p)
{
    struct vc_search_comm *c = &j->place[cmd->place].c;
    bool final = cmd->kind == VC_SEARCH_FINAL, drop = !j->o->exhaustive;
    bool more = policies_matter(j, c) && !final;
    struct vc_point second = {.coll = cmd->coll, .bytes = cmd->bytes};
    double begin = vc_measure_now();
    if (vc_search_candidates(c, cmd->coll, cmd->bytes, p) != 0)
        return -1;
    if (c->w.rank == 0) {
        vc_search_predict(c, p, &j->model, j->o->exhaustive);
        /* What a device does to messages is told without a search. */
        for (int i = 2; cmd->kind == VC_SEARCH_BRIEF && i < p->ncand; i++)
            p->cand[i].skip = true;
        if (final)
            finalists(j, c, cmd, p);
    }
    if (race(j, c, cmd->seconds * (more ? FIRST_PART : 1), drop, p) != 0)
        return -1;
    if (!more)
        return 0;
    if (!vc_measure_told(&c->w,
                         c->w.rank == 0 && !vc_search_interrupted() && second_list(j, c, p, &second))) {
        free(second.cand);
        return 0;
    }
    double seconds = fmax(cmd->seconds - (vc_measure_now() - begin), (1 - FIRST_PART) * cmd->seconds);
    if (race(j, c, seconds, drop, &second) != 0 || (c->w.rank == 0 && !vc_search_merge(&second, p))) {
        vc_point_free(&second);
        return 0;
    }
    vc_point_free(p);
    *p = second;
    if (c->w.rank == 0)
        vc_point_judge(p, j->objective, c->w.one_host, c->w.opt->seed);
    return 0;
}

/* Those that rank 0 brings, native first. */
static int given_point(struct vc_search_job *j, const struct vc_search_command *cmd, struct vc_point *p)
{
    struct vc_search_comm *c = &j->place[cmd->place].c;
    struct vc_point all = {.coll = cmd->coll, .bytes = cmd->bytes};
    int rc = cmd->all ? vc_search_candidates(c, cmd->coll, cmd->bytes, &all) : 0;
    for (int i = 0; i < all.ncand && c->w.rank == 0 && rc == 0; i++)
        vc_search_add(p, all.cand[i].choice, NAN);
    vc_point_free(&all);
    p->coll = cmd->coll;
    p->bytes = cmd->bytes;
    return rc == 0 ? race(j, c, cmd->seconds, cmd->all, p) : -1;
}

/* Entrants of whatever calls and communicators, none of which is dropped. On rank 0 they are p's. */
static int run_entrants(struct vc_search_job *j, const struct vc_search_command *cmd, struct vc_point *p)
{
    p->cand = calloc((size_t)cmd->nside, sizeof *p->cand);
    p->ncand = p->cand ? cmd->nside : 0;
    if (!vc_measure_all_agree(j->w, p->cand != NULL))
        return -1;
    for (int i = 0; i < p->ncand; i++) {
        struct vc_search_comm *c = &j->place[cmd->side[i].place].c;
        p->cand[i].on = c->member ? &c->w : NULL;
        p->cand[i].coll = cmd->side[i].coll;
        p->cand[i].bytes = cmd->side[i].bytes;
        p->cand[i].fns = vc_guide_fns(j->w, j->o->native, cmd->side[i].fns);
    }
    struct vc_rounds r = {.w = j->w,
                          .entrant = p->cand,
                          .n = p->ncand,
                          .seconds = cmd->seconds,
                          .rounds_min = SIDES_ROUNDS,
                          .rounds_max = SIDES_MAX,
                          .rounds_goal = SIDES_MAX,
                          .starts_max = VC_STARTS,
                          .stop = vc_search_interrupted};
    bool ok = vc_rounds_open(&r);
    for (int i = 0; i < r.n && ok; i++)
        vc_rounds_enter(&r, i);
    if (ok)
        vc_rounds_run(&r);
    vc_rounds_close(&r);
    return ok ? 0 : -1;
}

static int execute(struct vc_search_job *j, const struct vc_search_command *c, struct vc_point *p, char *why,
                   size_t len)
{
    int rc = 0;
    switch (c->kind) {
    case VC_SEARCH_POINT:
    case VC_SEARCH_BRIEF:
    case VC_SEARCH_FINAL:
    case VC_SEARCH_GIVEN:
        if (j->place[c->place].c.member)
            rc = c->kind == VC_SEARCH_GIVEN ? given_point(j, c, p) : search_point(j, c, p);
        /* The others sleep here until the members have come. */
        vc_measure_quiet_barrier(j->w);
        return rc;
    case VC_SEARCH_ENTRANTS:
        return run_entrants(j, c, p);
    case VC_SEARCH_DEVICE:
        return vc_device_set(j->w, c->restore ? NULL : &c->coalesce, why, len);
    case VC_SEARCH_QUEUES:
        rc = vcoll_cq_moderation(c->text, why, len);
        return vc_measure_all_agree(j->w, rc == 0) ? 0 : -1;
    default:
        return 0;
    }
}

int vc_search_do(struct vc_search_job *j, const struct vc_search_command *c, struct vc_point *p, char *why,
                 size_t len)
{
    struct vc_search_command word = *c;
    j->w->control->bcast(&word, sizeof word, MPI_BYTE, 0, j->w->ctl);
    why[0] = '\0';
    return execute(j, &word, p, why, len);
}

void vc_search_serve(struct vc_search_job *j)
{
    for (;;) {
        struct vc_search_command c;
        struct vc_point p = {.ncand = 0};
        char why[256];
        j->w->control->bcast(&c, sizeof c, MPI_BYTE, 0, j->w->ctl);
        if (c.kind == VC_SEARCH_STOP)
            return;
        execute(j, &c, &p, why, sizeof why);
        vc_point_free(&p);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What all ranks do at rank 0's word: one point (algorithms first, then the policies of the best), or a
 * setting of the devices. Who is not part of a communicator sleeps meanwhile. */
#include "tune/search/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PART 0.65 /* of the time, where policies follow */
#define BEST       2    /* algorithms whose policies are tried */
#define AGAIN      4    /* candidates of an earlier visit that may still win */
#define FINALISTS  12   /* of a later visit, at most */
#define ROUNDS_MIN 5
#define ROUNDS_FEW 3   /* where the time is short */
#define SHORT      0.1 /* seconds */
#define ROUNDS_MAX 40
#define POLICIES   8
#define POLICY     32

/* The first ones, NOT_CROWDED of them, not where ranks share CPUs, unless asked for: here all wait at the
 * same time and what they burn costs nobody anything, in a program others would compute meanwhile. */
static const char *const usual_policies[] = {"poll", "hybrid:200", "event", "hybrid:10", "hybrid:50"};
#define NOT_CROWDED 2

/* Rank 0 of the communicator is rank 0 of the world. */
static bool told(struct vc_measure_world *w, bool yes)
{
    int word = yes;
    w->control->bcast(&word, 1, MPI_INT, 0, w->ctl);
    return word;
}

static bool interrupted(void *arg)
{
    (void)arg;
    return vc_search_interrupted();
}

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
    return j->o->waits || j->o->objective != VC_SEARCH_LATENCY || c->key.crowded || c->key.nodes > 1 ||
           !c->w.one_host;
}

/* Rank 0's list of candidates for everybody. */
static bool share(struct vc_measure_world *w, struct vc_search_point *p)
{
    int head[2] = {p->ncand, p->builtin};
    w->control->bcast(head, 2, MPI_INT, 0, w->ctl);
    if (w->rank != 0) {
        free(p->cand);
        p->cand = calloc((size_t)head[0], sizeof *p->cand);
    }
    if (!vc_measure_all_agree(w, p->cand != NULL))
        return false;
    p->ncand = head[0];
    p->builtin = head[1];
    w->control->bcast(p->cand, (int)((size_t)p->ncand * sizeof *p->cand), MPI_BYTE, 0, w->ctl);
    return true;
}

static void name_cand(struct vc_search_cand *k, const char *choice, double predicted)
{
    *k = (struct vc_search_cand){.predicted = predicted};
    snprintf(k->choice, sizeof k->choice, "%s", choice);
}

/* Rank 0: the best algorithms so far, native not counted; the choice first. */
static int best_of(const struct vc_search_point *p, int list[BEST])
{
    int n = 0;
    for (int want = 0; want < BEST; want++) {
        int at = -1;
        for (int i = 1; i < p->ncand; i++) {
            const struct vc_search_cand *k = &p->cand[i];
            bool taken = n > 0 && list[0] == i;
            if (!taken && !k->wrong && !k->skip && k->rounds > 0 && (at < 0 || k->score < p->cand[at].score))
                at = i;
        }
        if (want == 0 && p->best > 0)
            at = p->best;
        if (at >= 0)
            list[n++] = at;
    }
    return n;
}

/* Rank 0: native, the best algorithms, and these under all policies. False: there is nothing to try. */
static bool second_list(const struct vc_search_job *j, const struct vc_search_comm *c,
                        const struct vc_search_point *first, struct vc_search_point *p)
{
    char policy[POLICIES][POLICY];
    int best[BEST] = {0}, n = best_of(first, best), np = policies(j->o, c->key.crowded, policy);
    p->cand = calloc(1 + (size_t)n * (1 + (size_t)np), sizeof *p->cand);
    if (n == 0 || np == 0 || !p->cand)
        return false;
    name_cand(&p->cand[p->ncand++], "native", NAN);
    for (int i = 0; i < n; i++) {
        const struct vc_search_cand *k = &first->cand[best[i]];
        name_cand(&p->cand[p->ncand++], k->choice, k->predicted);
    }
    for (int i = 0; i < n; i++)
        for (int q = 0; q < np; q++) {
            char text[2 * VC_CHOICE_TEXT];
            vc_search_with_policy(first->cand[best[i]].choice, policy[q], text, sizeof text);
            if (text[0] && strlen(text) < VC_CHOICE_TEXT)
                name_cand(&p->cand[p->ncand++], text, vc_search_predict_one(c, first, &j->model, text));
        }
    /* A policy is left alone unless another is clearly better: as with the rules. */
    p->builtin = 1;
    return true;
}

bool vc_search_merge(struct vc_search_point *last, struct vc_search_point *first)
{
    struct vc_search_cand *all = calloc((size_t)last->ncand + (size_t)first->ncand, sizeof *all);
    int n = last->ncand;
    if (!all)
        return false;
    memcpy(all, last->cand, (size_t)n * sizeof *all);
    for (int i = 0; i < first->ncand; i++) {
        bool again = false;
        for (int k = 0; k < last->ncand; k++)
            again = again || strcmp(all[k].choice, first->cand[i].choice) == 0;
        if (again) {
            struct vc_search_point one = {.cand = calloc(1, sizeof *all), .ncand = 1};
            if (one.cand)
                one.cand[0] = first->cand[i];
            vc_search_point_free(&one);
            continue;
        }
        all[n] = first->cand[i];
        all[n].dropped = true;
        all[n++].race = 1;
    }
    last->seconds += first->seconds;
    free(last->cand);
    free(first->cand);
    last->cand = all;
    last->ncand = n;
    first->cand = NULL;
    first->ncand = 0;
    return true;
}

/* The same algorithm with the same parameters, under whatever policy. */
static bool same_algorithm(const char *a, const char *b)
{
    const char *x = strstr(a, ":wait="), *y = strstr(b, ":wait=");
    size_t n = x ? (size_t)(x - a) : strlen(a), m = y ? (size_t)(y - b) : strlen(b);
    return n == m && memcmp(a, b, n) == 0;
}

/* Whether the point has such a candidate, under whatever policy. */
static bool runs_here(const struct vc_search_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (same_algorithm(p->cand[i].choice, choice))
            return true;
    return false;
}

static void enter(const struct vc_search_job *j, const struct vc_search_comm *c, struct vc_search_point *f,
                  const char *choice)
{
    for (int i = 0; i < f->ncand; i++)
        if (strcmp(f->cand[i].choice, choice) == 0)
            return;
    if (f->ncand < FINALISTS)
        name_cand(&f->cand[f->ncand++], choice, vc_search_predict_one(c, f, &j->model, choice));
}

/* The best of an earlier visit, whichever race of it they were in. */
static void enter_best(const struct vc_search_job *j, const struct vc_search_comm *c,
                       struct vc_search_point *f, const struct vc_search_point *old)
{
    bool taken[VC_SEARCH_MAX_CANDS] = {false};
    for (int n = 0; n < AGAIN; n++) {
        int at = -1;
        for (int i = 1; i < old->ncand && i < VC_SEARCH_MAX_CANDS; i++) {
            const struct vc_search_cand *k = &old->cand[i];
            if (!taken[i] && !k->wrong && k->rounds > 0 && (at < 0 || k->score < old->cand[at].score))
                at = i;
        }
        if (at < 0)
            return;
        taken[at] = true;
        enter(j, c, f, old->cand[at].choice);
    }
}

/*
 * Rank 0: another visit is one race of those who may still win: native, what the rules take, the choice of
 * the earlier visit with the policy it was chosen with and without, its best, and the choices of the
 * neighbours in size. In place of p's candidates.
 */
static void finalists(const struct vc_search_job *j, const struct vc_search_comm *c,
                      const struct vc_search_command *cmd, struct vc_search_point *p)
{
    struct vc_search_result *list[VC_MEASURE_SIZES],
        *old = vc_search_find(j, cmd->place, cmd->coll, cmd->bytes);
    struct vc_search_point f = {.coll = p->coll, .bytes = p->bytes};
    int n = vc_search_measured(j, cmd->place, cmd->coll, list);
    f.cand = calloc(FINALISTS, sizeof *f.cand);
    if (!f.cand)
        return; /* all of them then */
    const char *chosen = old->p.cand[old->p.best].choice, *wait = strstr(chosen, ":wait=");
    char plain[VC_CHOICE_TEXT];
    snprintf(plain, sizeof plain, "%.*s", wait ? (int)(wait - chosen) : (int)strlen(chosen), chosen);
    enter(j, c, &f, "native");
    enter(j, c, &f, p->cand[p->builtin].choice);
    f.builtin = f.ncand - 1;
    enter(j, c, &f, chosen);
    enter(j, c, &f, plain);
    for (int i = 0; i < n; i++)
        for (int k = i - 1; k <= i + 1 && list[i] == old; k += 2)
            if (k >= 0 && k < n && runs_here(p, list[k]->p.cand[list[k]->p.best].choice))
                enter(j, c, &f, list[k]->p.cand[list[k]->p.best].choice);
    enter_best(j, c, &f, &old->p);
    free(p->cand);
    p->cand = f.cand;
    p->ncand = f.ncand;
    p->builtin = f.builtin;
}

/* Algorithms under the default policy, all that the model does not rule out. */
static int first_race(struct vc_search_job *j, struct vc_search_comm *c, const struct vc_search_command *cmd,
                      bool more, bool final, struct vc_search_point *p)
{
    double seconds = cmd->seconds * (more ? FIRST_PART : 1);
    struct vc_search_limits limits = {seconds, seconds < SHORT ? ROUNDS_FEW : ROUNDS_MIN, ROUNDS_MAX,
                                      !j->o->exhaustive, j->o->objective};
    if (vc_search_candidates(c, cmd->coll, cmd->bytes, p) != 0)
        return -1;
    if (c->w.rank == 0) {
        vc_search_predict(c, p, &j->model, j->o->exhaustive);
        /* Who only wants to know what a device does to messages needs no search. */
        for (int i = 2; cmd->brief && i < p->ncand; i++)
            p->cand[i].skip = true;
        if (final)
            finalists(j, c, cmd, p);
    }
    return share(&c->w, p) ? vc_search_race(c, p, &limits, interrupted, NULL) : -1;
}

static int run_point(struct vc_search_job *j, const struct vc_search_command *cmd, struct vc_search_point *p)
{
    struct vc_search_comm *c = &j->place[cmd->place].c;
    bool final = cmd->again && !j->o->exhaustive, more = policies_matter(j, c) && !final;
    struct vc_search_point second = {.coll = cmd->coll, .bytes = cmd->bytes};
    double begin = vc_measure_now();
    if (first_race(j, c, cmd, more, final, p) != 0)
        return -1;
    if (more)
        more = told(&c->w, c->w.rank == 0 && !vc_search_interrupted() && second_list(j, c, p, &second));
    if (!more) {
        free(second.cand);
        return 0;
    }
    double seconds = fmax(cmd->seconds - (vc_measure_now() - begin), (1 - FIRST_PART) * cmd->seconds);
    struct vc_search_limits limits = {seconds, seconds < SHORT ? ROUNDS_FEW : ROUNDS_MIN, ROUNDS_MAX,
                                      !j->o->exhaustive, j->o->objective};
    if (!share(&c->w, &second) || vc_search_race(c, &second, &limits, interrupted, NULL) != 0 ||
        (c->w.rank == 0 && !vc_search_merge(&second, p))) {
        vc_search_point_free(&second);
        return 0;
    }
    vc_search_point_free(p);
    *p = second;
    if (c->w.rank == 0)
        vc_search_judge(p, j->o->objective, c->w.one_host, c->w.opt->seed);
    return 0;
}

static int execute(struct vc_search_job *j, const struct vc_search_command *c, struct vc_search_point *p,
                   char *why, size_t len)
{
    int rc = 0;
    switch (c->kind) {
    case VC_SEARCH_POINT:
        if (j->place[c->place].c.member)
            rc = run_point(j, c, p);
        /* The others sleep here until the members have come. */
        vc_measure_quiet_barrier(j->w);
        return rc;
    case VC_SEARCH_DEVICE:
        return vc_device_setting_set(j->w, c->restore ? NULL : &c->coalesce, why, len);
    case VC_SEARCH_QUEUES:
        rc = vcoll_cq_moderation(c->text, why, len);
        return vc_measure_all_agree(j->w, rc == 0) ? 0 : -1;
    default:
        return 0;
    }
}

int vc_search_do(struct vc_search_job *j, const struct vc_search_command *c, struct vc_search_point *p,
                 char *why, size_t len)
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
        struct vc_search_point p = {.ncand = 0};
        char why[256];
        j->w->control->bcast(&c, sizeof c, MPI_BYTE, 0, j->w->ctl);
        if (c.kind == VC_SEARCH_STOP)
            return;
        execute(j, &c, &p, why, sizeof why);
        vc_search_point_free(&p);
    }
}

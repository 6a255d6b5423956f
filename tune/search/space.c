/* SPDX-License-Identifier: BSD-3-Clause */
/* Candidates of a point: every algorithm that can run, with its parameters one at a time, in the order in
 * which the cost model would try them. */
#include "coll/info.h"
#include "tune/search/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAR_WORSE  4     /* times the best prediction: not measured */
#define UNKNOWN    1.5   /* times the best prediction: where those without one stand */
#define SPIN_USUAL 50e-6 /* the default of VCOLL_SPIN_US */
#define PLAN_RANKS 8     /* so many ranks' plans tell two choices apart */

struct list {
    char choice[VC_ENTRANTS][VC_CHOICE_TEXT];
    struct vc_choice parsed[VC_ENTRANTS];
    int n;
};

static struct vc_shape shape_of(const struct vc_search_comm *c, enum vc_coll coll, size_t bytes,
                                const struct vc_choice *choice)
{
    bool reduces = vc_coll_reduces(coll);
    return (struct vc_shape){
        .coll = coll,
        .size = c->w.size,
        .bytes = bytes,
        .esize = !reduces                      ? 1
                 : bytes % sizeof(double) == 0 ? sizeof(double)
                 : bytes % sizeof(int) == 0    ? sizeof(int)
                                               : 1,
        .commutative = true,
        .radix = choice->radix,
        .segment = choice->segment,
        .leaders = choice->leaders,
        .hier = &c->hier,
    };
}

static bool same_ref(const struct vc_ref *a, const struct vc_ref *b)
{
    return a->buf == b->buf && a->off == b->off && a->len == b->len;
}

static bool same_step(const struct vc_step *a, const struct vc_step *b)
{
    return a->kind == b->kind && a->node == b->node && a->peer == b->peer && a->parts == b->parts &&
           a->dst_left == b->dst_left && a->len == b->len && a->dep_count == b->dep_count &&
           same_ref(&a->src, &b->src) && same_ref(&a->dst, &b->dst);
}

static bool same_plan(const struct vc_alg *alg, const struct vc_shape *x, const struct vc_shape *y, int rank)
{
    struct vc_plan a, b;
    bool same = false;
    vc_plan_init(&a);
    vc_plan_init(&b);
    if (alg->build(x, rank, &a) == VC_OK && alg->build(y, rank, &b) == VC_OK && a.nsteps == b.nsteps) {
        same = true;
        for (int i = 0; same && i < a.nsteps; i++)
            same = same_step(&a.steps[i], &b.steps[i]);
    }
    vc_plan_free(&a);
    vc_plan_free(&b);
    return same;
}

/* Parameters that change nothing (a segment longer than the message, the default said aloud) make no
 * candidate. */
static bool same_effect(const struct vc_search_comm *c, enum vc_coll coll, size_t bytes,
                        const struct vc_choice *a, const struct vc_choice *b)
{
    struct vc_shape x = shape_of(c, coll, bytes, a), y = shape_of(c, coll, bytes, b);
    int step = c->w.size > PLAN_RANKS ? c->w.size / PLAN_RANKS : 1;
    if (a->alg != b->alg || a->channel != b->channel)
        return false;
    for (int r = 0; r < c->w.size; r += step)
        if (!same_plan(a->alg, &x, &y, r))
            return false;
    return true;
}

static void add(struct list *l, const struct vc_search_comm *c, enum vc_coll coll, size_t bytes,
                const struct vc_choice *choice)
{
    struct vc_shape shape = shape_of(c, coll, bytes, choice);
    if (l->n == VC_ENTRANTS || vc_alg_refuses(choice->alg, &shape))
        return;
    char *text = l->choice[l->n];
    for (int i = 0; i < l->n && choice->alg->kind == VC_ALG_PLAN; i++)
        if (l->parsed[i].alg == choice->alg && same_effect(c, coll, bytes, &l->parsed[i], choice))
            return;
    vc_choice_format(choice, text, VC_CHOICE_TEXT);
    if (vcoll_comm_force(&c->w.comm, vc_coll_name(coll), text, NULL, 0) != 0)
        return;
    l->parsed[l->n++] = *choice;
}

/* One parameter at a time: their product would be a hundred candidates for differences of a few percent. */
static void add_params(struct list *l, const struct vc_search_comm *c, enum vc_coll coll, size_t bytes,
                       const struct vc_alg *alg)
{
    static const int radix[] = {2, 3, 4, 8}, leaders[] = {1, 2, 4, 0};
    static const size_t segment[] = {4 << 10, 16 << 10, 64 << 10, 256 << 10};
    for (size_t i = 0; i < sizeof radix / sizeof radix[0]; i++) {
        struct vc_choice x = {.alg = alg, .radix = radix[i]};
        if ((alg->params & VC_PARAM_RADIX) && radix[i] <= c->w.size)
            add(l, c, coll, bytes, &x);
    }
    for (size_t i = 0; i < sizeof segment / sizeof segment[0]; i++) {
        struct vc_choice x = {.alg = alg, .segment = segment[i]};
        if ((alg->params & VC_PARAM_SEGMENT) && segment[i] < bytes)
            add(l, c, coll, bytes, &x);
    }
    for (size_t i = 0; i < sizeof leaders / sizeof leaders[0]; i++) {
        struct vc_choice x = {.alg = alg, .leaders = leaders[i] ? leaders[i] : c->at.max_ppn};
        if ((alg->params & VC_PARAM_LEADERS) && x.leaders <= c->at.max_ppn)
            add(l, c, coll, bytes, &x);
    }
}

/* Rank 0. */
static void collect(struct list *l, const struct vc_search_comm *c, enum vc_coll coll, size_t bytes)
{
    const struct vc_alg *const *list = vc_alg_list(coll);
    bool verbs = c->at.nnodes > 1 && c->at.have_verbs;
    for (int i = 0; list[i]; i++) {
        struct vc_choice base = {.alg = list[i]};
        add(l, c, coll, bytes, &base);
    }
    for (int i = 0; list[i]; i++)
        if (list[i]->kind == VC_ALG_PLAN)
            add_params(l, c, coll, bytes, list[i]);
    for (int i = 0; list[i] && verbs; i++) {
        struct vc_choice other = {.alg = list[i], .channel = VC_CHANNEL_MPI};
        if (list[i]->kind == VC_ALG_PLAN)
            add(l, c, coll, bytes, &other);
    }
    vcoll_comm_force(&c->w.comm, vc_coll_name(coll), "auto", NULL, 0);
}

bool vc_search_add(struct vc_point *p, const char *choice, double predicted)
{
    if (vc_point_find(p, choice) >= 0)
        return true;
    struct vc_entrant *more =
        p->ncand < 2 * VC_ENTRANTS ? realloc(p->cand, ((size_t)p->ncand + 1) * sizeof *more) : NULL;
    if (!more)
        return false;
    p->cand = more;
    more[p->ncand] = (struct vc_entrant){.predicted = predicted};
    snprintf(more[p->ncand++].choice, VC_CHOICE_TEXT, "%s", choice);
    return true;
}

int vc_search_candidates(const struct vc_search_comm *c, enum vc_coll coll, size_t bytes, struct vc_point *p)
{
    struct vc_measure_world w = c->w;
    struct list *l = calloc(1, sizeof *l);
    bool ok = vc_measure_all_agree(&w, l != NULL);
    *p = (struct vc_point){.coll = coll, .bytes = bytes};
    if (ok) {
        if (w.rank == 0)
            collect(l, c, coll, bytes);
        l->n = vc_measure_told(&w, l->n);
        w.control->bcast(l->choice, l->n * VC_CHOICE_TEXT, MPI_BYTE, 0, w.ctl);
    }
    for (int i = 0; ok && i < l->n; i++)
        ok = vc_search_add(p, l->choice[i], NAN);
    free(l);
    int builtin = vc_point_find(p, vcoll_comm_algorithm(&w.comm, vc_coll_name(coll), bytes));
    p->builtin = builtin > 0 ? builtin : 0;
    return vc_measure_all_agree(&w, ok) ? 0 : -1;
}

double vc_search_predict_one(const struct vc_search_comm *c, const struct vc_point *p,
                             const struct vc_model *m, const char *text)
{
    struct vc_choice choice;
    if (vc_choice_parse(p->coll, text, &choice) != VC_OK || !choice.alg || choice.alg->kind == VC_ALG_NATIVE)
        return NAN;
    /* The model knows what lies between nodes as one way, that which is taken by default. */
    if (choice.channel == VC_CHANNEL_MPI && c->at.have_verbs)
        return NAN;
    struct vc_shape shape = shape_of(c, p->coll, p->bytes, &choice);
    uint32_t spin = choice.policy ? vc_policy_spin(choice.policy) : VC_POLICY_SPIN_DEFAULT;
    struct vc_model_case k = {
        .alg = choice.alg,
        .shape = &shape,
        .wait = choice.policy   ? vc_policy_mode(choice.policy)
                : c->at.crowded ? VC_WAIT_EVENT
                                : VC_WAIT_AUTO,
        .spin = spin == VC_POLICY_SPIN_DEFAULT ? SPIN_USUAL : spin * 1e-6,
        .apart = vc_model_apart(m),
    };
    return vc_model_predict(m, &k);
}

/* Where a candidate stands in the order of trying: what the rules take comes right after native. */
static double place_of(const struct vc_point *p, int i, double best)
{
    double predicted = p->cand[i].predicted;
    if (i == 0 || i == p->builtin)
        return i == 0 ? -2 : -1;
    return isnan(predicted) ? (isinf(best) ? i : UNKNOWN * best) : predicted;
}

void vc_search_predict(const struct vc_search_comm *c, struct vc_point *p, const struct vc_model *m, bool all)
{
    double best = INFINITY, place[VC_ENTRANTS];
    for (int i = 0; i < p->ncand; i++) {
        p->cand[i].predicted = vc_search_predict_one(c, p, m, p->cand[i].choice);
        best = fmin(best, p->cand[i].predicted);
    }
    for (int i = 0; i < p->ncand; i++) {
        p->cand[i].skip = !all && i != p->builtin && p->cand[i].predicted > FAR_WORSE * best;
        place[i] = place_of(p, i, best);
    }
    for (int i = 1; i < p->ncand; i++)
        for (int k = i; k > 0 && place[k] < place[k - 1]; k--) {
            struct vc_entrant t = p->cand[k];
            double at = place[k];
            p->cand[k] = p->cand[k - 1];
            p->cand[k - 1] = t;
            place[k] = place[k - 1];
            place[k - 1] = at;
        }
    p->builtin = p->builtin > 0;
}

size_t vc_search_plain(const char *choice)
{
    const char *wait = strstr(choice, ":wait=");
    return wait ? (size_t)(wait - choice) : strlen(choice);
}

void vc_search_with_policy(const char *choice, const char *policy, char *out, size_t len)
{
    out[0] = '\0';
    /* "hybrid:50" is short for hybrid with 50 us. */
    const char *spin = strchr(policy, ':');
    if (strcmp(choice, "native") == 0 || strstr(choice, ":wait="))
        return;
    int mode = spin ? (int)(spin - policy) : (int)strlen(policy);
    snprintf(out, len, "%s:wait=%.*s%s%s", choice, mode, policy, spin ? ":spin=" : "", spin ? spin + 1 : "");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/online_rig.h"

#include <math.h>
#include <stdlib.h>

static const int zeros[SIZE], ascending[SIZE] = {0, 1, 2, 3}, first[2] = {0, SIZE};
static const struct vc_hier hier = {.nnodes = 1,
                                    .uniform = true,
                                    .block = true,
                                    .node_of = zeros,
                                    .local_of = ascending,
                                    .first = first,
                                    .members = ascending};
const struct vc_topo_key rig_key = {.size = SIZE,
                                    .nnodes = 1,
                                    .max_ppn = SIZE,
                                    .crowded = true,
                                    .have_node = true,
                                    .have_cma = true,
                                    .have_bulk = true,
                                    .have_chan = true,
                                    .platform = -1,
                                    .hier = &hier};

double uniform(struct world *w)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(w->random >> 11) / 9007199254740992.0;
}

static double noisy(struct world *w, double t)
{
    double u = uniform(w), n = 0;
    for (int i = 0; i < 6; i++)
        n += uniform(w) - 0.5;
    t *= 1 + w->noise * fabs(n);
    return u < w->spikes ? 10 * t : t;
}

struct world *begin(const char *use, double share, clock_fn *clock)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (int i = 0; i < VC_COLL_COUNT; i++) {
        const struct vc_alg *alg = vc_alg_find((enum vc_coll)i, use);
        struct vc_choice c = {.alg = alg ? alg : vc_alg_find((enum vc_coll)i, "native")};
        w->rules[i][0] = (struct vc_select_range){.max_bytes = SIZE_MAX, .choice = c, .noncomm = c};
        w->sel.rule[i] = w->rules[i];
    }
    for (int r = 0; r < RANKS; r++)
        assert_int_equal(vc_online_create(&rig_key, &w->sel, share, &w->o[r]), VC_OK);
    w->clock = clock;
    w->noise = 0.05;
    return w;
}

void end(struct world *w)
{
    for (int r = 0; r < RANKS; r++)
        vc_online_free(w->o[r]);
    free(w);
}

static void verdict(struct world *w, const struct vc_online_step *step)
{
    double max[MAX_SCORES] = {0};
    int n = 0;
    for (int r = 0; r < RANKS; r++) {
        const double *mine = vc_online_scores(w->o[r], step->slot, &n);
        assert_in_range(n, 1, MAX_SCORES);
        for (int i = 0; i < n; i++)
            max[i] = r == 0 || mine[i] > max[i] ? mine[i] : max[i];
    }
    for (int r = 0; r < RANKS; r++) {
        vc_online_decide(w->o[r], step->slot, max);
        vc_online_verdict_took(w->o[r], step->slot, 2e-6 * (1 + r));
    }
    w->verdicts++;
}

static void same_step(const struct vc_online_step *a, const struct vc_online_step *b)
{
    assert_true(vc_choice_same(&a->choice, &b->choice));
    assert_int_equal(a->trial, b->trial);
    assert_int_equal(a->other, b->other);
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->slot, b->slot);
    assert_int_equal(a->cand, b->cand);
}

void call(struct world *w, enum vc_coll coll, size_t bytes, bool commutative)
{
    struct vc_online_step step[RANKS];
    for (int r = 0; r < RANKS; r++) {
        vc_online_next(w->o[r], coll, bytes, commutative, &step[r]);
        same_step(&step[r], &step[0]);
    }
    assert_false(step->verdict && (step->trial || step->other));
    assert_true(!step->selected || vc_choice_same(&step->choice, &w->rules[coll][0].choice));
    if (step->verdict)
        verdict(w, step);
    bool refused = w->refuse && step->other && step->choice.alg->kind == VC_ALG_PLAN;
    double t = w->clock(w, coll, &step->choice), slowest = 0;
    for (int r = 0; r < RANKS; r++) {
        double mine = noisy(w, t);
        slowest = mine > slowest ? mine : slowest;
        if (refused)
            vc_online_refused(w->o[r], &step[r]);
        else if (step->trial)
            vc_online_time(w->o[r], &step[r], mine);
    }
    w->calls++;
    w->seconds += slowest;
    w->refusals += refused;
    if (step->other) {
        w->others++;
        w->other_seconds += slowest;
    } else {
        w->last = step->choice;
    }
}

void calls(struct world *w, long n)
{
    for (long i = 0; i < n; i++)
        call(w, VC_ALLREDUCE, 1000, true);
}

double by_hash(const struct world *w, enum vc_coll coll, const struct vc_choice *c)
{
    char text[VC_CHOICE_TEXT];
    uint64_t h = 1469598103934665603u ^ w->seed * 0x9e3779b97f4a7c15u ^ (uint64_t)coll;
    vc_choice_format(c, text, sizeof text);
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    h ^= h >> 29;
    return 1e-6 * (1 + (double)(h % 1000) * 0.019);
}

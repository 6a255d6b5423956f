/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/search/sides.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MIN 7    /* fewer give no interval that could be believed */
#define WARM       4    /* first calls: set-up, page faults, plans */
#define BETWEEN    3    /* what separates blocks costs as much as so many calls */
#define MAX_B2B    2000 /* calls of a block */
#define SYNC       0.05 /* part of the time for aligning clocks */

/* What is measured on some ranks only ends for all at the same time, those that wait asleep. */
struct rig {
    struct vc_measure_world *world;
    struct vc_search_side *side;
    int n;
    bool subsets;
    struct vc_measure_starts starts;
};

/* What rank 0 decides and everybody does. */
struct plan {
    int rounds;
    long block[VC_SEARCH_SIDES][VC_MEASURES];
};

/* ---- buffers ---- */

static struct vc_measure_call *make_call(struct rig *r, int i)
{
    struct vc_search_side *s = &r->side[i];
    for (int k = 0; k < i; k++)
        if (r->side[k].on == s->on && r->side[k].coll == s->coll && r->side[k].bytes == s->bytes)
            return r->side[k].call;
    struct vc_measure_call *c = calloc(1, sizeof *c);
    if (c && !vc_measure_call_init(c, &s->on->w, s->coll, s->bytes)) {
        free(c);
        return NULL;
    }
    return c;
}

static bool make_calls(struct rig *r)
{
    bool ok = true;
    for (int i = 0; i < r->n; i++)
        r->side[i].call = NULL;
    for (int i = 0; i < r->n && ok; i++) {
        if (!r->side[i].on->member)
            continue;
        r->side[i].call = make_call(r, i);
        ok = r->side[i].call != NULL;
    }
    return ok;
}

static void free_calls(struct rig *r)
{
    for (int i = 0; i < r->n; i++) {
        struct vc_measure_call *c = r->side[i].call;
        if (!c)
            continue;
        for (int k = i; k < r->n; k++)
            if (r->side[k].call == c)
                r->side[k].call = NULL;
        vc_measure_call_free(c);
        free(c);
    }
}

/* ---- blocks ---- */

static double block(struct rig *r, int i, enum vc_measure m, long n)
{
    struct vc_search_side *s = &r->side[i];
    double got = NAN;
    if (s->on->member) {
        struct vc_measure_world *w = &s->on->w;
        /* The first call after another side's block finds its own memory cold. */
        vc_measure_call_run(s->call, s->fns, w->comm);
        if (m == VC_MEASURE_B2B) {
            got = vc_measure_block_b2b(w, s->call, s->fns, n, NULL);
        } else {
            int usable = vc_measure_block_starts(w, s->call, s->fns, n, &r->starts);
            got = w->rank == 0 ? vc_measure_quantile(r->starts.all, usable, 0.5) : NAN;
        }
    }
    if (r->subsets)
        vc_measure_quiet_barrier(r->world);
    return got;
}

/* How long one call takes, roughly; valid on rank 0. */
static double guess(struct rig *r, int i)
{
    struct vc_search_side *s = &r->side[i];
    double t = NAN;
    if (s->on->member) {
        struct vc_measure_world *w = &s->on->w;
        long n = 2;
        for (int k = 0; k < WARM; k++)
            vc_measure_call_run(s->call, s->fns, w->comm);
        for (int again = 1; again; n *= 8) {
            t = vc_measure_block_b2b(w, s->call, s->fns, n, NULL);
            again = w->rank == 0 && t * (double)n < 0.5e-3 && n < 256;
            w->control->bcast(&again, 1, MPI_INT, 0, w->ctl);
        }
    }
    if (r->subsets)
        vc_measure_quiet_barrier(r->world);
    return t;
}

/* ---- how much of it ---- */

static long fit(double budget, double call, double between, long least, long most)
{
    return (long)fmin(fmax((budget - between) / fmax(call, 1e-8), (double)least), (double)most);
}

/* Each communicator once. */
static bool first_of_comm(const struct rig *r, int i)
{
    for (int k = 0; k < i; k++)
        if (r->side[k].on == r->side[i].on)
            return false;
    return r->side[i].on->member;
}

/* What one call takes, and a start with all around it. */
static void look(struct rig *r, double call[VC_SEARCH_SIDES], double single[VC_SEARCH_SIDES])
{
    double longest = 0;
    for (int i = 0; i < r->n; i++) {
        call[i] = guess(r, i);
        longest = fmax(longest, call[i]);
    }
    for (int i = 0; i < r->n; i++)
        if (first_of_comm(r, i))
            vc_measure_tolerate(&r->side[i].on->w, longest);
    for (int i = 0; i < r->n; i++) {
        double begin = vc_measure_now();
        if (r->world->opt->measure[VC_MEASURE_START])
            block(r, i, VC_MEASURE_START, 2);
        single[i] = fmax((vc_measure_now() - begin) / 3, call[i]);
    }
}

static struct plan make_plan(struct rig *r, double seconds)
{
    const bool *measure = r->world->opt->measure;
    struct plan p = {.rounds = VC_SEARCH_ROUNDS};
    double begin = vc_measure_now(), call[VC_SEARCH_SIDES], single[VC_SEARCH_SIDES], least = 0;
    look(r, call, single);
    for (int i = 0; i < r->n; i++)
        least += measure[VC_MEASURE_START] * (single[i] + BETWEEN * call[i]) +
                 measure[VC_MEASURE_B2B] * (2 + BETWEEN) * call[i];
    double left = fmax(seconds - (vc_measure_now() - begin), seconds / 2);
    p.rounds = (int)fmin(fmax(left / least, ROUNDS_MIN), VC_SEARCH_ROUNDS);
    double budget = left / (p.rounds * r->n * (measure[VC_MEASURE_START] + measure[VC_MEASURE_B2B]));
    r->starts.block_time = budget;
    for (int i = 0; i < r->n; i++) {
        p.block[i][VC_MEASURE_B2B] = fit(budget, call[i], BETWEEN * call[i], 2, MAX_B2B);
        p.block[i][VC_MEASURE_START] = fit(budget, single[i], BETWEEN * call[i], 1, VC_SEARCH_STARTS);
    }
    r->world->control->bcast(&p, sizeof p, MPI_BYTE, 0, r->world->ctl);
    return p;
}

static int shuffle(const struct rig *r, int order[VC_SEARCH_SIDES * VC_MEASURES])
{
    int n = 0;
    for (int i = 0; i < r->n * VC_MEASURES; i++)
        if (r->world->opt->measure[i % VC_MEASURES])
            order[n++] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(vc_measure_rand(&r->world->rng) % (unsigned)(i + 1)), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    return n;
}

/* ---- statistics ---- */

static double ratio(const struct rig *r, int i, int m, int round)
{
    return r->side[0].raw[m][round] / r->side[i].raw[m][round];
}

static void judge_side(struct rig *r, int i, int rounds)
{
    const bool *measure = r->world->opt->measure;
    uint64_t seed = r->world->opt->seed;
    double v[VC_SEARCH_ROUNDS];
    for (int m = 0; m < VC_MEASURES; m++) {
        for (int k = 0; k < rounds; k++)
            v[k] = ratio(r, i, m, k);
        vc_measure_summarize(v, rounds, seed, &r->side[i].over[m]);
        memcpy(v, r->side[i].raw[m], (size_t)rounds * sizeof *v);
        vc_measure_summarize(v, rounds, seed, &r->side[i].time[m]);
    }
    for (int k = 0; k < rounds; k++) {
        double start = measure[VC_MEASURE_START] ? ratio(r, i, VC_MEASURE_START, k) : NAN;
        double b2b = measure[VC_MEASURE_B2B] ? ratio(r, i, VC_MEASURE_B2B, k) : NAN;
        /* On several hosts a block may have no usable start. */
        v[k] = isnan(start) ? b2b : isnan(b2b) ? start : sqrt(start * b2b);
    }
    vc_measure_summarize(v, rounds, seed, &r->side[i].over_both);
}

static void run_rounds(struct rig *r, const struct plan *p, double seconds)
{
    double begin = vc_measure_now();
    int done = 0;
    for (int stop = 0; done < p->rounds && !stop; done++) {
        int order[VC_SEARCH_SIDES * VC_MEASURES], n = shuffle(r, order);
        for (int i = 0; i < r->n; i++)
            r->side[i].raw[VC_MEASURE_START][done] = r->side[i].raw[VC_MEASURE_B2B][done] = NAN;
        for (int k = 0; k < n; k++) {
            int i = order[k] / VC_MEASURES, m = order[k] % VC_MEASURES;
            r->side[i].raw[m][done] = block(r, i, (enum vc_measure)m, p->block[i][m]);
        }
        double spent = vc_measure_now() - begin;
        stop = r->world->rank == 0 &&
               (vc_search_interrupted() || spent > seconds * (done + 1 < ROUNDS_MIN ? 3 : 1));
        r->world->control->bcast(&stop, 1, MPI_INT, 0, r->world->ctl);
    }
    for (int i = 0; i < r->n && r->world->rank == 0; i++)
        judge_side(r, i, done);
}

int vc_search_sides_run(struct vc_measure_world *world, struct vc_search_side *side, int n, double seconds)
{
    struct rig r = {.world = world, .side = side, .n = n};
    int rc = -1, mine = 0, some = 0;
    bool ok = vc_measure_starts_init(&r.starts, VC_SEARCH_STARTS);
    ok = make_calls(&r) && ok;
    for (int i = 0; i < n; i++)
        mine |= !side[i].on->member;
    world->control->allreduce(&mine, &some, 1, MPI_INT, MPI_LOR, world->ctl);
    r.subsets = some;
    if (vc_measure_all_agree(world, ok)) {
        for (int i = 0; i < n; i++)
            if (first_of_comm(&r, i))
                vc_measure_clock_sync(&side[i].on->w, SYNC * seconds);
        struct plan plan = make_plan(&r, seconds);
        for (int i = 0; i < n; i++)
            memcpy(side[i].block, plan.block[i], sizeof side[i].block);
        run_rounds(&r, &plan, seconds);
        rc = 0;
    }
    free_calls(&r);
    vc_measure_starts_free(&r.starts);
    return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* One point: rounds of blocks, both implementations and both measures in shuffled order. */
#include "tools/bench.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS      15
#define ROUNDS_SLOW 7
#define MAX_START   200   /* samples in a block */
#define MAX_B2B     20000 /* calls in a block */
#define WARM        5     /* first calls: set-up, page faults, plans */
#define VERIFIES    3
#define PATIENCE    3 /* times its share of the time; then a block of starts ends */

/* What rank 0 decides and everybody does. */
struct plan {
    int rounds;
    long block[BENCH_MEASURES];
};

struct scratch {
    double *mine, *all; /* [2 * block]: time and enum bench_begin of each sample */
    double block_time;  /* what a block may take, seconds; rank 0's counts */
    double *ratio[BENCH_MEASURES];
    int nratio[BENCH_MEASURES];
    long late, started;
};

/* A block of single calls from common starts. On rank 0 appends the samples and returns their median, or NAN.
 */
static double block_start(struct bench_world *w, struct bench_call *c, enum bench_impl impl, long n,
                          struct scratch *s, struct bench_series *out)
{
    double give_up = bench_now() + PATIENCE * s->block_time;
    long done = 0;
    for (; done < n; done++) {
        double start;
        /* Other work on this machine can make starts rare; one block must not take the time of the whole run.
         */
        bool stop = w->rank == 0 && done > 0 && bench_now() > give_up;
        enum bench_begin begin = bench_clock_start(w, stop, &start);
        if (begin == BENCH_STOP)
            break;
        bench_call_run(c, &w->fn[impl], w->comm);
        s->mine[2 * done] = bench_now() - start;
        s->mine[2 * done + 1] = begin;
    }
    w->fn[BENCH_NATIVE].reduce(s->mine, s->all, (int)(2 * done), MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    if (w->rank != 0)
        return NAN;
    int first = out ? out->nsample[impl] : 0, k = 0;
    long unheard = 0;
    for (long i = 0; i < done; i++) {
        unheard += s->all[2 * i + 1] == BENCH_UNHEARD;
        if (s->all[2 * i + 1] == BENCH_ON_TIME)
            s->all[k++] = s->all[2 * i];
    }
    bench_clock_adapt(w, (double)unheard / (double)done);
    if (out) {
        memcpy(out->sample[impl] + first, s->all, (size_t)k * sizeof(double));
        out->nsample[impl] += k;
        s->late += done - k;
        s->started += done;
    }
    return bench_quantile(s->all, k, 0.5);
}

/* A block of calls without a pause; on rank 0 appends and returns the slowest rank's time per call. */
static double block_b2b(struct bench_world *w, struct bench_call *c, enum bench_impl impl, long n,
                        struct bench_series *out)
{
    double mine, worst = NAN;
    w->fn[BENCH_NATIVE].barrier(w->ctl);
    double begin = bench_now();
    for (long i = 0; i < n; i++)
        bench_call_run(c, &w->fn[impl], w->comm);
    mine = (bench_now() - begin) / (double)n;
    w->fn[BENCH_NATIVE].reduce(&mine, &worst, 1, MPI_DOUBLE, MPI_MAX, 0, w->ctl);
    if (w->rank == 0 && out)
        out->sample[impl][out->nsample[impl]++] = worst;
    return worst;
}

/* How long one call takes, roughly, on rank 0: enough calls that the clock and one hiccup do not decide. */
static double guess(struct bench_world *w, struct bench_call *c, enum bench_impl impl)
{
    long n = 2;
    double t = block_b2b(w, c, impl, n, NULL);
    for (;;) {
        int again = w->rank == 0 && t * (double)n < 1e-3 && n < 256;
        w->fn[BENCH_NATIVE].bcast(&again, 1, MPI_INT, 0, w->ctl);
        if (!again)
            return t;
        n *= 8;
        t = block_b2b(w, c, impl, n, NULL);
    }
}

static struct plan make_plan(struct bench_world *w, struct bench_call *c, struct scratch *s)
{
    const struct bench_opts *o = w->opt;
    struct plan plan = {ROUNDS, {0, 0}};
    s->block_time = o->seconds / 4;
    double call = 0, single = 0;
    for (int impl = 0; impl < BENCH_IMPLS; impl++) {
        for (int i = 0; i < WARM; i++)
            bench_call_run(c, &w->fn[impl], w->comm);
        call = fmax(call, guess(w, c, (enum bench_impl)impl));
        if (o->measure[BENCH_START]) {
            double begin = bench_now();
            block_start(w, c, (enum bench_impl)impl, 4, s, NULL);
            single = fmax(single, (bench_now() - begin) / 4);
        }
    }
    if (w->rank == 0 && o->iterations) {
        s->block_time = INFINITY;
        plan.rounds = o->iterations < ROUNDS ? (int)o->iterations : ROUNDS;
        for (int m = 0; m < BENCH_MEASURES; m++)
            plan.block[m] = (o->iterations + plan.rounds - 1) / plan.rounds;
    } else if (w->rank == 0) {
        int blocks = BENCH_IMPLS * (o->measure[BENCH_START] + o->measure[BENCH_B2B]);
        /* Few long calls: rather fewer pairs than a run that does not end. */
        if (o->seconds / (ROUNDS * blocks) < 2 * call)
            plan.rounds = ROUNDS_SLOW;
        double budget = o->seconds / (plan.rounds * blocks);
        s->block_time = budget;
        plan.block[BENCH_START] = (long)fmin(fmax(budget / fmax(single, 1e-7), 1), MAX_START);
        plan.block[BENCH_B2B] = (long)fmin(fmax(budget / fmax(call, 1e-8), 2), MAX_B2B);
    }
    w->fn[BENCH_NATIVE].bcast(&plan, sizeof plan, MPI_BYTE, 0, w->ctl);
    return plan;
}

static void free_scratch(struct scratch *s)
{
    free(s->mine);
    free(s->all);
    for (int m = 0; m < BENCH_MEASURES; m++)
        free(s->ratio[m]);
}

static bool alloc_scratch(struct scratch *s, const struct bench_world *w)
{
    size_t most = MAX_START;
    if ((size_t)w->opt->iterations > most)
        most = (size_t)w->opt->iterations;
    memset(s, 0, sizeof *s);
    s->mine = calloc(2 * most, sizeof(double));
    s->all = calloc(2 * most, sizeof(double));
    for (int m = 0; m < BENCH_MEASURES; m++)
        s->ratio[m] = calloc(ROUNDS, sizeof(double));
    return s->mine && s->all && s->ratio[BENCH_START] && s->ratio[BENCH_B2B];
}

static bool alloc_samples(struct bench_point *p, const struct plan *plan)
{
    bool ok = true;
    for (int m = 0; m < BENCH_MEASURES; m++)
        for (int impl = 0; impl < BENCH_IMPLS; impl++) {
            long n = plan->rounds * (m == BENCH_START ? plan->block[m] : 1);
            p->s[m].sample[impl] = calloc((size_t)n + 1, sizeof(double));
            ok = ok && p->s[m].sample[impl];
        }
    return ok;
}

static bool all_agree(struct bench_world *w, bool ok)
{
    int mine = ok, all = 0;
    w->fn[BENCH_NATIVE].allreduce(&mine, &all, 1, MPI_INT, MPI_LAND, w->ctl);
    return all;
}

static void run_rounds(struct bench_world *w, struct bench_call *c, struct bench_point *p,
                       const struct plan *plan, struct scratch *s)
{
    for (int round = 0; round < plan->rounds; round++) {
        double got[BENCH_MEASURES * BENCH_IMPLS];
        int order[BENCH_MEASURES * BENCH_IMPLS], n = 0;
        for (int i = 0; i < BENCH_MEASURES * BENCH_IMPLS; i++)
            if (w->opt->measure[i / BENCH_IMPLS])
                order[n++] = i;
        for (int i = n - 1; i > 0; i--) {
            int j = (int)(bench_rand(&w->rng) % (unsigned)(i + 1)), t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
        for (int i = 0; i < n; i++) {
            enum bench_measure m = (enum bench_measure)(order[i] / BENCH_IMPLS);
            enum bench_impl impl = (enum bench_impl)(order[i] % BENCH_IMPLS);
            /* The first call after the other implementation's block finds its own memory cold. */
            bench_call_run(c, &w->fn[impl], w->comm);
            if (m == BENCH_START)
                got[order[i]] = block_start(w, c, impl, plan->block[m], s, &p->s[m]);
            else
                got[order[i]] = block_b2b(w, c, impl, plan->block[m], &p->s[m]);
        }
        if (w->rank != 0)
            continue;
        for (int m = 0; m < BENCH_MEASURES; m++) {
            if (!w->opt->measure[m])
                continue;
            double ratio = got[m * BENCH_IMPLS + BENCH_NATIVE] / got[m * BENCH_IMPLS + BENCH_VCOLL];
            if (ratio > 0)
                s->ratio[m][s->nratio[m]++] = ratio;
        }
    }
}

static void summarize(struct bench_world *w, struct bench_point *p, const struct plan *plan,
                      struct scratch *s)
{
    for (int m = 0; m < BENCH_MEASURES; m++) {
        struct bench_series *x = &p->s[m];
        for (int impl = 0; impl < BENCH_IMPLS; impl++) {
            x->median[impl] = bench_quantile(x->sample[impl], x->nsample[impl], 0.5);
            x->p99[impl] = bench_quantile(x->sample[impl], x->nsample[impl], 0.99);
            x->min[impl] = bench_quantile(x->sample[impl], x->nsample[impl], 0);
        }
        bench_interval(s->ratio[m], s->nratio[m], w->opt->seed, &x->low, &x->high);
        x->ratio = bench_quantile(s->ratio[m], s->nratio[m], 0.5);
        x->rounds = s->nratio[m];
        x->block = plan->block[m];
    }
    p->s[BENCH_START].late = s->started ? (double)s->late / (double)s->started : 0;
}

/* Both implementations: a wrong native result would be a bug of the bench, and is as good to know. */
static void verify(struct bench_world *w, struct bench_call *c, struct bench_point *p)
{
    int bad = 0;
    for (unsigned round = 0; round < VERIFIES; round++)
        for (int impl = 0; impl < BENCH_IMPLS; impl++)
            bad |= !bench_call_verify(c, w, &w->fn[impl], round);
    w->fn[BENCH_NATIVE].allreduce(&bad, &p->bad, 1, MPI_INT, MPI_SUM, w->ctl);
}

int bench_point_run(struct bench_world *w, struct bench_point *p)
{
    struct bench_call c;
    struct scratch s;
    int rc = -1;
    bool ok = bench_call_init(&c, w, p->coll, p->bytes);
    ok = alloc_scratch(&s, w) && ok;
    p->bad = -1;
    if (!all_agree(w, ok))
        goto out;
    bench_clock_sync(w);
    if (w->opt->verify)
        verify(w, &c, p);
    struct plan plan = make_plan(w, &c, &s);
    if (!all_agree(w, alloc_samples(p, &plan)))
        goto out;
    run_rounds(w, &c, p, &plan, &s);
    if (w->rank == 0) {
        summarize(w, p, &plan, &s);
        const char *name = vcoll_comm_algorithm(&w->comm, vc_coll_name(p->coll), p->bytes);
        struct vcoll_comm_info info;
        bool taken = vcoll_comm_describe(&w->comm, &info) == 0 && info.active;
        /* On a communicator that vcoll does not serve, every call is handed on. */
        snprintf(p->algorithm, sizeof p->algorithm, "%s", name && *name ? name : taken ? "?" : "native");
    }
    rc = 0;
out:
    bench_call_free(&c);
    free_scratch(&s);
    return rc;
}

void bench_point_free(struct bench_point *p)
{
    for (int m = 0; m < BENCH_MEASURES; m++)
        for (int impl = 0; impl < BENCH_IMPLS; impl++)
            free(p->s[m].sample[impl]);
}

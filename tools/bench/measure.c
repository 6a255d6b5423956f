/* SPDX-License-Identifier: BSD-3-Clause */
/* One point: rounds of blocks, both implementations and both measures in shuffled order. */
#include "tools/bench/verbs.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS     15
#define ROUNDS_MIN 3
#define MAX_START  200   /* samples in a block */
#define MAX_B2B    20000 /* calls in a block */
#define WARM       3     /* first calls: page faults, plans */
#define WARM_FIRST 6     /* and those of a run: set-up, connections */
#define BETWEEN    3     /* what separates blocks costs as much as so many calls */
#define SLOW       200e-6
#define SYNC       0.05 /* part of a point's time for aligning clocks */
#define WIRE_TRIPS 200
#define VERIFIES   3

/* The blocks of a round: each measure with each implementation, then raw verbs. */
enum { WIRE = VC_MEASURES * VC_IMPLS, BLOCKS = WIRE + BENCH_PACES };

/* What rank 0 decides and everybody does. */
struct plan {
    int rounds;
    long block[VC_MEASURES];
    double budget; /* seconds of a block */
    bool clocked;  /* after each round it is asked whether time is over */
};

struct scratch {
    struct vc_measure_starts starts;
    double begin; /* of the point */
    double ratio[VC_MEASURES][ROUNDS];
    int nratio[VC_MEASURES];
    struct bench_verbs *wire; /* NULL: not measured at this point */
    double over[VC_MEASURES][BENCH_PACES][ROUNDS];
    int nover[VC_MEASURES][BENCH_PACES];
    long late, started;
};

/* A block of single calls from common starts. On rank 0 appends the samples and returns their median, or NAN.
 */
static double block_start(struct vc_measure_world *w, struct vc_measure_call *c, enum vc_impl impl, long n,
                          struct scratch *s, struct bench_series *out)
{
    struct vc_measure_starts *b = &s->starts;
    long late = b->late, started = b->started;
    int usable = vc_measure_block_starts(w, c, &w->fn[impl], n, b);
    if (out) {
        s->late += b->late - late;
        s->started += b->started - started;
    }
    if (w->rank != 0)
        return NAN;
    if (out) {
        memcpy(out->sample[impl] + out->nsample[impl], b->all, (size_t)usable * sizeof(double));
        out->nsample[impl] += usable;
    }
    return vc_measure_quantile(b->all, usable, 0.5);
}

/* A block of calls without a pause; on rank 0 appends and returns the slowest rank's time per call. */
static double block_b2b(struct vc_measure_world *w, struct vc_measure_call *c, enum vc_impl impl, long n,
                        struct bench_series *out)
{
    double worst = vc_measure_block_b2b(w, c, &w->fn[impl], n, NULL);
    if (w->rank == 0 && out)
        out->sample[impl][out->nsample[impl]++] = worst;
    return worst;
}

/* How long one call takes, roughly, on rank 0: enough calls that the clock and one hiccup do not decide. */
static double guess(struct vc_measure_world *w, struct vc_measure_call *c, enum vc_impl impl)
{
    static bool met[VC_IMPLS];
    /* The first collectives of a run set the communicator up and connect. */
    for (int i = 0; i < (met[impl] ? WARM : WARM_FIRST); i++)
        vc_measure_call_run(c, &w->fn[impl], w->comm);
    met[impl] = true;
    long n = 2;
    double t = block_b2b(w, c, impl, n, NULL);
    for (;;) {
        int again = w->rank == 0 && t * (double)n < 1e-3 && n < 256;
        w->control->bcast(&again, 1, MPI_INT, 0, w->ctl);
        if (!again)
            return t;
        n *= 8;
        t = block_b2b(w, c, impl, n, NULL);
    }
}

/* Rank 0: as many rounds, and calls in a block, as fit into `left` seconds. */
static void fit(const struct bench_opts *o, struct plan *plan, double left, bool wire, double call,
                double single)
{
    int starts = o->m.measure[VC_MEASURE_START] * VC_IMPLS, b2bs = o->m.measure[VC_MEASURE_B2B] * VC_IMPLS;
    int wires = wire ? BENCH_PACES : 0;
    double between = BETWEEN * call;
    /* Where calls are long, the shortest blocks and what separates them take most of the time. */
    double least = starts * (single + between) + b2bs * (2 * call + between) + wires * 10 * call;
    plan->rounds = (int)fmin(fmax(left / least, ROUNDS_MIN), ROUNDS);
    plan->budget = left / (plan->rounds * (starts + b2bs + wires));
    plan->block[VC_MEASURE_B2B] = (long)fmin(fmax((plan->budget - between) / fmax(call, 1e-8), 2), MAX_B2B);
    plan->block[VC_MEASURE_START] =
        (long)fmin(fmax((plan->budget - between) / fmax(single, 1e-7), 1), MAX_START);
    plan->clocked = call > SLOW || single > 5 * SLOW;
}

static struct plan make_plan(struct vc_measure_world *w, struct vc_measure_call *c, struct scratch *s)
{
    const struct bench_opts *o = bench_opts_of(w);
    struct plan plan = {ROUNDS, {0, 0}, 0, false};
    s->starts.block_time = o->m.seconds / 4;
    double call = 0, single = 0;
    for (int impl = 0; impl < VC_IMPLS; impl++)
        call = fmax(call, guess(w, c, (enum vc_impl)impl));
    /* Rank 0's counts: how many starts follow must be the same on all ranks. */
    w->control->bcast(&call, 1, MPI_DOUBLE, 0, w->ctl);
    call = vc_measure_tolerate(w, call);
    for (int impl = 0; impl < VC_IMPLS && o->m.measure[VC_MEASURE_START]; impl++) {
        long n = call > SLOW ? 2 : 4;
        double begin = vc_measure_now();
        block_start(w, c, (enum vc_impl)impl, n, s, NULL);
        single = fmax(single, (vc_measure_now() - begin) / (double)n);
    }
    if (w->rank == 0 && o->iterations) {
        s->starts.block_time = INFINITY;
        plan.budget = o->m.seconds / (ROUNDS * BENCH_PACES);
        plan.rounds = o->iterations < ROUNDS ? (int)o->iterations : ROUNDS;
        for (int m = 0; m < VC_MEASURES; m++)
            plan.block[m] = (o->iterations + plan.rounds - 1) / plan.rounds;
    } else if (w->rank == 0) {
        double spent = vc_measure_now() - s->begin;
        fit(o, &plan, fmax(o->m.seconds - spent, o->m.seconds / 2), s->wire, call, single);
        s->starts.block_time = plan.budget;
    }
    w->control->bcast(&plan, sizeof plan, MPI_BYTE, 0, w->ctl);
    return plan;
}

static bool alloc_scratch(struct scratch *s, const struct vc_measure_world *w)
{
    long most = MAX_START;
    if (bench_opts_of(w)->iterations > most)
        most = bench_opts_of(w)->iterations;
    memset(s, 0, sizeof *s);
    return vc_measure_starts_init(&s->starts, most);
}

static bool alloc_samples(struct bench_point *p, const struct plan *plan)
{
    bool ok = true;
    for (int m = 0; m < VC_MEASURES; m++)
        for (int impl = 0; impl < VC_IMPLS; impl++) {
            long n = plan->rounds * (m == VC_MEASURE_START ? plan->block[m] : 1);
            p->s[m].sample[impl] = calloc((size_t)n + 1, sizeof(double));
            ok = ok && p->s[m].sample[impl];
        }
    return ok;
}

/* What one round measures, in an order of its own, the same on all ranks; their number. */
static int shuffle(struct vc_measure_world *w, bool wire, int order[BLOCKS])
{
    int n = 0;
    for (int i = 0; i < BLOCKS; i++)
        if (i < WIRE ? w->opt->measure[i / VC_IMPLS] : wire)
            order[n++] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(vc_measure_rand(&w->rng) % (unsigned)(i + 1)), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    return n;
}

static void keep(double ratio, double *list, int *n)
{
    if (ratio > 0 && isfinite(ratio))
        list[(*n)++] = ratio;
}

/* The ratios of a round's blocks, which ran shortly after one another. */
static void compare(struct vc_measure_world *w, struct scratch *s, const double got[WIRE],
                    const struct bench_wire_block wire[BENCH_PACES])
{
    for (int m = 0; m < VC_MEASURES; m++) {
        double native = got[m * VC_IMPLS + VC_IMPL_NATIVE], vcoll = got[m * VC_IMPLS + VC_IMPL_VCOLL];
        if (!w->opt->measure[m])
            continue;
        keep(native / vcoll, s->ratio[m], &s->nratio[m]);
        /* A block back to back is a mean, and is compared with one. */
        for (int i = 0; i < BENCH_PACES; i++)
            keep(vcoll / (m == VC_MEASURE_B2B ? wire[i].mean : wire[i].median), s->over[m][i],
                 &s->nover[m][i]);
    }
}

static void run_rounds(struct vc_measure_world *w, struct vc_measure_call *c, struct bench_point *p,
                       const struct plan *plan, struct scratch *s)
{
    for (int round = 0; round < plan->rounds; round++) {
        double got[WIRE] = {0};
        struct bench_wire_block wire[BENCH_PACES];
        for (int i = 0; i < BENCH_PACES; i++)
            wire[i] = (struct bench_wire_block){NAN, NAN};
        int order[BLOCKS], n = shuffle(w, s->wire, order);
        for (int i = 0; i < n; i++) {
            enum vc_measure m = (enum vc_measure)(order[i] / VC_IMPLS);
            enum vc_impl impl = (enum vc_impl)(order[i] % VC_IMPLS);
            if (order[i] >= WIRE) {
                enum bench_pace pace = (enum bench_pace)(order[i] - WIRE);
                wire[pace] = bench_verbs_block(w, s->wire, pace, plan->budget, WIRE_TRIPS);
                continue;
            }
            /* The first call after the other implementation's block finds its own memory cold. */
            vc_measure_call_run(c, &w->fn[impl], w->comm);
            if (m == VC_MEASURE_START)
                got[order[i]] = block_start(w, c, impl, plan->block[m], s, &p->s[m]);
            else
                got[order[i]] = block_b2b(w, c, impl, plan->block[m], &p->s[m]);
        }
        if (w->rank == 0)
            compare(w, s, got, wire);
        double spent = vc_measure_now() - s->begin;
        /* Fewer rounds give no interval; but nor is a run to take several times as long as was announced. */
        int stop = w->rank == 0 && spent > w->opt->seconds * (round + 1 < ROUNDS_MIN ? 2 : 1);
        if (plan->clocked)
            w->control->bcast(&stop, 1, MPI_INT, 0, w->ctl);
        if (plan->clocked && stop)
            break;
    }
}

static void summarize(struct vc_measure_world *w, struct bench_point *p, const struct plan *plan,
                      struct scratch *s)
{
    for (int m = 0; m < VC_MEASURES; m++) {
        struct bench_series *x = &p->s[m];
        for (int impl = 0; impl < VC_IMPLS; impl++) {
            x->median[impl] = vc_measure_quantile(x->sample[impl], x->nsample[impl], 0.5);
            x->p99[impl] = vc_measure_quantile(x->sample[impl], x->nsample[impl], 0.99);
            x->min[impl] = vc_measure_quantile(x->sample[impl], x->nsample[impl], 0);
        }
        vc_measure_interval(s->ratio[m], s->nratio[m], w->opt->seed, &x->low, &x->high);
        x->ratio = vc_measure_quantile(s->ratio[m], s->nratio[m], 0.5);
        x->rounds = s->nratio[m];
        x->block = plan->block[m];
        for (int i = 0; i < BENCH_PACES; i++) {
            struct bench_multiple *o = &p->over[m][i];
            vc_measure_interval(s->over[m][i], s->nover[m][i], w->opt->seed, &o->low, &o->high);
            o->ratio = vc_measure_quantile(s->over[m][i], s->nover[m][i], 0.5);
            o->rounds = s->nover[m][i];
            p->has_over |= o->rounds > 0;
        }
    }
    p->s[VC_MEASURE_START].late = s->started ? (double)s->late / (double)s->started : 0;
}

/* Both implementations: a wrong native result would be a bug of the bench, and is as good to know. */
static void verify(struct vc_measure_world *w, struct vc_measure_call *c, struct bench_point *p)
{
    int bad = 0;
    for (unsigned round = 0; round < VERIFIES; round++)
        for (int impl = 0; impl < VC_IMPLS; impl++)
            bad |= !vc_measure_call_verify(c, w, &w->fn[impl], round);
    w->control->allreduce(&bad, &p->bad, 1, MPI_INT, MPI_SUM, w->ctl);
}

int bench_point_run(struct vc_measure_world *w, struct bench_verbs *v, struct bench_point *p)
{
    struct vc_measure_call c;
    struct scratch s;
    int rc = -1;
    bool ok = vc_measure_call_init(&c, w, p->coll, p->bytes);
    ok = alloc_scratch(&s, w) && ok;
    p->bad = -1;
    if (!vc_measure_all_agree(w, ok))
        goto out;
    if (bench_opts_of(w)->verify)
        verify(w, &c, p);
    s.begin = vc_measure_now();
    s.wire = p->coll == VC_ALLREDUCE && p->bytes == 8 ? v : NULL;
    vc_measure_clock_sync(w, SYNC * w->opt->seconds);
    struct plan plan = make_plan(w, &c, &s);
    if (!vc_measure_all_agree(w, alloc_samples(p, &plan)))
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
    vc_measure_call_free(&c);
    vc_measure_starts_free(&s.starts);
    return rc;
}

void bench_point_free(struct bench_point *p)
{
    for (int m = 0; m < VC_MEASURES; m++)
        for (int impl = 0; impl < VC_IMPLS; impl++)
            free(p->s[m].sample[impl]);
}

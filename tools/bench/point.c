/* SPDX-License-Identifier: BSD-3-Clause */
/* One point: both implementations against each other, raw verbs or a barrier of flags and yields in between.
 */
#include "tools/bench/verbs.h"
#include "tools/bench/yields.h"
#include "include/vcoll/vcoll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS     15
#define ROUNDS_MIN 3
#define MAX_STARTS 200 /* in a block */
#define WIRE_TRIPS 200
#define VERIFIES   3

/* What is measured beside the implementations in each round. */
struct between {
    const struct bench_beside *beside;
    struct bench_wire_block wire[BENCH_PACES][ROUNDS];
    double yields[ROUNDS];
};

static void run_wire(struct vc_rounds *r, int pace, int round)
{
    struct between *x = r->arg;
    x->wire[pace][round] =
        bench_verbs_block(r->w, x->beside->verbs, (enum bench_pace)pace, r->block_time, WIRE_TRIPS);
}

static void run_yields(struct vc_rounds *r, int which, int round)
{
    struct between *x = r->arg;
    (void)which;
    x->yields[round] =
        bench_yields_block(r->w, x->beside->yields, r->entrant[VC_IMPL_VCOLL].buffers, r->block_time);
}

/* Points that carry next to nothing. */
static bool is_smallest(const struct bench_point *p)
{
    return p->coll == VC_BARRIER || (p->coll == VC_ALLREDUCE && p->bytes == 8);
}

/* vcoll over raw verbs. */
static void compare_wire(const struct vc_measure_world *w, struct bench_point *p,
                         const struct vc_entrant *vcoll, const struct between *x)
{
    for (int m = 0; m < VC_MEASURES; m++)
        for (int pace = 0; pace < BENCH_PACES; pace++) {
            double over[ROUNDS];
            for (int r = 0; r < vcoll->rounds; r++) {
                const struct bench_wire_block *b = &x->wire[pace][r];
                /* A block back to back is a mean, and is compared with one. */
                over[r] = vcoll->raw[m][r] / (m == VC_MEASURE_B2B ? b->mean : b->median);
            }
            vc_measure_summarize(over, vcoll->rounds, w->opt->seed, &p->over[m][pace]);
            p->has_over |= p->over[m][pace].n > 0;
        }
}

/* vcoll over the barrier of flags and yields. */
static void compare_yields(const struct vc_measure_world *w, struct bench_point *p,
                           const struct vc_entrant *vcoll, const struct between *x)
{
    double over[ROUNDS];
    for (int r = 0; r < vcoll->rounds; r++)
        over[r] = vcoll->raw[VC_MEASURE_B2B][r] / x->yields[r];
    if (w->opt->measure[VC_MEASURE_B2B])
        vc_measure_summarize(over, vcoll->rounds, w->opt->seed, &p->over_yields);
}

static void summarize(const struct vc_measure_world *w, const struct vc_rounds *r, struct bench_point *p)
{
    struct vcoll_comm_info info;
    for (int m = 0; m < VC_MEASURES; m++) {
        vc_entrant_ratio(&r->entrant[VC_IMPL_NATIVE], &r->entrant[VC_IMPL_VCOLL], (enum vc_measure)m,
                         w->opt->seed, &p->ratio[m]);
        p->block[m] = r->entrant[0].block[m];
    }
    p->late = r->starts.started ? (double)r->starts.late / (double)r->starts.started : 0;
    const char *name = vcoll_comm_algorithm(&w->comm, vc_coll_name(p->coll), p->bytes);
    bool taken = vcoll_comm_describe(&w->comm, &info) == 0 && info.active;
    /* On a communicator that vcoll does not serve, every call is handed on. */
    snprintf(p->algorithm, sizeof p->algorithm, "%s", name && *name ? name : taken ? "?" : "native");
}

/* Both implementations: a wrong native result would be a bug of the bench, and is as good to know. */
static void verify(struct vc_measure_world *w, const struct vc_entrant impl[VC_IMPLS], struct bench_point *p)
{
    int bad = 0;
    for (unsigned round = 0; round < VERIFIES; round++)
        for (int i = 0; i < VC_IMPLS; i++)
            bad |= !vc_measure_call_verify(impl[i].buffers, w, impl[i].fns, round);
    w->control->allreduce(&bad, &p->bad, 1, MPI_INT, MPI_SUM, w->ctl);
}

int bench_point_run(struct vc_measure_world *w, const struct bench_beside *beside, struct bench_point *p)
{
    const struct bench_opts *o = bench_opts_of(w);
    struct between between = {.beside = beside};
    bool wire = beside->verbs && p->coll == VC_ALLREDUCE && p->bytes == 8;
    bool yields = !beside->verbs && beside->yields && is_smallest(p);
    struct vc_entrant impl[VC_IMPLS];
    int rounds = o->iterations > 0 && o->iterations < ROUNDS ? (int)o->iterations : ROUNDS;
    struct vc_rounds r = {.w = w,
                          .entrant = impl,
                          .n = VC_IMPLS,
                          .seconds = o->m.seconds,
                          .rounds_min = ROUNDS_MIN,
                          .rounds_max = rounds,
                          .rounds_goal = ROUNDS,
                          .starts_max = MAX_STARTS,
                          .calls = (o->iterations + rounds - 1) / rounds,
                          .extra = wire ? run_wire : run_yields,
                          .nextra = wire ? BENCH_PACES : yields,
                          .arg = &between};
    if (r.calls > r.starts_max)
        r.starts_max = r.calls;
    for (int i = 0; i < VC_IMPLS; i++)
        impl[i] = (struct vc_entrant){.on = w, .coll = p->coll, .bytes = p->bytes, .fns = &w->fn[i]};
    p->bad = -1;
    bool ok = vc_rounds_open(&r);
    if (ok && o->verify)
        verify(w, impl, p);
    for (int i = 0; i < VC_IMPLS && ok; i++)
        vc_rounds_enter(&r, i);
    if (ok)
        vc_rounds_run(&r);
    vc_rounds_close(&r);
    if (ok && w->rank == 0) {
        summarize(w, &r, p);
        if (wire)
            compare_wire(w, p, &impl[VC_IMPL_VCOLL], &between);
        if (yields)
            compare_yields(w, p, &impl[VC_IMPL_VCOLL], &between);
        /* Last: they reorder the samples. */
        for (int i = 0; i < VC_IMPLS; i++) {
            const struct vc_entrant *k = &impl[i];
            p->time[VC_MEASURE_START][i] = bench_stat(k->sample, k->rounds > 0 ? k->upto[k->rounds - 1] : 0);
            p->time[VC_MEASURE_B2B][i] =
                bench_stat(k->raw[VC_MEASURE_B2B], w->opt->measure[VC_MEASURE_B2B] ? k->rounds : 0);
        }
    }
    for (int i = 0; i < VC_IMPLS; i++)
        vc_entrant_free(&impl[i]);
    return ok ? 0 : -1;
}

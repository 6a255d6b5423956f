/* SPDX-License-Identifier: BSD-3-Clause */
/* Measuring one thing on a communicator. */
#include "tune/search/fit.h"

#include <math.h>
#include <stdlib.h>

#define WARM        4
#define BLOCK       2e-3 /* seconds of a block, at least one call */
#define BLOCK_CALLS 512
#define BLOCKS_MIN  5
#define BLOCKS      60
/* What other work on the machine adds to some blocks is no property of it. */
#define QUIET 0.25

/* Spins, so that this rank itself is awake and its CPU is at full speed when it goes on. */
static void spin(double seconds)
{
    double end = vc_measure_now() + seconds;
    while (vc_measure_now() < end)
        ;
}

static void call(struct vc_search_comm *g, struct vc_measure_call *c, int root)
{
    c->root = root;
    vc_measure_call_run(c, &g->w.fn[VC_IMPL_VCOLL], g->w.comm);
}

/* Calls in one direction; those of rotating roots cannot overlap, as each root has to hear of the one before.
 */
static double stream(struct vc_search_comm *g, struct vc_measure_call *c, const struct vc_fit_probe *p, int n)
{
    double begin = vc_measure_now();
    for (int i = 0; i < n; i++)
        call(g, c, p->how == VC_FIT_ROTATE ? i % g->w.size : g->w.size - 1);
    return (vc_measure_now() - begin) / n;
}

/* Half of the round trip from rank 0 to the last one and back, on rank 0; or how long the last rank is busy
 * with its answer, there. On the others 0. */
static double pingpong(struct vc_search_comm *g, struct vc_measure_call *c, const struct vc_fit_probe *p,
                       double *v, int n)
{
    int last = g->w.size - 1;
    double pause = p->how == VC_FIT_PAUSED ? p->pause : 0;
    bool sender = p->how == VC_FIT_SENDER;
    for (int i = 0; i < n; i++) {
        if (g->w.rank == 0)
            spin(pause);
        double begin = vc_measure_now();
        call(g, c, 0);
        if (g->w.rank == last)
            spin(pause);
        double answer = vc_measure_now();
        call(g, c, last);
        v[i] = sender ? vc_measure_now() - answer : (vc_measure_now() - begin - pause) / 2;
    }
    return g->w.rank == (sender ? last : 0) ? vc_measure_quantile(v, n, 0.5) : 0;
}

/* A block of n calls; the result and the time spent since `begin` are the same on all members. */
static double block(struct vc_search_comm *g, struct vc_measure_call *c, const struct vc_fit_probe *p, int n,
                    double begin, double *spent)
{
    double v[BLOCK_CALLS], mine, both[2], most[2];
    g->w.control->barrier(g->w.ctl);
    switch (p->how) {
    case VC_FIT_PINGPONG:
    case VC_FIT_PAUSED:
    case VC_FIT_SENDER:
        mine = pingpong(g, c, p, v, n);
        break;
    default:
        mine = stream(g, c, p, n);
    }
    both[0] = mine;
    both[1] = vc_measure_now() - begin;
    g->w.control->allreduce(both, most, 2, MPI_DOUBLE, MPI_MAX, g->w.ctl);
    *spent = most[1];
    return most[0];
}

/* How many calls make a block, when one takes so long. */
static int block_calls(const struct vc_search_comm *g, const struct vc_fit_probe *p, double one)
{
    double length = fmin(BLOCK, p->seconds / BLOCKS_MIN / 2);
    int n = (int)fmin(fmax(length / fmax(one, 1e-9), 1), BLOCK_CALLS);
    return p->how == VC_FIT_ROTATE && n < g->w.size ? g->w.size : n;
}

static double measure(struct vc_search_comm *g, struct vc_measure_call *c, const struct vc_fit_probe *p)
{
    double got[BLOCKS], begin = vc_measure_now(), before, spent, one;
    int blocks = 0, n = WARM;
    /* The first block makes the plan, opens connections and touches pages. */
    block(g, c, p, n, begin, &before);
    block(g, c, p, n, begin, &spent);
    one = (spent - before) / n;
    while (blocks < BLOCKS && (blocks < BLOCKS_MIN || spent < p->seconds)) {
        n = block_calls(g, p, one);
        before = spent;
        got[blocks++] = block(g, c, p, n, begin, &spent);
        /* Blocks that are short because one was disturbed would all measure how a block begins. */
        one = fmin(one, (spent - before) / n);
    }
    return vc_measure_quantile(got, blocks, QUIET);
}

double vc_fit_measure(struct vc_search_comm *g, const struct vc_fit_probe *p)
{
    const char *coll = vc_coll_name(p->coll);
    struct vc_measure_call c;
    double seconds = NAN;
    bool ok = vcoll_comm_force(&g->w.comm, coll, p->choice, NULL, 0) == 0;
    bool room = vc_measure_call_init(&c, &g->w, p->coll, p->bytes);
    if (vc_measure_all_agree(&g->w, ok && room))
        seconds = measure(g, &c, p);
    if (room)
        vc_measure_call_free(&c);
    vcoll_comm_force(&g->w.comm, coll, "auto", NULL, 0);
    return seconds > 0 ? seconds : NAN;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One way between two ranks. Groups of more than two are for nodes that are only pretended to be apart: there
 * the message of a chain goes the way in question between the first and the last rank, and through shared
 * memory between the others.
 */
#include "tune/search/fit.h"

#include <math.h>

/* A bcast along a chain whose segment no message exceeds: one message from rank to rank. */
#define CHAIN      "chain:segment=64M"
#define SEGMENTS   16 /* of SEGMENT bytes, as many messages in one call */
#define SEGMENT    8
#define PAUSE      150e-6
#define LEAST_COST 10e-9 /* what no message is faster than */
/* What is between CPUs, or hosts, is at least this part of the way from call to call. */
#define LEAST_LATENCY 0.3

static const size_t curve[] = {8, 512, 4096, 16384, 65536, 262144, 1048576};
enum { CURVE = sizeof curve / sizeof curve[0] };

static double probe(struct vc_search_comm *g, enum vc_fit_how how, size_t bytes, const char *choice,
                    double seconds, double pause)
{
    struct vc_fit_probe p = {
        .how = how, .coll = VC_BCAST, .bytes = bytes, .choice = choice, .seconds = seconds, .pause = pause};
    return vc_fit_measure(g, &p);
}

/* CPU time of a message and of a call: a call with many messages less a call with one. */
static void fit_overhead(struct vc_search_comm *g, double seconds, struct vc_model_link *l,
                         struct vc_fit_extra *x)
{
    double one = probe(g, VC_FIT_SENDER, SEGMENT, CHAIN ":wait=poll", seconds, 0);
    double many = probe(g, VC_FIT_SENDER, SEGMENTS * SEGMENT, "chain:segment=8:wait=poll", seconds, 0);
    if (isnan(one))
        return;
    l->overhead = isnan(many) ? one / 2 : (many - one) / (SEGMENTS - 1);
    l->overhead = fmin(fmax(l->overhead, LEAST_COST), one);
    x->call = one - l->overhead;
}

static void fit_curve(struct vc_search_comm *g, double seconds, double call, struct vc_model_link *l)
{
    l->npoints = 0;
    for (int i = 0; i < CURVE; i++) {
        double t = probe(g, VC_FIT_STREAM, curve[i], CHAIN ":wait=poll", seconds, 0);
        if (isnan(t))
            continue;
        /* The CPU's part of a call is not the way's. */
        l->point[l->npoints].bytes = (double)curve[i];
        l->point[l->npoints++].gap = fmax(l->overhead, t - call);
    }
    /* What takes longer than more bytes do was disturbed. */
    for (int i = l->npoints - 2; i >= 0; i--)
        l->point[i].gap = fmin(l->point[i].gap, l->point[i + 1].gap);
}

/* An exchange in a plan of several: an allreduce in two rounds less one in one. Of two ranks. */
static double fit_round(struct vc_search_comm *g, double seconds)
{
    struct vc_fit_probe p = {.how = VC_FIT_STREAM, .coll = VC_ALLREDUCE, .bytes = 16, .seconds = seconds};
    p.choice = "ring:wait=poll";
    double two = vc_fit_measure(g, &p);
    p.choice = "recursive_doubling:wait=poll";
    return two - vc_fit_measure(g, &p);
}

/* One way from call to call is what the call takes besides its message, twice o, and L. Where that cannot be
 * told from rounds the call keeps what the sender has of it. */
static void fit_latency(struct vc_search_comm *g, double seconds, double there, struct vc_model_link *l,
                        struct vc_fit_extra *x)
{
    double most = fmax(there - 2 * l->overhead, LEAST_COST), latency = there - x->call - 2 * l->overhead;
    double round = g->w.size == 2 ? fit_round(g, seconds) : NAN;
    if (!isnan(round))
        latency = round - 2 * l->overhead;
    l->latency = fmin(fmax(latency, LEAST_LATENCY * most), most);
    x->call = fmax(there - 2 * l->overhead - l->latency, 0);
}

void vc_fit_link(struct vc_search_comm *g, double seconds, int hops, double hop, struct vc_model_link *l,
                 struct vc_fit_extra *x)
{
    *l = (struct vc_model_link){0};
    *x = (struct vc_fit_extra){NAN, NAN};
    fit_overhead(g, seconds, l, x);
    double there = probe(g, VC_FIT_PINGPONG, 8, CHAIN ":wait=poll", seconds, 0);
    if (isnan(there) || isnan(x->call)) {
        x->call = NAN;
        return;
    }
    /* Of the two directions one passes through the others: half of that is in the mean. */
    there = fmax(there - hops * hop / 2, LEAST_COST);
    l->overhead = fmin(l->overhead, there / 3);
    fit_latency(g, seconds, there, l, x);
    fit_curve(g, seconds, x->call, l);
    l->known = l->npoints > 0;
    double pause = fmax(PAUSE, there);
    double awake = probe(g, VC_FIT_PAUSED, 8, CHAIN ":wait=poll", seconds, pause);
    double asleep = probe(g, VC_FIT_PAUSED, 8, CHAIN ":wait=event", seconds, pause);
    if (!isnan(awake) && !isnan(asleep))
        x->wake = fmax(asleep - awake, 0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* One thing, measured on one communicator: a way between two ranks, node phases, giving up the CPU. */
#include "coll/info.h"
#include "tune/search/fit.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WARM        4
#define BLOCK       2e-3 /* seconds of a block, at least one call */
#define BLOCK_CALLS 512
#define BLOCKS_MIN  5
#define BLOCKS      60
/* What other work on the machine adds to some blocks is no property of it. */
#define QUIET 0.25

/* A bcast along a chain whose segment no message exceeds: one message from rank to rank. */
#define CHAIN      "chain:segment=64M"
#define SEGMENTS   16 /* of SEGMENT bytes, as many messages in one call */
#define SEGMENT    8
#define PAUSE      150e-6
#define LEAST_COST 10e-9 /* what no message is faster than */
/* What is between CPUs, or hosts, is at least this part of the way from call to call. */
#define LEAST_LATENCY 0.3
#define TURNS         2000

/* ---- a probe ---- */

enum how {
    STREAM,   /* calls without a pause */
    ROTATE,   /* the same, each with the next root */
    PINGPONG, /* bcasts from rank 0 and from the last in turn: half of a round trip */
    PAUSED,   /* the same, and each waits long before it answers; without that wait */
    SENDER,   /* of PINGPONG, how long the last rank is busy with its own bcast */
};

/* What is measured. */
struct probe {
    enum how how;
    enum vc_coll coll;
    size_t bytes;
    const char *choice; /* as vcoll_comm_force() takes it */
    double seconds;     /* for all of it, about */
    double pause;       /* PAUSED */
};

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
static double stream(struct vc_search_comm *g, struct vc_measure_call *c, const struct probe *p, int n)
{
    double begin = vc_measure_now();
    for (int i = 0; i < n; i++)
        call(g, c, p->how == ROTATE ? i % g->w.size : g->w.size - 1);
    return (vc_measure_now() - begin) / n;
}

/* Half of the round trip from rank 0 to the last one and back, on rank 0; or how long the last rank is busy
 * with its answer, there. On the others 0. */
static double pingpong(struct vc_search_comm *g, struct vc_measure_call *c, const struct probe *p, double *v,
                       int n)
{
    int last = g->w.size - 1;
    double pause = p->how == PAUSED ? p->pause : 0;
    bool sender = p->how == SENDER;
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
static double block(struct vc_search_comm *g, struct vc_measure_call *c, const struct probe *p, int n,
                    double begin, double *spent)
{
    double v[BLOCK_CALLS], mine, both[2], most[2];
    g->w.control->barrier(g->w.ctl);
    switch (p->how) {
    case PINGPONG:
    case PAUSED:
    case SENDER:
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
static int block_calls(const struct vc_search_comm *g, const struct probe *p, double one)
{
    double length = fmin(BLOCK, p->seconds / BLOCKS_MIN / 2);
    int n = (int)fmin(fmax(length / fmax(one, 1e-9), 1), BLOCK_CALLS);
    return p->how == ROTATE && n < g->w.size ? g->w.size : n;
}

static double measure(struct vc_search_comm *g, struct vc_measure_call *c, const struct probe *p)
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

/* Collective over the group: seconds per call, of the faster blocks, the same on all members. NAN when the
 * choice cannot run, or memory is short. */
static double run_probe(struct vc_search_comm *g, const struct probe *p)
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

/* ---- a way ---- */

/*
 * One way between two ranks. Groups of more than two are for nodes that are only pretended to be apart: there
 * the message of a chain goes the way in question between the first and the last rank, and through shared
 * memory between the others.
 */
static const size_t curve[] = {8, 512, 4096, 16384, 65536, 262144, 1048576};
enum { CURVE = sizeof curve / sizeof curve[0] };

static double bcast_probe(struct vc_search_comm *g, enum how how, size_t bytes, const char *choice,
                          double seconds, double pause)
{
    struct probe p = {
        .how = how, .coll = VC_BCAST, .bytes = bytes, .choice = choice, .seconds = seconds, .pause = pause};
    return run_probe(g, &p);
}

/* CPU time of a message and of a call: a call with many messages less a call with one. */
static void fit_overhead(struct vc_search_comm *g, double seconds, struct vc_model_link *l,
                         struct vc_fit_extra *x)
{
    double one = bcast_probe(g, SENDER, SEGMENT, CHAIN ":wait=poll", seconds, 0);
    double many = bcast_probe(g, SENDER, SEGMENTS * SEGMENT, "chain:segment=8:wait=poll", seconds, 0);
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
        double t = bcast_probe(g, STREAM, curve[i], CHAIN ":wait=poll", seconds, 0);
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
    struct probe p = {.how = STREAM, .coll = VC_ALLREDUCE, .bytes = 16, .seconds = seconds};
    p.choice = "ring:wait=poll";
    double two = run_probe(g, &p);
    p.choice = "recursive_doubling:wait=poll";
    return two - run_probe(g, &p);
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
    double there = bcast_probe(g, PINGPONG, 8, CHAIN ":wait=poll", seconds, 0);
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
    double awake = bcast_probe(g, PAUSED, 8, CHAIN ":wait=poll", seconds, pause);
    double asleep = bcast_probe(g, PAUSED, 8, CHAIN ":wait=event", seconds, pause);
    if (!isnan(awake) && !isnan(asleep))
        x->wake = fmax(asleep - awake, 0);
}

double vc_fit_asleep(struct vc_search_comm *g, double seconds)
{
    return bcast_probe(g, PINGPONG, 8, "chain:wait=event", seconds, 0);
}

/* ---- node phases: direct code of one node at several sizes ---- */

static const struct {
    enum vc_coll coll;
    size_t bytes;
    bool cma;
} phases[VC_FIT_NODE_PROBES] = {
    {VC_BARRIER, 0, false},        {VC_ALLREDUCE, 8, false}, {VC_ALLREDUCE, 4096, false},
    {VC_ALLREDUCE, 131072, false}, {VC_ALLGATHER, 8, false}, {VC_ALLGATHER, 4096, false},
    {VC_ALLGATHER, 65536, false},  {VC_BCAST, 8, false},     {VC_BCAST, 16384, false},
    {VC_BCAST, 262144, false},     {VC_BCAST, 65536, true},  {VC_BCAST, 1048576, true},
};

int vc_fit_node(struct vc_search_comm *g, double seconds, struct vc_model_sample *s)
{
    int n = 0;
    for (int i = 0; i < VC_FIT_NODE_PROBES; i++) {
        struct probe p = {
            .how = phases[i].coll == VC_BCAST ? ROTATE : STREAM,
            .coll = phases[i].coll,
            .bytes = phases[i].bytes,
            .choice = phases[i].cma ? "shm_cma:wait=poll" : "shm:wait=poll",
            .seconds = seconds,
        };
        double t = run_probe(g, &p);
        if (isnan(t))
            continue;
        s[n].phase = (struct vc_model_phase){.kind = vc_coll_info[phases[i].coll].node,
                                             .ranks = g->w.size,
                                             .len = p.bytes,
                                             .cma = phases[i].cma,
                                             .waits = true};
        s[n++].seconds = t;
    }
    return n;
}

/* ---- giving up the CPU ---- */

struct turns {
    _Atomic int whose;
    int cpu;
    bool failed;
};

/* Takes every other turn, giving up the CPU until it comes. */
static void alternate(struct turns *t, int me)
{
    for (int i = 0; i < TURNS; i++) {
        while (atomic_load_explicit(&t->whose, memory_order_acquire) != me)
            sched_yield();
        atomic_store_explicit(&t->whose, 1 - me, memory_order_release);
    }
}

static bool bind_to_cpu(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

static void *other(void *arg)
{
    alternate(arg, 1);
    return NULL;
}

double vc_fit_switch(void)
{
    struct turns t = {.cpu = sched_getcpu()};
    cpu_set_t before;
    pthread_t thread;
    double seconds = 0;
    if (t.cpu < 0 || t.cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof before, &before) != 0 ||
        !bind_to_cpu(t.cpu))
        return 0;
    /* The thread inherits the one CPU. */
    if (pthread_create(&thread, NULL, other, &t) == 0) {
        double begin = vc_measure_now();
        alternate(&t, 0);
        seconds = (vc_measure_now() - begin) / (2 * TURNS);
        pthread_join(thread, NULL);
    }
    sched_setaffinity(0, sizeof before, &before);
    return seconds;
}

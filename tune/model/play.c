/* SPDX-License-Identifier: BSD-3-Clause */
/* Predictions: plays the plans of all ranks against each other, event by event in the order of time. */
#include "tune/model/impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    READY,  /* all that a step waits for has happened */
    ARRIVE, /* the message of a receive reaches the device or the memory of its rank */
    LOOK,   /* a message that shares its ways may have ended */
    WORK,   /* the message of a posted receive has arrived: the rank is told */
    LEAVE,  /* a rank may go on in a node phase */
};

struct event {
    double t;
    int step;
    enum kind kind;
};

/* What messages share: the ways out of and into a rank (shared memory) or a node (device). */
struct port {
    double out, in; /* occupied until */
    double due;     /* when the device interrupts next, if moderation holds messages back */
};

struct play {
    struct vc_mgraph *g;
    const struct vc_model *m;
    const struct vc_model_case *c;
    struct vc_mcpus cpus;
    struct port *rank_port, *node_port;
    double *ready;   /* [nsteps] latest of what the step waits for; then when a receive was posted, a rank
                        came */
    double *arrived; /* [nsteps] of receives: when there is something to be received; of phases: how long
                        their messages take; NAN: not yet */
    double *offered; /* [nsteps] of receives: when a message was that waits for them; NAN: none does. NULL:
                        none ever does */
    struct vc_mshare share; /* messages of a device, if they share ways */
    struct event *heap;
    size_t nheap, cap;
    double end;
    int left;
    bool failed; /* no memory, unknown way */
};

/* ---- events ---- */

/* Ties go in the order of steps, so that the result does not depend on how the heap lies. */
static bool before(const struct event *a, const struct event *b)
{
    return a->t < b->t || (a->t == b->t && (a->step < b->step || (a->step == b->step && a->kind < b->kind)));
}

static void push(struct play *p, double t, int step, enum kind kind)
{
    if (p->nheap == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        struct event *more = realloc(p->heap, cap * sizeof *more);
        if (!more) {
            p->failed = true;
            return;
        }
        p->heap = more;
        p->cap = cap;
    }
    struct event e = {t, step, kind};
    size_t i = p->nheap++;
    for (; i > 0 && before(&e, &p->heap[(i - 1) / 2]); i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = e;
}

static struct event pop(struct play *p)
{
    struct event first = p->heap[0], e = p->heap[--p->nheap];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= p->nheap)
            break;
        if (k + 1 < p->nheap && before(&p->heap[k + 1], &p->heap[k]))
            k++;
        if (!before(&p->heap[k], &e))
            break;
        p->heap[i] = p->heap[k];
        i = k;
    }
    p->heap[i] = e;
    return first;
}

/* ---- steps ---- */

static void condition_met(struct play *p, int s, double t)
{
    p->ready[s] = fmax(p->ready[s], t);
    if (--p->g->unmet[s] == 0)
        push(p, p->ready[s], s, READY);
}

static void release_chain(struct play *p, int s, double t)
{
    if (p->g->chained[s] >= 0)
        condition_met(p, p->g->chained[s], t);
}

static void complete(struct play *p, int s, double t)
{
    const struct vc_mgraph *g = p->g;
    for (int i = g->succ_first[s]; i < g->succ_first[s + 1]; i++)
        condition_met(p, g->succ[i], t);
    p->end = fmax(p->end, t);
    p->left--;
}

/* A message between two ranks: its way, its ports, and how long it occupies them. */
struct message {
    const struct vc_model_link *link;
    struct port *out, *in;
    bool device;
    enum vc_model_sharing sharing;
    bool copied; /* by the CPUs of both ends */
    bool asked;  /* it begins when its receiver has asked for it */
    double latency;
    double gap;
    double extra; /* what the length adds to the time of 8 bytes */
};

/* At one switch. */
static bool near_each_other(const struct vc_model_link *l, int a, int b)
{
    int nodes = (int)l->near_nodes;
    return nodes > 0 && a / nodes == b / nodes;
}

static struct message message_of(const struct play *p, int send)
{
    const struct vc_hier *h = p->c->shape->hier;
    const struct vc_mstep *st = vc_mstep(p->g, send);
    int from = p->g->owner[send], to = st->peer;
    bool device = h->node_of[from] != h->node_of[to];
    struct message x = {.link = &p->m->link[device ? p->c->apart : VC_WAY_SHM], .device = device};
    /* Where one node stands for all, its own way in is the other's. */
    int there = p->g->owner[p->g->match[send]];
    x.out = device ? &p->node_port[h->node_of[from]] : &p->rank_port[from];
    x.in = device ? &p->node_port[h->node_of[there]] : &p->rank_port[there];
    if (x.link->known) {
        x.gap = vc_model_gap(x.link, (double)st->len);
        x.extra = fmax(x.gap - vc_model_gap(x.link, 8), 0);
    }
    x.latency =
        near_each_other(x.link, h->node_of[from], h->node_of[to]) ? x.link->near_latency : x.link->latency;
    x.asked = x.link->rendezvous > 0 && (double)st->len >= x.link->rendezvous;
    x.sharing = x.link->sharing;
    x.copied = !device && !x.asked && x.sharing == VC_IN_TURN;
    return x;
}

/* Its CPU time at either end. */
static double overhead(const struct message *x)
{
    return x->asked ? 0 : x->link->overhead;
}

/* From `t` on a message is on its way that had to be asked for. */
static void begin_asked(struct play *p, int recv, double t)
{
    struct message x = message_of(p, p->g->match[recv]);
    double out = x.sharing == VC_IN_TURN ? fmax(t, x.out->out) : t;
    x.out->out = out + x.gap;
    push(p, out + x.latency, recv, ARRIVE);
}

/* Through shared memory it is the sender's CPU that moves the bytes; a device does it by itself. */
static void start_send(struct play *p, int s, double t)
{
    struct message x = message_of(p, s);
    int rank = p->g->owner[s];
    double copy = x.copied ? x.extra : 0;
    if (!x.link->known) {
        p->failed = true;
        return;
    }
    double done = vc_mcpus_work(&p->cpus, rank, t, false, overhead(&x) + copy);
    if (x.asked) {
        int recv = p->g->match[s];
        if (p->g->unmet[recv] < 0)
            begin_asked(p, recv, done);
        else
            p->offered[recv] = done;
        release_chain(p, s, done);
        return; /* it is through with it when it has arrived */
    }
    if (x.sharing != VC_IN_TURN) {
        push(p, done + x.latency, p->g->match[s], ARRIVE);
        release_chain(p, s, done);
        complete(p, s, done);
        return;
    }
    /* The first byte is on its way before the last one is copied. */
    double out = fmax(done - copy * p->cpus.stretch, x.out->out);
    x.out->out = out + x.gap;
    push(p, out + x.latency, p->g->match[s], ARRIVE);
    release_chain(p, s, done);
    complete(p, s, x.device ? fmax(done, out + x.extra) : done);
}

/* All of it is there. */
static void message_is_there(struct play *p, int s, const struct message *x, double there)
{
    /* Moderation holds the first message back, and with it those that come meanwhile. */
    bool held_back = x->device && p->m->moderation > 0 &&
                     (p->m->device_needs_cpu || there - p->cpus.busy[p->g->owner[s]] > p->cpus.spin[1]);
    if (held_back) {
        if (there > x->in->due)
            x->in->due = there + p->m->moderation;
        there = x->in->due;
    }
    p->arrived[s] = there;
    if (p->g->unmet[s] < 0)
        push(p, fmax(there, p->ready[s]), s, WORK);
}

/* Its first byte is. */
static void message_arrives(struct play *p, int s, double t)
{
    struct message x = message_of(p, p->g->match[s]);
    if (x.sharing == VC_EQUALLY && x.extra > 0) {
        const struct port *first = x.device ? p->node_port : p->rank_port;
        int before = x.device ? 0 : p->c->shape->hier->nnodes;
        int out = before + (int)(x.out - first), in = before + (int)(x.in - first);
        p->failed |= !vc_mshare_begin(&p->share, s, out, in, t, x.extra);
        return;
    }
    double begin = x.sharing == VC_IN_TURN ? fmax(t, x.in->in) : t, there = begin + (x.copied ? 0 : x.extra);
    x.in->in = begin + x.gap;
    if (x.asked)
        complete(p, p->g->match[s], there);
    message_is_there(p, s, &x, there);
}

/* Whether a message has ended that shares its ways. */
static void look(struct play *p, int s, double t)
{
    double end = vc_mshare_look(&p->share, s, t);
    if (end > t) {
        if (end < INFINITY)
            push(p, end, s, LOOK);
        return;
    }
    struct message x = message_of(p, p->g->match[s]);
    if (x.asked)
        complete(p, p->g->match[s], t);
    message_is_there(p, s, &x, t);
}

/* Before time goes on: how fast messages are from now on. */
static void settle(struct play *p, double t)
{
    struct vc_mdue due[64];
    int room = sizeof due / sizeof *due, n = room;
    while (n == room) {
        n = vc_mshare_settle(&p->share, t, due, room);
        for (int i = 0; i < n; i++)
            push(p, due[i].t, due[i].step, LOOK);
    }
}

static void finish_receive(struct play *p, int s, double t)
{
    struct message x = message_of(p, p->g->match[s]);
    const struct vc_mstep *st = vc_mstep(p->g, s);
    double work = overhead(&x) + (x.copied ? x.extra : 0);
    if (st->kind == VC_STEP_RECV_REDUCE)
        work += p->m->node.reduce * (double)st->len;
    complete(p, s, vc_mcpus_work(&p->cpus, p->g->owner[s], t, x.device, work));
}

static double copy_seconds(const struct play *p, const struct vc_mstep *st)
{
    return st->in_place ? 0 : p->m->node.copy * (double)st->len;
}

/* ---- node phases ---- */

static struct vc_mswap phase_takes(struct play *p, const struct vc_mstep *st, int node, int l)
{
    int q = vc_hier_node_size(p->g->shape->hier, node);
    struct vc_model_phase ph = {.kind = (enum vc_node_phase)st->node,
                                .ranks = q,
                                .parts = st->parts,
                                .len = st->len,
                                .cma = p->g->cma,
                                .crowded = p->cpus.first[node + 1] > p->cpus.first[node],
                                .waits = vc_phase_gets((enum vc_node_phase)st->node, l, st->peer, st->parts)};
    if (p->m->node.messages) {
        p->failed |= !p->m->link[VC_WAY_SHM].known;
        return vc_mphase_messages(&p->m->link[VC_WAY_SHM], &ph, l, st->peer);
    }
    double t = vc_model_node_seconds(&p->m->node, &ph);
    if (!p->m->node.known || isnan(t))
        p->failed = true;
    return (struct vc_mswap){.end = t};
}

static void enter_phase(struct play *p, int s, double t)
{
    struct vc_mgraph *g = p->g;
    const struct vc_hier *h = g->shape->hier;
    const struct vc_mstep *st = vc_mstep(g, s);
    int rank = g->owner[s], node = h->node_of[rank], l = h->local_of[rank], q = vc_hier_node_size(h, node);
    if (q == 1) {
        double done = vc_mcpus_work(&p->cpus, rank, t, false, copy_seconds(p, st));
        complete(p, s, done);
        release_chain(p, s, done);
        return;
    }
    struct vc_mphase *ph = &g->phase[g->match[s]];
    struct vc_mswap x = p->m->node.messages ? phase_takes(p, st, node, l) : (struct vc_mswap){0};
    double at = vc_mcpus_work(&p->cpus, rank, t, false, x.begin);
    bool last = false;
    if (vc_phase_gives((enum vc_node_phase)st->node, l, st->peer, st->parts)) {
        ph->when = fmax(ph->when, at);
        last = --ph->awaited == 0;
    }
    p->ready[s] = at;
    p->arrived[s] = x.wait;
    if (!vc_phase_gets((enum vc_node_phase)st->node, l, st->peer, st->parts))
        push(p, at + x.wait, s, LEAVE);
    else if (ph->awaited == 0)
        push(p, fmax(at, ph->when) + x.wait, s, LEAVE);
    for (int i = 0; last && i < q; i++) {
        int other = g->member[ph->first + i];
        if (other != s && !isnan(p->arrived[other]) &&
            vc_phase_gets((enum vc_node_phase)st->node, i, st->peer, st->parts))
            push(p, fmax(p->ready[other], ph->when) + p->arrived[other], other, LEAVE);
    }
}

static void leave_phase(struct play *p, int s, double t)
{
    const struct vc_hier *h = p->g->shape->hier;
    int rank = p->g->owner[s];
    double work = phase_takes(p, vc_mstep(p->g, s), h->node_of[rank], h->local_of[rank]).end;
    if (p->failed)
        return;
    double done = vc_mcpus_work(&p->cpus, rank, t, false, work);
    complete(p, s, done);
    release_chain(p, s, done);
}

/* ---- the play ---- */

static void start_step(struct play *p, int s, double t)
{
    const struct vc_mstep *st = vc_mstep(p->g, s);
    int rank = p->g->owner[s];
    switch ((enum vc_step_kind)st->kind) {
    case VC_STEP_SEND:
        start_send(p, s, t);
        break;
    case VC_STEP_RECV:
    case VC_STEP_RECV_REDUCE:
        release_chain(p, s, t);
        p->g->unmet[s] = -1;
        if (p->offered && !isnan(p->offered[s]))
            begin_asked(p, s, fmax(t, p->offered[s]));
        else if (!isnan(p->arrived[s]))
            push(p, fmax(t, p->arrived[s]), s, WORK);
        break;
    case VC_STEP_COPY:
        complete(p, s, vc_mcpus_work(&p->cpus, rank, t, false, copy_seconds(p, st)));
        break;
    case VC_STEP_REDUCE:
        complete(p, s, vc_mcpus_work(&p->cpus, rank, t, false, p->m->node.reduce * (double)st->len));
        break;
    case VC_STEP_NODE:
        enter_phase(p, s, t);
        break;
    }
}

static double run(struct play *p)
{
    double now = 0;
    for (int s = 0; s < p->g->nsteps; s++) {
        p->arrived[s] = NAN;
        if (p->offered)
            p->offered[s] = NAN;
        if (p->g->unmet[s] == 0)
            push(p, 0, s, READY);
    }
    for (int r = 0; r < p->g->ranks; r++)
        p->end = fmax(p->end, p->cpus.busy[r]);
    /* Every step has at most one event of each kind, but for messages that share ways, each of which goes on
     * meanwhile: so this ends whatever the plans are. */
    for (;;) {
        if (p->share.nchanged > 0 && (p->nheap == 0 || p->heap[0].t > now))
            settle(p, now);
        if (p->nheap == 0 || p->failed)
            break;
        struct event e = pop(p);
        now = e.t;
        switch (e.kind) {
        case READY:
            start_step(p, e.step, e.t);
            break;
        case ARRIVE:
            message_arrives(p, e.step, e.t);
            break;
        case LOOK:
            look(p, e.step, e.t);
            break;
        case WORK:
            finish_receive(p, e.step, e.t);
            break;
        case LEAVE:
            leave_phase(p, e.step, e.t);
            break;
        }
    }
    return p->failed || p->left > 0 ? NAN : p->end;
}

/* Plays the graph: seconds until the last step is complete, or NAN when some never are, a way is unknown, or
 * there is no memory. Changes what the graph counts down. noise: NULL, or detours. */
static double play_graph(struct vc_mgraph *g, const struct vc_model *m, const struct vc_model_case *c,
                         struct vc_mnoise *noise)
{
    struct play p = {.g = g, .m = m, .c = c, .left = g->nsteps};
    double seconds = NAN;
    p.rank_port = calloc((size_t)c->shape->size, sizeof *p.rank_port);
    p.node_port = calloc((size_t)c->shape->hier->nnodes, sizeof *p.node_port);
    p.ready = calloc((size_t)g->nsteps + 1, sizeof *p.ready);
    p.arrived = calloc((size_t)g->nsteps + 1, sizeof *p.arrived);
    bool room = true, asked = false, shared = false;
    for (int way = 0; way < VC_WAY_COUNT; way++) {
        asked |= m->link[way].rendezvous > 0;
        shared |= m->link[way].sharing == VC_EQUALLY;
    }
    if (asked)
        room = (p.offered = calloc((size_t)g->nsteps + 1, sizeof *p.offered)) != NULL;
    if (shared)
        room &= vc_mshare_init(&p.share, g->nsteps, c->shape->hier->nnodes + c->shape->size);
    if (room && vc_mcpus_init(&p.cpus, m, c) && p.rank_port && p.node_port && p.ready && p.arrived) {
        p.cpus.noise = noise;
        seconds = run(&p);
    }
    vc_mcpus_free(&p.cpus);
    free(p.rank_port);
    free(p.node_port);
    free(p.ready);
    free(p.arrived);
    free(p.offered);
    vc_mshare_free(&p.share);
    free(p.heap);
    return seconds;
}

static bool can_be_played(const struct vc_model *m, const struct vc_model_case *c, int ranks)
{
    return c->alg && c->alg->kind != VC_ALG_NATIVE && c->shape->size >= 1 && c->shape->size <= ranks &&
           (unsigned)c->apart < VC_WAY_COUNT && !vc_model_invalid(m) && !vc_alg_refuses(c->alg, c->shape);
}

double vc_model_predict(const struct vc_model *m, const struct vc_model_case *c)
{
    struct vc_mgraph g;
    if (!can_be_played(m, c, VC_MODEL_RANKS))
        return NAN;
    double seconds = vc_mgraph_build(&g, c->alg, c->shape, VC_FOLD_NONE, VC_MODEL_STEPS)
                         ? play_graph(&g, m, c, NULL)
                         : NAN;
    vc_mgraph_free(&g);
    return seconds;
}

/* Whether all nodes see the same switches around them, too. */
static bool alike(const struct vc_model_link *l, int nnodes, enum vc_mfold fold)
{
    int nodes = (int)l->near_nodes;
    return !nodes || nodes >= nnodes || (fold == VC_FOLD_XOR && !(nodes & (nodes - 1)));
}

double vc_model_simulate(const struct vc_model *m, const struct vc_model_case *c, struct vc_model_use *use)
{
    const struct vc_hier *h = c->shape->hier;
    bool folds = h->nnodes > 2 && h->uniform && h->block, built = false;
    double seconds = NAN;
    struct vc_mgraph g = {.nsteps = 0};
    *use = (struct vc_model_use){.steps = 0};
    if (!can_be_played(m, c, VC_MODEL_SIM_RANKS))
        return NAN;
    /* Last, if all ranks are too many, by one node even if others have other neighbours. */
    static const enum vc_mfold order[] = {VC_FOLD_SHIFT, VC_FOLD_XOR, VC_FOLD_NONE, VC_FOLD_SHIFT,
                                          VC_FOLD_XOR};
    for (int i = 0; !built && i < (int)(sizeof order / sizeof order[0]); i++) {
        if (order[i] != VC_FOLD_NONE && (!folds || alike(&m->link[c->apart], h->nnodes, order[i]) != (i < 2)))
            continue;
        vc_mgraph_free(&g);
        built = vc_mgraph_build(&g, c->alg, c->shape, order[i], VC_MODEL_SIM_STEPS);
    }
    *use = g.use;
    if (built)
        seconds = play_graph(&g, m, c, NULL);
    vc_mgraph_free(&g);
    return seconds;
}

/* ---- with noise ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Plays count down what a graph has, so each begins with a copy of it. */
static bool play_runs(struct vc_mgraph *g, const struct vc_model *m, const struct vc_model_case *c,
                      uint64_t seed, int runs, double *seconds)
{
    size_t nsteps = (size_t)g->nsteps, nphases = (size_t)g->nphases;
    int *unmet = calloc(nsteps + 1, sizeof *unmet);
    struct vc_mphase *phase = calloc(nphases + 1, sizeof *phase);
    bool good = unmet && phase;
    if (good) {
        memcpy(unmet, g->unmet, nsteps * sizeof *unmet);
        if (nphases)
            memcpy(phase, g->phase, nphases * sizeof *phase);
    }
    for (int i = 0; i < runs && good; i++) {
        struct vc_mnoise noise;
        memcpy(g->unmet, unmet, nsteps * sizeof *unmet);
        if (nphases)
            memcpy(g->phase, phase, nphases * sizeof *phase);
        good = vc_mnoise_init(&noise, &m->noise, c->shape->size, seed + (uint64_t)i);
        seconds[i] = good ? play_graph(g, m, c, m->noise.n ? &noise : NULL) : NAN;
        vc_mnoise_free(&noise);
        good = good && !isnan(seconds[i]);
    }
    free(unmet);
    free(phase);
    return good;
}

bool vc_model_disturb(const struct vc_model *m, const struct vc_model_case *c, uint64_t seed, int runs,
                      double *seconds)
{
    struct vc_model alone = *m;
    struct vc_mgraph g;
    alone.steal = 0; /* it is in the noise */
    if (!can_be_played(&alone, c, VC_MODEL_SIM_RANKS))
        return false;
    bool good = vc_mgraph_build(&g, c->alg, c->shape, VC_FOLD_NONE, VC_MODEL_STEPS) &&
                play_runs(&g, &alone, c, seed, runs, seconds);
    vc_mgraph_free(&g);
    if (good)
        qsort(seconds, (size_t)runs, sizeof *seconds, ascending);
    return good;
}

void vc_model_predict_all(const struct vc_model *m, const struct vc_model_case *c, int n, double *seconds)
{
    for (int i = 0; i < n; i++)
        seconds[i] = vc_model_predict(m, &c[i]);
}

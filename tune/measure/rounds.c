/* SPDX-License-Identifier: BSD-3-Clause */
/* Entrants against each other: rounds of one block of each, in an order shuffled anew. */
#include "tune/measure/measure.h"

#include "include/vcoll/vcoll.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WARM      4      /* first calls: plans, connections, page faults */
#define ROUGH     0.4e-3 /* seconds of a block that tells roughly how long a call takes */
#define ROUGHS    3      /* of which the best counts */
#define LONG      5e-3   /* calls that take so long are timed once */
#define BLOCK_MIN 0.3e-3 /* seconds */
#define MAX_B2B   20000  /* calls in a block */
#define SYNC      0.05   /* part of the time for aligning clocks */
#define PROOF     3      /* rounds that prove something, */
#define PATIENCE  4      /* for which the time may be exceeded so many times, */
#define HURRY     2      /* and for the least number of rounds so many times */

/* ---- buffers and clocks ---- */

/* The first entrant with the same data on the same communicator, whose buffers this one shares. */
static struct vc_entrant *twin(struct vc_rounds *r, int i)
{
    for (int k = 0; k < i; k++)
        if (r->entrant[k].on == r->entrant[i].on && r->entrant[k].coll == r->entrant[i].coll &&
            r->entrant[k].bytes == r->entrant[i].bytes)
            return &r->entrant[k];
    return NULL;
}

/* Whether this rank is of the entrant's communicator, and no other before is on it. */
static bool first_on_comm(const struct vc_rounds *r, int i)
{
    for (int k = 0; k < i; k++)
        if (r->entrant[k].on == r->entrant[i].on)
            return false;
    return r->entrant[i].on != NULL;
}

static bool prepare(struct vc_rounds *r)
{
    bool ok = vc_measure_starts_init(&r->starts, r->starts_max);
    for (int i = 0; i < r->n; i++) {
        struct vc_entrant *s = &r->entrant[i], *other = twin(r, i);
        ok = vc_entrant_alloc(s, r->rounds_max, r->starts_max) && ok;
        s->rounds = 0;
        s->buffers = NULL;
        if (!s->on)
            continue;
        if (other) {
            s->buffers = other->buffers;
            continue;
        }
        s->buffers = calloc(1, sizeof *s->buffers);
        if (s->buffers && !vc_measure_call_init(s->buffers, s->on, s->coll, s->bytes)) {
            free(s->buffers);
            s->buffers = NULL;
        }
        ok = ok && s->buffers;
    }
    return ok;
}

bool vc_rounds_open(struct vc_rounds *r)
{
    int mine = 0, some = 0;
    r->begin = vc_measure_now();
    if (!vc_measure_all_agree(r->w, prepare(r)))
        return false;
    for (int i = 0; i < r->n; i++)
        mine |= !r->entrant[i].on;
    r->w->control->allreduce(&mine, &some, 1, MPI_INT, MPI_LOR, r->w->ctl);
    r->subsets = some;
    for (int i = 0; i < r->n; i++)
        if (first_on_comm(r, i))
            vc_measure_clock_sync(r->entrant[i].on, SYNC * r->seconds);
    return true;
}

void vc_rounds_close(struct vc_rounds *r)
{
    for (int i = 0; i < r->n; i++) {
        struct vc_measure_call *b = r->entrant[i].buffers;
        for (int k = i; k < r->n; k++)
            if (r->entrant[k].buffers == b)
                r->entrant[k].buffers = NULL;
        if (b)
            vc_measure_call_free(b);
        free(b);
    }
    vc_measure_starts_free(&r->starts);
}

double vc_rounds_left(const struct vc_rounds *r)
{
    return r->seconds - (vc_measure_now() - r->begin);
}

/* ---- an entrant comes in ---- */

/* A few blocks, long enough that the clock does not decide; the best of them. */
static void time_roughly(struct vc_entrant *s)
{
    struct vc_measure_world *w = s->on;
    long n = 1;
    for (int k = 0; k < ROUGHS;) {
        double cpu = 0, t = vc_measure_block_b2b(w, s->buffers, s->fns, n, &cpu);
        bool brief = t * (double)n < ROUGH && n < 256;
        if (w->rank == 0 && t < s->call) {
            s->call = t;
            s->burnt = fmax(cpu, 1e-9);
        }
        k++;
        if (vc_measure_told(w, brief)) {
            n *= 4;
            k = k > 1 ? k - 1 : k;
        } else if (vc_measure_told(w, t > LONG)) {
            break;
        }
    }
}

void vc_rounds_enter(struct vc_rounds *r, int i)
{
    struct vc_entrant *s = &r->entrant[i];
    s->call = s->burnt = INFINITY;
    if (s->on) {
        for (int n = 0; n < WARM; n++)
            vc_measure_call_run(s->buffers, s->fns, s->on->comm);
        time_roughly(s);
    }
    if (r->subsets)
        vc_measure_quiet_barrier(r->w);
}

/* ---- blocks ---- */

static int racing(const struct vc_rounds *r)
{
    int n = 0;
    for (int i = 0; i < r->n; i++)
        n += !r->entrant[i].dropped;
    return n;
}

/* How late ranks may begin follows from how long a call takes. */
static void tolerate(struct vc_rounds *r)
{
    for (int i = 0; i < r->n; i++) {
        double longest = 0;
        for (int k = i; k < r->n && first_on_comm(r, i); k++)
            if (r->entrant[k].on == r->entrant[i].on && !r->entrant[k].dropped)
                longest = fmax(longest, r->entrant[k].call);
        if (first_on_comm(r, i))
            vc_measure_tolerate(r->entrant[i].on, longest);
    }
}

/* Rank 0: how many calls a block has, so that enough rounds fit into the time. */
static void size_blocks(struct vc_rounds *r)
{
    const bool *measure = r->w->opt->measure;
    long block[VC_ENTRANTS][VC_MEASURES] = {{0}};
    double left = fmax(vc_rounds_left(r), r->seconds / 2);
    int units = racing(r) * (measure[VC_MEASURE_START] + measure[VC_MEASURE_B2B]) + r->nextra;
    double each = fmax(left / (fmax(r->rounds_goal, r->rounds_min) * units), BLOCK_MIN);
    r->block_time = r->block_max > 0 ? fmin(each, r->block_max) : each;
    for (int i = 0; i < r->n && r->w->rank == 0; i++) {
        double call = r->entrant[i].call, single = call + 2 * r->entrant[i].on->lead + 10e-6;
        block[i][VC_MEASURE_B2B] = (long)fmin(fmax(r->block_time / fmax(call, 1e-8), 2), MAX_B2B);
        block[i][VC_MEASURE_START] = (long)fmin(fmax(r->block_time / single, 2), (double)r->starts_max);
        for (int m = 0; m < VC_MEASURES && r->calls > 0; m++)
            block[i][m] = r->calls;
    }
    r->w->control->bcast(block, sizeof block, MPI_BYTE, 0, r->w->ctl);
    r->w->control->bcast(&r->block_time, 1, MPI_DOUBLE, 0, r->w->ctl);
    r->starts.block_time = r->calls > 0 ? INFINITY : r->block_time;
    for (int i = 0; i < r->n; i++)
        memcpy(r->entrant[i].block, block[i], sizeof block[i]);
}

static void run_starts(struct vc_rounds *r, struct vc_entrant *s, int round)
{
    double *all = r->starts.all;
    int before = round > 0 ? s->upto[round - 1] : 0;
    int n = vc_measure_block_starts(s->on, s->buffers, s->fns, s->block[VC_MEASURE_START], &r->starts);
    if (s->on->rank != 0)
        return;
    memcpy(s->sample + before, all, (size_t)n * sizeof *all);
    s->upto[round] = before + n;
    s->raw[VC_MEASURE_START][round] = vc_measure_quantile(all, n, 0.5);
    s->tail[round] = vc_measure_quantile(all, n, 0.99);
}

static void run_b2b(struct vc_entrant *s, int round)
{
    double cpu = 0, t = vc_measure_block_b2b(s->on, s->buffers, s->fns, s->block[VC_MEASURE_B2B], &cpu);
    if (s->on->rank != 0)
        return;
    s->raw[VC_MEASURE_B2B][round] = t;
    /* What is too short to be counted is not nothing. */
    s->cpus[round] = fmax(cpu, 1e-9);
}

static void run_block(struct vc_rounds *r, struct vc_entrant *s, enum vc_measure m, int round)
{
    if (s->on) {
        if (s->choice[0] && strcmp(s->choice, "native") != 0)
            vcoll_comm_force(&s->on->comm, vc_coll_name(s->coll), s->choice, NULL, 0);
        /* The first call after another one's block finds its own memory cold. */
        vc_measure_call_run(s->buffers, s->fns, s->on->comm);
        if (m == VC_MEASURE_START)
            run_starts(r, s, round);
        else
            run_b2b(s, round);
    }
    if (r->subsets)
        vc_measure_quiet_barrier(r->w);
}

/* ---- rounds ---- */

enum { UNITS = VC_ENTRANTS * VC_MEASURES + VC_ROUNDS_EXTRA };

/* What a round measures, in an order of its own, the same on all ranks; their number. */
static int shuffle(struct vc_rounds *r, int order[UNITS])
{
    int n = 0;
    for (int i = 0; i < r->n * VC_MEASURES; i++)
        if (!r->entrant[i / VC_MEASURES].dropped && r->w->opt->measure[i % VC_MEASURES])
            order[n++] = i;
    for (int i = 0; i < r->nextra; i++)
        order[n++] = r->n * VC_MEASURES + i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(vc_measure_rand(&r->w->rng) % (unsigned)(i + 1)), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    return n;
}

static void run_round(struct vc_rounds *r, int round)
{
    int order[UNITS], n = shuffle(r, order);
    for (int i = 0; i < r->n; i++) {
        struct vc_entrant *s = &r->entrant[i];
        if (s->dropped)
            continue;
        s->raw[VC_MEASURE_START][round] = s->raw[VC_MEASURE_B2B][round] = s->tail[round] = s->cpus[round] =
            NAN;
        s->upto[round] = round > 0 ? s->upto[round - 1] : 0;
    }
    for (int i = 0; i < n; i++) {
        if (order[i] < r->n * VC_MEASURES)
            run_block(r, &r->entrant[order[i] / VC_MEASURES], (enum vc_measure)(order[i] % VC_MEASURES),
                      round);
        else
            r->extra(r, order[i] - r->n * VC_MEASURES, round);
    }
    for (int i = 0; i < r->n; i++)
        r->entrant[i].rounds += !r->entrant[i].dropped;
}

/* Rank 0: fewer rounds than asked for give no interval; but nor is this to take several times as long as it
 * was given. */
static bool time_is_over(const struct vc_rounds *r, int rounds)
{
    if (rounds >= r->rounds_max)
        return true;
    int times = rounds >= r->rounds_min ? 1 : rounds < PROOF ? PATIENCE : HURRY;
    return r->calls == 0 && vc_rounds_left(r) <= -(times - 1) * r->seconds;
}

void vc_rounds_agree(struct vc_rounds *r)
{
    bool word[VC_ENTRANTS + 1] = {r->over};
    for (int i = 0; i < r->n; i++)
        word[1 + i] = r->entrant[i].dropped;
    r->w->control->bcast(word, (int)sizeof word, MPI_BYTE, 0, r->w->ctl);
    r->over = word[0];
    for (int i = 0; i < r->n; i++)
        r->entrant[i].dropped = word[1 + i];
}

void vc_rounds_run(struct vc_rounds *r)
{
    if (r->over || racing(r) == 0)
        return;
    tolerate(r);
    size_blocks(r);
    for (int round = 0; !r->over && racing(r) > 0; round++) {
        run_round(r, round);
        if (r->w->rank == 0) {
            r->over = time_is_over(r, round + 1) || (r->stop && r->stop());
            if (r->judge && !r->over)
                r->judge(r, round + 1);
        }
        vc_rounds_agree(r);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/model/defaults.h"

#include "coll/node/copy.h"
#include "coll/node/node.h"

#include <stdio.h>

/* Below, a message fits into small slots, and nothing is faster. Above, nothing was measured. */
#define STEPS_FROM ((size_t)4096)
#define STEPS_TO   ((size_t)4 << 20)
/* Blocks of an alltoallv that may go either way; longer ones are copied once. */
#define PAIRS_FROM ((size_t)8 << 10)
#define PAIRS_TO   ((size_t)4 << 20)
/* Ranks that share CPUs also share their caches: above so many bytes of all of them, memory decides. */
#define CROWDED_BYTES ((size_t)5 << 20)
/* The same of a scatter, all of which goes through one rank's slots. */
#define CROWDED_SCATTER ((size_t)1 << 20)
/* From so many on of pairs, chunks that go through slots no longer meet the caches of those who share a CPU,
 * and the underlying MPI's single copy is as fast. */
#define CROWDED_PAIRS ((size_t)16 << 20)
#define RANKS_MOST    1024

/* A message begins to be read when so much of it is there. */
#define PIECE ((uint64_t)16384)
/* The slots for long messages that a rank has, in bytes (VCOLL_SHM_BULK, unless it was set). */
#define RING ((uint64_t)256 << 10)
/* What a meeting costs besides the way of its lines, in ns. */
#define MEETING_NS 60
/* Of a yield that was not measured, in ns. */
#define YIELD_NS 1500
/* By how many hundredths a way must be better than what the built-in rules say. Figures are those of two
 * ranks. */
#define MARGIN_PAIR 105
#define MARGIN      125
/* The same of the underlying MPI against all of vcoll's own ways, of which less is known. */
#define MARGIN_NATIVE 115

/* Picoseconds per byte, made of the figures: user buffers lie beyond the first cache, slots within one. */
struct rates {
    uint64_t in, out, own, read, cma, meeting, call;
};

static uint64_t at_least(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* The bytes that decide whether copies of results go past the caches (coll/node/copy.h); 0: they do not. */
static size_t streamed(const struct vc_default_case *at)
{
    switch (at->coll) {
    case VC_ALLGATHER:
        return (size_t)at->ranks * at->bytes;
    case VC_BCAST:
    case VC_ALLREDUCE:
        return at->bytes;
    default:
        return 0;
    }
}

/* Of the larger side of all ranks. */
static size_t all_bytes(const struct vc_default_case *at)
{
    size_t q = (size_t)at->ranks;
    return q * at->bytes * (at->coll == VC_ALLGATHER || at->coll == VC_ALLTOALL ? q : 1);
}

/* Whether memory decides what the figures, which are those of caches, do not know. */
static bool is_beyond_caches(const struct vc_default_case *at)
{
    return at->crowded && all_bytes(at) > (at->coll == VC_SCATTER ? CROWDED_SCATTER : CROWDED_BYTES);
}

/* A byte by single copy. Beyond the caches no core has what is read. That this decides is known of alltoalls
 * alone. */
static uint64_t cma_rate(const struct vc_costs *c, const struct vc_default_case *at)
{
    return at->coll == VC_ALLTOALL && is_beyond_caches(at) ? c->cma_far_ps
                                                           : at_least(c->cma_ps, c->cma_far_ps);
}

static bool find_rates(const struct vc_costs *c, const struct vc_default_case *at, struct rates *r)
{
    if (!c->copy_warm_ps || !c->copy_across_ps || !c->copy_far_ps || !c->reduce_ps || !c->line_ns)
        return false;
    uint64_t far = c->copy_far_ps, past = 0;
    if (streamed(at) >= VC_STREAM_BYTES && c->copy_stream_ps) {
        past = c->copy_stream_ps;
        if (at->coll == VC_BCAST && at->ranks == 2) /* one of two ranks, which has the memory for itself */
            past = (past + far) / 2;
    }
    uint64_t yield = c->yield_ns ? c->yield_ns : YIELD_NS;
    *r = (struct rates){
        .in = far,
        .out = c->copy_across_ps + above(at_least(far, past), c->copy_warm_ps),
        .own = at_least(far, past),
        .read = c->copy_across_ps + c->reduce_ps, /* of an operand in another rank's slot */
        .cma = cma_rate(c, at),
        .meeting = 1000 * (at->crowded ? 2 * yield : 2 * c->line_ns + MEETING_NS),
        .call = 1000 * c->cma_call_ns,
    };
    if (past && at->coll == VC_BCAST)
        r->out = at_least(past, c->copy_across_ps);
    return true;
}

/* ---- the ways ---- */

/* Through slots; of one rank, or of all together. */
static uint64_t slots_time(const struct rates *r, const struct vc_costs *c, const struct vc_default_case *at)
{
    uint64_t q = (uint64_t)at->ranks, len = at->bytes, others = q - 1, all = at->crowded ? q : 1;
    uint64_t piece = len / 4 < PIECE ? len / 4 : PIECE, write = above(c->copy_far_ps, c->copy_warm_ps);
    switch (at->coll) {
    case VC_BCAST:
        if (at->crowded)
            return len * r->in + others * len * r->out + q * r->meeting;
        return len * at_least(r->in, r->out) + piece * r->in + r->meeting;
    case VC_REDUCE:
        if (at->crowded)
            return others * len * (r->in + r->read) + len * write + q * r->meeting;
        return at_least(others * len * r->read + len * write, len * r->in) + piece * r->in + r->meeting;
    case VC_ALLREDUCE:
        /* Meeting once, or twice: whatever is less, near enough to where coll/node changes. Without this
         * choices would change to and fro there. */
        return all * at_most(len * (r->in + write) + others * len * r->read + r->meeting,
                             others * len / q * (r->in + r->read + r->out) +
                                 len / q * (write + c->copy_warm_ps) + 2 * r->meeting);
    case VC_ALLGATHER:
        return all * (len * (r->own + r->in) + others * len * r->out + r->meeting);
    case VC_ALLTOALL:
        return all * (len * c->copy_far_ps + others * len * (r->in + r->out) + r->meeting);
    case VC_GATHER: /* the others write, the root reads */
        if (at->crowded)
            return others * len * (r->in + r->out) + q * r->meeting;
        return len * r->own + at_least(len * r->in, others * len * r->out) + piece * r->in + r->meeting;
    case VC_SCATTER: /* all blocks come by the root's slots: each time they are full, the others take a turn
                      */
        if (at->crowded)
            return others * len * (r->in + r->out) + (2 + q * len / RING) * q * r->meeting / 2;
        return len * r->own + at_least(others * len * r->in, len * r->out) + piece * r->in + r->meeting;
    default:
        return 0;
    }
}

static uint64_t calls_of(uint64_t bytes, uint64_t block)
{
    return (bytes + block - 1) / block;
}

static uint64_t cma_time(const struct rates *r, const struct vc_costs *c, const struct vc_default_case *at)
{
    uint64_t q = (uint64_t)at->ranks, len = at->bytes, others = q - 1, all = at->crowded ? q : 1;
    uint64_t pair_calls = 2 * calls_of(len / 2, VC_CMA_PAIR_BLOCK);
    switch (at->coll) {
    case VC_BCAST:
        if (at->crowded)
            return others * (len * r->cma + r->call) + 2 * q * r->meeting;
        return (q == 2 ? len / 2 : len) * r->cma + r->call + 2 * r->meeting;
    case VC_REDUCE:
        if (q == 2)
            return all * (at_least(len * 3 / 5 * (r->cma + c->reduce_ps),
                                   len * 2 / 5 * (2 * r->cma + c->reduce_ps)) +
                          pair_calls * r->call + 2 * r->meeting);
        return all * (others * len / q * (r->cma + c->reduce_ps) + len / q * r->cma +
                      q * calls_of(len / q, VC_CMA_BLOCK) * r->call + 2 * r->meeting);
    case VC_ALLREDUCE:
        if (q == 2)
            return all * (len * r->cma + len / 2 * c->reduce_ps + pair_calls * r->call + 2 * r->meeting);
        return all * (others * len / q * (2 * r->cma + c->reduce_ps) +
                      others * (1 + calls_of(len / q, VC_CMA_BLOCK)) * r->call + 3 * r->meeting);
    case VC_GATHER:
    case VC_SCATTER:
        if (at->crowded)
            return len * c->copy_far_ps + others * (len * r->cma + r->call) + 2 * q * r->meeting;
        return len * c->copy_far_ps + (q == 2 ? len / 2 : len) * r->cma + r->call + 2 * r->meeting;
    case VC_ALLGATHER:
    case VC_ALLTOALL:
        return all * (len * c->copy_far_ps + others * (len * r->cma + r->call) + 2 * r->meeting);
    default:
        return 0;
    }
}

uint64_t vc_default_time(const struct vc_costs *c, const struct vc_default_case *at, enum vc_default_way way)
{
    struct rates r;
    bool exchange = at->coll == VC_ALLGATHER || at->coll == VC_ALLTOALL;
    if (!find_rates(c, at, &r))
        return 0;
    switch (way) {
    case VC_DEFAULT_SLOTS:
        return slots_time(&r, c, at);
    case VC_DEFAULT_CMA:
        return at->cma && c->cma_call_ns && r.cma ? cma_time(&r, c, at) : 0;
    case VC_DEFAULT_NATIVE: /* two ranks exchange their blocks, which is what was measured */
        if (!exchange || at->ranks != 2 || at->crowded || !c->native_call_ns || !c->native_ps)
            return 0;
        return 1000 * c->native_call_ns + at->bytes * (c->native_ps + c->copy_far_ps);
    default:
        return 0;
    }
}

/* ---- the choice ---- */

static const char *const names[VC_DEFAULT_WAYS] = {"shm", "shm_cma", "native"};

/* The way that an algorithm goes; VC_DEFAULT_WAYS: none of these. */
static enum vc_default_way way_of(const struct vc_alg *alg)
{
    if (alg->kind == VC_ALG_NATIVE)
        return VC_DEFAULT_NATIVE;
    if (alg->kind != VC_ALG_NODE)
        return VC_DEFAULT_WAYS;
    return alg->node_alg == VC_NODE_CMA ? VC_DEFAULT_CMA : VC_DEFAULT_SLOTS;
}

size_t vc_default_step(size_t bytes)
{
    static const size_t part[] = {4096, 4871, 5793, 6889}; /* of 4096: a fourth of a doubling each */
    if (bytes <= STEPS_FROM)
        return STEPS_FROM;
    for (size_t octave = STEPS_FROM; octave < STEPS_TO; octave *= 2)
        for (int i = 1; i <= 4; i++) {
            size_t end = i < 4 ? octave / 4096 * part[i] : 2 * octave;
            if (bytes <= end)
                return end;
        }
    return SIZE_MAX;
}

/* The case that stands for all of its step. Blocks of different lengths cost what equal ones of their mean
 * do. */
static struct vc_default_case step_of(const struct vc_default_case *at)
{
    struct vc_default_case here = *at;
    here.bytes = vc_default_step(at->bytes);
    if (at->coll == VC_ALLGATHERV)
        here.coll = VC_ALLGATHER;
    return here;
}

/* Of alltoalls it is known what decides then. NULL: the prior's way. */
static const struct vc_alg *beyond_caches(const struct vc_costs *c, const struct vc_default_case *at,
                                          enum vc_default_way before)
{
    if (at->coll != VC_ALLTOALL || before != VC_DEFAULT_SLOTS)
        return NULL;
    uint64_t slots = vc_default_time(c, at, VC_DEFAULT_SLOTS), copy = vc_default_time(c, at, VC_DEFAULT_CMA);
    return copy > 0 && copy * MARGIN < slots * 100 ? vc_alg_find(at->coll, names[VC_DEFAULT_CMA]) : NULL;
}

const struct vc_alg *vc_default_choose(const struct vc_costs *c, const struct vc_default_case *at,
                                       const struct vc_alg *prior)
{
    enum vc_default_way before = way_of(prior), best = before;
    struct vc_default_case here = step_of(at);
    if (before == VC_DEFAULT_WAYS || here.bytes == SIZE_MAX || at->bytes <= STEPS_FROM || at->ranks < 2 ||
        at->ranks > RANKS_MOST)
        return NULL;
    if (is_beyond_caches(&here))
        return beyond_caches(c, &here, before);
    uint64_t then = vc_default_time(c, &here, before), least = then;
    if (then == 0)
        return NULL;
    for (int way = 0; way < VC_DEFAULT_WAYS; way++) { /* native last */
        uint64_t t = vc_default_time(c, &here, (enum vc_default_way)way);
        if (t > 0 && (way == VC_DEFAULT_NATIVE ? t * MARGIN_NATIVE < least * 100 : t < least)) {
            least = t;
            best = (enum vc_default_way)way;
        }
    }
    uint64_t margin = at->ranks == 2 ? MARGIN_PAIR : MARGIN;
    if (best == before || least * margin > then * 100)
        return NULL;
    return vc_alg_find(at->coll, names[best]);
}

/*
 * What is read may have been written just now by the core that has it (cma_ps), or not (cma_far_ps). Where
 * the first is dearer, the mean of the two counts here. Elsewhere the dearer one does, because there native
 * may be chosen as well.
 */
size_t vc_default_pairs_copy(const struct vc_costs *costs, int ranks, bool crowded)
{
    struct vc_costs mean = *costs, *c = &mean;
    if (mean.cma_far_ps < mean.cma_ps)
        mean.cma_ps = (mean.cma_ps + mean.cma_far_ps) / 2;
    struct vc_default_case at = {.coll = VC_ALLTOALL, .ranks = ranks, .crowded = crowded, .cma = true};
    size_t most = crowded ? CROWDED_PAIRS / (size_t)ranks / (size_t)ranks : PAIRS_TO;
    for (at.bytes = PAIRS_FROM; at.bytes < most && at.bytes < PAIRS_TO; at.bytes *= 2) {
        uint64_t slots = vc_default_time(c, &at, VC_DEFAULT_SLOTS),
                 copy = vc_default_time(c, &at, VC_DEFAULT_CMA);
        if (slots == 0 || copy == 0)
            return 0;
        if (copy < slots)
            break;
    }
    return at.bytes;
}

/* Both directions at once, as in rings and exchanges: each rank copies into cells and out of them. A single
 * copy is one call, an offer and a confirmation. */
size_t vc_default_single_copy_messages(const struct vc_costs *c, bool crowded)
{
    const struct vc_default_case at = {.coll = VC_ALLTOALL, .ranks = 2, .crowded = crowded};
    struct rates r;
    if (!find_rates(c, &at, &r) || !c->cma_call_ns || !r.cma)
        return VC_DEFAULT_SINGLE_COPY;
    uint64_t saved = above(r.in + r.out, r.cma);
    if (saved == 0)
        return SIZE_MAX;
    return vc_default_step((size_t)((r.call + 2 * r.meeting) / saved));
}

size_t vc_default_single_copy_bcasts(const struct vc_costs *c, int ranks, bool crowded)
{
    struct vc_default_case at = {.coll = VC_BCAST, .ranks = ranks, .crowded = crowded, .cma = true};
    for (at.bytes = STEPS_FROM; at.bytes <= STEPS_TO; at.bytes = vc_default_step(at.bytes + 1)) {
        uint64_t slots = vc_default_time(c, &at, VC_DEFAULT_SLOTS),
                 once = vc_default_time(c, &at, VC_DEFAULT_CMA);
        if (slots == 0 || once == 0)
            return VC_DEFAULT_SINGLE_COPY;
        if (once < slots)
            return at.bytes;
    }
    return SIZE_MAX;
}

const char *vc_default_text(const struct vc_costs *c, const struct vc_default_case *at, char *buf, size_t len)
{
    struct vc_default_case here = step_of(at);
    buf[0] = '\0';
    for (int way = 0; way < VC_DEFAULT_WAYS; way++) {
        uint64_t t = vc_default_time(c, &here, (enum vc_default_way)way);
        if (t > 0)
            vc_append(buf, len, "%s%s %.1f us", buf[0] ? ", " : "", names[way], (double)t * 1e-6);
    }
    return buf;
}

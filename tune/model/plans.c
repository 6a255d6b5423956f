/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the plans of ranks as steps of the graph, and counts what they take. */
#include "coll/info.h"
#include "coll/parts.h"
#include "coll/node/node.h"
#include "transport/channel.h"
#include "tune/model/impl.h"

#include <stdlib.h>
#include <string.h>

/* What the engine keeps of a step besides: its request and some numbers. */
#define STEP_BYTES (sizeof(struct vc_step) + sizeof(struct vc_chan_req) + 8 * sizeof(int))

/* Where plans are compared with others. */
enum { SAMPLES = 8 };

struct reader {
    struct vc_mgraph *g;
    const struct vc_alg *alg;
    int *met, stamp; /* [ranks of the shape] the last rank that had it as a peer */
};

/* ---- one plan ---- */

static bool grow(void *array, long need, int *cap, size_t each)
{
    void *old, *more;
    if (need <= *cap)
        return true;
    long want = *cap ? *cap + *cap / 2L : 1024;
    want = want < need ? need : want;
    memcpy(&old, array, sizeof old);
    more = want > INT32_MAX ? NULL : realloc(old, (size_t)want * each);
    if (!more)
        return false;
    memcpy(array, &more, sizeof more);
    *cap = (int)want;
    return true;
}

static struct vc_mstep step_of(const struct vc_step *st, bool alone)
{
    struct vc_mstep m = {.kind = (unsigned char)st->kind,
                         .node = (unsigned char)st->node,
                         .peer = st->peer,
                         .parts = st->parts,
                         .len = st->kind == VC_STEP_SEND ? st->src.len : st->dst.len,
                         .dep_count = st->dep_count};
    if (st->kind == VC_STEP_NODE && !alone)
        m.len = st->len;
    if (st->kind == VC_STEP_COPY && st->parts > 1)
        m.len *= (size_t)st->parts;
    m.in_place = st->src.buf == VC_BUF_NONE || (st->src.buf == st->dst.buf && st->src.off == st->dst.off);
    return m;
}

/* Appends a plan, or a part of one, whose first step is number `first` of its rank. */
static bool append(struct reader *r, const struct vc_plan *p, int rank, int first, bool fence)
{
    struct vc_mgraph *g = r->g;
    bool alone = vc_hier_node_size(g->shape->hier, g->shape->hier->node_of[rank]) == 1;
    long deps = (long)g->ndeps + p->ndeps + (fence ? p->nsteps : 0);
    if ((long)g->nsteps + p->nsteps + 1 > g->most || deps > 8 * g->most ||
        !grow(&g->step, (long)g->nsteps + p->nsteps + 1, &g->cap_steps, sizeof *g->step) ||
        !grow(&g->dep, deps, &g->cap_deps, sizeof *g->dep))
        return false;
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *st = &p->steps[i];
        struct vc_mstep *to = &g->step[g->nsteps++];
        *to = step_of(st, alone);
        to->dep_first = g->ndeps;
        for (int d = 0; d < st->dep_count; d++)
            g->dep[g->ndeps++] = first + p->deps[st->dep_first + d];
        if (fence) {
            to->dep_count++;
            g->dep[g->ndeps++] = first - 1;
        }
    }
    return true;
}

/* A step that waits for those of the part before: numbers `from` to `to` - 1 of the rank. */
static bool append_fence(struct vc_mgraph *g, int from, int to)
{
    if (!grow(&g->step, (long)g->nsteps + 1, &g->cap_steps, sizeof *g->step) ||
        !grow(&g->dep, (long)g->ndeps + to - from, &g->cap_deps, sizeof *g->dep))
        return false;
    g->step[g->nsteps++] = (struct vc_mstep){
        .kind = VC_STEP_COPY, .in_place = true, .peer = -1, .dep_first = g->ndeps, .dep_count = to - from};
    for (int s = from; s < to; s++)
        g->dep[g->ndeps++] = s;
    return true;
}

/* The plan of an algorithm of direct code (VC_ALG_NODE): one node phase. */
static int build_node(const struct vc_shape *s, struct vc_plan *p)
{
    struct vc_ref none = {VC_BUF_NONE, 0, 0};
    vc_plan_init(p);
    vc_plan_node(p, vc_coll_info[s->coll].node, s->hier->local_of[s->root], 0, s->bytes, none, none);
    return vc_plan_finish(p);
}

static bool read_part(struct reader *r, int rank, long from, long to, int *part)
{
    struct vc_mgraph *g = r->g;
    struct vc_plan p;
    int first = g->nsteps - g->base[rank];
    vc_plan_begin(&p, g->shape, rank);
    r->alg->part(g->shape, rank, from, to, &p);
    if (vc_plan_finish(&p) != VC_OK)
        return false;
    bool ok = true;
    if (p.nsteps > 0 && first > 0) {
        ok = append_fence(g, *part, first);
        first++;
    }
    vc_plan_place_blocks(&p, g->shape, rank);
    ok = ok && append(r, &p, rank, first, first > 0);
    *part = p.nsteps > 0 ? first : *part;
    g->use.scratch = p.tmp_bytes > g->use.scratch ? p.tmp_bytes : g->use.scratch;
    vc_plan_free(&p);
    return ok;
}

static bool read_parts(struct reader *r, int rank, long each)
{
    long rounds = r->alg->rounds(r->g->shape);
    int part = 0;
    bool ok = true;
    for (long at = 0; ok && at < rounds; at += each)
        ok = read_part(r, rank, at, at + each < rounds ? at + each : rounds, &part);
    return ok;
}

static bool read_whole(struct reader *r, int rank)
{
    const struct vc_shape *s = r->g->shape;
    struct vc_plan p;
    int err = r->alg->kind == VC_ALG_NODE ? build_node(s, &p) : r->alg->build(s, rank, &p);
    if (err != VC_OK)
        return false;
    vc_plan_place_blocks(&p, s, rank);
    bool ok = append(r, &p, rank, 0, false);
    r->g->use.scratch = p.tmp_bytes > r->g->use.scratch ? p.tmp_bytes : r->g->use.scratch;
    vc_plan_free(&p);
    return ok;
}

/* ---- what it takes ---- */

static void count_rank(struct reader *r, int rank)
{
    struct vc_mgraph *g = r->g;
    const struct vc_hier *h = g->shape->hier;
    double times = g->fold ? h->nnodes : 1;
    long steps = g->nsteps - g->base[rank];
    int peers = 0;
    r->stamp++;
    for (int s = g->base[rank]; s < g->nsteps; s++) {
        const struct vc_mstep *st = &g->step[s];
        if (st->kind != VC_STEP_SEND && !vc_mrecv(st->kind))
            continue;
        bool apart = h->node_of[st->peer] != h->node_of[rank];
        if (st->kind == VC_STEP_SEND) {
            g->use.messages[apart] += times;
            g->use.bytes[apart] += times * (double)st->len;
        }
        peers += apart && r->met[st->peer] != r->stamp;
        r->met[st->peer] = r->stamp;
    }
    g->use.peers = peers > g->use.peers ? peers : g->use.peers;
    g->use.all_peers += times * peers;
    g->use.steps = steps > g->use.steps ? steps : g->use.steps;
}

/* ---- whether other nodes do the same ---- */

static int moved(const struct vc_mgraph *g, int rank, int by)
{
    const struct vc_hier *h = g->shape->hier;
    int node = h->node_of[rank];
    node = g->fold == VC_FOLD_XOR ? node ^ by : (node + by) % h->nnodes;
    return vc_hier_rank(h, node, h->local_of[rank]);
}

static bool same_steps(const struct vc_mgraph *g, int rank, const struct vc_mgraph *other, int by)
{
    int n = other->nsteps, first = g->base[rank];
    if (n != g->base[rank + 1] - first)
        return false;
    for (int i = 0; i < n; i++) {
        const struct vc_mstep *a = &g->step[first + i], *b = &other->step[i];
        bool message = a->kind == VC_STEP_SEND || vc_mrecv(a->kind);
        if (a->kind != b->kind || a->node != b->node || a->parts != b->parts || a->len != b->len ||
            a->in_place != b->in_place || a->dep_count != b->dep_count ||
            b->peer != (message ? moved(g, a->peer, by) : a->peer) ||
            (a->dep_count && memcmp(g->dep + a->dep_first, other->dep + b->dep_first,
                                    (size_t)a->dep_count * sizeof *g->dep) != 0))
            return false;
    }
    return true;
}

static bool read_rank(struct reader *r, int rank)
{
    long each = r->alg->kind == VC_ALG_PLAN ? vc_alg_part_rounds(r->alg, r->g->shape) : 0;
    return each ? read_parts(r, rank, each) : read_whole(r, rank);
}

/* The plan of local index l of the node that lies `by` further on. */
static bool does_the_same(const struct reader *r, int l, int by)
{
    int rank = moved(r->g, l, by);
    struct vc_mgraph other = {.shape = r->g->shape, .most = r->g->most, .ranks = rank + 1};
    struct reader one = {.g = &other, .alg = r->alg};
    other.base = calloc((size_t)rank + 2, sizeof *other.base);
    bool ok = other.base && read_rank(&one, rank) && same_steps(r->g, l, &other, by);
    free(other.step);
    free(other.dep);
    free(other.base);
    return ok;
}

static bool all_the_same(const struct reader *r)
{
    int n = r->g->shape->hier->nnodes, q = r->g->ranks;
    if (r->g->fold == VC_FOLD_XOR && (n & (n - 1)))
        return false;
    const int by[SAMPLES] = {1, n - 1, n / 2, n / 3 + 1, 2 % n, n / 5 * 4, n / 7 + 2, n - 2};
    for (int i = 0; i < SAMPLES; i++)
        if (!does_the_same(r, i * 3 % q, by[i] % n) || !does_the_same(r, q - 1 - i % q, by[i] % n))
            return false;
    return true;
}

/* ---- all ---- */

bool vc_mgraph_read(struct vc_mgraph *g, const struct vc_alg *alg)
{
    struct reader r = {.g = g, .alg = alg, .met = calloc((size_t)g->shape->size, sizeof *r.met)};
    g->base = calloc((size_t)g->ranks + 1, sizeof *g->base);
    bool ok = r.met && g->base;
    for (int rank = 0; ok && rank < g->ranks; rank++) {
        ok = read_rank(&r, rank);
        /* Ranks have about as many steps each, so the first one shows early that all are too many. */
        if (rank == 0 && !g->fold && g->nsteps > 4 * (g->most / g->shape->size))
            ok = false;
        if (ok) {
            count_rank(&r, rank);
            g->base[rank + 1] = g->nsteps;
        }
        /* If one rank shows that nodes differ, the others need not be read. */
        if (ok && rank == 0 && g->fold)
            ok = does_the_same(&r, 0, 1);
    }
    free(r.met);
    ok = ok && (!g->fold || all_the_same(&r));
    long held = alg->kind == VC_ALG_PLAN && vc_alg_part_rounds(alg, g->shape) ? VC_PART_STEPS : g->use.steps;
    g->use.plan_bytes = (size_t)(held < g->use.steps ? held : g->use.steps) * STEP_BYTES;
    g->use.folded = g->fold != VC_FOLD_NONE;
    return ok;
}

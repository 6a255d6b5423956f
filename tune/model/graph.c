/* SPDX-License-Identifier: BSD-3-Clause */
/* The plans of all ranks as one graph: what waits for what, which send is which receive's. */
#include "coll/info.h"
#include "coll/node/node.h"
#include "tune/model/impl.h"

#include <stdlib.h>
#include <string.h>

/* Dependencies over all ranks. */
#define MAX_DEPS ((long)VC_MODEL_STEPS * 8)

/* ---- plans ---- */

/* The plan of an algorithm of direct code (VC_ALG_NODE): one node phase. */
static int build_node(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_ref none = {VC_BUF_NONE, 0, 0};
    (void)rank;
    vc_plan_init(p);
    vc_plan_node(p, vc_coll_info[s->coll].node, s->hier->local_of[s->root], 0, s->bytes, none, none);
    return vc_plan_finish(p);
}

static bool build_plans(struct vc_mgraph *g, const struct vc_alg *alg)
{
    const struct vc_shape *s = g->shape;
    int (*build)(const struct vc_shape *, int, struct vc_plan *) =
        alg->kind == VC_ALG_NODE ? build_node : alg->build;
    long deps = 0;
    g->plan = calloc((size_t)s->size, sizeof *g->plan);
    g->base = calloc((size_t)s->size + 1, sizeof *g->base);
    if (!g->plan || !g->base)
        return false;
    for (int r = 0; r < s->size; r++) {
        struct vc_plan *p = &g->plan[r];
        if (build(s, r, p) != 0) {
            vc_plan_init(p);
            return false;
        }
        vc_plan_place_blocks(p, s, r);
        deps += p->ndeps;
        /* Ranks have about as many steps each, so the first one shows early that all together are too many.
         */
        if (p->nsteps > VC_MODEL_STEPS - g->base[r] || deps > MAX_DEPS ||
            (r == 0 && p->nsteps > 4 * (VC_MODEL_STEPS / s->size)))
            return false;
        g->base[r + 1] = g->base[r] + p->nsteps;
    }
    g->nsteps = g->base[s->size];
    return true;
}

/* ---- links ---- */

static bool allocate(struct vc_mgraph *g)
{
    size_t n = (size_t)g->nsteps, deps = 0;
    for (int r = 0; r < g->shape->size; r++)
        deps += (size_t)g->plan[r].ndeps;
    g->owner = calloc(n + 1, sizeof *g->owner);
    g->unmet = calloc(n + 1, sizeof *g->unmet);
    g->chained = malloc((n + 1) * sizeof *g->chained);
    g->succ_first = calloc(n + 2, sizeof *g->succ_first);
    g->succ = malloc((deps + 1) * sizeof *g->succ);
    g->match = malloc((n + 1) * sizeof *g->match);
    return g->owner && g->unmet && g->chained && g->succ_first && g->succ && g->match;
}

/* Chains step s behind the last one of its chain. */
static void chain(struct vc_mgraph *g, int *last, int s)
{
    if (*last >= 0) {
        g->chained[*last] = s;
        g->unmet[s]++;
    }
    *last = s;
}

/* Checks and counts the steps of a rank. last: [2 * ranks]. */
static bool link_rank(struct vc_mgraph *g, int rank, int *last)
{
    const struct vc_plan *p = &g->plan[rank];
    int size = g->shape->size, last_phase = -1;
    for (int i = 0; i < 2 * size; i++)
        last[i] = -1;
    for (int i = 0; i < p->nsteps; i++) {
        const struct vc_step *st = &p->steps[i];
        int s = g->base[rank] + i;
        g->owner[s] = rank;
        g->chained[s] = g->match[s] = -1;
        g->unmet[s] += st->dep_count;
        for (int d = 0; d < st->dep_count; d++) {
            int on = p->deps[st->dep_first + d];
            if (on < 0 || on >= i)
                return false;
            g->succ_first[g->base[rank] + on + 2]++;
        }
        if (st->kind == VC_STEP_NODE) {
            chain(g, &last_phase, s);
        } else if (st->kind == VC_STEP_SEND || vc_mrecv(st->kind)) {
            if (st->peer < 0 || st->peer >= size || st->peer == rank)
                return false;
            chain(g, &last[2 * st->peer + (st->kind == VC_STEP_SEND)], s);
        }
    }
    return true;
}

static bool link_steps(struct vc_mgraph *g)
{
    int *last = malloc(2 * (size_t)g->shape->size * sizeof *last);
    bool ok = last != NULL;
    for (int r = 0; ok && r < g->shape->size; r++)
        ok = link_rank(g, r, last);
    free(last);
    if (!ok)
        return false;
    /* Counts stand two places further on, because filling moves each range's end to where the next one
     * begins. */
    for (int s = 0; s < g->nsteps; s++)
        g->succ_first[s + 2] += g->succ_first[s + 1];
    for (int s = 0; s < g->nsteps; s++) {
        const struct vc_step *st = vc_mstep(g, s);
        const struct vc_plan *p = &g->plan[g->owner[s]];
        for (int d = 0; d < st->dep_count; d++) {
            int on = g->base[g->owner[s]] + p->deps[st->dep_first + d];
            g->succ[g->succ_first[on + 1]++] = s;
        }
    }
    return true;
}

/* ---- messages ---- */

static size_t message_len(const struct vc_step *st)
{
    return st->kind == VC_STEP_RECV_REDUCE || st->kind == VC_STEP_RECV ? st->dst.len : st->src.len;
}

/* Stable counting sort of the steps in `in` by receiver (or by sender); count: [ranks + 1]. */
static void sort_by(const struct vc_mgraph *g, bool receiver, const int *in, int n, int *out, int *count)
{
    memset(count, 0, ((size_t)g->shape->size + 1) * sizeof *count);
    for (int i = 0; i < n; i++) {
        const struct vc_step *st = vc_mstep(g, in[i]);
        bool own = receiver == vc_mrecv(st->kind);
        count[(own ? g->owner[in[i]] : st->peer) + 1]++;
    }
    for (int r = 0; r < g->shape->size; r++)
        count[r + 1] += count[r];
    for (int i = 0; i < n; i++) {
        const struct vc_step *st = vc_mstep(g, in[i]);
        bool own = receiver == vc_mrecv(st->kind);
        out[count[own ? g->owner[in[i]] : st->peer]++] = in[i];
    }
}

/* Sends and receives, each sorted by receiver, sender and order, are then pairs. */
static bool match_sorted(struct vc_mgraph *g, int *mem, int *count)
{
    int n = 0, m = 0;
    int *sends = mem, *recvs = mem + g->nsteps, *sorted = mem + 2 * (size_t)g->nsteps;
    for (int s = 0; s < g->nsteps; s++) {
        enum vc_step_kind kind = vc_mstep(g, s)->kind;
        if (kind == VC_STEP_SEND)
            sends[n++] = s;
        else if (vc_mrecv(kind))
            recvs[m++] = s;
    }
    if (n != m)
        return false;
    sort_by(g, true, sends, n, sorted, count); /* they come sorted by sender */
    memcpy(sends, sorted, (size_t)n * sizeof *sends);
    sort_by(g, false, recvs, n, sorted, count);
    sort_by(g, true, sorted, n, recvs, count);
    for (int i = 0; i < n; i++) {
        const struct vc_step *out = vc_mstep(g, sends[i]), *in = vc_mstep(g, recvs[i]);
        if (out->peer != g->owner[recvs[i]] || in->peer != g->owner[sends[i]] ||
            message_len(out) != message_len(in))
            return false;
        g->match[sends[i]] = recvs[i];
        g->match[recvs[i]] = sends[i];
    }
    return true;
}

static bool match_messages(struct vc_mgraph *g)
{
    int *mem = calloc(3 * (size_t)g->nsteps + 1, sizeof *mem);
    int *count = malloc(((size_t)g->shape->size + 1) * sizeof *count);
    bool ok = mem && count && match_sorted(g, mem, count);
    free(mem);
    free(count);
    return ok;
}

/* ---- node phases ---- */

/* The next phase of a rank at or after its step i, or -1. */
static int next_phase(const struct vc_plan *p, int i)
{
    while (i < p->nsteps && p->steps[i].kind != VC_STEP_NODE)
        i++;
    return i < p->nsteps ? i : -1;
}

static bool same_phase(const struct vc_step *a, const struct vc_step *b)
{
    return a->node == b->node && a->peer == b->peer && a->parts == b->parts && a->len == b->len;
}

/* The phases of one node, whose ranks all have the same ones. at: [ranks of the node] where each is. */
static bool phases_of(struct vc_mgraph *g, int node, int *at, int *nmember)
{
    const struct vc_hier *h = g->shape->hier;
    int q = vc_hier_node_size(h, node);
    memset(at, 0, (size_t)q * sizeof *at);
    for (;;) {
        const struct vc_step *lead = NULL;
        struct vc_mphase *ph = &g->phase[g->nphases];
        for (int l = 0; l < q; l++) {
            int r = vc_hier_rank(h, node, l), i = next_phase(&g->plan[r], at[l]);
            if (i < 0 && !lead && l == 0) {
                at[0] = -1;
                continue;
            }
            if ((i < 0) != (at[0] < 0))
                return false;
            if (i < 0)
                continue;
            const struct vc_step *st = &g->plan[r].steps[i];
            if (l == 0) {
                if (st->peer < 0 || st->peer >= q)
                    return false;
                lead = st;
                *ph = (struct vc_mphase){.first = *nmember};
            } else if (!same_phase(lead, st)) {
                return false;
            }
            ph->awaited += vc_phase_gives(st->node, l, st->peer, st->parts);
            g->match[g->base[r] + i] = g->nphases;
            g->member[(*nmember)++] = g->base[r] + i;
            at[l] = i + 1;
        }
        if (!lead)
            return true;
        g->nphases++;
    }
}

static bool match_phases(struct vc_mgraph *g)
{
    const struct vc_hier *h = g->shape->hier;
    int n = 0, nmember = 0;
    for (int s = 0; s < g->nsteps; s++)
        n += vc_mstep(g, s)->kind == VC_STEP_NODE;
    g->phase = calloc((size_t)n + 1, sizeof *g->phase);
    g->member = calloc((size_t)n + 1, sizeof *g->member);
    int *at = malloc((size_t)g->shape->size * sizeof *at);
    bool ok = g->phase && g->member && at;
    for (int i = 0; ok && i < h->nnodes; i++)
        if (vc_hier_node_size(h, i) > 1)
            ok = phases_of(g, i, at, &nmember);
    free(at);
    return ok;
}

/* ---- all of it ---- */

bool vc_mgraph_build(struct vc_mgraph *g, const struct vc_alg *alg, const struct vc_shape *shape)
{
    memset(g, 0, sizeof *g);
    g->shape = shape;
    g->cma = alg->kind == VC_ALG_NODE && alg->node_alg == VC_NODE_CMA;
    return build_plans(g, alg) && allocate(g) && link_steps(g) && match_messages(g) && match_phases(g);
}

void vc_mgraph_free(struct vc_mgraph *g)
{
    for (int r = 0; g->plan && r < g->shape->size; r++)
        vc_plan_free(&g->plan[r]);
    free(g->plan);
    free(g->base);
    free(g->owner);
    free(g->unmet);
    free(g->chained);
    free(g->succ_first);
    free(g->succ);
    free(g->match);
    free(g->phase);
    free(g->member);
    memset(g, 0, sizeof *g);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The plans of all ranks as one graph: what waits for what, which send is which receive's. */
#include "coll/node/node.h"
#include "tune/model/impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- links ---- */

static bool allocate(struct vc_mgraph *g)
{
    size_t n = (size_t)g->nsteps, deps = (size_t)g->ndeps;
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

/* Checks and counts the steps of a rank. last: [2 * ranks of the shape]. */
static bool link_rank(struct vc_mgraph *g, int rank, int *last)
{
    int size = g->shape->size, last_phase = -1, first = g->base[rank], end = g->base[rank + 1];
    for (int s = first; s < end; s++) {
        const struct vc_mstep *st = &g->step[s];
        g->owner[s] = rank;
        g->chained[s] = g->match[s] = -1;
        g->unmet[s] += st->dep_count;
        for (int d = 0; d < st->dep_count; d++) {
            int on = g->dep[st->dep_first + d];
            if (on < 0 || first + on >= s)
                return false;
            g->succ_first[first + on + 2]++;
        }
        if (st->kind == VC_STEP_SEND || vc_mrecv(st->kind)) {
            if (st->peer < 0 || st->peer >= size || st->peer == rank)
                return false;
            last[2 * st->peer] = last[2 * st->peer + 1] = -1;
        }
    }
    for (int s = first; s < end; s++) {
        const struct vc_mstep *st = &g->step[s];
        if (st->kind == VC_STEP_NODE)
            chain(g, &last_phase, s);
        else if (st->kind == VC_STEP_SEND || vc_mrecv(st->kind))
            chain(g, &last[2 * st->peer + (st->kind == VC_STEP_SEND)], s);
    }
    return true;
}

static bool link_steps(struct vc_mgraph *g)
{
    int *last = malloc(2 * (size_t)g->shape->size * sizeof *last);
    bool ok = last != NULL;
    for (int r = 0; ok && r < g->ranks; r++)
        ok = link_rank(g, r, last);
    free(last);
    if (!ok)
        return false;
    /* Counts stand two places further on, because filling moves each range's end to where the next one
     * begins. */
    for (int s = 0; s < g->nsteps; s++)
        g->succ_first[s + 2] += g->succ_first[s + 1];
    for (int s = 0; s < g->nsteps; s++) {
        const struct vc_mstep *st = &g->step[s];
        for (int d = 0; d < st->dep_count; d++) {
            int on = g->base[g->owner[s]] + g->dep[st->dep_first + d];
            g->succ[g->succ_first[on + 1]++] = s;
        }
    }
    free(g->dep);
    g->dep = NULL;
    return true;
}

/* ---- messages ---- */

/* Stable counting sort of the steps in `in` by receiver (or by sender); count: [ranks + 1]. */
static void sort_by(const struct vc_mgraph *g, bool receiver, const int *in, int n, int *out, int *count)
{
    memset(count, 0, ((size_t)g->shape->size + 1) * sizeof *count);
    for (int i = 0; i < n; i++) {
        const struct vc_mstep *st = vc_mstep(g, in[i]);
        bool own = receiver == vc_mrecv(st->kind);
        count[(own ? g->owner[in[i]] : st->peer) + 1]++;
    }
    for (int r = 0; r < g->shape->size; r++)
        count[r + 1] += count[r];
    for (int i = 0; i < n; i++) {
        const struct vc_mstep *st = vc_mstep(g, in[i]);
        bool own = receiver == vc_mrecv(st->kind);
        out[count[own ? g->owner[in[i]] : st->peer]++] = in[i];
    }
}

static bool same_message(const struct vc_mgraph *g, int send, int recv)
{
    return vc_mstep(g, send)->len == vc_mstep(g, recv)->len;
}

/* Sends and receives, each sorted by receiver, sender and order, are then pairs. */
static bool match_all(struct vc_mgraph *g, int *sends, int n, int *recvs, int *sorted, int *count)
{
    sort_by(g, true, sends, n, sorted, count); /* they come sorted by sender */
    memcpy(sends, sorted, (size_t)n * sizeof *sends);
    sort_by(g, false, recvs, n, sorted, count);
    sort_by(g, true, sorted, n, recvs, count);
    for (int i = 0; i < n; i++) {
        const struct vc_mstep *out = vc_mstep(g, sends[i]), *in = vc_mstep(g, recvs[i]);
        if (out->peer != g->owner[recvs[i]] || in->peer != g->owner[sends[i]] ||
            !same_message(g, sends[i], recvs[i]))
            return false;
        g->match[sends[i]] = recvs[i];
        g->match[recvs[i]] = sends[i];
    }
    return true;
}

/* Where one node stands for all: a message as its sender's node sees it, receiver and sender by local index.
 */
struct seen {
    int receiver, sender, apart, step;
};

static int compare_seen(const void *x, const void *y)
{
    const struct seen *a = x, *b = y;
    if (a->receiver != b->receiver)
        return a->receiver < b->receiver ? -1 : 1;
    if (a->sender != b->sender)
        return a->sender < b->sender ? -1 : 1;
    if (a->apart != b->apart)
        return a->apart < b->apart ? -1 : 1;
    return a->step < b->step ? -1 : a->step > b->step;
}

static struct seen *see(const struct vc_mgraph *g, const int *steps, int n)
{
    const struct vc_hier *h = g->shape->hier;
    struct seen *all = malloc(((size_t)n + 1) * sizeof *all);
    for (int i = 0; all && i < n; i++) {
        const struct vc_mstep *st = vc_mstep(g, steps[i]);
        int other = h->local_of[st->peer], node = h->node_of[st->peer], own = g->owner[steps[i]];
        bool receives = vc_mrecv(st->kind);
        /* The receiver's node is the sender's, so many further on. */
        int apart = receives && g->fold == VC_FOLD_SHIFT ? (h->nnodes - node) % h->nnodes : node;
        all[i] = (struct seen){receives ? own : other, receives ? other : own, apart, steps[i]};
    }
    if (all)
        qsort(all, (size_t)n, sizeof *all, compare_seen);
    return all;
}

static bool match_folded(struct vc_mgraph *g, const int *sends, int n, const int *recvs)
{
    struct seen *out = see(g, sends, n), *in = see(g, recvs, n);
    bool ok = out && in;
    for (int i = 0; ok && i < n; i++) {
        ok = out[i].receiver == in[i].receiver && out[i].sender == in[i].sender &&
             out[i].apart == in[i].apart && same_message(g, out[i].step, in[i].step);
        g->match[out[i].step] = in[i].step;
        g->match[in[i].step] = out[i].step;
    }
    free(out);
    free(in);
    return ok;
}

static bool match_messages(struct vc_mgraph *g)
{
    int *mem = calloc(3 * (size_t)g->nsteps + 1, sizeof *mem);
    int *count = malloc(((size_t)g->shape->size + 1) * sizeof *count);
    bool ok = mem && count;
    if (ok) {
        int n = 0, m = 0, *sends = mem, *recvs = mem + g->nsteps;
        for (int s = 0; s < g->nsteps; s++) {
            unsigned char kind = vc_mstep(g, s)->kind;
            if (kind == VC_STEP_SEND)
                sends[n++] = s;
            else if (vc_mrecv(kind))
                recvs[m++] = s;
        }
        ok = n == m && (g->fold ? match_folded(g, sends, n, recvs)
                                : match_all(g, sends, n, recvs, mem + 2 * (size_t)g->nsteps, count));
    }
    free(mem);
    free(count);
    return ok;
}

/* ---- node phases ---- */

/* The next phase of a rank at or after step s, or -1. */
static int next_phase(const struct vc_mgraph *g, int rank, int s)
{
    while (s < g->base[rank + 1] && g->step[s].kind != VC_STEP_NODE)
        s++;
    return s < g->base[rank + 1] ? s : -1;
}

static bool same_phase(const struct vc_mstep *a, const struct vc_mstep *b)
{
    return a->node == b->node && a->peer == b->peer && a->parts == b->parts && a->len == b->len;
}

/* The phases of one node, whose ranks all have the same ones. at: [ranks of the node] where each is. */
static bool phases_of(struct vc_mgraph *g, int node, int *at, int *nmember)
{
    const struct vc_hier *h = g->shape->hier;
    int q = vc_hier_node_size(h, node);
    for (int l = 0; l < q; l++)
        at[l] = g->base[vc_hier_rank(h, node, l)];
    for (;;) {
        const struct vc_mstep *lead = NULL;
        struct vc_mphase *ph = &g->phase[g->nphases];
        for (int l = 0; l < q; l++) {
            int r = vc_hier_rank(h, node, l), i = at[0] < 0 && l == 0 ? -1 : next_phase(g, r, at[l]);
            if (i < 0 && !lead && l == 0) {
                at[0] = -1;
                continue;
            }
            if ((i < 0) != (at[0] < 0))
                return false;
            if (i < 0)
                continue;
            const struct vc_mstep *st = &g->step[i];
            if (l == 0) {
                if (st->peer < 0 || st->peer >= q)
                    return false;
                lead = st;
                *ph = (struct vc_mphase){.first = *nmember};
            } else if (!same_phase(lead, st)) {
                return false;
            }
            ph->awaited += vc_phase_gives((enum vc_node_phase)st->node, l, st->peer, st->parts);
            g->match[i] = g->nphases;
            g->member[(*nmember)++] = i;
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
    for (int i = 0; ok && i < (g->fold ? 1 : h->nnodes); i++)
        if (vc_hier_node_size(h, i) > 1)
            ok = phases_of(g, i, at, &nmember);
    free(at);
    return ok;
}

/* ---- all of it ---- */

bool vc_mgraph_build(struct vc_mgraph *g, const struct vc_alg *alg, const struct vc_shape *shape,
                     enum vc_mfold fold, long most)
{
    memset(g, 0, sizeof *g);
    g->shape = shape;
    g->fold = fold;
    g->ranks = fold ? vc_hier_node_size(shape->hier, 0) : shape->size;
    g->most = most;
    g->cma = alg->kind == VC_ALG_NODE && alg->node_alg == VC_NODE_CMA;
    return vc_mgraph_read(g, alg) && allocate(g) && link_steps(g) && match_messages(g) && match_phases(g);
}

void vc_mgraph_free(struct vc_mgraph *g)
{
    free(g->step);
    free(g->dep);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The symbolic run. Steps become ready when what they wait for is done; a send and its receive are done when
 * both have started (or, in the eager order, the send at once). That is monotone: if the run gets stuck,
 * every run does.
 */
#include "coll/check/internal.h"
#include "coll/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct vck *c;
    bool eager;
    struct vck_cell *sent; /**< eager: contents of messages, at sent_at[send] */
    size_t *sent_at;
    int *pending; /**< what a step still waits for before it may start */
    bool *started, *done;
    int *ready, nready, ready_head;
    int ndone;
    int *arrived; /**< [nnodes] per first rank's NODE step: how many of the node are in it */
    int words;
    uint64_t *known; /**< [nsteps * words], barriers only: see known_at() */
};

/* The ranks that must have entered the barrier before step g ends, as bits. */
static uint64_t *known_at(const struct run *x, int g)
{
    return x->known + (size_t)g * (size_t)x->words;
}

/* ---- barriers: the ranks that must have entered before a step ends ---- */

static void learn(struct run *x, int g, int from)
{
    if (!x->known)
        return;
    for (int w = 0; w < x->words; w++)
        known_at(x, g)[w] |= known_at(x, from)[w];
}

static void know_at_start(struct run *x, int g)
{
    struct vck *c = x->c;
    if (!x->known)
        return;
    int r = c->owner[g];
    const struct vc_step *s = vck_step(c, g);
    memset(known_at(x, g), 0, (size_t)x->words * sizeof(uint64_t));
    known_at(x, g)[r / 64] |= UINT64_C(1) << (r % 64);
    for (int i = 0; i < s->dep_count; i++)
        learn(x, g, c->ranks[r].first_step + c->plans[r].deps[s->dep_first + i]);
    if (s->kind == VC_STEP_NODE && c->prev[g] >= 0)
        learn(x, g, c->prev[g]);
}

/* ---- steps ---- */

static void release(struct run *x, int g)
{
    if (--x->pending[g] == 0)
        x->ready[x->nready++] = g;
}

/* A step is over: what waits for it may start. */
static void finish(struct run *x, int g)
{
    x->done[g] = true;
    x->ndone++;
    for (int i = x->c->first_waiting[g]; i < x->c->first_waiting[g + 1]; i++)
        release(x, x->c->waiting[i]);
    if (x->c->next[g] >= 0 && vck_step(x->c, g)->kind == VC_STEP_NODE)
        release(x, x->c->next[g]);
}

/* The data of a message arrives in its receive. */
static bool deliver(struct run *x, int send, const struct vck_cell *data)
{
    struct vck *c = x->c;
    int g = c->partner[send];
    const struct vc_step *s = vck_step(c, g);
    size_t n = s->dst.len / c->grain;
    int r = c->owner[g];
    struct vck_cell *dst = vck_cells(c, r, s->dst);
    learn(x, g, send);
    if (s->kind == VC_STEP_RECV) {
        if (n)
            memcpy(dst, data, n * sizeof *dst);
        return true;
    }
    struct vck_cell *scratch = vck_cells(c, r, s->src);
    if (n)
        memcpy(scratch, data, n * sizeof *dst);
    if (!vck_defined(c, g, s->dst, dst, n))
        return false;
    return s->dst_left ? vck_reduce(c, g, dst, dst, scratch, n) : vck_reduce(c, g, dst, scratch, dst, n);
}

static bool start_send(struct run *x, int g)
{
    struct vck *c = x->c;
    const struct vc_step *s = vck_step(c, g);
    size_t n = s->src.len / c->grain;
    const struct vck_cell *src = vck_cells(c, c->owner[g], s->src);
    int recv = c->partner[g];
    if (!vck_defined(c, g, s->src, src, n))
        return false;
    if (x->eager) {
        struct vck_cell *copy = x->sent + x->sent_at[g];
        if (n)
            memcpy(copy, src, n * sizeof *src);
        src = copy;
        finish(x, g);
    }
    if (!x->started[recv])
        return true;
    if (!deliver(x, g, src))
        return false;
    if (!x->eager)
        finish(x, g);
    finish(x, recv);
    return true;
}

static bool start_recv(struct run *x, int g)
{
    struct vck *c = x->c;
    const struct vc_step *s = vck_step(c, g);
    int r = c->owner[g], send = c->partner[g];
    if (x->eager && s->dst.len) {
        struct vc_ref into = s->kind == VC_STEP_RECV ? s->dst : s->src;
        memset(vck_cells(c, r, into), 0, into.len / c->grain * sizeof(struct vck_cell));
    }
    if (!x->started[send])
        return true;
    if (!deliver(x, send,
                 x->eager ? x->sent + x->sent_at[send]
                          : vck_cells(c, c->owner[send], vck_step(c, send)->src)))
        return false;
    if (!x->eager)
        finish(x, send);
    finish(x, g);
    return true;
}

/* A rank enters a node phase; the last one of the node does it for all. */
static bool start_node(struct run *x, int g)
{
    struct vck *c = x->c;
    const struct vc_hier *h = c->shape->hier;
    int node = h->node_of[c->owner[g]], q = vc_hier_node_size(h, node), k = c->kth_node[g];
    int slot = c->ranks[vc_hier_rank(h, node, 0)].first_node + k;
    if (++x->arrived[slot] < q)
        return true;
    const struct vc_step *s = vck_step(c, g);
    size_t n = s->len / c->grain * (size_t)q * (size_t)(s->node == VC_PHASE_ALLTOALL ? q : 1);
    int *steps = malloc((size_t)q * sizeof *steps);
    struct vck_cell *big = malloc((n + 1) * sizeof *big);
    bool good = steps && big;
    if (!good)
        vck_nomem(c);
    for (int l = 0; good && l < q; l++)
        steps[l] = c->node_steps[c->ranks[vc_hier_rank(h, node, l)].first_node + k];
    good = good && vck_phase(c, steps, q, big);
    if (good && x->known) {
        uint64_t *old = malloc((size_t)q * (size_t)x->words * sizeof *old);
        good = old || vck_nomem(c);
        for (int l = 0; good && l < q; l++)
            memcpy(old + (size_t)l * (size_t)x->words, known_at(x, steps[l]), (size_t)x->words * sizeof *old);
        for (int to = 0; good && to < q; to++)
            for (int from = 0; from < q && vc_phase_gets(s->node, to, s->peer, s->parts); from++)
                for (int w = 0; w < x->words && vc_phase_gives(s->node, from, s->peer, s->parts); w++)
                    known_at(x, steps[to])[w] |= old[from * x->words + w];
        free(old);
    }
    for (int l = 0; good && l < q; l++)
        finish(x, steps[l]);
    free(steps);
    free(big);
    return good;
}

static bool run_local(struct run *x, int g)
{
    struct vck *c = x->c;
    const struct vc_step *s = vck_step(c, g);
    size_t n = s->dst.len / c->grain;
    int r = c->owner[g];
    struct vck_cell *src = vck_cells(c, r, s->src), *dst = vck_cells(c, r, s->dst);
    if (!vck_defined(c, g, s->src, src, n))
        return false;
    if (s->kind == VC_STEP_COPY) {
        if (n)
            memmove(dst, src, n * sizeof *dst);
        for (int i = 1; i < s->parts; i++) {
            struct vc_ref from = vc_piece(s->src, s->src_step, i);
            src = vck_cells(c, r, from);
            if (!vck_defined(c, g, from, src, n))
                return false;
            memcpy(vck_cells(c, r, vc_piece(s->dst, s->dst_step, i)), src, n * sizeof *dst);
        }
    } else if (!vck_defined(c, g, s->dst, dst, n) ||
               !(s->dst_left ? vck_reduce(c, g, dst, dst, src, n) : vck_reduce(c, g, dst, src, dst, n))) {
        return false;
    }
    finish(x, g);
    return true;
}

/* ---- the schedule ---- */

static bool start(struct run *x, int g)
{
    enum vc_step_kind kind = vck_step(x->c, g)->kind;
    x->started[g] = true;
    know_at_start(x, g);
    if (x->c->next[g] >= 0 && kind != VC_STEP_NODE)
        release(x, x->c->next[g]);
    switch (kind) {
    case VC_STEP_SEND:
        return start_send(x, g);
    case VC_STEP_RECV:
    case VC_STEP_RECV_REDUCE:
        return start_recv(x, g);
    case VC_STEP_NODE:
        return start_node(x, g);
    default:
        return run_local(x, g);
    }
}

/* What an unfinished step waits for. */
static int waits_for(const struct run *x, int g, const char **why)
{
    const struct vck *c = x->c;
    const struct vc_step *s = vck_step(c, g);
    int r = c->owner[g];
    if (x->started[g] && s->kind != VC_STEP_NODE) {
        *why = "waits for its partner";
        return c->partner[g];
    }
    if (x->started[g]) {
        const struct vc_hier *h = c->shape->hier;
        int node = h->node_of[r];
        *why = "waits for the node";
        for (int l = 0; l < vc_hier_node_size(h, node); l++) {
            int other = c->node_steps[c->ranks[vc_hier_rank(h, node, l)].first_node + c->kth_node[g]];
            if (!x->started[other])
                return other;
        }
    }
    *why = "depends on";
    for (int i = 0; i < s->dep_count; i++) {
        int d = c->ranks[r].first_step + c->plans[r].deps[s->dep_first + i];
        if (!x->done[d])
            return d;
    }
    *why = "comes after";
    return c->prev[g];
}

static bool report_deadlock(struct run *x)
{
    struct vck *c = x->c;
    char text[400], name[64];
    const char *why;
    size_t at = 0;
    int g = 0;
    while (x->done[g])
        g++;
    int first = g;
    for (int hop = 0; hop < 6 && g >= 0 && at < sizeof text; hop++) {
        int to = waits_for(x, g, &why);
        if (to < 0)
            break;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s %s rank %d step %d (%s)",
                               hop ? ", which" : "", why, c->owner[to], vck_local(c, to),
                               vck_step_text(vck_step(c, to), name, sizeof name));
        g = to;
    }
    return vck_fail(c, c->owner[first], vck_local(c, first), "deadlock:%s", text);
}

static bool schedule(struct run *x, bool backwards)
{
    struct vck *c = x->c;
    for (int i = 0; i < c->nsteps; i++) {
        int g = backwards ? c->nsteps - 1 - i : i;
        x->pending[g] = vck_step(c, g)->dep_count + (c->prev[g] >= 0);
        if (x->pending[g] == 0)
            x->ready[x->nready++] = g;
    }
    while (x->ready_head < x->nready) {
        int g = backwards ? x->ready[--x->nready] : x->ready[x->ready_head++];
        if (!start(x, g))
            return false;
    }
    return x->ndone == c->nsteps || report_deadlock(x);
}

/* ---- begin and end ---- */

static void initial(struct run *x)
{
    const struct vck *c = x->c;
    const struct vc_shape *s = c->shape;
    for (int r = 0; r < s->size; r++) {
        bool root_has = vc_coll_root_gives_recv(s->coll) && r == s->root;
        struct vc_ref ref = root_has ? vc_ref_of(VC_BUF_RECV, 0, c->ranks[r].recv_len)
                                     : vc_ref_of(VC_BUF_SEND, 0, c->ranks[r].send_len);
        struct vck_cell *v = vck_cells(c, r, ref);
        for (size_t i = 0; i < ref.len / c->grain; i++)
            v[i] = (struct vck_cell){(uint32_t)(1 + r), (uint32_t)i};
    }
}

static bool report_wrong(struct run *x, int rank, size_t cell, const char *want)
{
    struct vck *c = x->c;
    size_t byte = cell * c->grain, at = c->ranks[rank].recv_at + byte;
    const struct vck_cell *v = vck_cells(c, rank, vc_ref_of(VC_BUF_RECV, byte, 0));
    char has[256], by[96] = "no step wrote it", name[64];
    struct vck_touch t[3];
    for (int i = 0; i < c->plans[rank].nsteps; i++) {
        const struct vc_step *s = &c->plans[rank].steps[i];
        for (int k = vck_touches(c, rank, s, t) - 1; k >= 0; k--)
            if (t[k].write && t[k].lo <= at && at < t[k].hi)
                snprintf(by, sizeof by, "last written by step %d (%s)", i,
                         vck_step_text(s, name, sizeof name));
    }
    return vck_fail(c, rank, -1, "ends with %s, place %zu, at byte %zu of RECV instead of %s; %s",
                    vck_expr_text(&c->exprs, v->expr, has, sizeof has), v->org * c->grain, byte, want, by);
}

/* Whether a cell at the end holds the operands that the collective's result on that rank has, of place `org`:
 * as many as there are between the lowest and the highest. Where there are none, nobody may have written it.
 */
static bool holds(const struct run *x, int rank, const struct vck_cell *v, size_t i, size_t org)
{
    const struct vck *c = x->c;
    int n = vc_operands_of(vc_coll_info[c->shape->coll].operands, rank, c->shape->size);
    const struct vck_expr *e = &c->exprs.e[v->expr];
    if (n == 0)
        return c->ranks[rank].send_at == 0 ? v->expr == (uint32_t)(1 + rank) && v->org == i : v->expr == 0;
    return v->expr != 0 && e->count == n && e->hi == n - 1 && v->org == org;
}

static bool verify(struct run *x)
{
    struct vck *c = x->c;
    const struct vc_shape *s = c->shape;
    const struct vc_coll_info *info = &vc_coll_info[s->coll];
    bool reduction = info->reduces, same_bits = vc_coll_same_bits(s->coll);
    char want[64];
    for (int r = 0; r < s->size; r++) {
        const struct vck_cell *v = vck_cells(c, r, vc_ref_of(VC_BUF_RECV, 0, 0));
        const struct vck_cell *v0 = vck_cells(c, 0, vc_ref_of(VC_BUF_RECV, 0, 0));
        int from = info->recv.extent == VC_EXTENT_EACH ? 0 : s->root;
        for (size_t i = 0; i < c->ranks[r].recv_len / c->grain; i++) {
            /* The block that it is in; each is what the rank of that number gives. */
            size_t first = 0,
                   send_at = info->send.extent == VC_EXTENT_EACH ? vc_shape_at(s, r) / c->grain : 0;
            if (s->pairs) {
                while (i >= vc_shape_received_below(s, r, from + 1) / c->grain)
                    from++;
                first = vc_shape_received_below(s, r, from) / c->grain;
                send_at = vc_shape_sent_below(s, from, r) / c->grain;
            } else if (info->recv.extent == VC_EXTENT_EACH) {
                while (i >= vc_shape_at(s, from + 1) / c->grain)
                    from++;
                first = vc_shape_at(s, from) / c->grain;
            }
            size_t org = send_at + i - first;
            if (reduction && !holds(x, r, &v[i], i, org)) {
                int n = vc_operands_of(info->operands, r, s->size);
                snprintf(want, sizeof want, n == s->size ? "all %d ranks' place %zu" : "%d ranks' place %zu",
                         n, org * c->grain);
                return report_wrong(x, r, i, want);
            }
            if (!reduction && (v[i].expr != (uint32_t)(1 + from) || v[i].org != org)) {
                snprintf(want, sizeof want, "rank %d's place %zu", from, org * c->grain);
                return report_wrong(x, r, i, want);
            }
            if (same_bits && v[i].expr != v0[i].expr)
                return report_wrong(x, r, i, "the association of rank 0");
        }
        if (vc_coll_sized(s->coll))
            continue;
        for (int o = 0; o < s->size; o++) {
            bool knows = o == r;
            for (int i = 0; i < c->plans[r].nsteps && !knows; i++)
                knows = known_at(x, c->ranks[r].first_step + i)[o / 64] >> (o % 64) & 1;
            if (!knows)
                return vck_fail(c, r, -1, "may leave the barrier before rank %d has entered it", o);
        }
    }
    return true;
}

bool vck_reverse(struct vck *c)
{
    int total = 0;
    for (int r = 0; r < c->shape->size; r++)
        total += c->plans[r].ndeps;
    int *first = c->first_waiting = calloc((size_t)c->nsteps + 2, sizeof(int));
    c->waiting = malloc(((size_t)total + 1) * sizeof(int));
    if (!first || !c->waiting)
        return vck_nomem(c);
    for (int pass = 0; pass < 2; pass++) {
        for (int g = 0; g < c->nsteps; g++) {
            const struct vc_step *s = vck_step(c, g);
            int r = c->owner[g], base = c->ranks[r].first_step;
            for (int i = 0; i < s->dep_count; i++) {
                int d = base + c->plans[r].deps[s->dep_first + i];
                if (pass == 0)
                    first[d + 1]++;
                else
                    c->waiting[first[d]++] = g;
            }
        }
        if (pass == 0)
            for (int g = 0; g < c->nsteps; g++)
                first[g + 1] += first[g];
    }
    /* Filling moved every beginning to its end. */
    memmove(first + 1, first, ((size_t)c->nsteps + 1) * sizeof(int));
    first[0] = 0;
    return true;
}

bool vck_run_all(struct vck *c, int order)
{
    struct run x = {.c = c, .eager = order == 1, .words = (c->shape->size + 63) / 64};
    size_t n = (size_t)c->nsteps + 1, msg = 0;
    const struct vck_rank *last = &c->ranks[c->shape->size - 1];
    bool good = false;
    c->mem = calloc(last->first_cell + last->end / c->grain + 1, sizeof *c->mem);
    x.pending = calloc(n, sizeof(int));
    x.started = calloc(n, sizeof(bool));
    x.done = calloc(n, sizeof(bool));
    x.ready = calloc(n, sizeof(int));
    x.arrived = calloc((size_t)c->nnodes + 1, sizeof(int));
    x.sent_at = calloc(n, sizeof(size_t));
    bool orders = !vc_coll_sized(c->shape->coll); /* a barrier */
    if (orders)
        x.known = calloc(n * (size_t)x.words, sizeof(uint64_t));
    for (int g = 0; x.sent_at && x.eager && g < c->nsteps; g++) {
        x.sent_at[g] = msg;
        if (vck_step(c, g)->kind == VC_STEP_SEND)
            msg += vck_step(c, g)->src.len / c->grain;
    }
    x.sent = malloc((msg + 1) * sizeof *x.sent);
    if (!c->mem || !x.pending || !x.started || !x.done || !x.ready || !x.arrived || !x.sent_at || !x.sent ||
        (orders && !x.known)) {
        vck_nomem(c);
    } else {
        initial(&x);
        good = schedule(&x, order == 1) && verify(&x);
    }
    free(c->mem);
    c->mem = NULL;
    free(x.sent);
    free(x.sent_at);
    free(x.pending);
    free(x.started);
    free(x.done);
    free(x.ready);
    free(x.arrived);
    free(x.known);
    return good;
}

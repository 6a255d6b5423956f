/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/engine_impl.h"

#include <stdlib.h>
#include <string.h>

static unsigned char *at(const struct vc_exec *x, const struct vc_ref *r)
{
    if (VC_UNLIKELY(r->buf > VC_BUF_TMP)) {
        const char *block = r->buf == VC_BUF_SEND_BLOCK ? x->pairs->src[r->off] : x->pairs->dst[r->off];
        return (unsigned char *)(uintptr_t)block;
    }
    unsigned char *base = x->base[r->buf];
    return base ? base + r->off : NULL;
}

static size_t length(const struct vc_exec *x, const struct vc_ref *r)
{
    if (VC_UNLIKELY(r->buf > VC_BUF_TMP))
        return r->buf == VC_BUF_SEND_BLOCK ? x->pairs->src_len[r->off] : x->pairs->dst_len[r->off];
    return r->len;
}

static int fail(struct vc_exec *x, int err)
{
    if (x->err == VC_OK)
        x->err = err;
    x->running = false;
    return x->err;
}

static void condition_met(struct vc_exec *x, int s)
{
    if (--x->unmet[s] == 0)
        x->ready[x->rtail++] = s;
}

static void complete(struct vc_exec *x, int s)
{
    const struct link *l = &x->links[s];
    if (VC_UNLIKELY(x->view != NULL))
        vc_exec_view_after(x, &x->plan.steps[s]);
    for (int i = 0; i < l->succ_count; i++)
        condition_met(x, x->succ[l->succ_first + i]);
    x->left--;
    x->advanced = true;
}

static void release_chained(struct vc_exec *x, int s)
{
    if (x->links[s].chained >= 0)
        condition_met(x, x->links[s].chained);
}

/**
 * dst = src (op) dst, or dst (op) src with dst_left. Operators may write their right operand; only predefined
 * ones may write the left one. Operands keep their sides even where the operator commutes, so that ranks that
 * reduce the same pair get the same bits (a NaN's payload, a user's operator that commutes only nearly).
 */
static int reduce(struct vc_exec *x, unsigned char *src, unsigned char *dst, size_t len, bool dst_left,
                  bool src_is_ours)
{
    const struct vc_redop *op = x->op;
    if (len == 0)
        return VC_OK;
    if (!op || op->esize == 0)
        return vc_fail(VC_ERR_INVAL, "the plan reduces, but the call has no operator");
    if (!dst_left) {
        op->fn(src, dst, dst, len / op->esize, op->ctx);
    } else if (!op->ctx && op->commutative) { /* predefined */
        op->fn(dst, src, dst, len / op->esize, op->ctx);
    } else if (src_is_ours) {
        op->fn(dst, src, src, len / op->esize, op->ctx);
        memcpy(dst, src, len);
    } else {
        /* Elements larger than the room made at creation are rare, so they may cost an allocation.
         */
        if (op->esize > x->bounce_bytes) {
            unsigned char *bigger = realloc(x->bounce, op->esize);
            if (!bigger)
                return vc_fail(VC_ERR_NOMEM, "no memory for reducing an element of %zu bytes", op->esize);
            x->bounce = bigger;
            x->bounce_bytes = op->esize;
        }
        size_t piece = x->bounce_bytes / op->esize * op->esize;
        for (size_t i = 0; i < len; i += piece) {
            size_t n = vc_min_size(piece, len - i);
            memcpy(x->bounce, src + i, n);
            op->fn(dst + i, x->bounce, x->bounce, n / op->esize, op->ctx);
            memcpy(dst + i, x->bounce, n);
        }
    }
    return VC_OK;
}

/** A node phase of a node of one rank: a copy. */
static void copy_alone(const struct vc_exec *x, const struct vc_step *st)
{
    if (vc_phase_info[st->node].src == VC_EXTENT_NONE ||
        vc_phase_info[st->node].operands == VC_OPERANDS_BELOW)
        return;
    size_t len = vc_phase_side(VC_EXTENT_ONE, st->len, st->at, 1, 0);
    if (st->node == VC_PHASE_REDUCE_SCATTER)
        len = vc_slice(st->len, x->op ? x->op->esize : 1, st->parts, 1);
    unsigned char *src = at(x, &st->src), *dst = at(x, &st->dst);
    if (len && src != dst)
        memcpy(dst, src, len);
}

static int start_node(struct vc_exec *x, int s)
{
    const struct vc_step *st = &x->plan.steps[s];
    if (x->env.nlocal <= 1 || !x->env.node) {
        copy_alone(x, st);
        complete(x, s);
        release_chained(x, s);
        return VC_OK;
    }
    x->call = (struct vc_node_call){
        .kind = st->node,
        .alg = VC_NODE_AUTO,
        .root = st->peer,
        .parts = st->parts,
        .src = at(x, &st->src),
        .dst = at(x, &st->dst),
        .len = st->len,
        .at = st->at,
        .op = x->op,
        .grain = x->op ? x->op->esize : 1,
    };
    x->node_step = s;
    x->node_whom = VC_WAIT_ANY;
    return vc_node_start(x->env.node, &x->call);
}

/** A message has arrived or left. */
static int message_done(struct vc_exec *x, int s)
{
    const struct vc_step *st = &x->plan.steps[s];
    if (x->reqs[s].err != VC_OK)
        return x->reqs[s].err;
    if (st->kind == VC_STEP_RECV_REDUCE && !x->reqs[s].mark) {
        int err = reduce(x, at(x, &st->src), at(x, &st->dst), st->dst.len, st->dst_left, true);
        if (err != VC_OK)
            return err;
    }
    complete(x, s);
    return VC_OK;
}

/** The request's mark says that the channel reduces; otherwise message_done() does. */
static int start_recv_reduce(struct vc_exec *x, const struct vc_step *st, struct vc_chan_req *r)
{
    struct vc_chan *ch = x->env.chan;
    const struct vc_chan_op *op = &x->chan_op[st->dst_left];
    unsigned char *scratch = at(x, &st->src);
    r->mark = true;
    int rc = op->fn && ch->ops->irecv_reduce && st->dst.len
                 ? ch->ops->irecv_reduce(ch, st->peer, at(x, &st->dst), st->dst.len, op, scratch, r)
                 : 1;
    if (rc <= 0)
        return rc;
    r->mark = false;
    return ch->ops->irecv(ch, st->peer, scratch, st->src.len, r);
}

static int start_message(struct vc_exec *x, int s)
{
    const struct vc_step *st = &x->plan.steps[s];
    struct vc_chan *ch = x->env.chan;
    struct vc_chan_req *r = &x->reqs[s];
    int err = st->kind == VC_STEP_SEND ? ch->ops->isend(ch, st->peer, at(x, &st->src), length(x, &st->src), r)
              : st->kind == VC_STEP_RECV
                  ? ch->ops->irecv(ch, st->peer, at(x, &st->dst), length(x, &st->dst), r)
                  : start_recv_reduce(x, st, r);
    if (err != VC_OK)
        return err;
    release_chained(x, s);
    if (vc_req_done(r))
        return message_done(x, s);
    x->flying[x->nflying++] = s;
    return VC_OK;
}

static int start_step(struct vc_exec *x, int s)
{
    const struct vc_step *st = &x->plan.steps[s];
    int err = VC_OK;
    if (VC_UNLIKELY(x->view != NULL))
        vc_exec_view_before(x, st);
    switch (st->kind) {
    case VC_STEP_SEND:
    case VC_STEP_RECV:
    case VC_STEP_RECV_REDUCE:
        return start_message(x, s);
    case VC_STEP_NODE:
        return start_node(x, s);
    case VC_STEP_COPY: {
        unsigned char *src = at(x, &st->src), *dst = at(x, &st->dst);
        size_t len = length(x, &st->dst);
        if (len && src != dst)
            memcpy(dst, src, len);
        for (int i = 1; i < st->parts && len; i++)
            memcpy(dst + i * st->dst_step, src + i * st->src_step, len);
        break;
    }
    case VC_STEP_REDUCE:
        err = reduce(x, at(x, &st->src), at(x, &st->dst), st->dst.len, st->dst_left, false);
        break;
    }
    if (err == VC_OK)
        complete(x, s);
    return err;
}

static int run_ready(struct vc_exec *x)
{
    while (x->rhead < x->rtail) {
        int err = start_step(x, x->ready[x->rhead++]);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

static int poll_messages(struct vc_exec *x)
{
    int rc = x->env.chan->ops->progress(x->env.chan);
    if (rc < 0)
        return rc;
    if (rc > 0)
        x->advanced = true;
    int kept = 0;
    /* In starting order. The channel may have completed them in somebody else's progress call, so rc says
     * nothing. */
    for (int i = 0; i < x->nflying; i++) {
        int s = x->flying[i];
        if (!vc_req_done(&x->reqs[s])) {
            x->flying[kept++] = s;
            continue;
        }
        int err = message_done(x, s);
        if (err != VC_OK) {
            memmove(&x->flying[kept], &x->flying[i + 1], (size_t)(x->nflying - i - 1) * sizeof *x->flying);
            x->nflying -= i + 1 - kept;
            return err;
        }
    }
    x->nflying = kept;
    return VC_OK;
}

static int poll_node(struct vc_exec *x)
{
    int rc = vc_node_progress(x->env.node, &x->call, &x->node_whom);
    if (rc <= 0)
        return rc;
    int s = x->node_step;
    x->node_step = -1;
    complete(x, s);
    release_chained(x, s);
    return VC_OK;
}

void vc_exec_pairs(struct vc_exec *x, const struct vc_pairs *pairs)
{
    x->pairs = pairs;
}

void vc_exec_view(struct vc_exec *x, const struct vc_view *view)
{
    x->view = view;
}

static void begin_steps(struct vc_exec *x)
{
    x->base[VC_BUF_TMP] = x->tmp;
    x->left = x->plan.nsteps;
    memcpy(x->unmet, x->unmet0, (size_t)x->plan.nsteps * sizeof *x->unmet);
    memcpy(x->ready, x->roots, (size_t)x->nroots * sizeof *x->ready);
    x->rhead = 0;
    x->rtail = x->nroots;
    x->nflying = 0;
    x->node_step = -1;
}

int vc_exec_start(struct vc_exec *x, const void *send, void *recv, const struct vc_redop *op)
{
    if (x->err != VC_OK)
        return vc_fail(x->err, "this plan has failed before");
    if (x->running)
        return vc_fail(VC_ERR_INVAL, "this plan is running already");
    x->op = op;
    /* Channels may write over either operand, in another thread and where elements are not aligned: so
     * predefined operators only. */
    bool predefined = op && !op->ctx && op->commutative && op->esize;
    for (int left = 0; left < 2; left++)
        x->chan_op[left] = (struct vc_chan_op){predefined ? op->fn : NULL, op ? op->esize : 0, left};
    x->base[VC_BUF_NONE] = NULL;
    x->base[VC_BUF_SEND] = (unsigned char *)(uintptr_t)send;
    x->base[VC_BUF_RECV] = recv;
    if (VC_UNLIKELY(x->view != NULL)) {
        int err = vc_exec_view_begin(x);
        if (err != VC_OK)
            return err;
    }
    if (x->parts) {
        x->round = 0;
        int more = vc_exec_next_part(x);
        if (more < 0)
            return fail(x, more);
    }
    begin_steps(x);
    x->running = true;
    return VC_OK;
}

int vc_exec_progress(struct vc_exec *x)
{
    if (x->err != VC_OK)
        return x->err;
    x->advanced = false;
    if (!x->running)
        return 1;
    int err = run_ready(x);
    if (err == VC_OK && x->nflying)
        err = poll_messages(x);
    if (err == VC_OK && x->node_step >= 0)
        err = poll_node(x);
    if (err == VC_OK)
        err = run_ready(x);
    if (err != VC_OK)
        return fail(x, err);
    if (x->left)
        return 0;
    if (VC_UNLIKELY(x->parts != NULL)) {
        int more = vc_exec_next_part(x);
        if (more < 0)
            return fail(x, more);
        if (more) {
            begin_steps(x);
            x->advanced = true;
            return 0;
        }
    }
    x->running = false;
    return 1;
}

bool vc_exec_advanced(const struct vc_exec *x)
{
    return x->advanced;
}

/* Nobody wakes a rank for what comes through memory of the host. */
static enum vc_wakers wakers_of(const struct vc_exec *x)
{
    int by_host = 0;
    if (VC_LIKELY(!x->env.by_host))
        return VC_WAKERS_ALL;
    for (int i = 0; i < x->nflying; i++)
        by_host += x->env.by_host[x->plan.steps[x->flying[i]].peer];
    if (by_host == 0)
        return VC_WAKERS_ALL;
    return by_host == x->nflying && x->node_step < 0 ? VC_WAKERS_NONE : VC_WAKERS_SOME;
}

/* Sleeping on a descriptor costs more than on a word, and waking a rank that sleeps on descriptors costs
 * more, too. */
void vc_exec_wait_begin(struct vc_exec *x, struct vc_waiter *w, const struct vc_wait_cfg *wait,
                        struct vc_parking *parking)
{
    bool unknown = !x->env.by_shm && !x->env.by_device;
    enum vc_wakers wakers = wakers_of(x);
    struct vc_wake_src *src =
        x->nflying && wakers != VC_WAKERS_NONE && (x->env.by_device || unknown) ? x->env.chan->src : NULL;
    bool parks = !src || x->env.by_shm || unknown || x->node_step >= 0;
    vc_wait_begin_src(w, wait, parks ? parking : NULL, src);
    w->wakers = (uint8_t)wakers;
    /* A device can be lost while the node phase before its messages waits for somebody. */
    if (x->env.by_device)
        w->watch = x->env.chan->src;
}

struct vc_wake_src *vc_exec_source(const struct vc_exec *x)
{
    bool device_alone = x->env.by_device && !x->env.by_shm && !x->env.by_host;
    return device_alone && x->nflying > 0 && x->node_step < 0 ? x->env.chan->src : NULL;
}

int vc_exec_whom(const struct vc_exec *x)
{
    return x->nflying == 0 && x->node_step >= 0 ? x->node_whom : VC_WAIT_ANY;
}

struct vc_wake_src *vc_exec_watch(const struct vc_exec *x)
{
    return x->env.by_device ? x->env.chan->src : NULL;
}

int vc_exec_wait(struct vc_exec *x, const struct vc_wait_cfg *wait, struct vc_parking *parking)
{
    int rc = vc_exec_progress(x);
    if (rc != 0)
        return rc < 0 ? rc : VC_OK;
    struct vc_waiter w;
    vc_exec_wait_begin(x, &w, wait, parking);
    while ((rc = vc_exec_progress(x)) == 0) {
        if (x->advanced) {
            /* What comes next is a new wait, with its own budget. */
            vc_wait_end(&w);
            vc_exec_wait_begin(x, &w, wait, parking);
            continue;
        }
        int err = vc_wait_idle(&w, vc_exec_whom(x));
        if (err != VC_OK) {
            rc = fail(x, err);
            break;
        }
    }
    vc_wait_end(&w);
    return rc < 0 ? rc : VC_OK;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The channel of a communicator: the operations of struct vc_chan_ops. */
#include "transport/verbs/abort.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/recv.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/send.h"
#include "transport/verbs/turn.h"

#include <stdlib.h>
#include <string.h>

static struct chan *chan_of(struct vc_chan *ch)
{
    return (struct chan *)(void *)ch;
}

static int no_such_peer(const struct chan *c, int peer)
{
    if (peer == c->base.rank)
        return vc_fail(VC_ERR_INVAL, "the verbs channel carries no messages to oneself");
    return vc_fail(VC_ERR_INVAL, "the verbs channel has no rank %d", peer);
}

static bool reaches(const struct chan *c, int peer)
{
    return peer >= 0 && peer < c->base.size && peer != c->base.rank;
}

/* Depends on the length and the receiver's address alone, so that both ends come to the same answer. */
static bool by_rendezvous(const struct chan *c, size_t len, int receiver)
{
    return len >= c->v->cfg.zcopy_min && len > 0 && (c->v->reached[c->procs[receiver]] & REACHED_ZCOPY);
}

static void req_init(struct vc_chan_req *r, const void *buf, size_t len)
{
    vc_req_begin(r);
    r->err = VC_OK;
    r->priv[P_BUF] = (uintptr_t)buf;
    r->priv[P_LEN] = len;
    r->priv[P_OFF] = 0;
    r->priv[P_REG] = 0;
    r->priv[P_ADDR] = 0;
    r->priv[P_OP] = 0;
}

static int broken(struct chan *c)
{
    vc_chan_abort(c);
    return vc_fail(c->failed, "%s", c->why);
}

static int send_locked(struct chan *c, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    struct peer *p = peer_of(c, peer);
    if (!p)
        return VC_ERR_NOMEM;
    if (c->failed)
        return broken(c);
    bool rendezvous = by_rendezvous(c, len, peer);
    if (!rendezvous && vc_peer_send_now(p, buf, len)) {
        r->err = VC_OK;
        vc_req_end(r);
        return VC_OK;
    }
    req_init(r, buf, len);
    if (rendezvous)
        req_push(&p->wait_head, &p->wait_tail, r);
    else
        req_push(&p->send_head[STREAM_EAGER], &p->send_tail[STREAM_EAGER], r);
    vc_peer_push(p);
    return VC_OK;
}

static int verbs_isend(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *r)
{
    struct chan *c = chan_of(ch);
    if (!reaches(c, peer))
        return no_such_peer(c, peer);
    verbs_lock(c->v);
    int err = send_locked(c, peer, buf, len, r);
    verbs_unlock(c->v);
    return err;
}

/* Grants the sender the buffer. False: it cannot be registered, or all grants are in use, or the connection
 * is lost. */
static bool grant_buffer(struct peer *p, struct vc_chan_req *r)
{
    struct vc_verbs *v = p->c->v;
    struct vc_reg *reg = NULL;
    int i = p->ep->state <= EP_READY ? v->free_grant : -1;
    if (i >= 0 && vc_regcache_get(v->regs, req_buf(r), r->priv[P_LEN], true, &reg) == VC_OK) {
        v->free_grant = v->grants[i].next_free;
        v->grants[i].req = r;
        v->grants[i].peer = p;
        v->grants[i].reg = reg;
        r->priv[P_REG] = (uintptr_t)reg;
        r->priv[P_ADDR] = r->priv[P_BUF];
        r->priv[P_RKEY_GRANT] = (uint64_t)reg->rkey << 32 | (uint32_t)v->grants[i].gen << 24 | (uint32_t)i;
    }
    return reg != NULL;
}

static void owe_cts(struct peer *p, struct vc_chan_req *r)
{
    r->priv[P_NEXT_CTS] = 0;
    if (p->owe_cts_head)
        p->owe_cts_tail->priv[P_NEXT_CTS] = (uintptr_t)r;
    else
        p->owe_cts_head = r;
    p->owe_cts_tail = r;
}

static void queue_eager(struct peer *p, int stream, struct vc_chan_req *r)
{
    bool first = p->recv_head[stream] == NULL;
    req_push(&p->recv_head[stream], &p->recv_tail[stream], r);
    if (first && p->unexp_head[stream])
        vc_peer_match_unexpected(p, stream);
}

static int recv_locked(struct chan *c, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    struct peer *p = peer_of(c, peer);
    if (!p)
        return VC_ERR_NOMEM;
    if (c->failed)
        return broken(c);
    req_init(r, buf, len);
    p->recvs++;
    bool rendezvous = by_rendezvous(c, len, c->base.rank);
    if (!rendezvous || !grant_buffer(p, r))
        queue_eager(p, rendezvous ? STREAM_DECLINED : STREAM_EAGER, r);
    if (rendezvous) {
        owe_cts(p, r);
        vc_peer_push(p);
    }
    return VC_OK;
}

static int verbs_irecv(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *r)
{
    struct chan *c = chan_of(ch);
    if (!reaches(c, peer))
        return no_such_peer(c, peer);
    verbs_lock(c->v);
    int err = recv_locked(c, peer, buf, len, r);
    verbs_unlock(c->v);
    return err;
}

/* Messages of the eager stream: the others are written to where they belong. */
static int recv_reduce_locked(struct chan *c, int peer, void *buf, size_t len, const struct vc_chan_op *op,
                              void *scratch, struct vc_chan_req *r)
{
    struct peer *p = peer_of(c, peer);
    if (!p)
        return VC_ERR_NOMEM;
    if (c->failed)
        return broken(c);
    req_init(r, buf, len);
    r->priv[P_OP] = (uintptr_t)op;
    r->priv[P_SCRATCH] = (uintptr_t)scratch;
    p->recvs++;
    queue_eager(p, STREAM_EAGER, r);
    return VC_OK;
}

static int verbs_irecv_reduce(struct vc_chan *ch, int peer, void *buf, size_t len,
                              const struct vc_chan_op *op, void *scratch, struct vc_chan_req *r)
{
    struct chan *c = chan_of(ch);
    if (!reaches(c, peer))
        return no_such_peer(c, peer);
    verbs_lock(c->v);
    int err = by_rendezvous(c, len, c->base.rank) ? 1 : recv_reduce_locked(c, peer, buf, len, op, scratch, r);
    verbs_unlock(c->v);
    return err;
}

static int verbs_progress(struct vc_chan *ch)
{
    struct chan *c = chan_of(ch);
    verbs_lock(c->v);
    int rc = vc_verbs_progress(c->v);
    if (c->failed)
        rc = broken(c);
    verbs_unlock(c->v);
    return rc;
}

static void verbs_give_up(struct vc_chan *ch, const char *text)
{
    struct chan *c = chan_of(ch);
    verbs_lock(c->v);
    vc_chan_fail(c, "%s", text);
    vc_chan_abort(c);
    verbs_unlock(c->v);
}

/* ---- life ---- */

/* Afterwards nothing that is under way touches requests or memory of this channel. */
static void forget_peer(struct peer *p)
{
    struct vc_verbs *v = p->c->v;
    struct ep *e = p->ep;
    for (uint32_t n = e->tail; n != e->head; n++) {
        struct wr_rec *rec = ep_rec(e, n);
        if (rec->req && rec->peer == p) {
            /* The device may still read through the registration, so it is never put back. */
            rec->req = NULL;
            v->bulk_waiters--;
        }
        if (rec->kind >= REC_WRITE && rec->peer == p)
            rec->from = NULL;
    }
    for (struct vc_chan_req *r = p->push_head; r; r = r->next)
        if (r->priv[P_REG])
            vc_regcache_put(v->regs, (struct vc_reg *)(uintptr_t)r->priv[P_REG]);
    for (int i = 0; i < v->ngrants; i++)
        if (v->grants[i].req && v->grants[i].peer == p)
            vc_grant_revoke(v, i);
    for (int s = 0; s < STREAMS; s++)
        for (struct piece *q = p->unexp_head[s], *next; q; q = next) {
            next = q->next;
            vc_piece_free(v, q);
        }
    for (struct piece *q = p->cts_head, *next; q; q = next) {
        next = q->next;
        vc_piece_free(v, q);
    }
    for (struct peer **at = &v->active; *at; at = &(*at)->next_active)
        if (*at == p) {
            *at = p->next_active;
            break;
        }
    for (struct peer **at = &e->peers; *at; at = &(*at)->next_on_ep)
        if (*at == p) {
            *at = p->next_on_ep;
            break;
        }
    vc_ep_count(e);
    free(p);
}

static void verbs_destroy(struct vc_chan *ch)
{
    struct chan *c = chan_of(ch);
    struct vc_verbs *v = c->v;
    verbs_lock(v);
    for (struct chan **at = &v->chans; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    for (int r = 0; r < c->base.size; r++) {
        if (v->ep[c->procs[r]])
            vc_ep_wake(v->ep[c->procs[r]]);
        if (c->peer[r])
            forget_peer(c->peer[r]);
    }
    verbs_unlock(v);
    free(c->peer);
    free(c->procs);
    free(c);
}

static const struct vc_chan_ops verbs_ops = {
    .name = "verbs",
    .isend = verbs_isend,
    .irecv = verbs_irecv,
    .irecv_reduce = verbs_irecv_reduce,
    .progress = verbs_progress,
    .destroy = verbs_destroy,
    .wakes = true,
    .give_up = verbs_give_up,
};

int vc_verbs_chan_create(const struct vc_verbs_chan_cfg *cfg, struct vc_chan **out)
{
    *out = NULL;
    size_t n = (size_t)cfg->size;
    struct chan *c = calloc(1, sizeof *c);
    if (c) {
        c->procs = malloc(n * sizeof *c->procs);
        c->peer = calloc(n, sizeof(struct peer *));
    }
    if (!c || !c->procs || !c->peer) {
        if (c) {
            free(c->procs);
            free(c->peer);
        }
        free(c);
        return vc_fail(VC_ERR_NOMEM, "out of memory for the verbs channel of %d ranks", cfg->size);
    }
    memcpy(c->procs, cfg->procs, n * sizeof *c->procs);
    c->base =
        (struct vc_chan){.ops = &verbs_ops, .src = &cfg->verbs->src, .rank = cfg->rank, .size = cfg->size};
    c->v = cfg->verbs;
    c->id = cfg->id;
    verbs_lock(c->v);
    c->next = c->v->chans;
    c->v->chans = c;
    verbs_unlock(c->v);
    *out = &c->base;
    return VC_OK;
}

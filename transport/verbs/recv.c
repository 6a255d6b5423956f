/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/recv.h"

#include "transport/reduce.h"
#include "transport/verbs/conn.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/send.h"
#include "transport/verbs/sendq.h"

#include <stdlib.h>
#include <string.h>

/* ---- matching ---- */

/*
 * Keeps a message until its request comes: in its buffer (which must not be released then) while more than
 * half of the buffers are posted, otherwise in a copy. Allocates, which only happens when ranks drift apart,
 * and at most as often as the sender has credits. Slot -1: the buffer is the caller's, so it is copied. NULL:
 * no memory.
 */
static struct piece *keep_piece(struct vc_verbs *v, struct ep *e, int slot, const unsigned char *data,
                                uint32_t len)
{
    bool hold = slot >= 0 && v->srq && v->posted > v->size.nrecv / 2;
    struct piece *q = malloc(sizeof *q + (hold ? 0 : len));
    if (!q)
        return NULL;
    *q = (struct piece){.slot = hold ? slot : -1, .len = len, .data = data, .from = e};
    if (!hold) {
        memcpy(q + 1, data, len);
        q->data = (unsigned char *)(q + 1);
    }
    v->stats.unexpected++;
    return q;
}

static void piece_push(struct piece **head, struct piece **tail, struct piece *q)
{
    if (*head)
        (*tail)->next = q;
    else
        *head = q;
    *tail = q;
}

static void consumed(struct peer *p)
{
    p->owed++;
    if (p->owed * 2 >= p->c->v->cfg.credits)
        vc_peer_activate(p);
}

/* Copies a piece into the first receive of its stream, or reduces it. True: the receive is complete. */
static inline __attribute__((always_inline)) bool deliver(struct peer *p, int stream,
                                                          const unsigned char *data, size_t len)
{
    struct vc_chan_req *r = p->recv_head[stream];
    size_t off = r->priv[P_OFF], all = r->priv[P_LEN];
    if (len > all - off || (len < all - off && len + sizeof(struct msg_hdr) != p->c->v->size.slot_bytes)) {
        /* Only the last piece of a message does not fill its slot. */
        bool full = len + sizeof(struct msg_hdr) == p->c->v->size.slot_bytes;
        vc_chan_truncated(p->c, p->rank, off + len, full, p->c->base.rank, all);
        return false;
    }
    const struct vc_chan_op *op = (const struct vc_chan_op *)(uintptr_t)r->priv[P_OP];
    if (op)
        vc_chan_reduce_piece(op, req_buf(r), (unsigned char *)(uintptr_t)r->priv[P_SCRATCH], off, data, len);
    else if (len)
        memcpy(req_buf(r) + off, data, len);
    r->priv[P_OFF] = off + len;
    consumed(p);
    if (off + len < all)
        return false;
    req_pop(&p->recv_head[stream]);
    p->recvs--;
    vc_req_end(r);
    return true;
}

void vc_peer_match_unexpected(struct peer *p, int stream)
{
    struct piece *q;
    while (p->recv_head[stream] && (q = p->unexp_head[stream]) != NULL && !p->c->failed) {
        p->unexp_head[stream] = q->next;
        deliver(p, stream, q->data, q->len);
        vc_piece_free(p->c->v, q);
    }
}

/* ---- dispatch ---- */

/* Moves the channel found to the front: programs use one communicator for a while. */
static struct chan *find_chan(struct vc_verbs *v, uint64_t id)
{
    struct chan **at = &v->chans, *c;
    while ((c = *at) != NULL && c->id != id)
        at = &c->next;
    if (c && c != v->chans) {
        *at = c->next;
        c->next = v->chans;
        v->chans = c;
    }
    return c;
}

struct peer *vc_peer_get(struct chan *c, int rank)
{
    struct peer *p = c->peer[rank];
    if (p)
        return p;
    struct ep *e = vc_ep_get(c->v, c->procs[rank]);
    if (e && e->idle.asleep) {
        vc_ep_wake(e);
        if (c->peer[rank])
            return c->peer[rank];
    }
    p = e ? calloc(1, sizeof *p) : NULL;
    if (!p) {
        if (e)
            vc_fail(VC_ERR_NOMEM, "out of memory for a connection");
        return NULL;
    }
    *p = (struct peer){.c = c, .ep = e, .rank = rank, .credits = (uint16_t)c->v->cfg.credits};
    p->next_on_ep = e->peers;
    e->peers = p;
    vc_ep_count(e);
    c->peer[rank] = p;
    if (e->state == EP_FAILED)
        vc_chan_fail(c, "rank %d cannot be reached: %s", rank, e->why);
    return p;
}

/* True: the buffer is kept. */
static inline __attribute__((always_inline)) bool on_data(struct peer *p, const struct msg_hdr *h, int slot,
                                                          uint32_t len)
{
    const unsigned char *data = (const unsigned char *)(h + 1);
    int stream = h->flags & MSG_DECLINED ? STREAM_DECLINED : STREAM_EAGER;
    if (p->recv_head[stream] && !p->unexp_head[stream]) {
        p->c->v->completed += deliver(p, stream, data, len);
        return false;
    }
    struct piece *q = keep_piece(p->c->v, p->ep, slot, data, len);
    if (!q) {
        vc_chan_fail(p->c, "out of memory for messages that came early");
        return false;
    }
    piece_push(&p->unexp_head[stream], &p->unexp_tail[stream], q);
    return q->slot >= 0;
}

static bool on_cts(struct peer *p, const struct msg_hdr *h, int slot, uint32_t len)
{
    struct piece *q = len == sizeof(struct msg_cts)
                          ? keep_piece(p->c->v, p->ep, slot, (const unsigned char *)(h + 1), len)
                          : NULL;
    if (!q) {
        vc_chan_fail(p->c, "a grant of rank %d could not be taken", p->rank);
        return false;
    }
    piece_push(&p->cts_head, &p->cts_tail, q);
    vc_peer_activate(p);
    return q->slot >= 0;
}

/* ---- what arrives ---- */

static struct ep *ep_of_qp(const struct vc_verbs *v, uint32_t qp_num)
{
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i] && v->ep[i]->qp && v->ep[i]->qp->qp_num == qp_num)
            return v->ep[i];
    return NULL;
}

/* Whether a peer was told that nothing more has arrived over the device. */
static bool too_late(const struct ep *e, struct vc_via via)
{
    return VC_UNLIKELY(e->state > EP_LOST) && !via.ep;
}

/* Of a communicator that this process has freed: nothing but credits comes then. Or of none. */
static void on_stray(struct vc_verbs *v, struct vc_via via, const struct msg_hdr *h)
{
    struct ep *e = via.ep ? via.ep : ep_of_qp(v, via.qp_num);
    if (e && h->id != NOBODY && !too_late(e, via) && (int32_t)(h->seq - e->got_seq) > 0)
        e->got_seq = h->seq;
}

bool vc_message_arrived(struct vc_verbs *v, struct vc_via via, const unsigned char *mem, uint32_t bytes,
                        int slot)
{
    const struct msg_hdr *h = (const struct msg_hdr *)(const void *)mem;
    uint32_t len = bytes - (uint32_t)sizeof *h;
    if (bytes < sizeof *h)
        return false;
    struct chan *c = find_chan(v, h->id);
    if (!c || h->rank >= (uint32_t)c->base.size || h->rank == (uint32_t)c->base.rank) {
        on_stray(v, via, h);
        return false;
    }
    struct peer *p = peer_of(c, (int)h->rank);
    if (!p) {
        vc_chan_fail(c, "%s", vc_error_text());
        return false;
    }
    struct ep *e = p->ep;
    if (too_late(e, via) || (int32_t)(h->seq - e->got_seq) <= 0)
        return false;
    e->got_seq = h->seq;
    e->heard = true;
    /* A peer with something to be sent is active, and tries again in each turn. */
    p->credits = (uint16_t)(p->credits + h->credits);
    switch (h->type) {
    case MSG_DATA:
        return on_data(p, h, slot, len);
    case MSG_CTS:
        return on_cts(p, h, slot, len);
    case MSG_ABORT:
        vc_chan_gave_up(c, p->rank, (const char *)(h + 1), len);
        return false;
    default:
        return false;
    }
}

static void end_grant(struct vc_verbs *v, int i)
{
    struct grant *g = &v->grants[i];
    g->req = NULL;
    g->gen++;
    g->next_free = v->free_grant;
    v->free_grant = i;
}

void vc_grant_free(struct vc_verbs *v, int i)
{
    if (v->grants[i].reg)
        vc_regcache_put(v->regs, v->grants[i].reg);
    end_grant(v, i);
}

void vc_grant_revoke(struct vc_verbs *v, int i)
{
    if (v->grants[i].reg)
        vc_regcache_drop(v->regs, v->grants[i].reg);
    end_grant(v, i);
}

struct grant *vc_grant_find(struct vc_verbs *v, uint32_t imm)
{
    int i = (int)(imm & 0xffffffu);
    struct grant *g = i < v->ngrants ? &v->grants[i] : NULL;
    return g && g->req && g->gen == imm >> 24 ? g : NULL;
}

void vc_write_arrived(struct vc_verbs *v, struct vc_via via, uint32_t imm)
{
    struct grant *g = vc_grant_find(v, imm);
    if (g && via.ep && g->peer->ep != via.ep)
        g = NULL;
    struct ep *e = g ? g->peer->ep : via.ep ? via.ep : ep_of_qp(v, via.qp_num);
    if (!e || too_late(e, via))
        return;
    e->heard = true;
    e->got_writes++;
    if (!g)
        return;
    struct vc_chan_req *r = g->req;
    struct peer *p = g->peer;
    vc_grant_free(v, (int)(g - v->grants));
    p->recvs--;
    vc_req_end(r);
    v->completed++;
}

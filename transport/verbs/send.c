/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/send.h"

#include "transport/verbs/fail.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/sendq.h"

#include <endian.h>
#include <string.h>

/* ---- eager ---- */

/* Sends pieces of one stream while there are credits, room in the queue, and slots for what is not inline. */
static void push_stream(struct peer *p, struct batch *b, int stream)
{
    struct vc_verbs *v = p->c->v;
    size_t most = v->size.slot_bytes - sizeof(struct msg_hdr);
    unsigned flags = stream == STREAM_DECLINED ? MSG_DECLINED : 0;
    struct vc_chan_req *r;
    while ((r = p->send_head[stream]) != NULL && p->credits > 0 && ep_room(p->ep)) {
        size_t off = r->priv[P_OFF], left = r->priv[P_LEN] - off, n = vc_min_size(left, most);
        bool last = n == left, in = fits_inline(p->ep, n);
        if (!in && v->nfree_send == 0)
            break;
        struct msg_hdr hdr;
        header_make(&hdr, p, MSG_DATA, flags);
        /* A completion frees the slots up to it: of the last piece, or of the last one that can be sent now.
         */
        bool signal = last || v->nfree_send == 1 || p->credits == 1;
        struct ibv_send_wr *wr = in ? vc_batch_inline(b, &hdr, req_buf(r) + off, n)
                                    : vc_batch_slot(b, &hdr, req_buf(r) + off, n, signal);
        if (!wr) {
            header_unused(p, &hdr);
            return;
        }
        p->credits--;
        /* A sleeping receiver must wake up at the end of a message, and to return credits before the sender
         * has none left. */
        if (last || p->credits == 0 || p->credits == v->cfg.credits / 2)
            wr->send_flags |= IBV_SEND_SOLICITED;
        v->stats.sends++;
        r->priv[P_OFF] = off + n;
        if (last) {
            req_pop(&p->send_head[stream]);
            vc_batch_ends(b, r);
        }
    }
}

bool vc_peer_send_now(struct peer *p, const void *buf, size_t len)
{
    struct ep *e = p->ep;
    struct vc_verbs *v = e->v;
    /* It is not signaled, so the completion queue needs no room for it. */
    if (!fits_inline(e, len) || e->state != EP_READY || p->credits == 0 || p->send_head[STREAM_EAGER] ||
        e->head - e->tail >= e->depth || e->since_signal + 1 >= SIGNAL_EVERY(e->depth))
        return false;
    uint32_t number = e->head++;
    struct wr_rec *rec = ep_rec(e, number);
    struct msg_hdr *hdr = (struct msg_hdr *)(void *)keep_mem(e, number);
    e->since_signal++;
    p->credits--;
    v->stats.sends++;
    v->stats.inlined++;
    header_make(hdr, p, MSG_DATA, 0);
    hdr->seq = number;
    if (len)
        memcpy(hdr + 1, buf, len);
    rec->slot = -1;
    rec->len = (uint32_t)(sizeof *hdr + len);
    rec->req = NULL;
    rec->kind = REC_MSG;
    struct ibv_sge sge = {(uintptr_t)hdr, rec->len, 0};
    /* What sends have no use for, the larger half, is not cleared. */
    struct ibv_send_wr wr, *bad;
    wr.wr_id = wr_id(e->proc, number);
    wr.next = NULL;
    wr.sg_list = &sge;
    wr.num_sge = 1;
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = IBV_SEND_INLINE | IBV_SEND_SOLICITED;
    int rc = ibv_post_send(e->qp, &wr, &bad);
    if (rc != 0)
        vc_ep_lose(e, "%s: ibv_post_send failed: %s", v->dev.name, vc_ibv_strerror(rc));
    return true;
}

/* ---- rendezvous ---- */

/* The receiver's half: tells where to write, or that the buffer cannot be registered. Takes no credit: the
 * peer needs no request for it, and pieces that wait there for theirs must not hold it up. */
static void push_cts(struct peer *p, struct batch *b)
{
    struct vc_chan_req *r;
    while ((r = p->owe_cts_head) != NULL && ep_room(p->ep) &&
           (p->c->v->nfree_send > 0 || fits_inline(p->ep, sizeof(struct msg_cts)))) {
        bool declined = r->priv[P_ADDR] == 0;
        struct msg_cts cts = {0};
        if (!declined) {
            cts.addr = r->priv[P_ADDR];
            cts.len = r->priv[P_LEN];
            cts.rkey = (uint32_t)(r->priv[P_RKEY_GRANT] >> 32);
            cts.grant = (uint32_t)r->priv[P_RKEY_GRANT];
        }
        struct msg_hdr hdr;
        header_make(&hdr, p, MSG_CTS, declined ? MSG_DECLINED : 0);
        struct ibv_send_wr *wr = vc_batch_cts(b, &hdr, &cts);
        if (!wr) {
            header_unused(p, &hdr);
            return;
        }
        wr->send_flags |= IBV_SEND_SOLICITED;
        p->c->v->stats.cts++;
        p->owe_cts_head = (struct vc_chan_req *)(uintptr_t)r->priv[P_NEXT_CTS];
    }
}

/* Matches grants with the sends that wait for them, in order. */
static void match_grants(struct peer *p)
{
    struct vc_verbs *v = p->c->v;
    while (p->cts_head && p->wait_head) {
        struct piece *q = p->cts_head;
        struct vc_chan_req *r = p->wait_head;
        struct msg_cts cts;
        p->cts_head = q->next;
        req_pop(&p->wait_head);
        memcpy(&cts, q->data, sizeof cts);
        vc_piece_free(v, q);
        if (cts.len == 0) { /* declined */
            v->stats.declined++;
            req_push(&p->send_head[STREAM_DECLINED], &p->send_tail[STREAM_DECLINED], r);
            continue;
        }
        if (cts.len != r->priv[P_LEN]) {
            vc_chan_truncated(p->c, p->c->base.rank, r->priv[P_LEN], false, p->rank, cts.len);
            return;
        }
        struct vc_reg *reg = NULL;
        if (p->ep->state == EP_READY && v->regs &&
            vc_regcache_get(v->regs, req_buf(r), r->priv[P_LEN], false, &reg) != VC_OK)
            reg = NULL;
        r->priv[P_REG] = (uintptr_t)reg;
        r->priv[P_ADDR] = cts.addr;
        r->priv[P_RKEY_GRANT] = (uint64_t)cts.rkey << 32 | cts.grant;
        req_push(&p->push_head, &p->push_tail, r);
    }
}

/* Writes into granted memory. */
static void push_writes(struct peer *p, struct batch *b)
{
    struct vc_verbs *v = p->c->v;
    struct vc_chan_req *r;
    while ((r = p->push_head) != NULL && ep_room(p->ep)) {
        const struct vc_reg *reg = (const struct vc_reg *)(uintptr_t)r->priv[P_REG];
        size_t off = r->priv[P_OFF], left = r->priv[P_LEN] - off;
        size_t n = vc_min_size(left, reg ? v->dev.max_msg : v->size.slot_bytes);
        bool last = n == left;
        int slot = -1;
        if (!reg) {
            if (v->nfree_send == 0)
                return;
            slot = v->free_send[--v->nfree_send];
            memcpy(slot_mem(v, slot), req_buf(r) + off, n);
        }
        struct ibv_send_wr *wr =
            vc_batch_next(b, slot, p, last && reg ? r : NULL, last || (!reg && v->nfree_send == 0));
        if (!wr) {
            if (slot >= 0)
                v->free_send[v->nfree_send++] = slot;
            return;
        }
        struct wr_rec *rec = ep_rec(p->ep, p->ep->head - 1);
        rec->kind = last ? REC_LAST : REC_WRITE;
        rec->len = (uint32_t)n;
        rec->off = off;
        rec->grant = (uint32_t)r->priv[P_RKEY_GRANT];
        rec->from = reg ? r : NULL;
        *wr->sg_list = (struct ibv_sge){reg ? (uintptr_t)req_buf(r) + off : (uintptr_t)slot_mem(v, slot),
                                        (uint32_t)n, reg ? reg->lkey : v->lkey};
        wr->num_sge = 1;
        wr->wr.rdma.remote_addr = r->priv[P_ADDR] + off;
        wr->wr.rdma.rkey = (uint32_t)(r->priv[P_RKEY_GRANT] >> 32);
        wr->opcode = last ? IBV_WR_RDMA_WRITE_WITH_IMM : IBV_WR_RDMA_WRITE;
        if (last) {
            wr->imm_data = htobe32((uint32_t)r->priv[P_RKEY_GRANT]);
            wr->send_flags |= IBV_SEND_SOLICITED;
            req_pop(&p->push_head);
            if (!reg)
                vc_batch_ends(b, r);
        }
        r->priv[P_OFF] = off + n;
        v->stats.writes++;
    }
}

/* ---- one turn ---- */

static void push_credits(struct peer *p, struct batch *b)
{
    if (p->owed * 2 < p->c->v->cfg.credits || !ep_room(p->ep))
        return;
    struct msg_hdr hdr;
    header_make(&hdr, p, MSG_CREDIT, 0);
    struct ibv_send_wr *wr;
    if (fits_inline(p->ep, 0)) {
        wr = vc_batch_inline(b, &hdr, NULL, 0);
    } else {
        wr = p->c->v->nfree_send > 0 ? vc_batch_slot(b, &hdr, NULL, 0, true) : NULL;
    }
    if (!wr) {
        header_unused(p, &hdr);
        return;
    }
    wr->send_flags |= IBV_SEND_SOLICITED;
    p->c->v->stats.credits_sent++;
}

static bool has_work(const struct peer *p)
{
    return p->send_head[STREAM_EAGER] || p->send_head[STREAM_DECLINED] || p->push_head || p->owe_cts_head ||
           (p->cts_head && p->wait_head) || p->owed * 2 >= p->c->v->cfg.credits;
}

void vc_peer_activate(struct peer *p)
{
    if (p->active || !has_work(p))
        return;
    p->active = true;
    p->next_active = p->c->v->active;
    p->c->v->active = p;
}

void vc_peer_push(struct peer *p)
{
    if (ep_carries(p->ep) && !p->c->failed) {
        struct batch b;
        vc_batch_begin(&b, p->ep);
        if (p->owe_cts_head)
            push_cts(p, &b);
        if (p->cts_head && p->wait_head)
            match_grants(p);
        push_stream(p, &b, STREAM_EAGER);
        if (p->send_head[STREAM_DECLINED])
            push_stream(p, &b, STREAM_DECLINED);
        if (p->push_head)
            push_writes(p, &b);
        push_credits(p, &b);
        vc_batch_post(&b);
    }
    vc_peer_activate(p);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/sendq.h"

#include "transport/verbs/async.h"
#include "transport/verbs/fail.h"

#include <string.h>

/* ---- batches ---- */

void vc_batch_begin(struct batch *b, struct ep *e)
{
    b->e = e;
    b->n = 0;
    b->ended = NULL;
}

void vc_batch_ends(struct batch *b, struct vc_chan_req *r)
{
    r->next = b->ended;
    b->ended = r;
}

static bool hand_over(struct batch *b)
{
    struct ep *e = b->e;
    struct ibv_send_wr *bad;
    if (e->state == EP_READY) {
        int rc = ibv_post_send(e->qp, b->wr, &bad);
        if (rc == 0)
            return true;
        vc_ep_lose(e, "%s: ibv_post_send failed: %s", e->v->dev.name, vc_ibv_strerror(rc));
        return false;
    }
    /* Without a connection: the boot channel takes copies. */
    for (; e->tail != e->head; vc_sendq_retire(e->v, e, e->tail))
        if (!vc_detour_record(e, e->tail))
            return false;
    return true;
}

bool vc_batch_post(struct batch *b)
{
    if (b->n == 0)
        return true;
    for (int i = 0; i + 1 < b->n; i++)
        b->wr[i].next = &b->wr[i + 1];
    b->wr[b->n - 1].next = NULL;
    b->n = 0;
    bool ok = hand_over(b);
    for (struct vc_chan_req *r = b->ended, *next; r; r = next) {
        next = r->next;
        vc_req_end(r);
    }
    b->ended = NULL;
    return ok;
}

struct ibv_send_wr *vc_batch_next(struct batch *b, int slot, struct peer *p, struct vc_chan_req *req,
                                  bool signaled)
{
    struct ep *e = b->e;
    if (b->n == BATCH && !vc_batch_post(b))
        return NULL;
    struct ibv_send_wr *wr = &b->wr[b->n];
    memset(wr, 0, sizeof *wr);
    wr->sg_list = &b->sge[b->n];
    b->n++;
    /* Entries of the send queue become free by completions only, so every so many requests are signaled. */
    if (++e->since_signal >= SIGNAL_EVERY(e->depth))
        signaled = true;
    *ep_rec(e, e->head) = (struct wr_rec){.slot = slot, .peer = p, .req = req};
    wr->wr_id = wr_id(e->proc, e->head++);
    if (signaled && e->state == EP_READY) {
        wr->send_flags = IBV_SEND_SIGNALED;
        e->since_signal = 0;
        e->signaled++;
        e->v->signaled++;
    }
    if (req)
        e->v->bulk_waiters++;
    return wr;
}

/* A message at `mem`, which stays until it has arrived. */
static void fill_message(struct batch *b, struct ibv_send_wr *wr, unsigned char *mem,
                         const struct msg_hdr *hdr, const void *data, size_t len, uint32_t lkey)
{
    struct ep *e = b->e;
    struct wr_rec *rec = ep_rec(e, e->head - 1);
    struct msg_hdr *h = (struct msg_hdr *)(void *)mem;
    *h = *hdr;
    h->seq = e->head - 1;
    if (len)
        memcpy(h + 1, data, len);
    rec->kind = REC_MSG;
    rec->len = (uint32_t)(sizeof *hdr + len);
    *wr->sg_list = (struct ibv_sge){(uintptr_t)mem, rec->len, lkey};
    wr->num_sge = 1;
    wr->opcode = IBV_WR_SEND;
}

struct ibv_send_wr *vc_batch_inline(struct batch *b, const struct msg_hdr *hdr, const void *data, size_t len)
{
    struct ibv_send_wr *wr = vc_batch_next(b, -1, NULL, NULL, false);
    if (!wr)
        return NULL;
    fill_message(b, wr, keep_mem(b->e, b->e->head - 1), hdr, data, len, 0);
    wr->send_flags |= IBV_SEND_INLINE;
    b->e->v->stats.inlined++;
    return wr;
}

struct ibv_send_wr *vc_batch_slot(struct batch *b, const struct msg_hdr *hdr, const void *data, size_t len,
                                  bool signaled)
{
    struct vc_verbs *v = b->e->v;
    int slot = v->free_send[--v->nfree_send];
    struct ibv_send_wr *wr = vc_batch_next(b, slot, NULL, NULL, signaled);
    if (!wr) {
        v->free_send[v->nfree_send++] = slot;
        return NULL;
    }
    fill_message(b, wr, slot_mem(v, slot), hdr, data, len, v->lkey);
    return wr;
}

struct ibv_send_wr *vc_batch_cts(struct batch *b, const struct msg_hdr *hdr, const struct msg_cts *cts)
{
    return fits_inline(b->e, sizeof *cts) ? vc_batch_inline(b, hdr, cts, sizeof *cts)
                                          : vc_batch_slot(b, hdr, cts, sizeof *cts, true);
}

bool vc_ep_ping(struct ep *e)
{
    struct batch b;
    if (e->state != EP_READY || !ep_room(e))
        return false;
    vc_batch_begin(&b, e);
    struct ibv_send_wr *wr = vc_batch_next(&b, -1, NULL, NULL, true);
    wr->num_sge = 0;
    wr->opcode = IBV_WR_RDMA_WRITE;
    wr->wr.rdma.remote_addr = e->mailbox;
    wr->wr.rdma.rkey = e->mailbox_rkey;
    e->ping_wr = e->head - 1;
    e->v->stats.pings++;
    return vc_batch_post(&b);
}

bool vc_ep_send_proof(struct ep *e)
{
    struct vc_verbs *v = e->v;
    struct batch b;
    const struct msg_hdr nobody = {.id = NOBODY};
    if (e->state != EP_READY || e->depth - (e->head - e->tail) < 2 || !ep_room(e) || v->nfree_send == 0)
        return false;
    vc_batch_begin(&b, e);
    /* The library may grant inline data and then ignore the flag. */
    if (fits_inline(e, 0) && vc_batch_inline(&b, &nobody, NULL, 0))
        ep_rec(e, e->head - 1)->kind = REC_NONE;
    int slot = v->free_send[--v->nfree_send];
    struct ibv_send_wr *wr = vc_batch_next(&b, slot, NULL, NULL, true);
    size_t len = vc_min_size(v->size.slot_bytes, v->dev.max_msg);
    /* Packets of full size: a path that lets only short ones through cannot be used. */
    memset(slot_mem(v, slot), 0, len);
    *(struct msg_hdr *)(void *)slot_mem(v, slot) = nobody;
    *wr->sg_list = (struct ibv_sge){(uintptr_t)slot_mem(v, slot), (uint32_t)len, v->lkey};
    wr->num_sge = 1;
    wr->opcode = IBV_WR_SEND;
    e->proof_wr = e->head - 1;
    if (!vc_batch_post(&b))
        return false;
    e->t_proof = vc_now_ns();
    return true;
}

/* ---- completions ---- */

int vc_sendq_retire(struct vc_verbs *v, struct ep *e, uint32_t number)
{
    int done = 0;
    while ((int32_t)(number - e->tail) >= 0 && e->tail != e->head) {
        const struct wr_rec *rec = ep_rec(e, e->tail);
        if (VC_LIKELY(rec->kind == REC_MSG))
            e->acked_seq = e->tail;
        else
            e->acked_writes += rec->kind == REC_LAST;
        e->tail++;
        if (rec->slot >= 0)
            v->free_send[v->nfree_send++] = rec->slot;
        if (rec->req) {
            struct vc_reg *reg = (struct vc_reg *)(uintptr_t)rec->req->priv[P_REG];
            v->bulk_waiters--;
            if (reg)
                vc_regcache_put(v->regs, reg);
            vc_req_end(rec->req);
            done++;
        }
    }
    return done + 1;
}

/* Of the message that proves a new queue pair. */
static int on_proof_completion(struct vc_verbs *v, struct ep *e, const struct ibv_wc *wc)
{
    struct regain *g = &e->regain;
    if (!g->proof_out || !e->qp || wc->qp_num != e->qp->qp_num)
        return 1;
    if (wc->status != IBV_WC_SUCCESS) {
        vc_ep_lose(e, "%s: %s", v->dev.name, vc_ibv.wc_status_str(wc->status));
        return 1;
    }
    g->proof_out = false;
    g->arrived = true;
    v->signaled--;
    v->free_send[v->nfree_send++] = g->slot;
    return 1;
}

static int on_completion(struct vc_verbs *v, const struct ibv_wc *wc)
{
    struct ep *e = v->ep[wc->wr_id >> 32];
    uint32_t number = (uint32_t)wc->wr_id;
    if ((e->state != EP_READY && e->state != EP_CLOSING) || wc->qp_num != e->qp->qp_num)
        return on_proof_completion(v, e, wc); /* of a lost connection: the peer says what has arrived */
    if (wc->status != IBV_WC_SUCCESS) {
        if (wc->status == IBV_WC_WR_FLUSH_ERR)
            vc_verbs_read_async(v); /* flushed: an event may tell the cause */
        e->local_error = wc->status == IBV_WC_LOC_PROT_ERR || wc->status == IBV_WC_LOC_QP_OP_ERR;
        vc_ep_lose(e, "%s: %s%s", v->dev.name, vc_ibv.wc_status_str(wc->status),
                   v->port_down ? " (its port has gone down)" : "");
        return 1;
    }
    v->signaled--;
    e->signaled--;
    e->heard = true;
    if (e->t_ping && (int32_t)(number - e->ping_wr) >= 0)
        e->t_ping = 0;
    if (e->t_proof && (int32_t)(number - e->proof_wr) >= 0) {
        e->t_proof = 0;
        e->proven = true;
    }
    return vc_sendq_retire(v, e, number);
}

int vc_sendq_poll(struct vc_verbs *v)
{
    struct ibv_wc wc[16];
    int work = 0, n;
    if (v->failed)
        return 0;
    do {
        n = ibv_poll_cq(v->cq_bulk, 16, wc);
        if (n < 0) {
            vc_verbs_fail(v, "%s: ibv_poll_cq failed", v->dev.name);
            return 1;
        }
        for (int i = 0; i < n; i++)
            work += on_completion(v, &wc[i]);
    } while (n == 16 && !v->failed);
    if (!v->failed)
        vc_verbs_check_busy_device(v);
    return work;
}

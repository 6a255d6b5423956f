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

bool vc_batch_post(struct batch *b)
{
    struct ibv_send_wr *bad;
    if (b->n == 0)
        return true;
    for (int i = 0; i + 1 < b->n; i++)
        b->wr[i].next = &b->wr[i + 1];
    b->wr[b->n - 1].next = NULL;
    b->n = 0;
    int rc = ibv_post_send(b->e->qp, b->wr, &bad);
    for (struct vc_chan_req *r = b->ended, *next; r; r = next) {
        next = r->next;
        vc_req_end(r);
    }
    b->ended = NULL;
    if (rc == 0)
        return true;
    vc_ep_fail(b->e, "%s: ibv_post_send failed: %s", b->e->v->dev.name, vc_ibv_strerror(rc));
    return false;
}

struct ibv_send_wr *vc_batch_next(struct batch *b, int slot, struct peer *p, struct vc_chan_req *req,
                                  bool signaled)
{
    struct ep *e = b->e;
    if (b->n == BATCH && !vc_batch_post(b))
        return NULL;
    struct ibv_send_wr *wr = &b->wr[b->n];
    memset(wr, 0, sizeof *wr);
    wr->sg_list = b->sge[b->n];
    b->n++;
    /* Entries of the send queue become free by completions only, so every so many requests are signaled. */
    if (++e->since_signal >= SIGNAL_EVERY(e->depth))
        signaled = true;
    e->rec[e->head % e->depth] = (struct wr_rec){slot, p, req};
    wr->wr_id = wr_id(e->proc, e->head++);
    if (signaled) {
        wr->send_flags = IBV_SEND_SIGNALED;
        e->since_signal = 0;
        e->signaled++;
        e->v->signaled++;
    }
    if (req)
        e->v->bulk_waiters++;
    return wr;
}

struct ibv_send_wr *vc_batch_inline(struct batch *b, const struct msg_hdr *hdr, const void *data, size_t len)
{
    struct ibv_send_wr *wr = vc_batch_next(b, -1, NULL, NULL, false);
    if (!wr)
        return NULL;
    int i = (int)(wr - b->wr);
    b->hdr[i] = *hdr;
    b->sge[i][0] = (struct ibv_sge){(uintptr_t)&b->hdr[i], sizeof *hdr, 0};
    b->sge[i][1] = (struct ibv_sge){(uintptr_t)data, (uint32_t)len, 0};
    wr->num_sge = len ? 2 : 1;
    wr->opcode = IBV_WR_SEND;
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
    unsigned char *m = slot_mem(v, slot);
    memcpy(m, hdr, sizeof *hdr);
    if (len)
        memcpy(m + sizeof *hdr, data, len);
    int i = (int)(wr - b->wr);
    b->sge[i][0] = (struct ibv_sge){(uintptr_t)m, (uint32_t)(sizeof *hdr + len), v->mr->lkey};
    wr->num_sge = 1;
    wr->opcode = IBV_WR_SEND;
    return wr;
}

struct ibv_send_wr *vc_batch_cts(struct batch *b, const struct msg_hdr *hdr, const struct msg_cts *cts)
{
    if (!fits_inline(b->e, sizeof *cts))
        return vc_batch_slot(b, hdr, cts, sizeof *cts, true);
    struct ibv_send_wr *wr = vc_batch_inline(b, hdr, NULL, 0);
    if (!wr)
        return NULL;
    int i = (int)(wr - b->wr);
    b->cts[i] = *cts; /* stays until the batch is posted */
    b->sge[i][1] = (struct ibv_sge){(uintptr_t)&b->cts[i], sizeof *cts, 0};
    wr->num_sge = 2;
    return wr;
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
    const struct msg_hdr nobody = {.id = NOTE_ALL};
    if (e->state != EP_READY || e->depth - (e->head - e->tail) < 2 || !ep_room(e) || v->nfree_send == 0)
        return false;
    vc_batch_begin(&b, e);
    /* The library may grant inline data and then ignore the flag. */
    if (fits_inline(e, 0))
        vc_batch_inline(&b, &nobody, NULL, 0);
    int slot = v->free_send[--v->nfree_send];
    struct ibv_send_wr *wr = vc_batch_next(&b, slot, NULL, NULL, true);
    size_t len = vc_min_size(v->size.slot_bytes, v->dev.max_msg);
    /* Packets of full size: a path that lets only short ones through cannot be used. */
    memset(slot_mem(v, slot), 0, len);
    *(struct msg_hdr *)(void *)slot_mem(v, slot) = nobody;
    wr->sg_list[0] = (struct ibv_sge){(uintptr_t)slot_mem(v, slot), (uint32_t)len, v->mr->lkey};
    wr->num_sge = 1;
    wr->opcode = IBV_WR_SEND;
    e->proof_wr = e->head - 1;
    if (!vc_batch_post(&b))
        return false;
    e->t_proof = vc_now_ns();
    return true;
}

/* ---- completions ---- */

/* A work request has completed, and so have all that were posted before it. Requests of a failed connection
 * do not end: their channels have failed. */
static int retire_up_to(struct vc_verbs *v, struct ep *e, uint32_t number)
{
    int done = 0;
    while ((int32_t)(number - e->tail) >= 0 && e->tail != e->head) {
        struct wr_rec *rec = &e->rec[e->tail++ % e->depth];
        v->flushing -= e->flushing;
        if (rec->slot >= 0)
            v->free_send[v->nfree_send++] = rec->slot;
        if (rec->req) {
            struct vc_reg *reg = (struct vc_reg *)(uintptr_t)rec->req->priv[P_REG];
            v->bulk_waiters--;
            if (reg)
                vc_regcache_put(v->regs, reg);
            if (e->state == EP_FAILED)
                continue;
            vc_req_end(rec->req);
            done++;
        }
    }
    return done + 1;
}

int vc_sendq_poll(struct vc_verbs *v)
{
    struct ibv_wc wc[16];
    int work = 0, n;
    do {
        n = ibv_poll_cq(v->cq_bulk, 16, wc);
        if (n < 0) {
            vc_verbs_fail(v, "%s: ibv_poll_cq failed", v->dev.name);
            return VC_ERR_SYS;
        }
        for (int i = 0; i < n; i++) {
            struct ep *e = v->ep[wc[i].wr_id >> 32];
            if (e->state == EP_FAILED) {
                work += retire_up_to(v, e, (uint32_t)wc[i].wr_id);
                continue;
            }
            if (wc[i].status != IBV_WC_SUCCESS) {
                if (wc[i].status == IBV_WC_WR_FLUSH_ERR)
                    vc_verbs_read_async(v); /* flushed: an event may tell the cause */
                e->local_error = wc[i].status == IBV_WC_LOC_PROT_ERR || wc[i].status == IBV_WC_LOC_QP_OP_ERR;
                vc_ep_fail(e, "%s: %s%s", v->dev.name, vc_ibv.wc_status_str(wc[i].status),
                           v->port_down ? " (its port has gone down)" : "");
                work += retire_up_to(v, e, (uint32_t)wc[i].wr_id);
                continue;
            }
            v->signaled--;
            e->signaled--;
            e->heard = true;
            if (e->t_ping && (int32_t)((uint32_t)wc[i].wr_id - e->ping_wr) >= 0)
                e->t_ping = 0;
            if (e->t_proof && (int32_t)((uint32_t)wc[i].wr_id - e->proof_wr) >= 0) {
                e->t_proof = 0;
                e->proven = true;
            }
            work += retire_up_to(v, e, (uint32_t)wc[i].wr_id);
        }
    } while (n == 16);
    return work;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Posting: pieces of eager messages, grants, credits, writes of rendezvous messages. */
#include "transport/verbs/impl.h"

#include <endian.h>
#include <string.h>

/* Work requests handed over with one doorbell. */
#define BATCH 8
/* How many work requests may go unsignaled: what a completion gives back, the next ones need. */
#define SIGNAL_EVERY(depth) ((depth) / 4 + 1)

/** Work requests being put together for one connection. */
struct batch {
    struct ep *e;
    int n;
    struct ibv_send_wr wr[BATCH];
    struct ibv_sge sge[BATCH][2];
    struct msg_hdr hdr[BATCH];
    struct msg_cts cts[BATCH];
    struct vc_chan_req *ended; /**< whose last bytes are in the batch, by `next` */
};

static void batch_begin(struct batch *b, struct ep *e)
{
    b->e = e;
    b->n = 0;
    b->ended = NULL;
}

/* The request is done once the batch is handed over: until then the device has not read what goes inline. */
static void batch_ends(struct batch *b, struct vc_chan_req *r)
{
    r->next = b->ended;
    b->ended = r;
}

/* Hands the batch over. On failure the connection has failed. */
static bool batch_post(struct batch *b)
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

/* Room for one more work request, of a signaled one too. */
static bool room(struct ep *e)
{
    return ep_room(e) > 0 && e->v->signaled < e->v->bulk_cqe - 1;
}

/* The next work request of the batch, which the caller fills. */
static struct ibv_send_wr *batch_next(struct batch *b, int slot, struct peer *p, struct vc_chan_req *req,
                                      bool signaled)
{
    struct ep *e = b->e;
    if (b->n == BATCH && !batch_post(b))
        return NULL;
    struct ibv_send_wr *wr = &b->wr[b->n];
    memset(wr, 0, sizeof *wr);
    wr->sg_list = b->sge[b->n];
    b->n++;
    /* The last free entry of the send queue must bring a completion, or it never becomes free again. */
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

static uint16_t take_owed(struct peer *p)
{
    uint16_t owed = p->owed;
    p->owed = 0;
    return owed;
}

static struct msg_hdr header(struct peer *p, enum msg_type type, unsigned flags)
{
    return (struct msg_hdr){p->c->id, (uint32_t)p->c->base.rank, take_owed(p), (uint8_t)type, (uint8_t)flags};
}

/* A message of a header and at most inline_max bytes behind it, which are read at once. */
static struct ibv_send_wr *add_inline(struct batch *b, const struct msg_hdr *hdr, const void *data,
                                      size_t len)
{
    struct ibv_send_wr *wr = batch_next(b, -1, NULL, NULL, false);
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

/* The same through a slot; signaled: the slot is wanted back. */
static struct ibv_send_wr *add_slot(struct batch *b, const struct msg_hdr *hdr, const void *data, size_t len,
                                    bool signaled)
{
    struct vc_verbs *v = b->e->v;
    int slot = v->free_send[--v->nfree_send];
    struct ibv_send_wr *wr = batch_next(b, slot, NULL, NULL, signaled);
    if (!wr)
        return NULL;
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

static bool fits_inline(const struct ep *e, size_t len)
{
    return len + sizeof(struct msg_hdr) <= e->inline_max;
}

/* ---- eager ---- */

/* Sends pieces of one stream as long as everything that they need is there. */
static void push_stream(struct peer *p, struct batch *b, int stream)
{
    struct vc_verbs *v = p->c->v;
    size_t most = v->slot_bytes - sizeof(struct msg_hdr);
    unsigned flags = stream == STREAM_REFUSED ? MSG_REFUSED : 0;
    struct vc_chan_req *r;
    while ((r = p->send_head[stream]) != NULL && p->credits > 0 && room(p->ep)) {
        size_t off = r->priv[P_OFF], left = r->priv[P_LEN] - off, n = vc_min_size(left, most);
        bool last = n == left, in = fits_inline(p->ep, n);
        if (!in && v->nfree_send == 0)
            break;
        struct msg_hdr hdr = header(p, MSG_DATA, flags);
        /* Slots come back with a completion: of the last piece, or of the last for which there is a slot. */
        bool signal = last || v->nfree_send == 1 || p->credits == 1;
        struct ibv_send_wr *wr =
            in ? add_inline(b, &hdr, req_buf(r) + off, n) : add_slot(b, &hdr, req_buf(r) + off, n, signal);
        if (!wr)
            return;
        p->credits--;
        /* A receiver that sleeps must wake up for the end of a message, and when the sender is about to need
         * its credits back. */
        if (last || p->credits == 0 || p->credits == v->cfg.credits / 2)
            wr->send_flags |= IBV_SEND_SOLICITED;
        v->stats.sends++;
        r->priv[P_OFF] = off + n;
        if (last) {
            req_pop(&p->send_head[stream]);
            batch_ends(b, r);
        }
    }
}

bool vc_peer_send_now(struct peer *p, const void *buf, size_t len)
{
    struct ep *e = p->ep;
    struct vc_verbs *v = e->v;
    if (!fits_inline(e, len) || e->state != EP_READY || p->credits == 0 || p->send_head[STREAM_EAGER] ||
        !room(e) || e->since_signal + 1 >= SIGNAL_EVERY(e->depth))
        return false;
    struct msg_hdr hdr = header(p, MSG_DATA, 0);
    struct ibv_sge sge[2] = {{(uintptr_t)&hdr, sizeof hdr, 0}, {(uintptr_t)buf, (uint32_t)len, 0}};
    struct ibv_send_wr wr = {.wr_id = wr_id(e->proc, e->head),
                             .sg_list = sge,
                             .num_sge = len ? 2 : 1,
                             .opcode = IBV_WR_SEND,
                             .send_flags = IBV_SEND_INLINE | IBV_SEND_SOLICITED},
                       *bad;
    e->rec[e->head++ % e->depth] = (struct wr_rec){.slot = -1};
    e->since_signal++;
    p->credits--;
    v->stats.sends++;
    v->stats.inlined++;
    int rc = ibv_post_send(e->qp, &wr, &bad);
    if (rc != 0)
        vc_ep_fail(e, "%s: ibv_post_send failed: %s", v->dev.name, vc_ibv_strerror(rc));
    return true;
}

/* ---- rendezvous ---- */

/* The receiver's half: tells where to write, or that it cannot take it so. */
static void push_cts(struct peer *p, struct batch *b)
{
    struct vc_chan_req *r;
    while ((r = p->owe_cts_head) != NULL && p->credits > 0 && room(p->ep)) {
        bool refused = r->priv[P_REG] == 0;
        struct msg_cts cts = {0};
        if (!refused) {
            cts.addr = r->priv[P_ADDR];
            cts.len = r->priv[P_LEN];
            cts.rkey = (uint32_t)(r->priv[P_RKEY_GRANT] >> 32);
            cts.grant = (uint32_t)r->priv[P_RKEY_GRANT];
        }
        struct msg_hdr hdr = header(p, MSG_CTS, refused ? MSG_REFUSED : 0);
        struct ibv_send_wr *wr;
        if (fits_inline(p->ep, sizeof cts)) {
            int at = b->n == BATCH ? 0 : b->n;
            if (b->n == BATCH && !batch_post(b))
                return;
            b->cts[at] = cts;
            wr = add_inline(b, &hdr, &b->cts[at], sizeof cts);
        } else {
            if (p->c->v->nfree_send == 0)
                return;
            wr = add_slot(b, &hdr, &cts, sizeof cts, true);
        }
        if (!wr)
            return;
        wr->send_flags |= IBV_SEND_SOLICITED;
        p->credits--;
        p->c->v->stats.cts++;
        p->owe_cts_head = (struct vc_chan_req *)(uintptr_t)r->priv[P_NEXT_CTS];
    }
}

/* Matches grants with the sends that wait for them, in order. */
static void take_grants(struct peer *p)
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
        if (cts.len == 0) { /* refused */
            v->stats.refused++;
            req_push(&p->send_head[STREAM_REFUSED], &p->send_tail[STREAM_REFUSED], r);
            continue;
        }
        if (cts.len != r->priv[P_LEN]) {
            vc_chan_fail(p->c, "rank %d expects %llu bytes where rank %d sends %llu", p->rank,
                         (unsigned long long)cts.len, p->c->base.rank, (unsigned long long)r->priv[P_LEN]);
            return;
        }
        struct vc_reg *reg = NULL;
        if (v->regs && vc_regcache_get(v->regs, req_buf(r), r->priv[P_LEN], false, &reg) != VC_OK)
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
    while ((r = p->push_head) != NULL && room(p->ep)) {
        const struct vc_reg *reg = (const struct vc_reg *)(uintptr_t)r->priv[P_REG];
        size_t off = r->priv[P_OFF], left = r->priv[P_LEN] - off;
        size_t n = vc_min_size(left, reg ? v->dev.max_msg : v->slot_bytes);
        bool last = n == left;
        int slot = -1;
        if (!reg) {
            if (v->nfree_send == 0)
                return;
            slot = v->free_send[--v->nfree_send];
            memcpy(slot_mem(v, slot), req_buf(r) + off, n);
        }
        struct ibv_send_wr *wr =
            batch_next(b, slot, p, last && reg ? r : NULL, last || (!reg && v->nfree_send == 0));
        if (!wr)
            return;
        int i = (int)(wr - b->wr);
        b->sge[i][0] = (struct ibv_sge){reg ? (uintptr_t)req_buf(r) + off : (uintptr_t)slot_mem(v, slot),
                                        (uint32_t)n, reg ? reg->lkey : v->mr->lkey};
        wr->num_sge = 1;
        wr->wr.rdma.remote_addr = r->priv[P_ADDR] + off;
        wr->wr.rdma.rkey = (uint32_t)(r->priv[P_RKEY_GRANT] >> 32);
        wr->opcode = last ? IBV_WR_RDMA_WRITE_WITH_IMM : IBV_WR_RDMA_WRITE;
        if (last) {
            wr->imm_data = htobe32((uint32_t)r->priv[P_RKEY_GRANT]);
            wr->send_flags |= IBV_SEND_SOLICITED;
            req_pop(&p->push_head);
            if (!reg)
                batch_ends(b, r);
        }
        r->priv[P_OFF] = off + n;
        v->stats.writes++;
    }
}

/* ---- all together ---- */

static void push_credits(struct peer *p, struct batch *b)
{
    if (p->owed * 2 < p->c->v->cfg.credits || !room(p->ep))
        return;
    struct msg_hdr hdr = header(p, MSG_CREDIT, 0);
    struct ibv_send_wr *wr;
    if (fits_inline(p->ep, 0)) {
        wr = add_inline(b, &hdr, NULL, 0);
    } else {
        if (p->c->v->nfree_send == 0) {
            p->owed = hdr.credits;
            return;
        }
        wr = add_slot(b, &hdr, NULL, 0, true);
    }
    if (wr)
        wr->send_flags |= IBV_SEND_SOLICITED;
    p->c->v->stats.credits_sent++;
}

static bool has_work(const struct peer *p)
{
    return p->send_head[STREAM_EAGER] || p->send_head[STREAM_REFUSED] || p->push_head || p->owe_cts_head ||
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
    if (p->ep->state == EP_READY && !p->c->failed) {
        struct batch b;
        batch_begin(&b, p->ep);
        if (p->owe_cts_head)
            push_cts(p, &b);
        if (p->cts_head && p->wait_head)
            take_grants(p);
        push_stream(p, &b, STREAM_EAGER);
        if (p->send_head[STREAM_REFUSED])
            push_stream(p, &b, STREAM_REFUSED);
        if (p->push_head)
            push_writes(p, &b);
        push_credits(p, &b);
        batch_post(&b);
    }
    vc_peer_activate(p);
}

bool vc_ep_ping(struct ep *e)
{
    struct batch b;
    if (e->state != EP_READY || !room(e))
        return false;
    batch_begin(&b, e);
    struct ibv_send_wr *wr = batch_next(&b, -1, NULL, NULL, true);
    wr->num_sge = 0;
    wr->opcode = IBV_WR_RDMA_WRITE;
    wr->wr.rdma.remote_addr = e->mailbox;
    wr->wr.rdma.rkey = e->mailbox_rkey;
    e->ping_wr = e->head - 1;
    e->v->stats.pings++;
    return batch_post(&b);
}

bool vc_ep_send_proof(struct ep *e)
{
    struct vc_verbs *v = e->v;
    struct batch b;
    if (e->state != EP_READY || !room(e) || v->nfree_send == 0)
        return false;
    batch_begin(&b, e);
    int slot = v->free_send[--v->nfree_send];
    struct ibv_send_wr *wr = batch_next(&b, slot, NULL, NULL, true);
    size_t len = vc_min_size(v->slot_bytes, v->dev.max_msg);
    /* Whole packets: what only lets short ones through is no path. */
    memset(slot_mem(v, slot), 0, len);
    *(struct msg_hdr *)(void *)slot_mem(v, slot) = (struct msg_hdr){.id = NOTE_ALL};
    b.sge[0][0] = (struct ibv_sge){(uintptr_t)slot_mem(v, slot), (uint32_t)len, v->mr->lkey};
    wr->num_sge = 1;
    wr->opcode = IBV_WR_SEND;
    e->proof_wr = e->head - 1;
    if (!batch_post(&b))
        return false;
    e->t_proof = vc_now_ns();
    return true;
}

/* Over the device: quick, and ends sleeps. */
static void post_abort(struct peer *p)
{
    struct vc_verbs *v = p->c->v;
    if (p->ep->state != EP_READY || !room(p->ep) || v->nfree_send == 0)
        return;
    struct batch b;
    batch_begin(&b, p->ep);
    struct msg_hdr hdr = header(p, MSG_ABORT, 0);
    struct ibv_send_wr *wr = add_slot(&b, &hdr, p->c->why, strlen(p->c->why) + 1, true);
    if (wr)
        wr->send_flags |= IBV_SEND_SOLICITED;
    batch_post(&b);
}

void vc_chan_abort(struct chan *c)
{
    struct vc_verbs *v = c->v;
    if (c->aborted)
        return;
    c->aborted = true;
    for (int r = 0; r < c->base.size; r++) {
        if (r == c->base.rank)
            continue;
        if (c->peer[r])
            post_abort(c->peer[r]);
        vc_ep_tell(v, c->procs[r], v->failed ? NOTE_ALL : c->id, c->base.rank, c->why);
    }
}

void vc_verbs_abort(struct vc_verbs *v)
{
    for (struct chan *c = v->chans; c; c = c->next) {
        vc_chan_fail(c, "%s", v->why);
        vc_chan_abort(c);
    }
}

/* Everything up to a completed work request is through. */
static int retire(struct vc_verbs *v, struct ep *e, uint32_t number)
{
    int done = 0;
    while ((int32_t)(number - e->tail) >= 0 && e->tail != e->head) {
        struct wr_rec *rec = &e->rec[e->tail++ % e->depth];
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

int vc_verbs_poll_bulk(struct vc_verbs *v)
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
            if (e->state == EP_FAILED)
                continue;
            if (wc[i].status != IBV_WC_SUCCESS) {
                if (wc[i].status == IBV_WC_WR_FLUSH_ERR)
                    vc_verbs_read_async(v); /* it has been flushed because of something else */
                vc_ep_fail(e, "%s: %s%s", v->dev.name, vc_ibv.wc_status_str(wc[i].status),
                           v->port_down ? " (its port has gone down)" : "");
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
            work += retire(v, e, (uint32_t)wc[i].wr_id);
        }
    } while (n == 16);
    return work;
}

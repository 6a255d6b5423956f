/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue. A send is carried out inside ibv_post_send if no earlier send waits and the peer can take
 * it. Otherwise it is copied into the queue's ring, and the engine carries it out later.
 */
#include "tests/loopback/internal.h"

#define CHECK_NS 50000000u /* how often a waiting queue looks whether its peer has put it into error */

static struct lb_send *slot(struct lb_qp *qp, uint64_t i)
{
    return (struct lb_send *)(void *)(qp->sq + (i % qp->init.cap.max_send_wr) * qp->sq_stride);
}

/* The completion of the send at qp->done, when it asks for one. */
static void complete(struct lb_qp *qp, const struct lb_send *op, enum ibv_wc_status status, uint32_t bytes)
{
    uint64_t i = qp->done++;
    if (status == IBV_WC_SUCCESS && !qp->init.sq_sig_all && !(op->flags & IBV_SEND_SIGNALED))
        return;
    static const uint8_t opcodes[] = {[IBV_WR_RDMA_WRITE] = IBV_WC_RDMA_WRITE,
                                      [IBV_WR_RDMA_WRITE_WITH_IMM] = IBV_WC_RDMA_WRITE,
                                      [IBV_WR_SEND] = IBV_WC_SEND,
                                      [IBV_WR_SEND_WITH_IMM] = IBV_WC_SEND,
                                      [IBV_WR_RDMA_READ] = IBV_WC_RDMA_READ};
    struct lb_shm_cqe e = {.wr_id = op->wr_id,
                           .sq_done = i + 1,
                           .status = status,
                           .opcode = op->opcode < sizeof(opcodes) ? opcodes[op->opcode] : 0,
                           .byte_len = bytes,
                           .qpn = qp->ib.qp_num};
    if (!lb_cq_push(lb->seg, qp->s->send_cq, &e, false) && lb_state(qp->s) != IBV_QPS_ERR) {
        lb_async_raise(lb->seg, qp->s->ctx, IBV_EVENT_QP_FATAL, qp->ib.qp_num);
        lb_qp_error(qp);
    }
}

void lb_sq_flush(struct lb_qp *qp)
{
    while (qp->done < qp->posted)
        complete(qp, slot(qp, qp->done), IBV_WC_WR_FLUSH_ERR, 0);
}

static void fail_send(struct lb_qp *qp, const struct lb_send *op, enum ibv_wc_status status)
{
    complete(qp, op, status, 0);
    lb_qp_error(qp);
}

static uint64_t timeout_ns(const struct lb_qp *qp)
{
    return qp->attr.timeout ? (uint64_t)4096 << qp->attr.timeout : LB_NEVER / 2;
}

/* One attempt at the send at qp->done. True: it is over; false: to be tried again at qp->retry_at. */
static bool attempt(struct lb_qp *qp, struct lb_send *op)
{
    enum ibv_wc_status status = IBV_WC_SUCCESS;
    uint32_t bytes = 0, mark = op->mark;
    uint64_t wait = 0;
    enum lb_outcome out;
    op->mark = LB_MARK_NONE;
    if (mark == LB_MARK_WCERR) {
        out = LB_FAILED;
        status = (enum ibv_wc_status)op->mark_arg;
    } else if (mark == LB_MARK_QPERR) {
        lb_async_raise(lb->seg, qp->s->ctx, IBV_EVENT_QP_FATAL, qp->ib.qp_num);
        out = LB_FAILED;
        status = IBV_WC_WR_FLUSH_ERR;
    } else if (qp->tries > qp->attr.retry_cnt && !(lb_lim.endless_retry && qp->attr.retry_cnt == 7)) {
        out = LB_FAILED;
        status = IBV_WC_RETRY_EXC_ERR;
    } else if (mark == LB_MARK_RNR) {
        out = LB_RNR;
        wait = lb_rnr_ns(qp->attr.min_rnr_timer);
    } else if (mark == LB_MARK_DROP || (__atomic_load_n(&lb_hot, __ATOMIC_RELAXED) & LB_HOT_CUT)) {
        out = LB_DROPPED;
    } else {
        out = lb_deliver(qp, op, &status, &bytes, &wait);
    }
    if (out == LB_RNR) {
        LB_COUNT(rnr, 1);
        if (qp->attr.rnr_retry == 7 || qp->rnr_tries++ < qp->attr.rnr_retry) {
            qp->retry_at = lb_now() + wait;
            return false;
        }
        status = IBV_WC_RNR_RETRY_EXC_ERR;
    }
    if (out == LB_DROPPED) {
        LB_COUNT(drops, 1);
        qp->tries++;
        qp->retry_at = lb_now() + timeout_ns(qp);
        return false;
    }
    qp->tries = qp->rnr_tries = 0;
    qp->retry_at = 0;
    if (out != LB_DONE)
        fail_send(qp, op, status);
    else
        complete(qp, op, IBV_WC_SUCCESS, bytes);
    return true;
}

void lb_qp_progress(struct lb_qp *qp)
{
    pthread_mutex_lock(&qp->sq_lock);
    while (qp->done < qp->posted) {
        struct lb_send *op = slot(qp, qp->done);
        uint64_t now = lb_now(), at = op->due > qp->retry_at ? op->due : qp->retry_at;
        if (lb_state(qp->s) != IBV_QPS_RTS) {
            lb_sq_flush(qp);
        } else if (at > now) {
            lb_engine_schedule(qp, at < now + CHECK_NS ? at : now + CHECK_NS);
            break;
        } else {
            attempt(qp, op);
        }
    }
    pthread_mutex_unlock(&qp->sq_lock);
}

static int validate(const struct lb_qp *qp, const struct ibv_send_wr *wr)
{
    const struct ibv_qp_cap *cap = &qp->init.cap;
    if (wr->num_sge < 0 || (uint32_t)wr->num_sge > cap->max_send_sge)
        return EINVAL;
    if (wr->send_flags & IBV_SEND_INLINE) {
        uint64_t n = 0;
        for (int i = 0; i < wr->num_sge; i++)
            n += wr->sg_list[i].length;
        if (n > cap->max_inline_data || wr->opcode == IBV_WR_RDMA_READ)
            return EINVAL;
    }
    /* Acquire: pairs with the release of the poller that freed the slots. */
    if (qp->posted - __atomic_load_n(&qp->reclaimed, __ATOMIC_ACQUIRE) >= cap->max_send_wr)
        return ENOMEM;
    return 0;
}

/* Copies a send, with its list or its inline data, to where the engine finds it. */
static struct lb_send *keep(struct lb_qp *qp, const struct lb_send *op)
{
    struct lb_send *k = slot(qp, qp->posted);
    struct ibv_sge *sge = (struct ibv_sge *)(void *)(k + 1);
    *k = *op;
    k->sge = sge;
    if (lb_lim.ignore_inline || !(op->flags & IBV_SEND_INLINE)) {
        for (uint32_t i = 0; i < op->n_sge; i++)
            sge[i] = op->sge[i];
        return k;
    }
    char *data = (char *)(sge + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < op->n_sge; i++) {
        memcpy(data + n, (const void *)(uintptr_t)op->sge[i].addr, op->sge[i].length);
        n += op->sge[i].length;
    }
    *sge = (struct ibv_sge){.addr = (uintptr_t)data, .length = n};
    k->n_sge = 1;
    return k;
}

static void defer(struct lb_qp *qp, struct lb_send *op, uint64_t due)
{
    bool first = qp->posted == qp->done;
    keep(qp, op);
    qp->posted++;
    LB_COUNT(deferred, 1);
    if (first)
        lb_engine_schedule(qp, due);
}

static void post_one(struct lb_qp *qp, const struct ibv_send_wr *wr)
{
    struct lb_send op = {.wr_id = wr->wr_id,
                         .sge = wr->sg_list,
                         .n_sge = (uint32_t)wr->num_sge,
                         .flags = wr->send_flags,
                         .opcode = wr->opcode,
                         .imm = wr->imm_data,
                         .raddr = wr->wr.rdma.remote_addr,
                         .rkey = wr->wr.rdma.rkey};
    LB_COUNT(sends, 1);
    if (lb_state(qp->s) == IBV_QPS_ERR) {
        lb_sq_flush(qp); /* in case the peer put us there while something waited */
        qp->posted++;
        complete(qp, &op, IBV_WC_WR_FLUSH_ERR, 0);
        return;
    }
    uint32_t hot = __atomic_load_n(&lb_hot, __ATOMIC_RELAXED);
    if (__builtin_expect(hot & LB_HOT_SEND, 0))
        lb_fault_mark(&op);
    if (__builtin_expect(hot & LB_HOT_DELAY, 0)) {
        uint64_t due = lb_now() + lb_fault_delay();
        qp->last_due = op.due = due > qp->last_due ? due : qp->last_due;
        defer(qp, &op, op.due);
        return;
    }
    if (qp->done < qp->posted) {
        defer(qp, &op, 0);
        return;
    }
    /* Counts as posted during the attempt, whose completion advances `done`. It is copied into the ring only
     * if it must be tried again. */
    qp->posted++;
    if (attempt(qp, &op))
        return;
    qp->posted--;
    defer(qp, &op, qp->retry_at);
}

static void (*on_post)(void *arg);
static void *on_post_arg;

void vc_loopback_on_post(void (*fn)(void *arg), void *arg)
{
    on_post = fn;
    on_post_arg = arg;
}

int lb_post_send(struct ibv_qp *ibqp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
    struct lb_qp *qp = (struct lb_qp *)ibqp;
    if (on_post)
        on_post(on_post_arg);
    LB_COUNT(doorbells, 1);
    *bad = wr;
    int rc = lb_fault_in(LB_FN_post_send, ibqp->context);
    if (rc)
        return rc;
    pthread_mutex_lock(&qp->sq_lock);
    uint32_t state = lb_state(qp->s);
    if (state != IBV_QPS_RTS && state != IBV_QPS_ERR)
        rc = EINVAL;
    for (; wr && !rc; wr = wr->next) {
        *bad = wr;
        rc = validate(qp, wr);
        if (!rc)
            post_one(qp, wr);
    }
    pthread_mutex_unlock(&qp->sq_lock);
    return lb_lim.negative ? -rc : rc;
}

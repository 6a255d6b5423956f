/* SPDX-License-Identifier: BSD-3-Clause */
/* One transfer, done entirely by the sender's process: the target's tables and memory are reached from here.
 */
#include "tests/loopback/internal.h"

/* A transfer under way. */
struct transfer {
    struct lb_qp *qp;
    const struct lb_send *op;
    struct lb_seg *seg; /* the target's */
    struct lb_shm_qp *to;
    struct iovec iov[LB_SGES];
    int n_iov;
    uint64_t bytes;
    enum ibv_wc_status status;
};

uint64_t lb_rnr_ns(uint32_t timer)
{
    /* The encoding of the specification, in units of 10 us. */
    static const uint16_t units[32] = {0,    1,    2,    3,    4,    6,     8,     12,    16,    24,   32,
                                       48,   64,   96,   128,  192,  256,   384,   512,   768,   1024, 1536,
                                       2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152};
    return timer % 32 ? (uint64_t)units[timer % 32] * 10000 : 655360000u;
}

static bool dev_ok(const struct lb_seg *seg, uint32_t dev)
{
    return __atomic_load_n(&seg->dev[dev].port_up, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&seg->dev[dev].removed, __ATOMIC_ACQUIRE);
}

static bool is_lost(const struct lb_seg *seg)
{
    int64_t a = lb->seg->rank, b = seg->rank;
    for (uint32_t i = 0; i < lb_lim.n_lost; i++) {
        const uint32_t *p = lb_lim.lost[i];
        if ((p[0] == a && p[1] == b) || (p[0] == b && p[1] == a))
            return true;
    }
    return false;
}

/* Whether packets of this queue pair reach the device of the other one and are accepted there. */
static bool path_ok(const struct lb_qp *qp, const struct lb_seg *seg, const struct lb_shm_qp *to)
{
    const struct lb_shm_dev *from = &lb->seg->dev[qp->s->dev], *d = &seg->dev[to->dev];
    const struct ibv_ah_attr *av = &qp->attr.ah_attr;
    if (is_lost(seg))
        return false;
    if (from->link != d->link || to->dest_qpn != qp->ib.qp_num || to->rq_psn != (qp->attr.sq_psn & 0xffffff))
        return false;
    if ((qp->s->pkey & 0x7fff) != (to->pkey & 0x7fff) || !((qp->s->pkey | to->pkey) & 0x8000))
        return false;
    if (d->link == IBV_LINK_LAYER_INFINIBAND && av->dlid != d->lid)
        return false;
    if (!av->is_global)
        return true;
    if (from->gid_type[av->grh.sgid_index] != to->gid_type)
        return false;
    for (int i = 0; i < LB_GIDS; i++) {
        if (memcmp(&d->gid[i], &av->grh.dgid, sizeof(d->gid[i])) == 0 &&
            d->gid_type[i] == from->gid_type[av->grh.sgid_index])
            return true;
    }
    return false;
}

static bool resolve(struct lb_qp *qp)
{
    uint32_t dest = qp->attr.dest_qp_num;
    if (!qp->peer || __atomic_load_n(&qp->peer->left, __ATOMIC_ACQUIRE) ||
        qp->peer_qp->epoch != qp->peer_epoch) {
        qp->peer = NULL;
        struct lb_seg *seg = lb_peer_seg(dest >> 16);
        if (!seg)
            return false;
        struct lb_shm_qp *to = &seg->qp[(dest >> 4) & (LB_QPS - 1)];
        uint32_t state = lb_state(to), epoch = to->epoch;
        if (__atomic_load_n(&to->qpn, __ATOMIC_ACQUIRE) != dest ||
            (state != IBV_QPS_RTR && state != IBV_QPS_RTS) || !path_ok(qp, seg, to))
            return false;
        qp->peer = seg;
        qp->peer_qp = to;
        qp->peer_epoch = epoch;
    }
    uint32_t state = lb_state(qp->peer_qp);
    return __atomic_load_n(&qp->peer_qp->qpn, __ATOMIC_ACQUIRE) == dest &&
           (state == IBV_QPS_RTR || state == IBV_QPS_RTS) && dev_ok(lb->seg, qp->s->dev) &&
           dev_ok(qp->peer, qp->peer_qp->dev);
}

static bool gather(struct transfer *t)
{
    const struct lb_send *op = t->op;
    uint32_t need = op->opcode == IBV_WR_RDMA_READ ? IBV_ACCESS_LOCAL_WRITE : 0;
    for (uint32_t i = 0; i < op->n_sge; i++) {
        const struct ibv_sge *s = &op->sge[i];
        uint64_t va = s->addr;
        if (s->length == 0)
            continue;
        if ((lb_lim.ignore_inline || !(op->flags & IBV_SEND_INLINE)) &&
            !lb_mr_check(lb->seg, s->lkey, s->addr, s->length, t->qp->s->pd, need, &va))
            return false;
        t->iov[t->n_iov++] = (struct iovec){(void *)(uintptr_t)va, s->length};
        t->bytes += s->length;
    }
    return true;
}

static enum lb_outcome failed(struct transfer *t, enum ibv_wc_status status)
{
    t->status = status;
    return LB_FAILED;
}

/* The target's side fails: its queue pair goes to error, with an event when the fault has one. Its lock is
 * held. */
static enum lb_outcome target_failed(struct transfer *t, enum ibv_event_type event, enum ibv_wc_status status)
{
    lb_async_raise(t->seg, t->to->ctx, event, t->to->qpn);
    lb_shm_qp_error(t->seg, t->to);
    return failed(t, status);
}

static enum lb_outcome copied(struct transfer *t, int err)
{
    if (err == ESRCH)
        return LB_DROPPED; /* the process is gone */
    return err ? failed(t, IBV_WC_REM_OP_ERR) : LB_DONE;
}

/* Reads or writes the memory that the send names. `locked`: the target's lock is held already. */
static enum lb_outcome rdma(struct transfer *t, bool locked)
{
    bool write = t->op->opcode != IBV_WR_RDMA_READ;
    uint32_t need = write ? IBV_ACCESS_REMOTE_WRITE : IBV_ACCESS_REMOTE_READ;
    enum lb_outcome out = LB_FAILED;
    bool allowed = false;
    if (t->bytes == 0 && (t->to->access & need))
        return lb_alive(t->seg) ? LB_DONE : LB_DROPPED;
    if ((t->to->access & need) && lb_mr_enter(t->seg, t->op->rkey)) {
        uint64_t va;
        if (lb_mr_check(t->seg, t->op->rkey & ~1u, t->op->raddr, t->bytes, t->to->pd, need, &va)) {
            struct iovec remote = {(void *)(uintptr_t)va, t->bytes};
            out = copied(t, lb_copy(t->seg->pid, t->iov, t->n_iov, &remote, 1, t->bytes, write));
            allowed = true;
        }
        lb_mr_exit(t->seg, t->op->rkey);
    }
    if (!allowed) {
        if (!locked)
            lb_lock(&t->to->lock);
        out = target_failed(t, IBV_EVENT_QP_ACCESS_ERR, IBV_WC_REM_ACCESS_ERR);
        if (!locked)
            lb_unlock(&t->to->lock);
    }
    return out;
}

/* A receive, copied from its queue: the place in a shared queue may be used again before this transfer ends,
 * when other receives complete and are posted. */
struct recv_op {
    uint64_t wr_id;
    uint32_t n_sge;
    struct ibv_sge sge[LB_SGES];
};

static bool pop_recv(struct transfer *t, struct lb_shm_rq *rq, struct recv_op *out)
{
    if (rq->head == rq->tail)
        return false;
    const struct lb_shm_rwqe *w = lb_at(t->seg, rq->ring + (rq->head & rq->mask) * rq->stride);
    out->wr_id = w->wr_id;
    out->n_sge = w->n_sge < LB_SGES ? w->n_sge : LB_SGES;
    memcpy(out->sge, w->sge, out->n_sge * sizeof(out->sge[0]));
    rq->head++;
    return true;
}

/* Removes the next receive from its queue at once, so that no other transfer gets it. False: there is none.
 */
static bool take_recv(struct transfer *t, struct recv_op *w)
{
    if (t->to->srq < 0)
        return pop_recv(t, &t->to->rq, w);
    struct lb_shm_srq *s = &t->seg->srq[t->to->srq];
    lb_lock(&s->lock);
    bool got = pop_recv(t, &s->rq, w);
    bool low = got && s->limit && s->rq.tail - s->rq.head < s->limit;
    if (low)
        s->limit = 0;
    lb_unlock(&s->lock);
    if (low)
        lb_async_raise(t->seg, s->ctx, IBV_EVENT_SRQ_LIMIT_REACHED, (uint32_t)t->to->srq);
    return got;
}

static bool can_recv(struct transfer *t)
{
    if (t->to->srq < 0)
        return t->to->rq.head != t->to->rq.tail;
    struct lb_shm_srq *s = &t->seg->srq[t->to->srq];
    lb_lock(&s->lock);
    bool yes = s->rq.head != s->rq.tail;
    lb_unlock(&s->lock);
    return yes;
}

static bool push_recv(struct transfer *t, const struct recv_op *w, enum ibv_wc_status status)
{
    const struct lb_send *op = t->op;
    bool write = op->opcode == IBV_WR_RDMA_WRITE_WITH_IMM, imm = write || op->opcode == IBV_WR_SEND_WITH_IMM;
    struct lb_shm_cqe e = {.wr_id = w->wr_id,
                           .status = status,
                           .opcode = write ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV,
                           .byte_len = (uint32_t)t->bytes,
                           .imm = imm ? op->imm : 0,
                           .qpn = t->to->qpn,
                           .src_qp = t->qp->ib.qp_num,
                           .wc_flags = imm ? IBV_WC_WITH_IMM : 0,
                           .is_recv = 1};
    return lb_cq_push(t->seg, t->to->recv_cq, &e, op->flags & IBV_SEND_SOLICITED);
}

/* Copies the payload of a send into the buffers of the receive `w`. */
static enum lb_outcome scatter(struct transfer *t, const struct recv_op *w)
{
    struct iovec iov[LB_SGES];
    uint64_t left = t->bytes, room = 0;
    uint32_t pd = t->to->srq < 0 ? t->to->pd : t->seg->srq[t->to->srq].pd;
    int n = 0;
    for (uint32_t i = 0; i < w->n_sge; i++)
        room += w->sge[i].length;
    if (room < t->bytes) {
        push_recv(t, w, IBV_WC_LOC_LEN_ERR);
        return target_failed(t, IBV_EVENT_QP_REQ_ERR, IBV_WC_REM_INV_REQ_ERR);
    }
    for (uint32_t i = 0; i < w->n_sge && left; i++) {
        uint64_t len = w->sge[i].length < left ? w->sge[i].length : left, va;
        if (!len)
            continue;
        if (!lb_mr_check(t->seg, w->sge[i].lkey, w->sge[i].addr, len, pd, IBV_ACCESS_LOCAL_WRITE, &va)) {
            push_recv(t, w, IBV_WC_LOC_PROT_ERR);
            return target_failed(t, IBV_EVENT_QP_FATAL, IBV_WC_REM_OP_ERR);
        }
        iov[n++] = (struct iovec){(void *)(uintptr_t)va, len};
        left -= len;
    }
    if (!t->bytes)
        return lb_alive(t->seg) ? LB_DONE : LB_DROPPED;
    return copied(t, lb_copy(t->seg->pid, t->iov, t->n_iov, iov, n, t->bytes, true));
}

/* A transfer that consumes a receive, with the target's lock held. */
static enum lb_outcome two_sided(struct transfer *t, uint64_t *wait_ns)
{
    uint32_t state = lb_state(t->to);
    if (state != IBV_QPS_RTR && state != IBV_QPS_RTS)
        return LB_DROPPED;
    if (!can_recv(t)) {
        *wait_ns = lb_rnr_ns(t->to->min_rnr_timer);
        return lb_alive(t->seg) ? LB_RNR : LB_DROPPED;
    }
    if (state == IBV_QPS_RTR && !t->to->comm_est) {
        t->to->comm_est = 1;
        lb_async_raise(t->seg, t->to->ctx, IBV_EVENT_COMM_EST, t->to->qpn);
    }
    bool write = t->op->opcode == IBV_WR_RDMA_WRITE_WITH_IMM;
    if (write) {
        enum lb_outcome out = rdma(t, true);
        if (out != LB_DONE)
            return out;
    }
    struct recv_op w;
    if (!take_recv(t, &w)) { /* another queue pair took the last of the shared queue */
        *wait_ns = lb_rnr_ns(t->to->min_rnr_timer);
        return LB_RNR;
    }
    if (!write) {
        enum lb_outcome out = scatter(t, &w);
        if (out != LB_DONE)
            return out;
    }
    if (push_recv(t, &w, IBV_WC_SUCCESS))
        return LB_DONE;
    return target_failed(t, IBV_EVENT_QP_FATAL, IBV_WC_REM_OP_ERR);
}

enum lb_outcome lb_deliver(struct lb_qp *qp, const struct lb_send *op, enum ibv_wc_status *status,
                           uint32_t *bytes, uint64_t *wait_ns)
{
    struct transfer t = {.qp = qp, .op = op};
    enum lb_outcome out;
    if (op->opcode > IBV_WR_RDMA_READ || (op->opcode == IBV_WR_RDMA_READ && !qp->attr.max_rd_atomic)) {
        *status = IBV_WC_LOC_QP_OP_ERR;
        return LB_FAILED;
    }
    if (!gather(&t)) {
        *status = IBV_WC_LOC_PROT_ERR;
        return LB_FAILED;
    }
    if (t.bytes > lb_lim.max_msg) {
        *status = IBV_WC_LOC_LEN_ERR;
        return LB_FAILED;
    }
    if (!resolve(qp))
        return LB_DROPPED;
    t.seg = qp->peer;
    t.to = qp->peer_qp;
    /* Packets larger than what the other end expects, and reads at an end that allows none. */
    bool invalid = op->opcode == IBV_WR_RDMA_READ ? !t.to->max_dest_rd
                                                  : (uint32_t)qp->attr.path_mtu > t.to->path_mtu &&
                                                        t.bytes > (uint64_t)128 << t.to->path_mtu;
    if (!invalid && (op->opcode == IBV_WR_RDMA_WRITE || op->opcode == IBV_WR_RDMA_READ)) {
        out = rdma(&t, false);
    } else {
        lb_lock(&t.to->lock);
        out = invalid ? target_failed(&t, IBV_EVENT_QP_REQ_ERR, IBV_WC_REM_INV_REQ_ERR)
                      : two_sided(&t, wait_ns);
        lb_unlock(&t.to->lock);
    }
    if (out == LB_DONE)
        LB_COUNT(bytes, t.bytes);
    *status = t.status;
    *bytes = (uint32_t)t.bytes;
    return out;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Queue pairs: making, connecting and ending them. */
#include "tests/loopback/internal.h"

#include <stdlib.h>

struct transition {
    enum ibv_qp_state from, to;
    int required, optional;
};

static const struct transition transitions[] = {
    {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS, 0},
    {IBV_QPS_INIT, IBV_QPS_INIT, 0, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS},
    {IBV_QPS_INIT, IBV_QPS_RTR,
     IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
         IBV_QP_MIN_RNR_TIMER,
     IBV_QP_ACCESS_FLAGS | IBV_QP_PKEY_INDEX},
    {IBV_QPS_RTR, IBV_QPS_RTS,
     IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC,
     IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER | IBV_QP_PATH_MIG_STATE},
    {IBV_QPS_RTS, IBV_QPS_RTS, 0,
     IBV_QP_CUR_STATE | IBV_QP_ACCESS_FLAGS | IBV_QP_MIN_RNR_TIMER | IBV_QP_PATH_MIG_STATE},
};

static void free_queues(struct lb_qp *qp)
{
    if (qp->s->rq.ring)
        lb_free(qp->s->rq.ring);
    free(qp->sq);
}

static int check_caps(const struct ibv_qp_init_attr *init)
{
    const struct ibv_qp_cap *c = &init->cap;
    if (init->qp_type != IBV_QPT_RC)
        return EOPNOTSUPP;
    if (!init->send_cq || !init->recv_cq || c->max_send_wr > lb_lim.max_qp_wr ||
        c->max_send_sge > lb_lim.max_sge || c->max_inline_data > lb_lim.max_inline)
        return EINVAL;
    if (!init->srq && (c->max_recv_wr > lb_lim.max_qp_wr || c->max_recv_sge > lb_lim.max_sge ||
                       c->max_recv_sge > lb_lim.max_recv_sge))
        return EINVAL;
    return 0;
}

static int setup_queues(struct lb_qp *qp)
{
    struct ibv_qp_cap *c = &qp->init.cap;
    size_t room = c->max_send_sge * sizeof(struct ibv_sge);
    if (room < sizeof(struct ibv_sge) + c->max_inline_data)
        room = sizeof(struct ibv_sge) + c->max_inline_data;
    qp->sq_stride = (sizeof(struct lb_send) + room + 15) & ~(size_t)15;
    qp->sq = calloc(c->max_send_wr ? c->max_send_wr : 1, qp->sq_stride);
    if (!qp->sq)
        return ENOMEM;
    struct lb_shm_rq *rq = &qp->s->rq;
    if (!qp->init.srq && c->max_recv_wr) {
        rq->cap = c->max_recv_wr;
        rq->mask = lb_pow2(rq->cap) - 1;
        rq->max_sge = c->max_recv_sge;
        rq->stride = (uint32_t)(sizeof(struct lb_shm_rwqe) + rq->max_sge * sizeof(struct ibv_sge));
        rq->ring = lb_alloc(((size_t)rq->mask + 1) * rq->stride);
        if (!rq->ring)
            return ENOMEM;
    }
    return 0;
}

static void init_shared(struct lb_qp *qp, const struct ibv_pd *pd)
{
    struct lb_shm_qp *s = qp->s = &lb->seg->qp[qp->idx];
    uint32_t gen = s->gen + 1;
    memset(s, 0, sizeof(*s));
    lb_lock_init(&s->lock);
    s->gen = gen;
    s->pd = pd->handle;
    s->dev = (uint32_t)lb_ctx_of(pd->context)->dev;
    s->ctx = (uint32_t)lb_ctx_of(pd->context)->idx;
    s->send_cq = ((struct lb_cq *)qp->init.send_cq)->idx;
    s->recv_cq = ((struct lb_cq *)qp->init.recv_cq)->idx;
    s->srq = qp->init.srq ? (int32_t)((struct lb_srq *)qp->init.srq)->idx : -1;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *init)
{
    int err = lb_fault_in(LB_FN_create_qp, pd->context);
    if (!err)
        err = check_caps(init);
    struct lb_qp *qp = err ? NULL : calloc(1, sizeof(*qp));
    if (!qp) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    if (init->cap.max_inline_data > lb_lim.grant_inline)
        init->cap.max_inline_data = lb_lim.grant_inline;
    if (lb_lim.more_inline) /* libraries round up to the size of their work requests */
        init->cap.max_inline_data = (init->cap.max_inline_data + 63) & ~63u;
    qp->init = *init;
    pthread_mutex_lock(&lb->lock);
    uint32_t used = 0;
    for (uint32_t i = 0; i < LB_QPS; i++)
        used += lb->qp[i] != NULL;
    if (used < lb_lim.max_qp) {
        while (lb->next_qp == 0 || lb->qp[lb->next_qp])
            lb->next_qp = (lb->next_qp + 1) % LB_QPS;
        qp->idx = lb->next_qp;
        lb->next_qp = (lb->next_qp + 1) % LB_QPS;
        init_shared(qp, pd);
        err = setup_queues(qp);
        if (err)
            free_queues(qp);
    } else {
        err = ENOMEM;
    }
    if (err) {
        pthread_mutex_unlock(&lb->lock);
        free(qp);
        errno = err;
        return NULL;
    }
    struct ibv_qp *ib = &qp->ib;
    ib->context = pd->context;
    ib->qp_context = init->qp_context;
    ib->pd = pd;
    ib->send_cq = init->send_cq;
    ib->recv_cq = init->recv_cq;
    ib->srq = init->srq;
    ib->handle = qp->idx;
    ib->qp_type = init->qp_type;
    ib->state = IBV_QPS_RESET;
    ib->qp_num = lb->seg->slot << 16 | qp->idx << 4 | (qp->s->gen & 15);
    pthread_mutex_init(&ib->mutex, NULL);
    pthread_cond_init(&ib->cond, NULL);
    pthread_mutex_init(&qp->sq_lock, NULL);
    __atomic_store_n(&qp->s->qpn, ib->qp_num, __ATOMIC_RELEASE);
    ((struct lb_pd *)pd)->refs++;
    ((struct lb_cq *)init->send_cq)->refs++;
    ((struct lb_cq *)init->recv_cq)->refs++;
    if (init->srq)
        ((struct lb_srq *)init->srq)->refs++;
    lb->qp[qp->idx] = qp;
    pthread_mutex_unlock(&lb->lock);
    return ib;
}

void lb_shm_qp_error(struct lb_seg *seg, struct lb_shm_qp *q)
{
    if (lb_state(q) == IBV_QPS_ERR)
        return;
    __atomic_store_n(&q->state, IBV_QPS_ERR, __ATOMIC_RELEASE);
    if (q->srq >= 0) {
        lb_async_raise(seg, q->ctx, IBV_EVENT_QP_LAST_WQE_REACHED, q->qpn);
        return;
    }
    for (; q->rq.head < q->rq.tail; q->rq.head++) {
        const struct lb_shm_rwqe *w = lb_at(seg, q->rq.ring + (q->rq.head & q->rq.mask) * q->rq.stride);
        struct lb_shm_cqe e = {.wr_id = w->wr_id, .status = IBV_WC_WR_FLUSH_ERR, .qpn = q->qpn, .is_recv = 1};
        lb_cq_push(seg, q->recv_cq, &e, false);
    }
}

void lb_qp_error(struct lb_qp *qp)
{
    lb_lock(&qp->s->lock);
    lb_shm_qp_error(lb->seg, qp->s);
    lb_unlock(&qp->s->lock);
    lb_sq_flush(qp);
}

static int check_av(const struct lb_qp *qp, const struct ibv_ah_attr *av)
{
    const struct lb_shm_dev *d = &lb->seg->dev[qp->s->dev];
    static const union ibv_gid none;
    if (av->port_num != 1)
        return EINVAL;
    if (d->link == IBV_LINK_LAYER_INFINIBAND && !av->dlid)
        return EINVAL;
    if (d->link == IBV_LINK_LAYER_ETHERNET && !av->is_global)
        return EINVAL;
    if (av->is_global &&
        (av->grh.sgid_index >= LB_GIDS || !memcmp(&d->gid[av->grh.sgid_index], &none, sizeof(none)) ||
         !memcmp(&av->grh.dgid, &none, sizeof(none))))
        return EINVAL;
    return 0;
}

static int check_values(const struct lb_qp *qp, const struct ibv_qp_attr *a, int mask)
{
    if (((mask & IBV_QP_PORT) && a->port_num != 1) ||
        ((mask & IBV_QP_PKEY_INDEX) && a->pkey_index >= lb->seg->dev[qp->s->dev].n_pkeys) ||
        ((mask & IBV_QP_PATH_MTU) && (a->path_mtu < IBV_MTU_256 || (uint32_t)a->path_mtu > lb_lim.mtu)) ||
        ((mask & IBV_QP_TIMEOUT) && a->timeout > 31) || ((mask & IBV_QP_RETRY_CNT) && a->retry_cnt > 7) ||
        ((mask & IBV_QP_RNR_RETRY) && a->rnr_retry > 7) ||
        ((mask & IBV_QP_MIN_RNR_TIMER) && a->min_rnr_timer > 31) ||
        ((mask & IBV_QP_MAX_QP_RD_ATOMIC) && a->max_rd_atomic > lb_lim.max_rd) ||
        ((mask & IBV_QP_MAX_DEST_RD_ATOMIC) && a->max_dest_rd_atomic > lb_lim.max_rd))
        return EINVAL;
    return mask & IBV_QP_AV ? check_av(qp, &a->ah_attr) : 0;
}

static void apply(struct lb_qp *qp, const struct ibv_qp_attr *a, int mask)
{
    struct lb_shm_qp *s = qp->s;
#define TAKE(bit, field)                                                                                     \
    if (mask & (bit))                                                                                        \
    qp->attr.field = a->field
    TAKE(IBV_QP_PKEY_INDEX, pkey_index);
    TAKE(IBV_QP_PORT, port_num);
    TAKE(IBV_QP_ACCESS_FLAGS, qp_access_flags);
    TAKE(IBV_QP_AV, ah_attr);
    TAKE(IBV_QP_PATH_MTU, path_mtu);
    TAKE(IBV_QP_DEST_QPN, dest_qp_num);
    TAKE(IBV_QP_RQ_PSN, rq_psn);
    TAKE(IBV_QP_SQ_PSN, sq_psn);
    TAKE(IBV_QP_TIMEOUT, timeout);
    TAKE(IBV_QP_RETRY_CNT, retry_cnt);
    TAKE(IBV_QP_RNR_RETRY, rnr_retry);
    TAKE(IBV_QP_MIN_RNR_TIMER, min_rnr_timer);
    TAKE(IBV_QP_MAX_QP_RD_ATOMIC, max_rd_atomic);
    TAKE(IBV_QP_MAX_DEST_RD_ATOMIC, max_dest_rd_atomic);
#undef TAKE
    s->gid_type = lb->seg->dev[s->dev].gid_type[qp->attr.ah_attr.grh.sgid_index];
    s->pkey = lb->seg->dev[s->dev].pkey[qp->attr.pkey_index];
    s->access = qp->attr.qp_access_flags;
    s->path_mtu = qp->attr.path_mtu;
    s->dest_qpn = qp->attr.dest_qp_num;
    s->rq_psn = qp->attr.rq_psn & 0xffffff;
    s->min_rnr_timer = qp->attr.min_rnr_timer;
    s->max_dest_rd = qp->attr.max_dest_rd_atomic;
}

/* Forgets all work and its completions. */
static void reset(struct lb_qp *qp)
{
    lb_lock(&qp->s->lock);
    __atomic_store_n(&qp->s->state, IBV_QPS_RESET, __ATOMIC_RELEASE);
    qp->s->rq.head = qp->s->rq.tail = 0;
    qp->s->comm_est = 0;
    lb_unlock(&qp->s->lock);
    lb_cq_purge((struct lb_cq *)qp->ib.send_cq, qp->ib.qp_num);
    lb_cq_purge((struct lb_cq *)qp->ib.recv_cq, qp->ib.qp_num);
    qp->posted = qp->done = qp->retry_at = qp->last_due = 0;
    qp->tries = qp->rnr_tries = 0;
    qp->peer = NULL;
    __atomic_store_n(&qp->reclaimed, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&qp->rq_unpolled, 0, __ATOMIC_RELAXED);
}

static int modify_locked(struct lb_qp *qp, const struct ibv_qp_attr *a, int mask)
{
    enum ibv_qp_state from = (enum ibv_qp_state)lb_state(qp->s),
                      to = mask & IBV_QP_STATE ? a->qp_state : from;
    if ((mask & IBV_QP_CUR_STATE) && a->cur_qp_state != from)
        return EINVAL;
    if (to == IBV_QPS_RESET) {
        reset(qp);
        return 0;
    }
    if (to == IBV_QPS_ERR) {
        if (from == IBV_QPS_RESET)
            __atomic_store_n(&qp->s->state, IBV_QPS_ERR, __ATOMIC_RELEASE);
        lb_qp_error(qp);
        return 0;
    }
    const struct transition *t = NULL;
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        if (transitions[i].from == from && transitions[i].to == to)
            t = &transitions[i];
    }
    if (!t || (mask & t->required) != t->required || (mask & ~(t->required | t->optional | IBV_QP_STATE)))
        return EINVAL;
    int rc = check_values(qp, a, mask);
    if (rc)
        return rc;
    lb_lock(&qp->s->lock);
    apply(qp, a, mask);
    if (to == IBV_QPS_RTR)
        qp->s->epoch = lb_new_gen();
    /* Pairs with the acquire in lb_state: a peer that sees the state sees the connection. */
    __atomic_store_n(&qp->s->state, to, __ATOMIC_RELEASE);
    lb_unlock(&qp->s->lock);
    return 0;
}

int ibv_modify_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask)
{
    struct lb_qp *qp = (struct lb_qp *)ibqp;
    int rc = lb_fault_in(LB_FN_modify_qp, ibqp->context);
    if (rc)
        return rc;
    pthread_mutex_lock(&qp->sq_lock);
    rc = modify_locked(qp, attr, mask);
    if (!rc && (mask & IBV_QP_STATE))
        ibqp->state = attr->qp_state;
    pthread_mutex_unlock(&qp->sq_lock);
    return rc;
}

int ibv_query_qp(struct ibv_qp *ibqp, struct ibv_qp_attr *attr, int mask, struct ibv_qp_init_attr *init)
{
    struct lb_qp *qp = (struct lb_qp *)ibqp;
    (void)mask;
    int rc = lb_fault_in(LB_FN_query_qp, ibqp->context);
    if (rc)
        return rc;
    pthread_mutex_lock(&qp->sq_lock);
    *attr = qp->attr;
    attr->qp_state = attr->cur_qp_state = ibqp->state = (enum ibv_qp_state)lb_state(qp->s);
    attr->cap = qp->init.cap;
    *init = qp->init;
    pthread_mutex_unlock(&qp->sq_lock);
    return 0;
}

int ibv_query_qp_data_in_order(struct ibv_qp *qp, enum ibv_wr_opcode op, uint32_t flags)
{
    (void)qp, (void)op, (void)flags;
    return 0;
}

int ibv_destroy_qp(struct ibv_qp *ibqp)
{
    struct lb_qp *qp = (struct lb_qp *)ibqp;
    int rc = lb_fault_in(LB_FN_destroy_qp, ibqp->context);
    if (rc)
        return rc;
    pthread_mutex_lock(&qp->sq_lock);
    reset(qp);
    lb_lock(&qp->s->lock);
    __atomic_store_n(&qp->s->qpn, 0, __ATOMIC_RELEASE);
    lb_unlock(&qp->s->lock);
    pthread_mutex_unlock(&qp->sq_lock);
    pthread_mutex_lock(&lb->lock);
    lb->qp[qp->idx] = NULL;
    ((struct lb_pd *)ibqp->pd)->refs--;
    ((struct lb_cq *)ibqp->send_cq)->refs--;
    ((struct lb_cq *)ibqp->recv_cq)->refs--;
    if (ibqp->srq)
        ((struct lb_srq *)ibqp->srq)->refs--;
    free_queues(qp);
    pthread_mutex_unlock(&lb->lock);
    lb_engine_cancel(qp);
    pthread_mutex_lock(&ibqp->mutex);
    while (ibqp->events_completed != qp->async_got)
        pthread_cond_wait(&ibqp->cond, &ibqp->mutex);
    pthread_mutex_unlock(&ibqp->mutex);
    free(qp);
    return 0;
}

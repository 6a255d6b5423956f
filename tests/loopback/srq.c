/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared receive queues, and the posting of receives to either kind of queue. */
#include "tests/loopback/internal.h"

#include <stdlib.h>

struct ibv_srq *ibv_create_srq(struct ibv_pd *pd, struct ibv_srq_init_attr *init)
{
    int err = lb_fault_in(LB_FN_create_srq, pd->context);
    if (!err && !lb_lim.max_srq)
        err = EOPNOTSUPP;
    if (!err &&
        (!init->attr.max_wr || init->attr.max_wr > lb_lim.max_srq_wr || init->attr.max_sge > lb_lim.max_sge))
        err = EINVAL;
    struct lb_srq *srq = err ? NULL : calloc(1, sizeof(*srq));
    if (!srq) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    uint32_t slots = lb_pow2(init->attr.max_wr);
    uint32_t stride = (uint32_t)(sizeof(struct lb_shm_rwqe) + init->attr.max_sge * sizeof(struct ibv_sge));
    pthread_mutex_lock(&lb->lock);
    uint32_t i, n = lb_lim.max_srq;
    for (i = 0; i < n && lb->srq[(lb->next_srq + i) % n]; i++)
        ;
    uint64_t ring = i < n ? lb_alloc((size_t)slots * stride) : 0;
    if (!ring) {
        pthread_mutex_unlock(&lb->lock);
        free(srq);
        errno = ENOMEM;
        return NULL;
    }
    srq->idx = (lb->next_srq + i) % n;
    lb->next_srq = srq->idx + 1;
    struct lb_shm_srq *s = srq->s = &lb->seg->srq[srq->idx];
    memset(s, 0, sizeof(*s));
    lb_lock_init(&s->lock);
    s->rq = (struct lb_shm_rq){.ring = ring,
                               .stride = stride,
                               .mask = slots - 1,
                               .cap = init->attr.max_wr,
                               .max_sge = init->attr.max_sge};
    s->pd = pd->handle;
    s->ctx = (uint32_t)lb_ctx_of(pd->context)->idx;
    srq->ib.context = pd->context;
    srq->ib.srq_context = init->srq_context;
    srq->ib.pd = pd;
    srq->ib.handle = srq->idx;
    pthread_mutex_init(&srq->ib.mutex, NULL);
    pthread_cond_init(&srq->ib.cond, NULL);
    ((struct lb_pd *)pd)->refs++;
    lb->srq[srq->idx] = srq;
    pthread_mutex_unlock(&lb->lock);
    return &srq->ib;
}

int ibv_modify_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr, int mask)
{
    struct lb_srq *srq = (struct lb_srq *)ibsrq;
    int err = lb_fault_in(LB_FN_modify_srq, ibsrq->context);
    if (err)
        return err;
    if (mask & IBV_SRQ_MAX_WR)
        return EOPNOTSUPP; /* resizing is something few devices do */
    if ((mask & IBV_SRQ_LIMIT) && attr->srq_limit >= srq->s->rq.cap)
        return EINVAL;
    lb_lock(&srq->s->lock);
    if (mask & IBV_SRQ_LIMIT)
        srq->s->limit = attr->srq_limit;
    lb_unlock(&srq->s->lock);
    return 0;
}

int ibv_query_srq(struct ibv_srq *ibsrq, struct ibv_srq_attr *attr)
{
    const struct lb_shm_srq *s = ((struct lb_srq *)ibsrq)->s;
    int err = lb_fault_in(LB_FN_query_srq, ibsrq->context);
    if (err)
        return err;
    *attr = (struct ibv_srq_attr){.max_wr = s->rq.cap, .max_sge = s->rq.max_sge, .srq_limit = s->limit};
    return 0;
}

int ibv_destroy_srq(struct ibv_srq *ibsrq)
{
    struct lb_srq *srq = (struct lb_srq *)ibsrq;
    int err = lb_fault_in(LB_FN_destroy_srq, ibsrq->context);
    if (err)
        return err;
    pthread_mutex_lock(&lb->lock);
    if (srq->refs) {
        pthread_mutex_unlock(&lb->lock);
        return EBUSY;
    }
    lb_free(srq->s->rq.ring);
    lb->srq[srq->idx] = NULL;
    ((struct lb_pd *)ibsrq->pd)->refs--;
    pthread_mutex_unlock(&lb->lock);
    pthread_mutex_lock(&ibsrq->mutex);
    while (ibsrq->events_completed != srq->async_got)
        pthread_cond_wait(&ibsrq->cond, &ibsrq->mutex);
    pthread_mutex_unlock(&ibsrq->mutex);
    free(srq);
    return 0;
}

/* `unpolled` counts the slots in use; polling their completions lowers it. */
static int post_recv(struct lb_shm_rq *rq, uint32_t *unpolled, const struct ibv_recv_wr *wr)
{
    if (wr->num_sge < 0 || (uint32_t)wr->num_sge > rq->max_sge)
        return EINVAL;
    if (__atomic_load_n(unpolled, __ATOMIC_RELAXED) >= rq->cap)
        return ENOMEM;
    struct lb_shm_rwqe *w = lb_at(lb->seg, rq->ring + (rq->tail & rq->mask) * rq->stride);
    w->wr_id = wr->wr_id;
    w->n_sge = (uint32_t)wr->num_sge;
    for (int i = 0; i < wr->num_sge; i++)
        w->sge[i] = wr->sg_list[i];
    rq->tail++;
    __atomic_fetch_add(unpolled, 1, __ATOMIC_RELAXED);
    LB_COUNT(recvs, 1);
    return 0;
}

int lb_post_srq_recv(struct ibv_srq *ibsrq, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    struct lb_srq *srq = (struct lb_srq *)ibsrq;
    int rc = lb_fault_in(LB_FN_post_srq_recv, ibsrq->context);
    *bad = wr;
    if (rc)
        return rc;
    lb_lock(&srq->s->lock);
    for (; wr && !rc; wr = wr->next) {
        *bad = wr;
        rc = post_recv(&srq->s->rq, &srq->unpolled, wr);
    }
    lb_unlock(&srq->s->lock);
    return rc;
}

int lb_post_recv(struct ibv_qp *ibqp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
    struct lb_qp *qp = (struct lb_qp *)ibqp;
    int rc = lb_fault_in(LB_FN_post_recv, ibqp->context);
    *bad = wr;
    if (rc)
        return rc;
    lb_lock(&qp->s->lock);
    uint32_t state = lb_state(qp->s);
    if (ibqp->srq || state == IBV_QPS_RESET)
        rc = EINVAL;
    for (; wr && !rc; wr = wr->next) {
        *bad = wr;
        rc = post_recv(&qp->s->rq, &qp->rq_unpolled, wr);
        if (!rc && state == IBV_QPS_ERR) {
            struct lb_shm_cqe e = {
                .wr_id = wr->wr_id, .status = IBV_WC_WR_FLUSH_ERR, .qpn = ibqp->qp_num, .is_recv = 1};
            qp->s->rq.head++;
            lb_cq_push(lb->seg, qp->s->recv_cq, &e, false);
        }
    }
    lb_unlock(&qp->s->lock);
    return rc;
}

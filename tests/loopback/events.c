/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion channels and asynchronous events: tokens in pipes, so that poll(2) and fcntl(2) just work. */
#include "tests/loopback/internal.h"

#include <stdlib.h>
#include <unistd.h>

struct token {
    uint32_t idx, gen;
};

struct async_token {
    uint32_t type, idx;
};

/* Of a removed device. It stays in the pipe, so the channel stays readable. */
static const struct token closed = {UINT32_MAX, 0};

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
    int err = lb_fault_in(LB_FN_create_comp_channel, context), p[2], i;
    struct lb_channel *c = err ? NULL : calloc(1, sizeof(*c));
    if (!c) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    pthread_mutex_lock(&lb->lock);
    for (i = 0; i < LB_CHANNELS && lb->channel[i]; i++)
        ;
    err = i == LB_CHANNELS ? EMFILE : lb_pipe(p) != 0 ? errno : 0;
    if (!err) {
        c->ib.context = context;
        c->ib.fd = p[0];
        c->wfd = p[1];
        c->gen = lb_new_gen();
        lb->channel[i] = c;
        lb->n_channels++;
    }
    pthread_mutex_unlock(&lb->lock);
    if (err) {
        free(c);
        errno = err;
        return NULL;
    }
    return &c->ib;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *ibc)
{
    struct lb_channel *c = (struct lb_channel *)ibc;
    int err = lb_fault_in(LB_FN_destroy_comp_channel, ibc->context);
    if (err)
        return err;
    pthread_mutex_lock(&lb->lock);
    if (ibc->refcnt) {
        pthread_mutex_unlock(&lb->lock);
        return EBUSY;
    }
    for (int i = 0; i < LB_CHANNELS; i++) {
        if (lb->channel[i] == c)
            lb->channel[i] = NULL;
    }
    lb->n_channels--;
    pthread_mutex_unlock(&lb->lock);
    close(ibc->fd);
    close(c->wfd);
    free(c);
    return 0;
}

void lb_channels_close(void)
{
    pthread_mutex_lock(&lb->lock);
    for (int i = 0; i < LB_CHANNELS; i++) {
        if (lb->channel[i]) {
            ssize_t rc = write(lb->channel[i]->wfd, &closed, sizeof(closed));
            (void)rc;
        }
    }
    pthread_mutex_unlock(&lb->lock);
}

int ibv_get_cq_event(struct ibv_comp_channel *ibc, struct ibv_cq **out, void **cq_context)
{
    int err = lb_fault_in(LB_FN_get_cq_event, ibc->context);
    struct token t;
    if (err) {
        errno = err;
        return -1;
    }
    for (;;) {
        if (read(ibc->fd, &t, sizeof(t)) != sizeof(t))
            return -1;
        if (t.idx == closed.idx) {
            ssize_t rc = write(((struct lb_channel *)ibc)->wfd, &closed, sizeof(closed));
            (void)rc;
            errno = EIO;
            return -1;
        }
        pthread_mutex_lock(&lb->lock);
        struct lb_cq *cq = t.idx < LB_CQS ? lb->cq[t.idx] : NULL;
        if (cq && cq->s->gen != t.gen)
            cq = NULL;
        if (cq) {
            pthread_mutex_lock(&cq->ib.mutex);
            cq->events_got++;
            pthread_mutex_unlock(&cq->ib.mutex);
        }
        pthread_mutex_unlock(&lb->lock);
        if (!cq)
            continue; /* destroyed since */
        LB_COUNT(events, 1);
        *out = &cq->ib;
        *cq_context = cq->ib.cq_context;
        return 0;
    }
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int n)
{
    pthread_mutex_lock(&cq->mutex);
    cq->comp_events_completed += n;
    pthread_cond_signal(&cq->cond);
    pthread_mutex_unlock(&cq->mutex);
}

void lb_async_raise(struct lb_seg *seg, uint32_t ctx, enum ibv_event_type type, uint32_t idx)
{
    struct async_token t = {(uint32_t)type, idx};
    lb_fd_write(seg, __atomic_load_n(&seg->async_fd[ctx], __ATOMIC_ACQUIRE), seg->async_gen[ctx], &t,
                sizeof(t));
}

/* Fills *ev and counts it as read; false when the object was destroyed. lb->lock is held. */
static bool to_event(const struct async_token *t, struct ibv_async_event *ev)
{
    ev->event_type = (enum ibv_event_type)t->type;
    switch (ev->event_type) {
    case IBV_EVENT_CQ_ERR: {
        struct lb_cq *cq = lb->cq[t->idx % LB_CQS];
        if (cq)
            cq->async_got++;
        ev->element.cq = cq ? &cq->ib : NULL;
        return cq != NULL;
    }
    case IBV_EVENT_SRQ_LIMIT_REACHED:
    case IBV_EVENT_SRQ_ERR: {
        struct lb_srq *srq = lb->srq[t->idx % LB_SRQS];
        if (srq)
            srq->async_got++;
        ev->element.srq = srq ? &srq->ib : NULL;
        return srq != NULL;
    }
    case IBV_EVENT_DEVICE_FATAL:
    case IBV_EVENT_PORT_ERR:
    case IBV_EVENT_PORT_ACTIVE:
    case IBV_EVENT_LID_CHANGE:
    case IBV_EVENT_GID_CHANGE:
        ev->element.port_num = (int)t->idx;
        return true;
    default: { /* a queue pair, by number */
        struct lb_qp *qp = lb->qp[(t->idx >> 4) & (LB_QPS - 1)];
        if (!qp || qp->ib.qp_num != t->idx)
            return false;
        qp->async_got++;
        ev->element.qp = &qp->ib;
        return true;
    }
    }
}

int ibv_get_async_event(struct ibv_context *context, struct ibv_async_event *ev)
{
    int err = lb_fault(LB_FN_get_async_event);
    struct async_token t;
    if (err) {
        errno = err;
        return -1;
    }
    for (bool ok = false; !ok;) {
        if (read(context->async_fd, &t, sizeof(t)) != sizeof(t))
            return -1;
        pthread_mutex_lock(&lb->lock);
        ok = to_event(&t, ev);
        pthread_mutex_unlock(&lb->lock);
    }
    return 0;
}

static void ack(pthread_mutex_t *m, pthread_cond_t *c, uint32_t *done)
{
    pthread_mutex_lock(m);
    (*done)++;
    pthread_cond_signal(c);
    pthread_mutex_unlock(m);
}

void ibv_ack_async_event(struct ibv_async_event *ev)
{
    switch (ev->event_type) {
    case IBV_EVENT_CQ_ERR:
        ack(&ev->element.cq->mutex, &ev->element.cq->cond, &ev->element.cq->async_events_completed);
        return;
    case IBV_EVENT_SRQ_LIMIT_REACHED:
    case IBV_EVENT_SRQ_ERR:
        ack(&ev->element.srq->mutex, &ev->element.srq->cond, &ev->element.srq->events_completed);
        return;
    case IBV_EVENT_DEVICE_FATAL:
    case IBV_EVENT_PORT_ERR:
    case IBV_EVENT_PORT_ACTIVE:
    case IBV_EVENT_LID_CHANGE:
    case IBV_EVENT_GID_CHANGE:
        return;
    default:
        ack(&ev->element.qp->mutex, &ev->element.qp->cond, &ev->element.qp->events_completed);
    }
}

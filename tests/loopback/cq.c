/* SPDX-License-Identifier: BSD-3-Clause */
/* Completion queues: any process adds completions, the owner polls them. */
#include "tests/loopback/internal.h"

#include <stdlib.h>
#include <unistd.h>

struct token {
    uint32_t idx, gen;
};

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *cq_context,
                             struct ibv_comp_channel *channel, int comp_vector)
{
    int err = lb_fault_in(LB_FN_create_cq, context);
    if (!err && (cqe < 1 || (uint32_t)cqe > lb_lim.max_cqe || comp_vector < 0 ||
                 comp_vector >= context->num_comp_vectors))
        err = EINVAL;
    struct lb_cq *cq = err ? NULL : calloc(1, sizeof(*cq));
    if (!cq) {
        errno = err ? err : ENOMEM;
        return NULL;
    }
    pthread_mutex_lock(&lb->lock);
    uint32_t i, n = lb_lim.max_cq, slots = lb_pow2((uint32_t)cqe);
    for (i = 0; i < n && lb->cq[(lb->next_cq + i) % n]; i++)
        ;
    uint64_t ring = i < n ? lb_alloc(slots * sizeof(struct lb_shm_cqe)) : 0;
    if (!ring) {
        pthread_mutex_unlock(&lb->lock);
        free(cq);
        errno = ENOMEM;
        return NULL;
    }
    cq->idx = (lb->next_cq + i) % n;
    lb->next_cq = cq->idx + 1;
    struct lb_shm_cq *s = cq->s = &lb->seg->cq[cq->idx];
    uint32_t gen = s->gen + 1;
    memset(s, 0, sizeof(*s));
    lb_lock_init(&s->lock);
    s->gen = gen;
    s->ring = ring;
    s->mask = slots - 1;
    s->cqe = (uint32_t)cqe;
    s->ctx = (uint32_t)lb_ctx_of(context)->idx;
    s->chan_fd = -1;
    if (channel) {
        s->chan_fd = ((struct lb_channel *)channel)->wfd;
        s->chan_gen = ((struct lb_channel *)channel)->gen;
        channel->refcnt++;
    }
    cq->ring = lb_at(lb->seg, ring);
    cq->ib.context = context;
    cq->ib.channel = channel;
    cq->ib.cq_context = cq_context;
    cq->ib.handle = cq->idx;
    cq->ib.cqe = cqe;
    pthread_mutex_init(&cq->ib.mutex, NULL);
    pthread_cond_init(&cq->ib.cond, NULL);
    pthread_mutex_init(&cq->poll_lock, NULL);
    lb->cq[cq->idx] = cq;
    pthread_mutex_unlock(&lb->lock);
    return &cq->ib;
}

/* Removes the queue's own tokens from its channel; those of other queues stay. */
static void drop_tokens(struct lb_cq *cq)
{
    struct token t[64];
    int fd = cq->s->chan_fd;
    ssize_t n;
    uint32_t kept = 0;
    struct token keep[1024];
    while ((n = read(fd, t, sizeof(t))) > 0) {
        for (size_t i = 0; i < (size_t)n / sizeof(t[0]); i++) {
            if ((t[i].idx != cq->idx || t[i].gen != cq->s->gen) && kept < sizeof(keep) / sizeof(keep[0]))
                keep[kept++] = t[i];
        }
    }
    if (kept && write(fd, keep, kept * sizeof(keep[0])) != (ssize_t)(kept * sizeof(keep[0])))
        abort(); /* another queue's sleeper would not wake */
}

int ibv_destroy_cq(struct ibv_cq *ibcq)
{
    struct lb_cq *cq = (struct lb_cq *)ibcq;
    int err = lb_fault_in(LB_FN_destroy_cq, ibcq->context);
    if (err)
        return err;
    pthread_mutex_lock(&lb->lock);
    if (cq->refs) {
        pthread_mutex_unlock(&lb->lock);
        return EBUSY;
    }
    if (ibcq->channel) {
        drop_tokens(cq);
        ibcq->channel->refcnt--;
    }
    lb_free(cq->s->ring);
    cq->s->chan_fd = -1;
    lb->cq[cq->idx] = NULL;
    pthread_mutex_unlock(&lb->lock);
    /* Events that were read must be acknowledged before the memory is freed. */
    pthread_mutex_lock(&ibcq->mutex);
    while (ibcq->comp_events_completed != cq->events_got || ibcq->async_events_completed != cq->async_got)
        pthread_cond_wait(&ibcq->cond, &ibcq->mutex);
    pthread_mutex_unlock(&ibcq->mutex);
    free(cq);
    return 0;
}

static void fire(struct lb_seg *seg, uint32_t idx, struct lb_shm_cq *s)
{
    struct token t = {idx, s->gen};
    s->armed = 0;
    s->pending = 0;
    s->mod_n = 0;
    lb_fd_write(seg, s->chan_fd, s->chan_gen, &t, sizeof(t));
}

/* A completion has come: raises an event now, later, or none. The queue's lock is held. */
static void notify(struct lb_seg *seg, uint32_t idx, struct lb_shm_cq *s, bool solicited)
{
    bool wanted = s->armed == 2 || (s->armed == 1 && solicited);
    if (!s->mod_count && !s->mod_period) {
        if (wanted)
            fire(seg, idx, s);
        return;
    }
    uint64_t now = lb_now();
    if (s->mod_n++ == 0)
        s->mod_start = now;
    if (!wanted)
        return;
    bool enough = s->mod_count && s->mod_n >= s->mod_count;
    bool late = s->mod_period && now - s->mod_start >= (uint64_t)s->mod_period * 1000;
    if (enough || late) {
        fire(seg, idx, s);
    } else if (!s->pending) {
        s->pending = 1;
        if (s->mod_period)
            lb_kick(seg); /* the owner's engine sets its timer */
    }
}

bool lb_cq_push(struct lb_seg *seg, uint32_t idx, const struct lb_shm_cqe *e, bool solicited)
{
    struct lb_shm_cq *s = &seg->cq[idx];
    bool ok = false, overrun = false;
    lb_lock(&s->lock);
    if (!s->error) {
        /* Pairs with the release in lb_poll_cq: a slot is free once its reader is done. */
        uint64_t tail = s->tail, head = __atomic_load_n(&s->head, __ATOMIC_ACQUIRE);
        if (tail - head >= s->cqe) {
            s->error = 1;
            overrun = true;
        } else {
            struct lb_shm_cqe *ring = lb_at(seg, s->ring);
            ring[tail & s->mask] = *e;
            /* Pairs with the acquire in lb_poll_cq: the entry, and the payload before it. */
            __atomic_store_n(&s->tail, tail + 1, __ATOMIC_RELEASE);
            notify(seg, idx, s, solicited || e->status != IBV_WC_SUCCESS);
            ok = true;
        }
    }
    lb_unlock(&s->lock);
    if (overrun)
        lb_async_raise(seg, s->ctx, IBV_EVENT_CQ_ERR, idx);
    return ok;
}

/* Engine: raises the event that moderation holds back once its time has come. Returns when that will be. */
uint64_t lb_cq_timer(struct lb_cq *cq, uint64_t now)
{
    struct lb_shm_cq *s = cq->s;
    uint64_t at = LB_NEVER;
    if (!__atomic_load_n(&s->mod_period, __ATOMIC_RELAXED))
        return at;
    lb_lock(&s->lock);
    if (s->pending && s->mod_period) {
        at = s->mod_start + (uint64_t)s->mod_period * 1000;
        if (now >= at) {
            fire(lb->seg, cq->idx, s);
            at = LB_NEVER;
        }
    }
    lb_unlock(&s->lock);
    return at;
}

static void to_wc(const struct lb_shm_cqe *e, struct ibv_wc *wc)
{
    bool ok = e->status == IBV_WC_SUCCESS;
    memset(wc, 0, sizeof(*wc));
    wc->wr_id = e->wr_id;
    wc->status = (enum ibv_wc_status)e->status;
    wc->qp_num = e->qpn;
    wc->vendor_err = ok ? 0 : 0x80 + e->status;
    /* The rest is undefined after an error. Garbage, so that code that reads it fails. */
    wc->opcode = ok ? (enum ibv_wc_opcode)e->opcode : (enum ibv_wc_opcode)0x7a;
    wc->byte_len = ok ? e->byte_len : 0x5a5a5a5a;
    wc->imm_data = ok ? e->imm : 0x5a5a5a5a;
    wc->src_qp = ok ? e->src_qp : 0x5a5a5a;
    wc->wc_flags = ok ? e->wc_flags : 0;
}

/* A slot of the receive or send queue is free again when its completion is polled, not before. */
static void reclaim(const struct lb_shm_cqe *e)
{
    struct lb_qp *qp = lb->qp[(e->qpn >> 4) & (LB_QPS - 1)];
    if (!qp || qp->ib.qp_num != e->qpn)
        return;
    if (!e->is_recv)
        __atomic_store_n(&qp->reclaimed, e->sq_done, __ATOMIC_RELEASE);
    else if (qp->ib.srq)
        __atomic_fetch_sub(&((struct lb_srq *)qp->ib.srq)->unpolled, 1, __ATOMIC_RELAXED);
    else
        __atomic_fetch_sub(&qp->rq_unpolled, 1, __ATOMIC_RELAXED);
}

int lb_poll_cq(struct ibv_cq *ibcq, int n, struct ibv_wc *wc)
{
    struct lb_cq *cq = (struct lb_cq *)ibcq;
    struct lb_shm_cq *s = cq->s;
    LB_COUNT(polls, 1);
    int err = lb_fault(LB_FN_poll_cq);
    if (err) {
        errno = err;
        return -1;
    }
    if (__atomic_load_n(&s->tail, __ATOMIC_ACQUIRE) == __atomic_load_n(&s->head, __ATOMIC_RELAXED))
        return 0;
    int got = 0;
    pthread_mutex_lock(&cq->poll_lock);
    uint64_t head = s->head, tail = __atomic_load_n(&s->tail, __ATOMIC_ACQUIRE);
    while (got < n && head < tail) {
        const struct lb_shm_cqe *e = &cq->ring[head & s->mask];
        to_wc(e, &wc[got++]);
        reclaim(e);
        head++;
    }
    __atomic_store_n(&s->head, head, __ATOMIC_RELEASE);
    LB_COUNT(completions, (uint64_t)got);
    pthread_mutex_unlock(&cq->poll_lock);
    return got;
}

void lb_cq_purge(struct lb_cq *cq, uint32_t qpn)
{
    struct lb_shm_cq *s = cq->s;
    pthread_mutex_lock(&cq->poll_lock);
    lb_lock(&s->lock);
    uint64_t out = s->tail;
    for (uint64_t i = s->tail; i > s->head; i--) {
        const struct lb_shm_cqe *e = &cq->ring[(i - 1) & s->mask];
        if (e->qpn == qpn)
            reclaim(e);
        else
            cq->ring[--out & s->mask] = *e;
    }
    __atomic_store_n(&s->head, out, __ATOMIC_RELEASE);
    lb_unlock(&s->lock);
    pthread_mutex_unlock(&cq->poll_lock);
}

int lb_req_notify_cq(struct ibv_cq *ibcq, int solicited_only)
{
    struct lb_shm_cq *s = ((struct lb_cq *)ibcq)->s;
    LB_COUNT(arms, 1);
    int err = lb_fault_in(LB_FN_req_notify_cq, ibcq->context);
    if (err)
        return err;
    lb_lock(&s->lock);
    if (!solicited_only)
        s->armed = 2;
    else if (!s->armed)
        s->armed = 1;
    lb_unlock(&s->lock);
    return 0;
}

int lb_modify_cq(struct ibv_cq *ibcq, struct ibv_modify_cq_attr *attr)
{
    struct lb_shm_cq *s = ((struct lb_cq *)ibcq)->s;
    int err = lb_fault_in(LB_FN_modify_cq, ibcq->context);
    if (err)
        return err;
    if (!lb_lim.cqmod)
        return EOPNOTSUPP;
    if (attr->attr_mask != IBV_CQ_ATTR_MODERATE || attr->moderate.cq_period > 4095)
        return EINVAL;
    lb_lock(&s->lock);
    s->mod_count = attr->moderate.cq_count;
    __atomic_store_n(&s->mod_period, attr->moderate.cq_period, __ATOMIC_RELAXED);
    if (s->pending)
        fire(lb->seg, ((struct lb_cq *)ibcq)->idx, s);
    lb_unlock(&s->lock);
    return attr->moderate.cq_period ? lb_engine_start() : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleeping on completion events, moderation, and what happens when something breaks. */
#include "transport/verbs/impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Acknowledging takes a lock of the library's: in batches. */
#define ACK_EVERY 16
/* A peer that was not heard of for so long while we wait for it is asked whether it is there. */
#define QUIET_NS 1000000000u
/* A peer whose card has come is in the same exchange, and drives it; the rest takes it so long at most. */
#define EXCHANGE_NS 10000000000u
/* Connections come about by messages of the underlying MPI, which raise no event. */
#define CONNECTING_SLICE_NS 500000u
#define THREADS_SLICE_NS    1000000u

/* ---- failures ---- */

static void set_why(char *why, size_t len, const char *fmt, va_list ap)
{
    vsnprintf(why, len, fmt, ap);
}

void vc_chan_fail(struct chan *c, const char *fmt, ...)
{
    va_list ap;
    if (c->failed)
        return;
    c->failed = VC_ERR_PEER;
    va_start(ap, fmt);
    set_why(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
}

void vc_chan_gave_up(struct chan *c, int rank, const char *why, size_t len)
{
    /* Who passes on what it was told itself does not wrap it once more: the first one and the cause count. */
    int n = (int)vc_min_size(strnlen(why, len), sizeof c->why - 32);
    if (memmem(why, (size_t)n, " gave up: ", 10))
        vc_chan_fail(c, "%.*s", n, why);
    else
        vc_chan_fail(c, "rank %d gave up: %.*s", rank, n, why);
}

void vc_verbs_fail(struct vc_verbs *v, const char *fmt, ...)
{
    va_list ap;
    if (v->failed)
        return;
    v->failed = VC_ERR_SYS;
    va_start(ap, fmt);
    set_why(v->why, sizeof v->why, fmt, ap);
    va_end(ap);
}

void vc_ep_fail(struct ep *e, const char *fmt, ...)
{
    va_list ap;
    if (e->state == EP_FAILED)
        return;
    e->state = EP_FAILED;
    va_start(ap, fmt);
    set_why(e->why, sizeof e->why, fmt, ap);
    va_end(ap);
    e->v->signaled -= e->signaled;
    e->signaled = 0;
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_chan_fail(p->c, "rank %d cannot be reached: %s", p->rank, e->why);
    if (e->qp) {
        /* So that the peer, when it asks, finds out too. */
        struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
        vc_ibv.modify_qp(e->qp, &attr, IBV_QP_STATE);
    }
}

void vc_qp_failed(struct vc_verbs *v, uint32_t qp_num, enum ibv_wc_status status)
{
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i] && v->ep[i]->qp && v->ep[i]->qp->qp_num == qp_num)
            vc_ep_fail(v->ep[i], "%s: %s", v->dev.name, vc_ibv.wc_status_str(status));
}

/* ---- moderation ---- */

static int moderate(struct vc_verbs *v, struct ibv_cq *cq, const struct vc_cq_mod *m, const char *which)
{
    if (m->count > v->dev.cq_mod_count || m->period > v->dev.cq_mod_period)
        return vc_fail(
            VC_ERR_INVAL,
            "VCOLL_CQ_MODERATION: %s=%u:%u is out of range for %s: at most %u completions and %u us", which,
            m->count, m->period, v->dev.name, v->dev.cq_mod_count, v->dev.cq_mod_period);
    struct ibv_modify_cq_attr attr = {.attr_mask = IBV_CQ_ATTR_MODERATE,
                                      .moderate = {.cq_count = m->count, .cq_period = m->period}};
    int rc = vc_ibv_errno(ibv_modify_cq(cq, &attr));
    if (rc == EOPNOTSUPP || rc == ENOSYS)
        return vc_fail(VC_ERR_UNSUPPORTED, "%s has no moderation of completion queues", v->dev.name);
    if (rc != 0)
        return vc_fail(VC_ERR_SYS, "%s: ibv_modify_cq(%u, %u us) failed: %s", v->dev.name, m->count,
                       m->period, strerror(rc));
    return VC_OK;
}

int vc_verbs_set_moderation(struct vc_verbs *v, const struct vc_cq_mod *latency, const struct vc_cq_mod *bulk)
{
    if (v->dev.cq_mod_count == 0 && v->dev.cq_mod_period == 0)
        return vc_fail(VC_ERR_UNSUPPORTED, "%s has no moderation of completion queues", v->dev.name);
    verbs_lock(v);
    int err = moderate(v, v->cq_latency, latency, "latency");
    if (err == VC_OK)
        err = moderate(v, v->cq_bulk, bulk, "bulk");
    verbs_unlock(v);
    return err;
}

int vc_verbs_moderate(struct vc_verbs *v)
{
    if (!v->cfg.moderate)
        return VC_OK;
    int err = vc_verbs_set_moderation(v, &v->cfg.latency, &v->cfg.bulk);
    if (err != VC_ERR_UNSUPPORTED)
        return err;
    vc_log(VC_LOG_INFO, "VCOLL_CQ_MODERATION: %s", vc_error_text());
    return VC_OK;
}

/* ---- sleeping ---- */

static struct vc_verbs *of_src(struct vc_wake_src *s)
{
    return (struct vc_verbs *)(void *)((char *)s - offsetof(struct vc_verbs, src));
}

static int arm_locked(struct vc_verbs *v)
{
    int rc = 0;
    /* With several threads, one may take the event that another one has armed for and sleeps on. */
    atomic_store_explicit(&v->src.max_slice_ns,
                          v->connecting    ? CONNECTING_SLICE_NS
                          : v->cfg.locking ? THREADS_SLICE_NS
                                           : 0,
                          memory_order_relaxed);
    if (v->failed)
        return VC_OK; /* the next poll says so */
    if (!v->armed_latency && (rc = ibv_req_notify_cq(v->cq_latency, 1)) == 0) {
        v->armed_latency = true;
        v->stats.arms++;
    }
    /* Own completions are events only when somebody waits for one: for a buffer, a send queue or a write. */
    if (rc == 0 && !v->armed_bulk && v->signaled > 0 && (v->bulk_waiters > 0 || v->active) &&
        (rc = ibv_req_notify_cq(v->cq_bulk, 0)) == 0) {
        v->armed_bulk = true;
        v->stats.arms++;
    }
    if (rc != 0)
        vc_verbs_fail(v, "%s: ibv_req_notify_cq failed: %s", v->dev.name, vc_ibv_strerror(rc));
    return VC_OK;
}

static int src_arm(struct vc_wake_src *s)
{
    struct vc_verbs *v = of_src(s);
    verbs_lock(v);
    int err = arm_locked(v);
    verbs_unlock(v);
    return err;
}

static void ack(struct ibv_cq *cq, unsigned *unacked)
{
    if (*unacked > 0)
        vc_ibv.ack_cq_events(cq, *unacked);
    *unacked = 0;
}

void vc_verbs_ack_all(struct vc_verbs *v)
{
    ack(v->cq_latency, &v->unacked_latency);
    ack(v->cq_bulk, &v->unacked_bulk);
}

static void src_clear(struct vc_wake_src *s)
{
    struct vc_verbs *v = of_src(s);
    struct ibv_cq *cq;
    void *context;
    verbs_lock(v);
    /* One event a sleep: reading until there is none would be a system call more, and whatever is left makes
     * the descriptor readable again. */
    if (!v->failed && vc_ibv.get_cq_event(v->events, &cq, &context) == 0) {
        v->stats.events++;
        if (cq == v->cq_latency) {
            v->armed_latency = false;
            v->unacked_latency++;
        } else {
            v->armed_bulk = false;
            v->unacked_bulk++;
        }
    }
    if (v->unacked_latency >= ACK_EVERY)
        ack(v->cq_latency, &v->unacked_latency);
    if (v->unacked_bulk >= ACK_EVERY)
        ack(v->cq_bulk, &v->unacked_bulk);
    verbs_unlock(v);
}

/* ---- what breaks without a completion ---- */

/* What an event means differs between drivers (one that loses its interface only tells of a changed GID), so
 * after any of them the port itself is asked. */
static void look_at_port(struct vc_verbs *v)
{
    struct ibv_port_attr port;
    int rc = vc_ibv_query_port(v->dev.ctx, v->dev.port, &port);
    if (rc != 0)
        vc_verbs_fail(v, "the RDMA device %s is gone: %s", v->dev.name, vc_ibv_strerror(rc));
    else
        v->port_down = port.state != IBV_PORT_ACTIVE;
}

/* Whether the address and partition in use are still the port's: then they stay, whatever else came. */
static bool takes_the_same(const struct vc_verbs *v, struct vc_verbs_dev *here)
{
    struct vc_verbs_want same = v->cfg.want;
    unsigned rate;
    same.gid_index = v->dev.gid_index;
    if (!v->dev.roce)
        same.pkey = v->dev.pkey;
    return vc_verbs_port_choose(&same, here, v->dev.port, &rate) == VC_OK &&
           here->gid_type == v->dev.gid_type &&
           memcmp(here->gid.raw, v->dev.gid.raw, sizeof here->gid.raw) == 0;
}

/* The port's address or partition may be another one: connections that are made from now on use and tell
 * that. Until it is whole again the old one stays. */
static void look_at_address(struct vc_verbs *v)
{
    struct vc_verbs_dev same = v->dev, other = v->dev;
    unsigned rate;
    if (takes_the_same(v, &same))
        v->dev = same;
    else if (vc_verbs_port_choose(&v->cfg.want, &other, v->dev.port, &rate) == VC_OK &&
             other.roce == v->dev.roce)
        v->dev = other;
    else
        vc_log(VC_LOG_INFO, "%s: after a change of its port: %s", v->dev.name, vc_error_text());
}

void vc_verbs_read_async(struct vc_verbs *v)
{
    struct ibv_async_event ev;
    bool any = false, moved = false;
    while (!v->failed && vc_ibv.get_async_event(v->dev.ctx, &ev) == 0) {
        switch (ev.event_type) {
        case IBV_EVENT_DEVICE_FATAL:
            vc_verbs_fail(v, "the RDMA device %s failed or was removed", v->dev.name);
            break;
        case IBV_EVENT_CQ_ERR:
            vc_verbs_fail(v, "%s: a completion queue failed", v->dev.name);
            break;
        case IBV_EVENT_SRQ_ERR:
            vc_verbs_fail(v, "%s: the shared receive queue failed", v->dev.name);
            break;
        case IBV_EVENT_LID_CHANGE:
        case IBV_EVENT_PKEY_CHANGE:
        case IBV_EVENT_GID_CHANGE:
        case IBV_EVENT_CLIENT_REREGISTER:
        case IBV_EVENT_PORT_ACTIVE:
            moved = true;
            break;
        case IBV_EVENT_QP_FATAL:
        case IBV_EVENT_QP_REQ_ERR:
        case IBV_EVENT_QP_ACCESS_ERR:
            for (int i = 0; i < v->nprocs; i++)
                if (v->ep[i] && v->ep[i]->qp == ev.element.qp)
                    vc_ep_fail(v->ep[i], "%s: %s", v->dev.name, vc_ibv.event_type_str(ev.event_type));
            break;
        default:
            break;
        }
        vc_ibv.ack_async_event(&ev);
        any = true;
    }
    if (any && !v->failed)
        look_at_port(v);
    if (moved && !v->failed)
        look_at_address(v);
}

static bool peer_waits(const struct peer *p)
{
    return p->recvs > 0 || p->wait_head || p->push_head || p->send_head[STREAM_EAGER] ||
           p->send_head[STREAM_REFUSED];
}

static bool waits_for(const struct ep *e)
{
    for (const struct peer *p = e->peers; p; p = p->next_on_ep)
        if (peer_waits(p))
            return true;
    return false;
}

/*
 * A process that was not met yet cannot be asked: it may come late, or be dead. But it shares a communicator
 * with others, some of which it has met, since its path was proven; these ask it while they wait for anything
 * there, and tell the rest. So every connection of a channel is asked while some rank of it is not connected.
 */
static bool shares_a_wait(const struct ep *e)
{
    for (const struct peer *p = e->peers; p; p = p->next_on_ep)
        if (p->c->waits_unmet)
            return true;
    return false;
}

/* Connections that are being made: what of them is waited for, and those that take too long. */
static void look_at_unmet(struct vc_verbs *v, uint64_t now)
{
    for (struct chan *c = v->chans; c; c = c->next)
        c->waits_unmet = false;
    for (struct ep *e = v->connecting; e; e = e->next_connecting) {
        if (e->state != EP_CONNECTING)
            continue;
        if (e->answered && now - e->t_answer > EXCHANGE_NS) {
            vc_ep_fail(e, "%s: the exchange of addresses with process %d came to no end within 10 s",
                       v->dev.name, e->proc);
            continue;
        }
        for (struct peer *p = e->peers; p; p = p->next_on_ep)
            p->c->waits_unmet |= peer_waits(p);
    }
}

static void ask_quiet_peers(struct vc_verbs *v, uint64_t now)
{
    look_at_unmet(v, now);
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        if (!e || e->state != EP_READY || !(waits_for(e) || shares_a_wait(e)))
            continue;
        if (e->heard || e->t_heard == 0) {
            e->heard = false;
            e->t_heard = now;
        } else if (!e->t_ping && (now - e->t_heard > QUIET_NS || v->port_down) && vc_ep_ping(e)) {
            e->t_ping = now;
        }
    }
}

/*
 * Some drivers say nothing to who has a removed device open, and everything seems to work on; but the removal
 * then waits until all have closed it. The node in /dev that opened it goes at once.
 */
static bool has_node(const struct vc_verbs *v)
{
    char path[160];
    snprintf(path, sizeof path, "/sys/class/infiniband_verbs/%s", v->dev.ctx->device->dev_name);
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static int src_check(struct vc_wake_src *s)
{
    struct vc_verbs *v = of_src(s);
    verbs_lock(v);
    if (!v->failed)
        vc_verbs_read_async(v);
    if (!v->failed && v->had_node && !has_node(v))
        vc_verbs_fail(v, "the RDMA device %s was removed", v->dev.name);
    if (!v->failed)
        vc_ep_listen(v);
    if (!v->failed)
        ask_quiet_peers(v, vc_now_ns());
    if (!v->failed)
        vc_verbs_poll_bulk(v);
    if (v->regs)
        vc_regcache_reap(v->regs);
    if (v->failed)
        vc_verbs_abort(v);
    int err = v->failed ? vc_fail(v->failed, "%s", v->why) : VC_OK;
    verbs_unlock(v);
    return err;
}

void vc_verbs_src_init(struct vc_verbs *v)
{
    v->had_node = has_node(v);
    v->src = (struct vc_wake_src){
        .fd = v->events->fd,
        .arm = src_arm,
        .clear = src_clear,
        .check = src_check,
        .needs_cpu = v->dev.software,
    };
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/event.h"

#include "transport/verbs/async.h"
#include "transport/verbs/conn.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/lost.h"
#include "transport/verbs/notes.h"
#include "transport/verbs/queues.h"
#include "transport/verbs/regain.h"
#include "transport/verbs/sendq.h"
#include "transport/verbs/turn.h"

#include <errno.h>
#include <string.h>

/* Events that are acknowledged in one call, because each call takes a lock of the library's. */
#define ACK_EVERY 16
/* When this rank waits for a peer of which nothing has come for so long, it sends a ping. */
#define QUIET_NS 1000000000u
/* A peer whose hello has come drives the same exchange; when that does not end within this time it has
 * failed.
 */
#define EXCHANGE_NS 10000000000u

/* ---- sleeping ---- */

static struct vc_verbs *verbs_of(struct vc_wake_src *s)
{
    return (struct vc_verbs *)(void *)((char *)s - offsetof(struct vc_verbs, src));
}

static int arm_locked(struct vc_verbs *v)
{
    int rc = 0;
    atomic_store_explicit(&v->src.max_slice_ns, v->unsettled ? VC_BOOT_SLICE_NS : 0, memory_order_relaxed);
    if (v->failed)
        return VC_OK;
    if (!v->armed_latency && (rc = ibv_req_notify_cq(v->cq_latency, 1)) == 0) {
        v->armed_latency = true;
        v->stats.arms++;
    }
    /* The bulk queue is armed only while something waits for its completions: a send slot, room in a send
     * queue, or a write. */
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
    struct vc_verbs *v = verbs_of(s);
    verbs_lock(v);
    int err = arm_locked(v);
    verbs_unlock(v);
    return err;
}

static void src_clear(struct vc_wake_src *s)
{
    struct vc_verbs *v = verbs_of(s);
    struct ibv_cq *cq;
    void *context;
    verbs_lock(v);
    /* One event for each sleep: reading until there is none would be one more system call, and what is left
     * makes the descriptor readable again. */
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
    vc_queues_ack(v, ACK_EVERY);
    verbs_unlock(v);
}

/* ---- checks during a sleep ---- */

static bool ep_waits(const struct ep *e)
{
    for (const struct peer *p = e->peers; p; p = p->next_on_ep)
        if (vc_peer_waits(p))
            return true;
    return false;
}

/*
 * A process that is not connected yet cannot be pinged: it may be late, or dead. But it is connected to some
 * ranks of the communicator, since its path was proven; those ping it and tell the others. So while a channel
 * waits for a rank that is not connected, all its connections are pinged.
 */
static bool channel_waits_unmet(const struct ep *e)
{
    for (const struct peer *p = e->peers; p; p = p->next_on_ep)
        if (p->c->waits_unmet)
            return true;
    return false;
}

/* Connections that are being made, or have no queue pair: notes which channels wait for one, and fails those
 * that take too long. */
static void check_unmet(struct vc_verbs *v, uint64_t now)
{
    for (struct chan *c = v->chans; c; c = c->next)
        c->waits_unmet = false;
    for (struct ep *e = v->connecting; e; e = e->next_connecting) {
        if (e->state == EP_READY || e->state == EP_FAILED || (e->state != EP_CONNECTING && e->answered))
            continue;
        if (e->answered && now - e->t_answer > EXCHANGE_NS) {
            vc_ep_gone(e, "%s: the exchange of addresses with process %d came to no end within 10 s",
                       v->dev.name, e->proc);
            continue;
        }
        for (struct peer *p = e->peers; p; p = p->next_on_ep)
            p->c->waits_unmet |= vc_peer_waits(p);
    }
    for (int i = 0; i < v->nprocs && vc_limit_matters(v); i++)
        if (v->ep[i] &&
            (v->ep[i]->state == EP_LEAVING || (v->ep[i]->idle.closed && v->ep[i]->state == EP_MPI)))
            for (struct peer *p = v->ep[i]->peers; p; p = p->next_on_ep)
                p->c->waits_unmet |= vc_peer_waits(p);
}

static void ping_quiet_peers(struct vc_verbs *v, uint64_t now)
{
    check_unmet(v, now);
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        if (!e || e->state != EP_READY || !(ep_waits(e) || channel_waits_unmet(e)))
            continue;
        if (e->heard || e->t_heard == 0) {
            e->heard = false;
            e->t_heard = now;
        } else if (!e->t_ping && (now - e->t_heard > QUIET_NS || v->port_down) && vc_ep_ping(e)) {
            e->t_ping = now;
        }
    }
}

static int src_check(struct vc_wake_src *s)
{
    struct vc_verbs *v = verbs_of(s);
    verbs_lock(v);
    if (!v->failed)
        vc_verbs_check_device(v);
    vc_notes_poll(v);
    uint64_t now = vc_now_ns();
    ping_quiet_peers(v, now);
    vc_lost_check(v, now);
    vc_regain_progress(v);
    vc_sendq_poll(v);
    if (v->regs)
        vc_regcache_reap(v->regs);
    int err = v->boot_failed ? vc_fail(v->boot_failed, "%s", v->boot_why) : VC_OK;
    verbs_unlock(v);
    return err;
}

/* What a call in between costs the MPI: a counter, and every so often a look at the clock. */
#define LOOKS_PER_CLOCK 32
#define LOOK_NS         100000000u

void vc_verbs_look(struct vc_verbs *v)
{
    if (atomic_load_explicit(&v->in_boot, memory_order_relaxed) || vc_boot_forbidden() ||
        (v->cfg.locking && pthread_mutex_trylock(&v->lock) != 0))
        return;
    if (v->unsettled) {
        vc_verbs_progress(v);
    } else if (++v->looks % LOOKS_PER_CLOCK == 0) {
        uint64_t now = vc_now_ns();
        if (now - v->t_look > LOOK_NS) {
            v->t_look = now;
            vc_notes_poll(v);
            vc_regain_progress(v);
            vc_sendq_poll(v);
        }
    }
    verbs_unlock(v);
}

void vc_verbs_src_init(struct vc_verbs *v)
{
    vc_verbs_async_init(v);
    v->src = (struct vc_wake_src){
        .fd = v->events->fd,
        .arm = src_arm,
        .clear = src_clear,
        .check = src_check,
        .needs_cpu = v->dev.software,
    };
}

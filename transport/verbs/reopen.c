/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/reopen.h"

#include "transport/verbs/async.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/queues.h"
#include "transport/verbs/recvq.h"

#include <stdlib.h>
#include <string.h>

/* Between two looks for the device: at first, and after it has been away for a while. */
#define SOON_NS  5000000000u
#define LATER_NS 1000000000u
/* Longest time for which a device that keeps failing is left alone. */
#define LONGEST_NS 60000000000u

/* Whether the device may still have messages that were not read. */
static bool is_being_read(const struct vc_verbs *v)
{
    for (const struct ep *e = v->connecting; e; e = e->next_connecting)
        if (e->state == EP_LOST)
            return true;
    return false;
}

/* All receive slots are free but those of messages that wait for their request. */
static void free_slots(struct vc_verbs *v)
{
    bool *kept = calloc((size_t)v->size.nrecv + 1, sizeof *kept);
    if (!kept)
        return; /* then fewer of them are used */
    for (int i = 0; i < v->nprocs; i++)
        for (const struct peer *p = v->ep[i] ? v->ep[i]->peers : NULL; p; p = p->next_on_ep) {
            for (int s = 0; s < STREAMS; s++)
                for (const struct piece *q = p->unexp_head[s]; q; q = q->next)
                    kept[q->slot + 1] = true;
            for (const struct piece *q = p->cts_head; q; q = q->next)
                kept[q->slot + 1] = true;
        }
    v->nfree_recv = 0;
    for (int slot = v->size.nrecv - 1; slot >= 0; slot--)
        if (!kept[slot + 1])
            v->free_recv[v->nfree_recv++] = slot;
    free(kept);
}

static void close_device(struct vc_verbs *v, uint64_t now)
{
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        if (!e)
            continue;
        vc_ep_end_qp(e);
        e->v->open -= e->qp != NULL;
        e->qp = NULL; /* nothing is left of it after the device is closed */
        if (e->recv_mr)
            vc_ibv.dereg_mr(e->recv_mr);
        v->stats.locked -= e->recv_mr ? e->recv_bytes : 0;
        e->recv_mr = NULL;
    }
    if (v->regs)
        vc_regcache_abandon(v->regs);
    vc_queues_end(v);
    if (v->size.nrecv > 0)
        free_slots(v);
    if (v->t_open && now - v->t_open < VC_STEADY_NS)
        v->open_delay = v->open_delay ? v->open_delay * 2 : VC_FIRST_TRY_NS;
    else
        v->open_delay = 0;
    if (v->open_delay > LONGEST_NS)
        v->open_delay = LONGEST_NS;
    v->t_closed = now;
    v->t_try = now + v->open_delay;
}

static bool open_same(struct vc_verbs *v)
{
    struct vc_verbs_want want = v->cfg.want;
    struct vc_verbs_dev dev;
    char name[sizeof v->dev.name];
    memcpy(name, v->dev.name, sizeof name);
    want.device = name;
    want.port = v->dev.port;
    if (vc_verbs_dev_open(&want, &dev) != VC_OK)
        return false;
    if (dev.roce != v->dev.roce || dev.fork_breaks) {
        vc_verbs_dev_close(&dev);
        return false;
    }
    v->dev = dev;
    if (vc_queues_make(v) == VC_OK && vc_queues_register(v) == VC_OK)
        return true;
    vc_log(VC_LOG_INFO, "%s is back and cannot be used: %s", v->dev.name, vc_error_text());
    vc_queues_end(v);
    return false;
}

bool vc_verbs_reopen(struct vc_verbs *v, uint64_t now)
{
    if (!v->failed || is_being_read(v))
        return false;
    if (v->dev.ctx)
        close_device(v, now);
    if (now < v->t_try)
        return false;
    v->t_try = now + (now - v->t_closed < SOON_NS ? VC_FIRST_TRY_NS : LATER_NS);
    if (!open_same(v))
        return false;
    v->failed = 0;
    v->port_down = false;
    v->t_open = now;
    v->src.fd = v->events->fd;
    vc_verbs_async_init(v);
    if (vc_recvq_repost(v) != VC_OK)
        return false;
    vc_log(VC_LOG_INFO, "the RDMA device %s is back", v->dev.name);
    return true;
}

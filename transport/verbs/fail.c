/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/fail.h"

#include "transport/verbs/limit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void vc_chan_fail(struct chan *c, const char *fmt, ...)
{
    va_list ap;
    if (c->failed)
        return;
    c->failed = VC_ERR_PEER;
    va_start(ap, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
}

void vc_chan_truncated(struct chan *c, int from, size_t sent, bool more, int to, size_t expected)
{
    if (c->failed)
        return;
    vc_chan_fail(c, "rank %d sends %zu bytes%s where rank %d expects %zu", from, sent, more ? " or more" : "",
                 to, expected);
    c->failed = VC_ERR_TRUNCATE;
}

void vc_chan_gave_up(struct chan *c, int rank, const char *why, size_t len)
{
    /* A rank that was itself told of the failure passes the text on as it is: it names the first rank and the
     * cause. */
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
    vsnprintf(v->why, sizeof v->why, fmt, ap);
    va_end(ap);
    v->src.fd = -1; /* a device that is gone would end every sleep */
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i])
            vc_ep_lose(v->ep[i], "%s", v->why);
}

void vc_ep_list(struct ep *e)
{
    if (e->listed)
        return;
    e->listed = true;
    e->next_connecting = e->v->connecting;
    e->v->connecting = e;
    verbs_unsettle(e->v);
}

void vc_ep_end_qp(struct ep *e)
{
    struct regain *g = &e->regain;
    if (g->proof_out) {
        e->v->signaled--;
        e->v->free_send[e->v->nfree_send++] = g->slot;
    }
    g->proof_out = false;
    if (e->qp && (vc_ibv.destroy_qp(e->qp) == 0 || vc_ibv.destroy_qp(e->qp) == 0)) {
        e->qp = NULL;
        e->v->open--;
    }
}

void vc_ep_lose(struct ep *e, const char *fmt, ...)
{
    va_list ap;
    if (e->state == EP_MPI && e->regain.step != REGAIN_NONE && !e->regain.broken) {
        e->regain.broken = true;
        va_start(ap, fmt);
        vsnprintf(e->why, sizeof e->why, fmt, ap);
        va_end(ap);
    }
    if (e->state >= EP_LOST)
        return;
    e->half_way = e->state == EP_RETURNING;
    e->state = EP_LOST;
    e->regain.step = REGAIN_NONE;
    va_start(ap, fmt);
    vsnprintf(e->why, sizeof e->why, fmt, ap);
    va_end(ap);
    e->quiet = e->v->proving && !e->idle.closed;
    e->idle.asking = e->idle.asked = e->idle.peer_left = false;
    e->v->signaled -= e->signaled;
    e->signaled = 0;
    e->t_ping = 0;
    /* Then nothing that the peer still sends arrives, and its next ping fails. */
    if (e->qp && vc_rc_break(e->qp) != 0)
        vc_rc_break(e->qp);
    vc_ep_list(e);
}

/* Requests of these do not end: their channels have failed. */
static void forget_records(struct ep *e)
{
    struct vc_verbs *v = e->v;
    for (; e->tail != e->head; e->tail++) {
        const struct wr_rec *rec = ep_rec(e, e->tail);
        if (rec->slot >= 0)
            v->free_send[v->nfree_send++] = rec->slot;
        if (rec->req) {
            v->bulk_waiters--;
            if (rec->req->priv[P_REG])
                vc_regcache_put(v->regs, (struct vc_reg *)(uintptr_t)rec->req->priv[P_REG]);
        }
    }
}

void vc_ep_gone(struct ep *e, const char *fmt, ...)
{
    va_list ap;
    if (e->state == EP_FAILED)
        return;
    vc_ep_lose(e, "it is gone");
    e->state = EP_FAILED;
    vc_ep_count(e);
    e->regain.step = REGAIN_NONE;
    vc_ep_end_qp(e);
    forget_records(e);
    va_start(ap, fmt);
    vsnprintf(e->why, sizeof e->why, fmt, ap);
    va_end(ap);
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_chan_fail(p->c, "rank %d cannot be reached: %s", p->rank, e->why);
}

void vc_qp_failed(struct vc_verbs *v, uint32_t qp_num, enum ibv_wc_status status)
{
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i] && v->ep[i]->qp && v->ep[i]->qp->qp_num == qp_num)
            vc_ep_lose(v->ep[i], "%s: %s", v->dev.name, vc_ibv.wc_status_str(status));
}

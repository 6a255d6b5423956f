/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/fail.h"

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
}

/*
 * A queue pair in the error state completes all that was posted with an error, except unsignaled work
 * requests that have succeeded. So one more is posted: when it is flushed the device has done with all slots.
 */
static void flush_sends(struct ep *e)
{
    struct ibv_send_wr wr = {.wr_id = wr_id(e->proc, e->head),
                             .opcode = IBV_WR_RDMA_WRITE,
                             .send_flags = IBV_SEND_SIGNALED},
                       *bad;
    if (e->head == e->tail || e->head - e->tail >= e->depth || ibv_post_send(e->qp, &wr, &bad) != 0)
        return;
    e->rec[e->head++ % e->depth] = (struct wr_rec){.slot = -1};
    e->flushing = true;
    e->v->flushing += (int)(e->head - e->tail);
}

void vc_ep_fail(struct ep *e, const char *fmt, ...)
{
    va_list ap;
    if (e->state == EP_FAILED)
        return;
    e->state = EP_FAILED;
    va_start(ap, fmt);
    vsnprintf(e->why, sizeof e->why, fmt, ap);
    va_end(ap);
    e->v->signaled -= e->signaled;
    e->signaled = 0;
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_chan_fail(p->c, "rank %d cannot be reached: %s", p->rank, e->why);
    /* Then the peer's next ping fails and it finds out, too. */
    if (e->qp) {
        vc_rc_break(e->qp);
        flush_sends(e);
    }
}

void vc_qp_failed(struct vc_verbs *v, uint32_t qp_num, enum ibv_wc_status status)
{
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i] && v->ep[i]->qp && v->ep[i]->qp->qp_num == qp_num)
            vc_ep_fail(v->ep[i], "%s: %s", v->dev.name, vc_ibv.wc_status_str(status));
}

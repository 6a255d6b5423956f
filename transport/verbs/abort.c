/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/abort.h"

#include "transport/verbs/conn.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/sendq.h"

#include <string.h>

/* Over the device, because that is quick and wakes a peer that sleeps. */
static void post_abort(struct peer *p)
{
    struct vc_verbs *v = p->c->v;
    if (!ep_carries(p->ep) || !ep_room(p->ep) || v->nfree_send == 0)
        return;
    struct batch b;
    vc_batch_begin(&b, p->ep);
    struct msg_hdr hdr;
    header_make(&hdr, p, MSG_ABORT, 0);
    struct ibv_send_wr *wr = vc_batch_slot(&b, &hdr, p->c->why, strlen(p->c->why) + 1, true);
    if (wr)
        wr->send_flags |= IBV_SEND_SOLICITED;
    vc_batch_post(&b);
}

void vc_chan_abort(struct chan *c)
{
    struct vc_verbs *v = c->v;
    if (c->aborted || vc_boot_forbidden())
        return;
    c->aborted = true;
    for (int r = 0; r < c->base.size; r++) {
        if (r == c->base.rank)
            continue;
        if (c->peer[r])
            post_abort(c->peer[r]);
        vc_ep_tell(v, c->procs[r], c->id, c->base.rank, c->why);
    }
}

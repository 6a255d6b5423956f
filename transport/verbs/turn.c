/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/turn.h"

#include "transport/verbs/conn.h"
#include "transport/verbs/lost.h"
#include "transport/verbs/notes.h"
#include "transport/verbs/recv.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/send.h"
#include "transport/verbs/sendq.h"

/* The bulk queue is polled in one of so many turns while nothing waits for its completions. */
#define BULK_EVERY 32

/* The boot channel, where connections are made or it carries messages. */
static int drive_boot(struct vc_verbs *v)
{
    int work = vc_notes_poll(v);
    if (v->connecting)
        work += vc_ep_progress(v) + vc_lost_settle(v);
    return work;
}

int vc_verbs_progress(struct vc_verbs *v)
{
    int work = 0;
    v->completed = 0;
    if (VC_LIKELY(!v->failed)) {
        int n = vc_recv_poll(v);
        work = n > 0 ? n : 0;
        if (v->signaled > 0 && (v->bulk_waiters > 0 || v->active || ++v->tick % BULK_EVERY == 0))
            work += vc_sendq_poll(v);
    }
    if (VC_UNLIKELY(v->connecting || v->detours > 0))
        work += drive_boot(v);
    if (VC_UNLIKELY(v->boot_failed))
        return vc_fail(v->boot_failed, "%s", v->boot_why);
    struct peer *p = v->active;
    v->active = NULL; /* a peer that has something left puts itself on the list again */
    while (p) {
        struct peer *next = p->next_active;
        p->active = false;
        vc_peer_push(p);
        p = next;
    }
    if (v->nfree_recv >= v->size.nrecv / 4 && !v->failed)
        vc_recvq_repost(v);
    return work;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/turn.h"

#include "transport/verbs/conn.h"
#include "transport/verbs/detour.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/idle.h"
#include "transport/verbs/lost.h"
#include "transport/verbs/notes.h"
#include "transport/verbs/recv.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/regain.h"
#include "transport/verbs/send.h"
#include "transport/verbs/sendq.h"

#include <endian.h>

/* The bulk queue is polled in one of so many turns while nothing waits for its completions. */
#define BULK_EVERY 32

/* Whether connections were lost or are being closed, of which it is to be read what has arrived. */
static bool begin_reading_lost(struct vc_verbs *v)
{
    bool any = false;
    for (struct ep *e = v->connecting; e; e = e->next_connecting)
        any |= e->read = e->state == EP_LOST || e->idle.peer_left;
    return any;
}

/* The boot channel, where connections are made or it carries messages. */
static int turn_boot(struct vc_verbs *v)
{
    if (vc_boot_forbidden())
        return 0;
    int work = vc_notes_poll(v);
    if (v->connecting)
        work += vc_ep_progress(v) + vc_lost_settle(v) + vc_idle_settle(v);
    work += vc_regain_progress(v);
    v->unsettled = v->connecting || v->detours > 0;
    return work;
}

/* ---- the device ---- */

static inline __attribute__((always_inline)) void on_receive(struct vc_verbs *v, const struct ibv_wc *wc)
{
    const struct vc_via via = {.qp_num = wc->qp_num};
    int slot = (int)(uint32_t)wc->wr_id;
    struct ep *e = v->srq ? NULL : v->ep[wc->wr_id >> 32];
    bool kept = false;
    v->posted--;
    if (VC_UNLIKELY(wc->status != IBV_WC_SUCCESS)) {
        /* Receives are flushed when their queue pair fails. That is known from its sends, too. */
        if (v->srq)
            v->free_recv[v->nfree_recv++] = slot;
        if (wc->status != IBV_WC_WR_FLUSH_ERR)
            vc_qp_failed(v, wc->qp_num, wc->status);
        return;
    }
    v->stats.recvs++;
    if (wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM)
        vc_write_arrived(v, via, be32toh(wc->imm_data));
    else
        kept = vc_message_arrived(v, via, recv_slot(v, e, slot), wc->byte_len, slot);
    if (!kept)
        vc_recvq_release(v, e, slot);
}

/* How much came; fewer than 16: the queue is empty. Negative: the device has failed. */
static inline __attribute__((always_inline)) int poll_latency(struct vc_verbs *v)
{
    struct ibv_wc wc[16];
    int n = ibv_poll_cq(v->cq_latency, 16, wc);
    if (VC_UNLIKELY(n < 0)) {
        vc_verbs_fail(v, "%s: ibv_poll_cq failed", v->dev.name);
        return n;
    }
    for (int i = 0; i < n; i++)
        on_receive(v, &wc[i]);
    return n;
}

/* Reads all that has arrived; a queue that has failed itself is tried twice. */
static __attribute__((noinline)) int read_all(struct vc_verbs *v, int before)
{
    int n, failures = before < 0, work = 1;
    do {
        n = poll_latency(v);
        work += n > 0 ? n : 0;
        failures += n < 0;
    } while (n >= 16 || (n < 0 && failures < 2));
    return work;
}

int vc_verbs_progress(struct vc_verbs *v)
{
    bool losing = VC_UNLIKELY(v->unsettled) && begin_reading_lost(v);
    int work = 0;
    v->completed = 0;
    if (VC_LIKELY(!v->failed)) {
        work = poll_latency(v);
        if (VC_UNLIKELY(losing || work < 0))
            work = read_all(v, work);
    } else if (losing && v->cq_latency) {
        work = read_all(v, 0);
    }
    if (v->signaled > 0 && (v->bulk_waiters > 0 || v->active || ++v->tick % BULK_EVERY == 0))
        work += vc_sendq_poll(v);
    if (VC_UNLIKELY(v->unsettled)) {
        work += turn_boot(v);
        if (v->boot_failed)
            return vc_fail(v->boot_failed, "%s", v->boot_why);
    }
    struct peer *p = v->active;
    v->active = NULL; /* a peer that has something left puts itself on the list again */
    while (p) {
        struct peer *next = p->next_active;
        p->active = false;
        vc_peer_push(p);
        p = next;
    }
    if (v->nfree_recv >= v->size.nrecv / 4)
        vc_recvq_repost(v);
    return work;
}

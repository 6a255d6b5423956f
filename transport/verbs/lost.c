/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each end of a lost connection breaks its queue pair, so that nothing more arrives there, reads what has
 * arrived, and tells the peer how far that goes (NOTE_LOST). What comes afterwards is not heeded. With the
 * peer's own note an end knows which of the work requests that it has kept must be sent again; the boot
 * channel takes them, in order, and everything later. It does not matter who has noticed first, or whether
 * both have.
 */
#include "transport/verbs/lost.h"

#include "transport/verbs/detour.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/idle.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/recv.h"
#include "transport/verbs/regain.h"
#include "transport/verbs/send.h"
#include "transport/verbs/sendq.h"

#include <stdio.h>
#include <string.h>

/* A peer that is busy elsewhere may answer late. One that is known to have ended is not waited for longer
 * than the first time, for its last words; one of which nothing is known, for the second. */
#define ENDED_NS  500000000u
#define SILENT_NS 600000000000u

/* ---- telling what has arrived ---- */

/* No device reads or writes these any more on behalf of this connection. */
static void end_registrations(struct ep *e)
{
    struct vc_verbs *v = e->v;
    for (int i = 0; i < v->ngrants; i++) {
        struct grant *g = &v->grants[i];
        if (g->req && g->peer->ep == e && g->reg) {
            vc_regcache_drop(v->regs, g->reg);
            g->reg = NULL; /* the grant stays: the peer's writes come over the boot channel */
        }
    }
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        for (struct vc_chan_req *r = p->push_head; r; r = r->next)
            if (r->priv[P_REG]) {
                vc_regcache_put(v->regs, (struct vc_reg *)(uintptr_t)r->priv[P_REG]);
                r->priv[P_REG] = 0;
            }
}

static void tell_arrived(struct ep *e)
{
    struct conn_note note = {.type = NOTE_LOST, .seq = e->got_seq, .writes = e->got_writes};
    vc_sendq_poll(e->v); /* what the queue still holds of it takes room */
    vc_ep_end_qp(e);
    end_registrations(e);
    e->state = EP_SWITCHING;
    e->t_lost = vc_now_ns();
    /* The peer may be the one that tells the user. */
    char why[NOTE_BYTES];
    snprintf(why, sizeof why, "%.130s%s", e->why, e->local_error && !e->proven ? ": " INLINE_ADVICE : "");
    vc_detour_note(e, &note, why, strlen(why));
}

/* ---- sending the rest ---- */

/* The number of the last work request that has arrived: its device brings them in order. */
static uint32_t last_arrived(const struct ep *e)
{
    uint32_t last = e->tail - 1, writes = e->acked_writes;
    for (uint32_t n = e->tail; n != e->head; n++) {
        const struct wr_rec *rec = ep_rec(e, n);
        bool there = false;
        if (rec->kind == REC_MSG)
            there = (int32_t)(e->peer_seq - n) >= 0;
        else if (rec->kind == REC_LAST)
            there = (int32_t)(e->peer_writes - ++writes) >= 0;
        if (there)
            last = n;
    }
    return last;
}

/* Bytes where the application has them: its send goes on from there. */
static void resume_send(struct ep *e, struct wr_rec *rec)
{
    struct vc_chan_req *r = rec->from;
    bool last = rec->kind == REC_LAST;
    rec->kind = REC_NONE;
    if (!r) /* its channel was destroyed */
        return;
    if (rec->off < r->priv[P_OFF])
        r->priv[P_OFF] = rec->off;
    if (!last)
        return;
    rec->req = NULL;
    e->v->bulk_waiters--;
    if (r->priv[P_REG])
        vc_regcache_put(e->v->regs, (struct vc_reg *)(uintptr_t)r->priv[P_REG]);
    r->priv[P_REG] = 0;
    r->next = rec->peer->push_head;
    if (!r->next)
        rec->peer->push_tail = r;
    rec->peer->push_head = r;
}

static void warn_lost(struct ep *e)
{
    struct vc_verbs *v = e->v;
    bool first = !v->warned && !e->quiet && !e->was_told;
    v->stats.lost++;
    e->was_lost = true;
    v->warned |= first;
    vc_log(first ? VC_LOG_WARN : VC_LOG_INFO,
           "the RDMA path to process %d is lost, so the MPI carries its messages: %s", e->proc, e->why);
}

static void send_rest(struct ep *e)
{
    struct vc_verbs *v = e->v;
    /* What the boot channel has taken may still be on its way to the peer. */
    if (e->was_ready &&
        ((int32_t)(e->acked_seq - e->peer_seq) > 0 || (int32_t)(e->acked_writes - e->peer_writes) > 0)) {
        vc_ep_gone(e, "its device has lost what it had taken (%s)", e->why);
        return;
    }
    e->state = EP_MPI;
    e->peer_lost = e->was_ready = false;
    vc_sendq_retire(v, e, last_arrived(e));
    for (; e->tail != e->head; vc_sendq_retire(v, e, e->tail)) {
        struct wr_rec *rec = ep_rec(e, e->tail);
        if (rec->slot < 0 && (rec->kind == REC_WRITE || rec->kind == REC_LAST))
            resume_send(e, rec);
        else if (!vc_detour_record(e, e->tail))
            return; /* the boot channel has failed, and with it everything */
    }
    e->since_signal = 0;
    vc_ep_count(e);
    if (e->idle.closed)
        vc_ep_give_back(e);
    else if (!e->half_way)
        warn_lost(e);
    vc_regain_plan(e);
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_peer_activate(p);
}

int vc_lost_settle(struct vc_verbs *v)
{
    int work = 0;
    for (struct ep *e = v->connecting, *next; e && !v->boot_failed; e = next) {
        next = e->next_connecting;
        if (e->state == EP_LOST && e->read) {
            tell_arrived(e);
            work++;
        }
        if (e->state == EP_SWITCHING && e->peer_lost) {
            send_rest(e);
            work++;
        }
    }
    return work;
}

/* ---- processes that are gone ---- */

static bool has_ended(const struct ep *e)
{
    struct vc_peer_id id = {(pid_t)e->hello_in.pid, e->hello_in.start_time};
    return e->answered && e->hello_in.os == e->hello_out.os && !vc_peer_alive(&id);
}

void vc_lost_check(struct vc_verbs *v, uint64_t now)
{
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        bool silent = e && (e->state == EP_SWITCHING || e->state == EP_RETURNING) && e->answered;
        if (!e || e->state <= EP_NEW || e->state == EP_READY || e->state == EP_FAILED)
            continue;
        if (has_ended(e) && (!silent || now - e->t_lost > ENDED_NS))
            vc_ep_gone(e, "process %d has ended (%s)", e->proc, e->why);
        else if (silent && now - e->t_lost > SILENT_NS)
            vc_ep_gone(e, "process %d gives no answer (%s)", e->proc, e->why);
    }
}

bool vc_verbs_any_gone(struct vc_verbs *v)
{
    bool any = false;
    verbs_lock(v);
    for (int i = 0; i < v->nprocs; i++)
        any |= v->ep[i] && v->ep[i]->state == EP_FAILED;
    verbs_unlock(v);
    return any;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds of notes, in which both ends take the same steps, and either may begin. README.md ("The way back")
 * has the notes, what each end does with them, and what happens if the connection is lost on the way.
 *
 * Each end sends one offer, and one NOTE_STOP where both had a queue pair, so the order of the boot channel
 * suffices to tell rounds apart.
 */
#include "transport/verbs/regain.h"

#include "transport/verbs/async.h"
#include "transport/verbs/conn.h"
#include "transport/verbs/detour.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/idle.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/reopen.h"
#include "transport/verbs/send.h"
#include "transport/verbs/sendq.h"

#include <string.h>

/* Between two looks at what has to be done. */
#define TICK_NS 50000000u
/* Between the first tries, and between later ones, each of which waits twice as long as the one before. */
#define FIRST_NS VC_FIRST_TRY_NS
#define LAST_NS  60000000000u
/* After a try for which one end had too many queue pairs. */
#define FULL_NS 100000000u
/* After so many failures in a row a path is tried when something changes at one of the ends. */
#define TRIES 16
/* As at the first proof of a path. */
#define PROOF_NS 2000000000u
/* Number of the work request that proves a queue pair. */
#define PROOF_WR UINT32_MAX

/* ---- when ---- */

static void wait_longer(struct ep *e)
{
    struct regain *g = &e->regain;
    g->tries++;
    g->delay = g->delay ? g->delay * 2 : FIRST_NS;
    if (g->delay > LAST_NS)
        g->delay = LAST_NS;
    g->t_next = vc_now_ns() + g->delay;
}

void vc_regain_plan(struct ep *e)
{
    struct regain *g = &e->regain;
    uint64_t now = vc_now_ns();
    if (e->half_way || (g->t_back && now - g->t_back < VC_STEADY_NS)) {
        wait_longer(e);
        return;
    }
    g->tries = 0;
    g->delay = 0;
    g->t_next = now + FIRST_NS;
}

/* The device works again. */
static void hurry(struct vc_verbs *v, uint64_t now)
{
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i]) {
            v->ep[i]->regain.tries = 0;
            v->ep[i]->regain.t_next = now + v->ep[i]->regain.delay;
        }
}

static bool is_due(const struct ep *e, uint64_t now)
{
    const struct regain *g = &e->regain;
    return e->state == EP_MPI && g->step == REGAIN_NONE && e->peers && !e->quiet && g->tries < TRIES &&
           now >= g->t_next && (!e->idle.closed || (vc_ep_is_wanted(e) && !vc_limit_full(e->v)));
}

/* ---- steps ---- */

static bool is_usable(const struct vc_verbs *v)
{
    return !v->failed && !v->port_down;
}

/* Makes a queue pair if that can be. */
static void make_offer(struct ep *e, struct conn_offer *o)
{
    struct vc_verbs *v = e->v;
    memset(o, 0, sizeof *o);
    /* The hello may still lie where the boot channel reads it. */
    if (!is_usable(v) || e->quiet || !vc_req_done(&e->boot[BOOT_HELLO_OUT]))
        return;
    vc_verbs_read_async(v);
    if (!v->failed)
        vc_verbs_check_port(v);
    if (!is_usable(v))
        return;
    vc_ep_end_qp(e); /* where that has failed before */
    if (e->qp)
        return;
    vc_ep_make_half(e);
    if (!e->hello_out.ok) {
        o->full = e->hello_out.full;
        vc_ep_end_qp(e);
        return;
    }
    o->addr = e->hello_out.addr;
    o->rkey = e->hello_out.rkey;
    o->mailbox = e->hello_out.mailbox;
    o->ok = 1;
}

static void send_offer(struct ep *e, const struct conn_offer *o)
{
    struct regain *g = &e->regain;
    const struct conn_note note = {.type = NOTE_OFFER};
    g->ready = g->clear = g->stopped = g->heard = g->broken = g->arrived = false;
    vc_detour_note(e, &note, o, sizeof *o);
}

static void end_round(struct ep *e, const char *why)
{
    e->regain.step = REGAIN_NONE;
    e->regain.voided = false;
    vc_ep_end_qp(e);
    wait_longer(e);
    vc_log(VC_LOG_INFO, "the RDMA path to process %d is not back yet, and is tried again in %.1f s: %s",
           e->proc, (double)e->regain.delay * 1e-9, why);
}

/* One end has as many queue pairs as it may. It makes room if it can. */
static void postpone(struct ep *e)
{
    e->regain.step = REGAIN_NONE;
    e->regain.voided = false;
    e->regain.t_next = vc_now_ns() + FULL_NS;
    e->idle.closed = true;
    vc_ep_end_qp(e);
    vc_ep_give_back(e);
}

static void decline(struct ep *e)
{
    vc_detour_note(e, &(struct conn_note){.type = NOTE_STOP, .last = 0}, NULL, 0);
    e->regain.step = REGAIN_DECLINED;
}

/* Both ends have a queue pair. */
static void connect_both(struct ep *e)
{
    struct regain *g = &e->regain;
    g->offered = false;
    e->hello_in.addr = g->offer.addr;
    e->mailbox = g->offer.mailbox;
    e->mailbox_rkey = g->offer.rkey;
    if (g->broken || vc_ep_connect(e) != 0) {
        decline(e);
        return;
    }
    vc_detour_note(e, &(struct conn_note){.type = NOTE_READY}, NULL, 0);
    g->step = REGAIN_CONNECTED;
}

/* The peer has begun. */
static void answer_offer(struct ep *e)
{
    struct conn_offer o;
    if (!e->regain.offer.ok) {
        e->regain.offered = false;
        return;
    }
    make_offer(e, &o);
    send_offer(e, &o);
    if (o.ok)
        connect_both(e);
    else if (o.full)
        e->idle.wanted = true;
    e->regain.offered = false;
}

static bool begin_round(struct ep *e)
{
    struct conn_offer o;
    make_offer(e, &o);
    if (!o.ok) {
        if (o.full)
            postpone(e);
        else
            wait_longer(e);
        return false;
    }
    send_offer(e, &o);
    e->regain.step = REGAIN_OFFERED;
    vc_ep_list(e);
    return true;
}

static void on_answer(struct ep *e)
{
    if (!e->regain.offer.ok) {
        e->regain.offered = false;
        if (e->regain.offer.full)
            postpone(e);
        else
            end_round(e, "the other end has no device, or its port is down");
    } else {
        connect_both(e);
    }
}

/* A message of a whole slot, and an inline one where that was granted: as at the first proof. */
static void send_proof(struct ep *e)
{
    struct vc_verbs *v = e->v;
    struct regain *g = &e->regain;
    const struct msg_hdr nobody = {.id = NOBODY};
    struct ibv_send_wr wr[2], *bad;
    struct ibv_sge sge[2];
    size_t len = vc_min_size(v->size.slot_bytes, v->dev.max_msg);
    int n = fits_inline(e, 0) ? 2 : 1;
    if (v->nfree_send == 0 || v->signaled >= v->size.bulk_cqe - 2 || e->depth < 2)
        return;
    g->slot = v->free_send[--v->nfree_send];
    memset(slot_mem(v, g->slot), 0, len);
    memcpy(slot_mem(v, g->slot), &nobody, sizeof nobody);
    memset(wr, 0, sizeof wr);
    for (int i = 0; i < 2; i++) {
        wr[i].wr_id = wr_id(e->proc, PROOF_WR);
        wr[i].opcode = IBV_WR_SEND;
        wr[i].sg_list = &sge[i];
        wr[i].num_sge = 1;
    }
    sge[0] = (struct ibv_sge){(uintptr_t)slot_mem(v, g->slot), (uint32_t)len, v->lkey};
    wr[0].send_flags = IBV_SEND_SIGNALED;
    sge[1] = (struct ibv_sge){(uintptr_t)&nobody, sizeof nobody, 0};
    wr[1].send_flags = IBV_SEND_INLINE;
    wr[1].next = &wr[0];
    g->proof_out = true;
    g->t_proof = vc_now_ns();
    g->step = REGAIN_PROVING;
    v->signaled++;
    if (ibv_post_send(e->qp, &wr[n - 1], &bad) != 0)
        g->broken = true;
}

/* Whether something that was agreed before the connection was lost would go over the new one: writes to
 * memory that is registered there no more. Such grants are not made on the boot channel. */
static bool is_bound(const struct ep *e)
{
    const struct vc_verbs *v = e->v;
    for (int i = 0; i < v->ngrants; i++)
        if (v->grants[i].req && v->grants[i].peer->ep == e)
            return true;
    for (const struct peer *p = e->peers; p; p = p->next_on_ep)
        if (p->push_head && !p->c->failed)
            return true;
    return false;
}

static void clear(struct ep *e)
{
    vc_detour_note(e, &(struct conn_note){.type = NOTE_CLEAR}, NULL, 0);
    e->regain.step = REGAIN_CLEARED;
}

static void stop(struct ep *e)
{
    vc_detour_note(e, &(struct conn_note){.type = NOTE_STOP, .last = 1}, NULL, 0);
    e->state = EP_RETURNING;
    vc_ep_count(e);
    e->t_lost = vc_now_ns();
    e->proven = true;
    e->regain.step = REGAIN_STOPPED;
}

static void on_stopped(struct ep *e)
{
    if (e->regain.yes) {
        vc_detour_note(e, &(struct conn_note){.type = NOTE_HEARD}, NULL, 0);
        e->regain.step = REGAIN_HEARD;
        return;
    }
    e->state = EP_MPI;
    vc_ep_count(e);
    end_round(e, "the other end got no message over it");
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_peer_activate(p);
}

static void end_well(struct ep *e)
{
    e->state = EP_READY;
    e->was_ready = true;
    e->heard = true;
    e->was_told = e->local_error = false;
    e->t_heard = 0;
    e->since_signal = 0;
    e->regain.step = REGAIN_NONE;
    e->regain.t_back = vc_now_ns();
    e->v->stats.regained += e->was_lost;
    e->v->stats.reopened += !e->was_lost;
    vc_log(VC_LOG_INFO, "the RDMA path to process %d is %s", e->proc, e->was_lost ? "back" : "open again");
    e->was_lost = false;
    e->idle.closed = e->idle.wanted = false;
    e->idle.t_used = 0; /* now, says the next tick */
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_peer_activate(p);
}

/* Whether this round cannot end well any more. */
static bool is_refused(const struct regain *g)
{
    return g->broken || (g->stopped && !g->yes);
}

/* One step. False: there is nothing to do. */
static bool step_round(struct ep *e)
{
    struct regain *g = &e->regain;
    enum regain_step before = g->step;
    bool offered = g->offered;
    if (g->voided)
        end_round(e, "the other end has lost it again");
    switch (g->step) {
    case REGAIN_NONE:
        if (g->offered && e->state == EP_MPI)
            answer_offer(e);
        break;
    case REGAIN_OFFERED:
        if (g->offered)
            on_answer(e);
        break;
    case REGAIN_CONNECTED:
        if (is_refused(g))
            decline(e);
        else if (g->ready)
            send_proof(e);
        break;
    case REGAIN_PROVING:
        if (is_refused(g) || (!g->arrived && vc_now_ns() - g->t_proof > PROOF_NS))
            decline(e);
        else if (g->arrived)
            g->step = REGAIN_PROVEN;
        break;
    case REGAIN_PROVEN:
        if (is_refused(g))
            decline(e);
        else if (!is_bound(e))
            clear(e);
        break;
    case REGAIN_CLEARED:
        if (is_refused(g))
            decline(e);
        else if (g->clear)
            stop(e);
        break;
    case REGAIN_DECLINED:
        if (g->stopped)
            end_round(e, g->broken ? e->why : "one end got no message over it");
        break;
    case REGAIN_STOPPED:
        if (g->stopped)
            on_stopped(e);
        break;
    case REGAIN_HEARD:
        if (g->heard)
            end_well(e);
        break;
    }
    return g->step != before || g->offered != offered;
}

int vc_regain_progress(struct vc_verbs *v)
{
    int work = 0;
    if (!v->boot || v->boot_failed || vc_boot_forbidden())
        return 0;
    for (struct ep *e = v->connecting; e && !v->boot_failed; e = e->next_connecting)
        if (e->state == EP_MPI || e->state == EP_RETURNING)
            work += step_round(e);
    uint64_t now = vc_now_ns();
    if (now - v->t_regain < TICK_NS)
        return work;
    v->t_regain = now;
    vc_idle_tick(v, now);
    if (v->failed) {
        if (vc_verbs_reopen(v, now))
            hurry(v, now);
    } else if (v->port_down) {
        vc_verbs_read_async(v);
        if (!v->failed)
            vc_verbs_check_port(v);
        if (is_usable(v))
            hurry(v, now);
    }
    for (int i = 0; i < v->nprocs && is_usable(v); i++)
        if (v->ep[i] && is_due(v->ep[i], now))
            work += begin_round(v->ep[i]);
    return work;
}

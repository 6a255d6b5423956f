/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closing a connection takes both ends. One asks, and goes on using it (NOTE_ASK). The other, if nothing
 * waits there, sees to it that all it has sent has arrived, and leaves (NOTE_LEAVE): from then on it sends
 * over the boot channel, and still receives what the device brings. The end that asked reads what the device
 * has brought before that, sees to it that all it has sent has arrived, leaves too, and closes; the other
 * closes when it knows of that and has read the rest. README.md ("Fewer queue pairs than peers") says more.
 */
#include "transport/verbs/idle.h"

#include "transport/verbs/detour.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/send.h"
#include "transport/verbs/sendq.h"

/* What was not used for so long may be closed, unless vc_verbs_cfg.idle_ms says otherwise. */
#define UNUSED_NS 500000000u
/* A peer that has not answered for so long is busy: others are asked instead. */
#define ANSWER_NS 1000000000u
/* A connection without queue pair sleeps after so long without messages. */
#define SLEEP_NS 100000000u

/* Whether nothing here waits for the other end, or is to be sent to it. */
static bool is_unused(const struct ep *e)
{
    for (const struct peer *p = e->peers; p; p = p->next_on_ep)
        if (vc_peer_waits(p) || p->owe_cts_head || p->active)
            return false;
    return true;
}

/* Whether all that was sent has arrived; otherwise a completion is on its way that will say so. */
static bool has_arrived(struct ep *e)
{
    if (e->head == e->tail)
        return true;
    if (e->head - 1 != e->ping_wr)
        vc_ep_ping(e);
    return false;
}

static void tell(struct ep *e, enum note_type type)
{
    vc_detour_note(e, &(struct conn_note){.type = type}, NULL, 0);
}

/* ---- closing ---- */

void vc_ep_give_back(struct ep *e)
{
    if (e->qp || e->head != e->tail)
        return;
    free(e->keep);
    e->keep = NULL;
    e->keep_bytes = 0;
    e->inline_max = 0; /* messages without a slot have nowhere to lie */
    vc_recvq_free(e);
}

static void leave(struct ep *e)
{
    tell(e, NOTE_LEAVE);
    e->idle.asked = e->idle.asking = false;
    e->state = EP_LEAVING;
    e->was_ready = false;
    e->t_ping = 0;
}

static void close_it(struct ep *e)
{
    struct vc_verbs *v = e->v;
    v->signaled -= e->signaled;
    e->signaled = 0;
    e->since_signal = 0;
    e->t_ping = 0;
    e->was_ready = false;
    e->idle = (struct idle){.closed = true, .seen = e->idle.seen, .t_used = e->idle.t_used};
    e->idle.at_close = vc_ep_traffic(e);
    e->regain.tries = 0;
    e->regain.delay = 0;
    e->regain.t_next = 0;
    vc_ep_end_qp(e);
    vc_ep_give_back(e);
    e->state = EP_MPI;
    vc_ep_count(e);
    v->stats.closed++;
    vc_log(VC_LOG_INFO, "the connection to process %d was not used and is closed", e->proc);
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_peer_activate(p);
}

/* The peer would like to close it. */
static bool answer(struct ep *e)
{
    if (!is_unused(e)) {
        e->idle.asked = false;
        tell(e, NOTE_KEEP);
        return true;
    }
    if (!has_arrived(e) || e->state != EP_READY)
        return false;
    leave(e);
    return true;
}

/* The peer has left, and what it had sent over the device was read. What is sent here from now on waits for
 * the answer of the peer's device. */
static bool follow(struct ep *e)
{
    if (e->state == EP_READY) {
        bool arrived = has_arrived(e);
        if (e->state != EP_READY || (!arrived && e->head - 1 != e->ping_wr))
            return false; /* lost, or no room for the ping */
        e->state = EP_CLOSING;
    }
    if (e->head != e->tail)
        return false;
    leave(e);
    close_it(e);
    return true;
}

static bool step(struct ep *e)
{
    if (e->idle.peer_left && e->read) {
        if (e->state != EP_LEAVING)
            return follow(e);
        close_it(e);
        return true;
    }
    return e->idle.asked && e->state == EP_READY && !e->idle.peer_left && answer(e);
}

int vc_idle_settle(struct vc_verbs *v)
{
    int work = 0;
    for (struct ep *e = v->connecting, *next; e && !v->boot_failed && !v->failed; e = next) {
        next = e->next_connecting;
        if (vc_idle_is_talked_of(e)) {
            vc_sendq_poll(v);
            work += step(e);
        }
    }
    return work;
}

/* ---- which, and when ---- */

static bool may_be_closed(const struct ep *e, uint64_t now)
{
    uint64_t least = e->v->cfg.idle_ms ? e->v->cfg.idle_ms * 1000000u : UNUSED_NS;
    return e->state == EP_READY && !vc_idle_is_talked_of(e) && e->t_proof == 0 &&
           now - e->idle.t_used >= least && is_unused(e);
}

static struct ep *least_recently_used(const struct vc_verbs *v, uint64_t now)
{
    struct ep *found = NULL;
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        if (e && may_be_closed(e, now) && (!found || e->idle.t_used < found->idle.t_used))
            found = e;
    }
    return found;
}

static void ask(struct ep *e, uint64_t now)
{
    tell(e, NOTE_ASK);
    e->idle.asking = true;
    e->idle.t_asked = now;
    vc_ep_list(e);
}

static bool may_sleep(const struct ep *e, uint64_t now)
{
    return e->idle.closed && !e->idle.asleep && e->state == EP_MPI && e->regain.step == REGAIN_NONE &&
           !e->regain.offered && e->nouts == 0 && now - e->idle.t_used >= SLEEP_NS && is_unused(e);
}

void vc_idle_tick(struct vc_verbs *v, uint64_t now)
{
    int too_many = v->open, most;
    if (!vc_limit_matters(v))
        return;
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        if (!e)
            continue;
        if (vc_ep_traffic(e) != e->idle.seen || e->idle.t_used == 0) {
            e->idle.seen = vc_ep_traffic(e);
            e->idle.t_used = now;
        }
        if (may_sleep(e, now))
            vc_ep_sleep(e);
        too_many += vc_ep_is_wanted(e) && !e->qp;
        too_many -= e->state == EP_LEAVING || (e->idle.asking && now - e->idle.t_asked < ANSWER_NS);
    }
    most = vc_limit_most(v);
    for (struct ep *e; too_many > most && !v->boot_failed && (e = least_recently_used(v, now)) != NULL;
         too_many--)
        ask(e, now);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/notes.h"

#include "transport/verbs/conn.h"
#include "transport/verbs/detour.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/recv.h"

#include <stdlib.h>
#include <string.h>

/* Notes of one process that are read in one turn: others wait, too. */
#define NOTES_PER_TURN 32

/* Nothing of what was said before about a new queue pair holds after this. */
static void on_lost(struct ep *e, const struct conn_note *note)
{
    struct regain *g = &e->regain;
    g->offered = g->ready = g->clear = g->stopped = g->heard = false;
    e->idle.asked = false;
    if (e->state == EP_MPI) {
        /* The peer was ready to use the new queue pair, and this end was not: nothing went over it. */
        struct conn_note answer = {.type = NOTE_LOST, .seq = e->got_seq, .writes = e->got_writes};
        g->voided = g->step != REGAIN_NONE;
        vc_detour_note(e, &answer, NULL, 0);
        return;
    }
    e->peer_lost = true;
    e->peer_seq = note->seq;
    e->peer_writes = note->writes;
    e->was_told = e->state < EP_LOST;
    vc_ep_lose(e, "the other end lost it: %.*s", (int)strnlen(note->bytes, sizeof note->bytes), note->bytes);
}

static void on_offer(struct ep *e, const unsigned char *bytes, uint32_t len)
{
    if (len != sizeof e->regain.offer)
        return;
    memcpy(&e->regain.offer, bytes, len);
    e->regain.offered = true;
    vc_ep_wake(e);
    vc_ep_list(e);
}

static void on_tell(struct ep *e, const struct conn_note *note)
{
    for (struct chan *c = e->v->chans; c; c = c->next)
        if (c->id == note->id)
            vc_chan_gave_up(c, (int)note->rank, note->bytes, sizeof note->bytes);
}

static void on_write_note(struct ep *e, const struct conn_note *note, const unsigned char *bytes)
{
    struct vc_verbs *v = e->v;
    const struct vc_via via = {.ep = e};
    struct grant *g = vc_grant_find(v, note->rank);
    /* No such grant: its channel was destroyed. */
    if (g && g->peer->ep == e && note->id <= g->req->priv[P_LEN] &&
        note->len <= g->req->priv[P_LEN] - note->id && note->len > 0)
        memcpy(req_buf(g->req) + note->id, bytes, note->len);
    if (note->last)
        vc_write_arrived(v, via, note->rank);
}

/* A peer that was lost meanwhile has said it before it knew. */
static void on_idle_note(struct ep *e, uint32_t type)
{
    struct idle *d = &e->idle;
    if (e->state >= EP_LOST)
        return;
    if (type == NOTE_ASK) {
        d->asked = true;
    } else if (type == NOTE_LEAVE) {
        d->peer_left = true;
    } else {
        d->asking = false;
        d->t_used = vc_now_ns();
    }
    vc_ep_list(e);
}

static void on_note(struct ep *e)
{
    const struct conn_note *note = &e->note_in;
    const unsigned char *bytes = e->body_due ? e->body : (const unsigned char *)note->bytes;
    const struct vc_via via = {.ep = e};
    e->heard = true;
    switch (note->type) {
    case NOTE_READY:
        e->peer_ready = e->regain.ready = true;
        break;
    case NOTE_LOST:
        on_lost(e, note);
        break;
    case NOTE_TELL:
        on_tell(e, note);
        break;
    case NOTE_MSG:
        vc_message_arrived(e->v, via, bytes, note->len, -1);
        break;
    case NOTE_WRITE:
        on_write_note(e, note, bytes);
        break;
    case NOTE_OFFER:
        on_offer(e, bytes, note->len);
        break;
    case NOTE_CLEAR:
        e->regain.clear = true;
        break;
    case NOTE_STOP:
        e->regain.stopped = true;
        e->regain.yes = note->last != 0;
        break;
    case NOTE_HEARD:
        e->regain.heard = true;
        break;
    case NOTE_ASK:
    case NOTE_KEEP:
    case NOTE_LEAVE:
        on_idle_note(e, note->type);
        break;
    default:
        break;
    }
}

/* Whether a note has come, with all that belongs to it. */
static bool has_come(struct ep *e)
{
    struct vc_verbs *v = e->v;
    if (!e->answered || !vc_req_done(&e->boot[BOOT_NOTE_IN]) || v->boot_failed)
        return false;
    if (e->note_in.len > v->size.slot_bytes) { /* nobody sends more */
        vc_boot_fail(v, vc_fail(VC_ERR_INVAL, "process %d announces a message of %u bytes through the MPI",
                                e->proc, e->note_in.len));
        return false;
    }
    if (e->note_in.len > NOTE_BYTES && !e->body_due) {
        e->body = malloc(e->note_in.len);
        if (!e->body) {
            vc_boot_fail(v, vc_fail(VC_ERR_NOMEM, "out of memory for messages through the MPI"));
            return false;
        }
        if (vc_boot_recv(e, e->body, e->note_in.len, &e->boot[BOOT_BODY_IN]) != VC_OK)
            return false;
        e->body_due = true;
    }
    return !e->body_due || vc_req_done(&e->boot[BOOT_BODY_IN]);
}

/* Messages over the boot channel came later than those that the device has brought, and which were not read
 * yet. The next offer waits until this one is answered: a peer that had no queue pair, and therefore has
 * ended the round, may have begun the next one. */
static bool must_wait(const struct ep *e)
{
    return e->state == EP_LOST || e->idle.peer_left || (e->regain.offered && e->state == EP_MPI);
}

static int read_notes(struct ep *e)
{
    int n = 0;
    while (n < NOTES_PER_TURN && !must_wait(e) && has_come(e)) {
        on_note(e);
        if (e->body_due)
            free(e->body);
        e->body = NULL;
        e->body_due = false;
        n++;
        if (vc_ep_next_note(e) != VC_OK)
            break;
        vc_boot_progress(e->v);
    }
    return n;
}

int vc_notes_poll(struct vc_verbs *v)
{
    int work = 0;
    if (!v->boot || v->boot_failed || vc_boot_forbidden() || vc_boot_progress(v) < 0)
        return 0;
    work = vc_detour_reap(v);
    for (int i = 0; i < v->nprocs; i++)
        if (v->ep[i] && v->ep[i]->state != EP_FAILED)
            work += read_notes(v->ep[i]);
    return work;
}

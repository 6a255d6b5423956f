/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both processes of a pair find at their first message for each other that there is no connection. Each makes
 * a queue pair and sends its address over the boot channel (hello). When it has the peer's hello it connects
 * and sends a note. A message that reaches a queue pair which cannot receive yet would only be repeated after
 * a timeout, so neither sends before the peer's note has come. There is one exchange for each pair, so the
 * order of the boot channel suffices to tell its messages apart. Later notes tell of failures.
 */
#include "transport/verbs/conn.h"

#include "transport/verbs/async.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Inline data saves the device a read of memory, but makes every work request larger. */
#define INLINE_BYTES 192

enum { BOOT_HELLO_OUT, BOOT_HELLO_IN, BOOT_NOTE_OUT, BOOT_NOTE_IN };

static uint32_t inline_wanted(const struct vc_verbs *v)
{
    if (v->cfg.inline_bytes >= 0)
        return (uint32_t)v->cfg.inline_bytes;
    return v->dev.ignores_inline ? 0 : INLINE_BYTES;
}

static bool create_qp(struct vc_verbs *v, struct ep *e)
{
    int depth = QP_WR < v->dev.attr.max_qp_wr ? QP_WR : v->dev.attr.max_qp_wr;
    struct ibv_qp_init_attr attr = {
        .send_cq = v->cq_bulk,
        .recv_cq = v->cq_latency,
        .srq = v->srq,
        .cap = {.max_send_wr = (uint32_t)depth,
                .max_recv_wr = v->srq ? 0 : (uint32_t)v->size.recv_depth,
                .max_send_sge = 2,
                .max_recv_sge = v->srq ? 0 : 1,
                .max_inline_data = inline_wanted(v)},
    };
    e->qp = vc_rc_create(v->pd, &attr);
    e->depth = (uint32_t)depth;
    e->inline_max = attr.cap.max_inline_data;
    return e->qp != NULL;
}

static int connect_qp(struct vc_verbs *v, struct ep *e)
{
    struct vc_rc_path path = {.sl = v->cfg.sl, .tc = v->cfg.tc};
    vc_rc_patience(v->cfg.timeout_s, &path);
    return vc_rc_connect(e->qp, &v->dev, &path, e->psn, &e->hello_in.addr);
}

/* Makes the own queue pair, and the hello that tells its address or why there is none. */
static void make_half(struct vc_verbs *v, struct ep *e)
{
    struct conn_hello *h = &e->hello_out;
    const char *what = "ibv_create_qp";
    errno = 0;
    if (create_qp(v, e)) {
        what = "ibv_modify_qp to INIT";
        e->rec = malloc(e->depth * sizeof *e->rec);
        int rc = e->rec ? vc_rc_init(e->qp, &v->dev, IBV_ACCESS_REMOTE_WRITE) : ENOMEM;
        if (rc == 0 && !v->srq) {
            what = "posting receive buffers";
            rc = vc_recvq_make(e);
        }
        if (rc == 0) {
            e->psn = (uint32_t)(vc_now_ns() ^ (uint64_t)e->proc << 12) & 0xffffff;
            *h = (struct conn_hello){.addr = {.qpn = e->qp->qp_num, .psn = e->psn},
                                     .rkey = v->mailbox->rkey,
                                     .ok = 1,
                                     .mailbox = (uintptr_t)v->mailbox->addr};
            vc_rc_port_of(&v->dev, &h->addr.port);
            return;
        }
        errno = rc;
    }
    snprintf(h->why, sizeof h->why, "%s failed: %s", what, strerror(errno));
}

static void become_ready(struct ep *e)
{
    e->state = EP_READY;
    e->v->stats.connections++;
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_peer_activate(p);
}

static struct ep *new_ep(struct vc_verbs *v, int proc)
{
    struct ep *e = calloc(1, sizeof *e);
    if (!e) {
        vc_fail(VC_ERR_NOMEM, "out of memory for a connection");
        return NULL;
    }
    e->v = v;
    e->proc = proc;
    v->ep[proc] = e; /* stays to the end, also after a failure: the boot channel writes into it */
    return e;
}

static int post_note_recv(struct ep *e)
{
    struct vc_chan *b = e->v->boot;
    return b->ops->irecv(b, e->proc, &e->note_in, sizeof e->note_in, &e->boot[BOOT_NOTE_IN]);
}

static int send_hello(struct ep *e)
{
    struct vc_chan *b = e->v->boot;
    e->rejected = !e->hello_out.ok;
    return b->ops->isend(b, e->proc, &e->hello_out, sizeof e->hello_out, &e->boot[BOOT_HELLO_OUT]);
}

static int send_note(struct ep *e, const struct conn_note *note)
{
    struct vc_chan *b = e->v->boot;
    e->announced = true;
    e->note_out = *note;
    return b->ops->isend(b, e->proc, &e->note_out, sizeof e->note_out, &e->boot[BOOT_NOTE_OUT]);
}

struct ep *vc_ep_get(struct vc_verbs *v, int proc)
{
    struct ep *e = v->ep[proc];
    if (e)
        return e;
    e = new_ep(v, proc);
    if (!e)
        return NULL;
    vc_verbs_read_async(v); /* the port may have another address by now */
    make_half(v, e);
    struct vc_chan *b = v->boot;
    int err = b->ops->irecv(b, proc, &e->hello_in, sizeof e->hello_in, &e->boot[BOOT_HELLO_IN]);
    if (err == VC_OK)
        err = post_note_recv(e);
    if (err == VC_OK)
        err = send_hello(e);
    e->state = err == VC_OK ? EP_CONNECTING : EP_FAILED;
    if (err != VC_OK) {
        snprintf(e->why, sizeof e->why, "%s", vc_error_text());
        return NULL;
    }
    e->next_connecting = v->connecting;
    v->connecting = e;
    return e;
}

/* The peer's hello has come. */
static void on_hello(struct vc_verbs *v, struct ep *e)
{
    e->answered = true;
    e->t_answer = vc_now_ns();
    if (!e->hello_out.ok || !e->hello_in.ok) {
        e->hello_in.why[sizeof e->hello_in.why - 1] = '\0';
        vc_ep_fail(e, "no connection on %s: %s%s", v->dev.name, e->hello_out.ok ? "at the other end " : "",
                   e->hello_out.ok ? e->hello_in.why : e->hello_out.why);
        return;
    }
    e->mailbox = e->hello_in.mailbox;
    e->mailbox_rkey = e->hello_in.rkey;
    int rc = connect_qp(v, e);
    if (rc != 0) {
        vc_ep_fail(e, "%s: the queue pair could not be connected: %s", v->dev.name, strerror(rc));
        return;
    }
    if (send_note(e, &(struct conn_note){.ok = 1}) != VC_OK)
        vc_ep_fail(e, "the exchange of addresses failed: %s", vc_error_text());
}

/* Both hellos and both notes have arrived. */
static void finish_exchange(struct ep *e)
{
    e->note_in.why[sizeof e->note_in.why - 1] = '\0';
    if (!e->note_in.ok)
        vc_ep_fail(e, "the other end gave up: %s", e->note_in.why);
    else if (post_note_recv(e) != VC_OK)
        vc_ep_fail(e, "the exchange of addresses failed: %s", vc_error_text());
    else
        become_ready(e);
}

int vc_ep_progress(struct vc_verbs *v)
{
    int rc = v->boot->ops->progress(v->boot);
    if (rc < 0)
        return rc;
    for (struct ep **at = &v->connecting, *e; (e = *at) != NULL;) {
        if (e->state == EP_CONNECTING && !e->answered && vc_req_done(&e->boot[BOOT_HELLO_IN]))
            on_hello(v, e);
        bool done = e->state == EP_FAILED ||
                    (e->announced && vc_req_done(&e->boot[BOOT_NOTE_IN]) &&
                     vc_req_done(&e->boot[BOOT_NOTE_OUT]) && vc_req_done(&e->boot[BOOT_HELLO_OUT]));
        if (done) {
            *at = e->next_connecting;
            if (e->state == EP_CONNECTING)
                finish_exchange(e);
            rc++;
        } else {
            at = &e->next_connecting;
        }
    }
    return rc;
}

/* ---- failures ---- */

static void on_note(struct ep *e)
{
    struct conn_note *note = &e->note_in;
    note->why[sizeof note->why - 1] = '\0';
    if (note->id == NOTE_ALL) {
        vc_ep_fail(e, "the other end gave up: %s", note->why);
        return;
    }
    for (struct chan *c = e->v->chans; c; c = c->next)
        if (c->id == note->id)
            vc_chan_gave_up(c, (int)note->rank, note->why, strlen(note->why));
}

void vc_ep_poll_notes(struct vc_verbs *v)
{
    if (!v->boot || v->boot->ops->progress(v->boot) < 0)
        return; /* the device may still work */
    for (int i = 0; i < v->nprocs; i++) {
        struct ep *e = v->ep[i];
        if (e && e->state == EP_READY && vc_req_done(&e->boot[BOOT_NOTE_IN])) {
            on_note(e);
            post_note_recv(e);
        }
    }
}

/*
 * A process without a connection may wait for this one's hello, now or later. It would wait without end,
 * because this rank takes part in no more collectives of that communicator.
 */
static void reject_connection(struct vc_verbs *v, int proc, const char *why)
{
    struct ep *e = new_ep(v, proc);
    if (!e)
        return;
    e->state = EP_FAILED;
    snprintf(e->why, sizeof e->why, "%s", why);
    snprintf(e->hello_out.why, sizeof e->hello_out.why, "%s", why);
    send_hello(e);
}

void vc_ep_tell(struct vc_verbs *v, int proc, uint64_t id, int rank, const char *why)
{
    struct ep *e = v->ep[proc];
    if (!v->boot || v->addresses[proc].slot_bytes == 0)
        return;
    if (!e) {
        reject_connection(v, proc, why);
        return;
    }
    if (e->rejected)
        return;
    if (e->announced && !vc_req_done(&e->boot[BOOT_NOTE_OUT]))
        v->boot->ops->progress(v->boot);
    if (e->announced && !vc_req_done(&e->boot[BOOT_NOTE_OUT]))
        return; /* an earlier note is still under way */
    bool first = !e->announced;
    struct conn_note note = {.id = id, .rank = (uint32_t)rank};
    snprintf(note.why, sizeof note.why, "%s", why);
    send_note(e, &note);
    if (first)
        vc_ep_fail(e, "given up: %s", why);
}

void vc_ep_free(struct ep *e)
{
    if (e->qp)
        vc_ibv.destroy_qp(e->qp);
    vc_recvq_free(e);
    free(e->rec);
    free(e);
}

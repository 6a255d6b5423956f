/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both processes of a pair find at their first message for each other that there is no connection. Each makes
 * a queue pair and sends its address over the boot channel (hello). When it has the peer's hello it connects
 * and sends a note. A message that reaches a queue pair which cannot receive yet would only be repeated after
 * a timeout, so neither sends before the peer's note has come. There is one hello for each pair, and all
 * later messages are notes, so the order of the boot channel suffices to tell them apart.
 */
#include "transport/verbs/conn.h"

#include "transport/verbs/async.h"
#include "transport/verbs/detour.h"
#include "transport/verbs/fail.h"
#include "transport/verbs/idle.h"
#include "transport/verbs/limit.h"
#include "transport/verbs/recvq.h"
#include "transport/verbs/send.h"
#include "transport/shm/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t inline_wanted(const struct vc_verbs *v)
{
    if (v->cfg.inline_bytes >= 0)
        return (uint32_t)v->cfg.inline_bytes;
    return v->dev.ignores_inline ? 0 : VC_INLINE_BYTES;
}

/* Copies of inline messages, until they have arrived. Where there is no memory for them, nothing is sent
 * inline. */
static void make_keep(struct ep *e)
{
    free(e->keep);
    e->keep_bytes = (uint32_t)vc_round_up(e->inline_max, VC_CACHELINE);
    e->keep = e->inline_max >= sizeof(struct msg_hdr) ? malloc((size_t)e->depth * e->keep_bytes) : NULL;
    if (!e->keep)
        e->inline_max = 0;
}

static bool create_qp(struct vc_verbs *v, struct ep *e)
{
    struct ibv_qp_init_attr attr = {
        .send_cq = v->cq_bulk,
        .recv_cq = v->cq_latency,
        .srq = v->srq,
        .cap = {.max_send_wr = e->depth,
                .max_recv_wr = v->srq ? 0 : (uint32_t)v->size.recv_depth,
                .max_send_sge = 1,
                .max_recv_sge = v->srq ? 0 : 1,
                .max_inline_data = inline_wanted(v)},
    };
    e->qp = vc_rc_create(v->pd, &attr);
    int err = errno;
    vc_limit_created(v, e->qp != NULL, err);
    e->inline_max = e->qp ? attr.cap.max_inline_data : 0;
    make_keep(e);
    errno = err;
    return e->qp != NULL;
}

int vc_ep_connect(struct ep *e)
{
    struct vc_verbs *v = e->v;
    struct vc_rc_path path = {.sl = v->cfg.sl, .tc = v->cfg.tc};
    vc_rc_patience(v->cfg.timeout_s, &path);
    return vc_rc_connect(e->qp, &v->dev, &path, e->psn, &e->hello_in.addr);
}

/* There are as many queue pairs as there may be. That is no failure. */
static void refuse_half(struct ep *e)
{
    e->hello_out.full = 1;
    e->idle.closed = true;
    snprintf(e->hello_out.why, sizeof e->hello_out.why, "%d connections are open, which is as many as may be",
             e->v->open);
}

void vc_ep_make_half(struct ep *e)
{
    struct vc_verbs *v = e->v;
    struct conn_hello *h = &e->hello_out;
    const char *what = "ibv_create_qp";
    h->ok = h->full = 0;
    if (vc_limit_full(v)) {
        refuse_half(e);
        return;
    }
    errno = 0;
    if (create_qp(v, e)) {
        what = "ibv_modify_qp to INIT";
        int rc = vc_rc_init(e->qp, &v->dev, IBV_ACCESS_REMOTE_WRITE);
        if (rc == 0 && !v->srq) {
            what = "posting receive buffers";
            rc = vc_recvq_make(e);
        }
        if (rc == 0) {
            e->psn = (uint32_t)(vc_now_ns() ^ (uint64_t)e->proc << 12) & 0xffffff;
            h->addr = (struct vc_rc_addr){.qpn = e->qp->qp_num, .psn = e->psn};
            h->rkey = v->mailbox->rkey;
            h->mailbox = (uintptr_t)v->mailbox->addr;
            h->ok = 1;
            vc_rc_port_of(&v->dev, &h->addr.port);
            return;
        }
        errno = rc;
    } else if (vc_limit_full(v)) {
        refuse_half(e);
        return;
    }
    snprintf(h->why, sizeof h->why, "%s failed: %s", what, strerror(errno));
}

static void become_ready(struct ep *e)
{
    e->state = EP_READY;
    e->was_ready = true;
    e->v->stats.connections++;
    for (struct peer *p = e->peers; p; p = p->next_on_ep)
        vc_peer_activate(p);
}

static struct ep *new_ep(struct vc_verbs *v, int proc)
{
    struct ep *e = calloc(1, sizeof *e);
    uint32_t depth = QP_WR;
    while (depth > 1 && depth > (uint32_t)v->dev.attr.max_qp_wr)
        depth /= 2;
    if (e)
        e->rec = calloc(depth, sizeof *e->rec);
    if (!e || !e->rec) {
        free(e);
        vc_fail(VC_ERR_NOMEM, "out of memory for a connection");
        return NULL;
    }
    e->v = v;
    e->proc = proc;
    e->depth = depth;
    e->got_seq = e->acked_seq = UINT32_MAX; /* the first is 0 */
    e->ping_wr = UINT32_MAX;
    v->ep[proc] = e; /* stays to the end, also after a failure: the boot channel writes into it */
    return e;
}

int vc_ep_next_note(struct ep *e)
{
    return vc_boot_recv(e, &e->note_in, sizeof e->note_in, &e->boot[BOOT_NOTE_IN]);
}

/* Who this process is, for a peer that gets no answer any more. */
static void identify(struct conn_hello *h)
{
    struct vc_os_id os;
    struct vc_peer_id me = vc_peer_self();
    memset(&os, 0, sizeof os);
    vc_os_id_get(&os);
    h->os = vc_hash(VC_HASH_START, &os, sizeof os);
    h->pid = me.pid;
    h->start_time = me.start_time;
}

/* why_not NULL: with a queue pair, if one can be made. */
static struct ep *begin_exchange(struct vc_verbs *v, int proc, const char *why_not)
{
    struct ep *e = new_ep(v, proc);
    if (!e)
        return NULL;
    struct conn_hello *h = &e->hello_out;
    identify(h);
    if (why_not)
        snprintf(h->why, sizeof h->why, "%s", why_not);
    else
        vc_ep_make_half(e);
    int err = vc_boot_recv(e, &e->hello_in, sizeof e->hello_in, &e->boot[BOOT_HELLO_IN]);
    if (err == VC_OK)
        err = vc_ep_next_note(e);
    if (err == VC_OK)
        err = vc_boot_send(e, h, sizeof *h, &e->boot[BOOT_HELLO_OUT]);
    if (err != VC_OK) {
        e->state = EP_FAILED;
        snprintf(e->why, sizeof e->why, "%s", vc_error_text());
        return NULL;
    }
    e->state = EP_CONNECTING;
    vc_ep_list(e);
    v->stats.refused += h->full;
    if (!h->ok)
        vc_ep_lose(e, "no connection on %s: %s", v->dev.name, h->why);
    return e;
}

struct ep *vc_ep_get(struct vc_verbs *v, int proc)
{
    if (v->ep[proc])
        return v->ep[proc];
    if (!v->failed)
        vc_verbs_read_async(v); /* the port may have another address by now */
    return begin_exchange(v, proc, v->failed ? v->why : NULL);
}

/* The peer's hello has come. */
static void on_hello(struct vc_verbs *v, struct ep *e)
{
    e->answered = true;
    e->t_answer = vc_now_ns();
    e->hello_in.why[sizeof e->hello_in.why - 1] = '\0';
    if (e->state != EP_CONNECTING)
        return;
    if (!e->hello_in.ok) {
        v->stats.refused += e->hello_in.full;
        e->idle.closed = e->hello_in.full != 0;
        vc_ep_lose(e, "no connection on %s: at the other end %s", v->dev.name, e->hello_in.why);
        return;
    }
    e->mailbox = e->hello_in.mailbox;
    e->mailbox_rkey = e->hello_in.rkey;
    int rc = vc_ep_connect(e);
    if (rc != 0) {
        vc_ep_lose(e, "%s: the queue pair could not be connected: %s", v->dev.name, strerror(rc));
        return;
    }
    e->announced = vc_detour_note(e, &(struct conn_note){.type = NOTE_READY}, NULL, 0);
}

static void unlist(struct ep *e)
{
    struct ep **at = &e->v->connecting;
    while (*at != e)
        at = &(*at)->next_connecting;
    *at = e->next_connecting;
    e->listed = false;
}

int vc_ep_progress(struct vc_verbs *v)
{
    int work = 0;
    for (struct ep *e = v->connecting, *next; e; e = next) {
        next = e->next_connecting;
        if (!e->answered && e->state != EP_FAILED && vc_req_done(&e->boot[BOOT_HELLO_IN])) {
            on_hello(v, e);
            work++;
        }
        if (e->state == EP_CONNECTING && e->announced && e->peer_ready)
            become_ready(e);
        bool returns = e->regain.step != REGAIN_NONE || e->regain.offered;
        if ((e->state == EP_READY && !vc_idle_is_talked_of(e)) || (e->state == EP_MPI && !returns) ||
            e->state == EP_FAILED) {
            unlist(e);
            work++;
        }
    }
    return work;
}

/* ---- failures ---- */

/*
 * A process without a connection may wait for this one's hello, now or later. It would wait without end,
 * because this rank takes part in no more collectives of that communicator. It gets one without a queue pair.
 */
void vc_ep_tell(struct vc_verbs *v, int proc, uint64_t id, int rank, const char *why)
{
    if (!v->boot || v->boot_failed || !(v->reached[proc] & REACHED))
        return;
    struct ep *e = v->ep[proc] ? v->ep[proc] : begin_exchange(v, proc, why);
    if (!e || e->state == EP_FAILED)
        return;
    struct conn_note note = {.type = NOTE_TELL, .id = id, .rank = (uint32_t)rank};
    vc_detour_note(e, &note, why, vc_min_size(strlen(why), NOTE_BYTES - 1));
}

void vc_ep_free(struct ep *e)
{
    vc_ep_end_qp(e);
    vc_recvq_free(e);
    free(e->body);
    free(e->keep);
    free(e->rec);
    free(e);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/verbs/detour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A note under way, and the bytes that do not fit into it. */
struct out {
    struct out *next;
    struct ep *e;
    bool has_body;
    struct vc_chan_req note_req, body_req;
    struct conn_note note;
    unsigned char body[];
};

void vc_boot_fail(struct vc_verbs *v, int err)
{
    if (v->boot_failed)
        return;
    v->boot_failed = err;
    snprintf(v->boot_why, sizeof v->boot_why, "%s", vc_error_text());
}

static _Thread_local bool within;

/* The MPI may call vc_verbs_look() meanwhile. */
static void enter_boot(struct vc_verbs *v)
{
    within = true;
    atomic_store_explicit(&v->in_boot, true, memory_order_relaxed);
}

static int leave_boot(struct vc_verbs *v, int rc)
{
    within = false;
    atomic_store_explicit(&v->in_boot, false, memory_order_relaxed);
    if (rc < 0)
        vc_boot_fail(v, rc);
    return rc;
}

int vc_boot_send(struct ep *e, const void *buf, size_t len, struct vc_chan_req *r)
{
    struct vc_chan *b = e->v->boot;
    enter_boot(e->v);
    return leave_boot(e->v, b->ops->isend(b, e->proc, buf, len, r));
}

int vc_boot_recv(struct ep *e, void *buf, size_t len, struct vc_chan_req *r)
{
    struct vc_chan *b = e->v->boot;
    enter_boot(e->v);
    return leave_boot(e->v, b->ops->irecv(b, e->proc, buf, len, r));
}

int vc_boot_progress(struct vc_verbs *v)
{
    enter_boot(v);
    return leave_boot(v, v->boot->ops->progress(v->boot));
}

bool vc_verbs_within_boot(void)
{
    return within;
}

static _Thread_local bool forbidden;

void vc_verbs_forbid_boot(void)
{
    forbidden = true;
}

bool vc_boot_forbidden(void)
{
    return forbidden;
}

/* What the MPI may still read, until the process ends. */
static _Atomic(struct out *) abandoned;

static void abandon(struct out *first)
{
    struct out *last = first;
    while (last->next)
        last = last->next;
    last->next = atomic_load_explicit(&abandoned, memory_order_relaxed);
    /* Release: nobody reads the list, but a checker of leaks that stops the process. */
    while (!atomic_compare_exchange_weak_explicit(&abandoned, &last->next, first, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

void vc_detour_end(struct vc_verbs *v)
{
    if (v->outs)
        abandon(v->outs);
    v->outs = NULL;
}

bool vc_detour_note(struct ep *e, const struct conn_note *note, const void *bytes, size_t len)
{
    struct vc_verbs *v = e->v;
    bool body = len > NOTE_BYTES;
    if (v->boot_failed)
        return false;
    struct out *o = malloc(sizeof *o + (body ? len : 0));
    if (!o) {
        vc_boot_fail(v, vc_fail(VC_ERR_NOMEM, "out of memory for messages through the MPI"));
        return false;
    }
    o->e = e;
    o->has_body = body;
    o->note = *note;
    o->note.len = (uint32_t)len;
    memset(o->note.bytes, 0, sizeof o->note.bytes);
    if (len)
        memcpy(body ? o->body : (unsigned char *)o->note.bytes, bytes, len);
    if (vc_boot_send(e, &o->note, sizeof o->note, &o->note_req) != VC_OK) {
        free(o);
        return false;
    }
    if (body && vc_boot_send(e, o->body, len, &o->body_req) != VC_OK) {
        o->next = NULL;
        abandon(o); /* the note is under way */
        return false;
    }
    o->next = v->outs;
    v->outs = o;
    e->nouts++;
    return true;
}

bool vc_detour_record(struct ep *e, uint32_t number)
{
    struct vc_verbs *v = e->v;
    const struct wr_rec *rec = ep_rec(e, number);
    const unsigned char *mem = rec->slot >= 0 ? slot_mem(v, rec->slot) : keep_mem(e, number);
    struct conn_note note = {.type = NOTE_MSG};
    switch (rec->kind) {
    case REC_MSG:
        return vc_detour_note(e, &note, mem, rec->len);
    case REC_WRITE:
    case REC_LAST:
        note.type = NOTE_WRITE;
        note.id = rec->off;
        note.rank = rec->grant;
        note.last = rec->kind == REC_LAST;
        return vc_detour_note(e, &note, mem, rec->len);
    default:
        return true;
    }
}

int vc_detour_reap(struct vc_verbs *v)
{
    int n = 0;
    for (struct out **at = &v->outs, *o; (o = *at) != NULL;) {
        if (vc_req_done(&o->note_req) && (!o->has_body || vc_req_done(&o->body_req))) {
            *at = o->next;
            o->e->nouts--;
            free(o);
            n++;
        } else {
            at = &o->next;
        }
    }
    return n;
}

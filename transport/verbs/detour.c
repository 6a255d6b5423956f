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

bool vc_detour_note(struct ep *e, const struct conn_note *note, const void *bytes, size_t len)
{
    struct vc_verbs *v = e->v;
    struct vc_chan *b = v->boot;
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
    int err = b->ops->isend(b, e->proc, &o->note, sizeof o->note, &o->note_req);
    if (err != VC_OK) {
        free(o);
        vc_boot_fail(v, err);
        return false;
    }
    if (body && (err = b->ops->isend(b, e->proc, o->body, len, &o->body_req)) != VC_OK) {
        vc_boot_fail(v, err); /* the note is under way, so its memory stays */
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
    const struct wr_rec *rec = &e->rec[number % e->depth];
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

/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending on the boot channel what a lost connection does not carry, and what processes tell each other. */
#ifndef VC_TRANSPORT_VERBS_DETOUR_H
#define VC_TRANSPORT_VERBS_DETOUR_H

#include "transport/verbs/state.h"

/** How many messages to one process may be under way before new requests wait. */
#define DETOUR_DEPTH 128

/** Sends a note and `len` bytes with it, both copied. False: no memory, or the boot channel has failed, which
 * is recorded in v->boot_failed. */
bool vc_detour_note(struct ep *e, const struct conn_note *note, const void *bytes, size_t len);
/** Sends what a work request was to send. */
bool vc_detour_record(struct ep *e, uint32_t number);
/** Frees what has been sent. Returns how much. */
int vc_detour_reap(struct vc_verbs *v);
/** At the end of the device, after its boot channel's: what could not be sent stays until the process ends.
 */
void vc_detour_end(struct vc_verbs *v);

/* Every call of the boot channel goes through these. VC_OK (progress: how much happened), or an error that is
 * recorded in v->boot_failed. */
int vc_boot_send(struct ep *e, const void *buf, size_t len, struct vc_chan_req *r);
int vc_boot_recv(struct ep *e, void *buf, size_t len, struct vc_chan_req *r);
int vc_boot_progress(struct vc_verbs *v);

/** Whether this thread must leave the boot channel alone. */
bool vc_boot_forbidden(void);

/** The boot channel has failed, with the text of the last error. */
void vc_boot_fail(struct vc_verbs *v, int err);

static inline unsigned char *keep_mem(const struct ep *e, uint32_t number)
{
    return e->keep + (size_t)(number & (e->depth - 1)) * e->keep_bytes;
}

#endif

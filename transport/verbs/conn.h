/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: made at the first message for a process, over the boot channel. */
#ifndef VC_TRANSPORT_VERBS_CONN_H
#define VC_TRANSPORT_VERBS_CONN_H

#include "transport/verbs/state.h"

/** The connection to a process, begun if there is none. NULL: recorded error. */
struct ep *vc_ep_get(struct vc_verbs *v, int proc);
/** Drives connections that are being made. Returns how much happened, or a negative error. */
int vc_ep_progress(struct vc_verbs *v);
/** Reads the notes that peers have sent after a failure. */
void vc_ep_poll_notes(struct vc_verbs *v);
/**
 * Tells a process that this rank of communicator `id` (or NOTE_ALL) has failed. A process without a
 * connection gets a hello that rejects one; the connection counts as failed here, too.
 */
void vc_ep_tell(struct vc_verbs *v, int proc, uint64_t id, int rank, const char *why);
void vc_ep_free(struct ep *e);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: made at the first message for a process, over the boot channel. */
#ifndef VC_TRANSPORT_VERBS_CONN_H
#define VC_TRANSPORT_VERBS_CONN_H

#include "transport/verbs/state.h"

/** The connection to a process, begun if there is none. NULL: recorded error. */
struct ep *vc_ep_get(struct vc_verbs *v, int proc);
/** Reads the hellos that have come, and ends exchanges. Returns how much happened. */
int vc_ep_progress(struct vc_verbs *v);
/** Makes this end's queue pair, and says in e->hello_out where it is, or why there is none. */
void vc_ep_make_half(struct ep *e);
/** Connects it with the one in e->hello_in. 0, or an errno value. */
int vc_ep_connect(struct ep *e);
/** Posts the receive for the next note. VC_OK, or an error that is recorded in v->boot_failed. */
int vc_ep_next_note(struct ep *e);
/** Tells a process that this rank of communicator `id` has failed, also one that there is no connection to.
 */
void vc_ep_tell(struct vc_verbs *v, int proc, uint64_t id, int rank, const char *why);
void vc_ep_free(struct ep *e);

#endif

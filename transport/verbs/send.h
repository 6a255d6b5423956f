/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending to a peer: pieces of eager messages, CTS, credits, writes of rendezvous messages. */
#ifndef VC_TRANSPORT_VERBS_SEND_H
#define VC_TRANSPORT_VERBS_SEND_H

#include "transport/verbs/state.h"

/** Posts what can be posted for a peer. Afterwards it is on the active list if something is left. */
void vc_peer_push(struct peer *p);
/** Puts the peer on the active list if it has something to be sent. */
void vc_peer_activate(struct peer *p);
/** Sends a message that fits inline, if nothing stands before it and everything that it needs is there.
 * False: it must be queued. */
bool vc_peer_send_now(struct peer *p, const void *buf, size_t len);

#endif

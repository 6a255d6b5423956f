/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving: completions, what they are for, and one turn of everything. */
#ifndef VC_TRANSPORT_VERBS_RECV_H
#define VC_TRANSPORT_VERBS_RECV_H

#include "transport/verbs/state.h"

/** One turn: both completion queues, connections, active peers. Returns how much happened, or a negative
 * error. */
int vc_verbs_progress(struct vc_verbs *v);

/** Gives a receive that was just queued what came before it. */
void vc_peer_match_unexpected(struct peer *p, int stream);

/** The peer, made if there is none; NULL: recorded error. */
struct peer *vc_peer_get(struct chan *c, int rank);

static inline struct peer *peer_of(struct chan *c, int rank)
{
    struct peer *p = c->peer[rank];
    return p ? p : vc_peer_get(c, rank);
}

/** Ends a grant that the peer has written to, or will not write to. */
void vc_grant_free(struct vc_verbs *v, int i);
/** Ends a grant whose memory the peer may still write to: the registration ends, too. */
void vc_grant_revoke(struct vc_verbs *v, int i);

#endif

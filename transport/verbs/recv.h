/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving: whom what arrives is for. */
#ifndef VC_TRANSPORT_VERBS_RECV_H
#define VC_TRANSPORT_VERBS_RECV_H

#include "transport/verbs/state.h"

/** The way that something took. */
struct vc_via {
    struct ep *ep;   /**< the boot channel, from this process; NULL: the device */
    uint32_t qp_num; /**< of the device */
};

/** A message came. It lies in this slot of the receive queue, or, with slot -1, in memory of the caller's.
 * True: the slot is to be left alone for now. */
bool vc_message_arrived(struct vc_verbs *v, struct vc_via via, const unsigned char *mem, uint32_t bytes,
                        int slot);
/** The last bytes for a grant, which is as in immediate data. */
void vc_write_arrived(struct vc_verbs *v, struct vc_via via, uint32_t imm);

/** Gives a receive that was just queued what came before it. */
void vc_peer_match_unexpected(struct peer *p, int stream);

/** The peer, made if there is none; NULL: recorded error. */
struct peer *vc_peer_get(struct chan *c, int rank);

static inline struct peer *peer_of(struct chan *c, int rank)
{
    struct peer *p = c->peer[rank];
    return p ? p : vc_peer_get(c, rank);
}

/** The grant that immediate data mean; NULL: none that is open. */
struct grant *vc_grant_find(struct vc_verbs *v, uint32_t imm);
/** Ends a grant that the peer has written to, or will not write to. */
void vc_grant_free(struct vc_verbs *v, int i);
/** Ends a grant whose memory the peer may still write to: the registration ends, too. */
void vc_grant_revoke(struct vc_verbs *v, int i);

#endif

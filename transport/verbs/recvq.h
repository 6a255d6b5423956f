/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive buffers: in a shared receive queue, or for each connection its own. */
#ifndef VC_TRANSPORT_VERBS_RECVQ_H
#define VC_TRANSPORT_VERBS_RECVQ_H

#include "transport/verbs/state.h"

#include <stdlib.h>

/** The buffer of a receive completion; e NULL: of the shared queue. */
static inline unsigned char *recv_slot(const struct vc_verbs *v, const struct ep *e, int slot)
{
    return e ? e->recv_mem + (size_t)slot * v->size.slot_bytes : slot_mem(v, slot);
}

/** Without a shared receive queue: makes the buffers of a connection, where it has none, and posts them. 0,
 * or an errno value. */
int vc_recvq_make(struct ep *e);
void vc_recvq_free(struct ep *e);

/** Posts the free buffers of the shared receive queue, if there is one. */
int vc_recvq_repost(struct vc_verbs *v);

/** Without a shared receive queue: posts a buffer again. */
void vc_recvq_post_again(struct ep *e, int slot);

/** A buffer is free again. One of a connection is posted at once. */
static inline void vc_recvq_release(struct vc_verbs *v, struct ep *e, int slot)
{
    if (v->srq)
        v->free_recv[v->nfree_recv++] = slot;
    else
        vc_recvq_post_again(e, slot);
}

/** Frees a message that was kept. */
static inline void vc_piece_free(struct vc_verbs *v, struct piece *q)
{
    if (q->slot >= 0)
        vc_recvq_release(v, q->from, q->slot);
    free(q);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The send queue of a connection: work requests are gathered in a batch and posted with one doorbell. */
#ifndef VC_TRANSPORT_VERBS_SENDQ_H
#define VC_TRANSPORT_VERBS_SENDQ_H

#include "transport/verbs/detour.h"

/** Work requests handed over with one doorbell. */
#define BATCH 8
/** How many work requests may go unsignaled. A completion frees their entries, which the next ones need. */
#define SIGNAL_EVERY(depth) ((depth) / 4 + 1)

struct batch {
    struct ep *e;
    int n;
    struct ibv_send_wr wr[BATCH];
    struct ibv_sge sge[BATCH];
    struct vc_chan_req *ended; /**< requests whose last bytes are in the batch, by `next` */
};

/** Whether the boot channel takes what is sent. */
static inline bool ep_on_boot(const struct ep *e)
{
    return e->state == EP_MPI || e->state == EP_LEAVING;
}

/** Whether one more work request may be posted, even a signaled one. Not while a connection that was lost
 * meanwhile is being replaced. */
static inline bool ep_room(const struct ep *e)
{
    if (VC_UNLIKELY(e->state != EP_READY))
        return ep_on_boot(e) && e->head - e->tail < e->depth && e->nouts < DETOUR_DEPTH &&
               !vc_boot_forbidden();
    return e->head - e->tail < e->depth && e->v->signaled < e->v->size.bulk_cqe - 1;
}

/** Whether messages can be posted, over the device or the boot channel. */
static inline bool ep_carries(const struct ep *e)
{
    return VC_LIKELY(e->state == EP_READY) || ep_on_boot(e);
}

static inline bool fits_inline(const struct ep *e, size_t len)
{
    return len + sizeof(struct msg_hdr) <= e->inline_max;
}

/** Makes a header, which takes the consumed pieces along that the peer does not know of yet. */
static inline void header_make(struct msg_hdr *hdr, struct peer *p, enum msg_type type, unsigned flags)
{
    hdr->id = p->c->id;
    hdr->rank = (uint32_t)p->c->base.rank;
    hdr->credits = p->owed;
    hdr->type = (uint8_t)type;
    hdr->flags = (uint8_t)flags;
    hdr->seq = hdr->unused = 0; /* the number is known when it is posted */
    p->owed = 0;
}

/** A header that was not sent after all. */
static inline void header_unused(struct peer *p, const struct msg_hdr *hdr)
{
    p->owed = (uint16_t)(p->owed + hdr->credits);
}

void vc_batch_begin(struct batch *b, struct ep *e);
/** Hands the batch over, and ends the requests whose last bytes are in it: these are kept until they have
 * arrived, whatever happens to the connection. False: it is lost. */
bool vc_batch_post(struct batch *b);

/*
 * Each adds one work request, for which there is room, and posts a full batch first. NULL: that failed. The
 * caller may add flags to what is returned.
 */
/** An empty one, which the caller fills. `slot` (or -1) is free again, and `req` (or NULL) done, when it has
 * completed; a `req` needs its peer. */
struct ibv_send_wr *vc_batch_next(struct batch *b, int slot, struct peer *p, struct vc_chan_req *req,
                                  bool signaled);
/** A message inline. It must fit. */
struct ibv_send_wr *vc_batch_inline(struct batch *b, const struct msg_hdr *hdr, const void *data, size_t len);
/** A message through a send slot, of which there must be a free one; signaled: the slot is needed soon. */
struct ibv_send_wr *vc_batch_slot(struct batch *b, const struct msg_hdr *hdr, const void *data, size_t len,
                                  bool signaled);
/** A CTS, inline or through a slot. */
struct ibv_send_wr *vc_batch_cts(struct batch *b, const struct msg_hdr *hdr, const struct msg_cts *cts);
/** The request's last bytes are in the batch: it is done once the batch is posted. */
void vc_batch_ends(struct batch *b, struct vc_chan_req *r);

/** Posts a signaled write of no bytes, whose completion says that the peer's device answers. False: no room.
 */
bool vc_ep_ping(struct ep *e);
/** A work request has completed, and so have all that were posted before it. Returns how many requests are
 * done, and one. */
int vc_sendq_retire(struct vc_verbs *v, struct ep *e, uint32_t number);
/** Sends a message of a whole slot, and a short one inline where that was granted, that are for no
 * communicator. False: no room yet, or the connection has failed. */
bool vc_ep_send_proof(struct ep *e);

/** Polls the bulk queue. Returns how much came, or a negative error. */
int vc_sendq_poll(struct vc_verbs *v);

#endif

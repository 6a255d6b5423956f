/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings of cells: what channels over shared memory have in common. One ring for each ordered pair of ranks,
 * in memory of the receiver, which polls it:
 *
 *     control block (VC_LINE_PAIR)   written by the receiver: cells consumed, single copies finished
 *     ncells cells                   written by the sender: sequence number, length, bytes
 *
 * Every line pair has one writer, so the data path needs no atomic read-modify-write. A receiver polls
 * nothing but the sequence number of the next cell, so a short message costs it one cache line. What the
 * numbers are, and what a receiver believes of a cell, is the channel's: the ranks of an operating system
 * trust each other (shm_chan.c), virtual machines do not (ivshmem/chan.c).
 */
#ifndef VC_TRANSPORT_SHM_RING_H
#define VC_TRANSPORT_SHM_RING_H

#include "transport/channel.h"

#include <stdint.h>
#include <stdlib.h>

struct vc_cell {
    _Atomic uint32_t seq; /**< which message cell this is */
    uint32_t kind_len;    /**< bytes in this cell, below bits of the channel */
    uint64_t total;       /**< bytes of the whole message */
    unsigned char data[];
};

struct vc_ring {
    _Atomic uint64_t consumed; /**< cells the receiver is done with */
    _Atomic uint64_t copied;   /**< single copies the receiver is done with */
    char pad[VC_LINE_PAIR - 2 * sizeof(uint64_t)];
    unsigned char cells[];
};

_Static_assert(sizeof(struct vc_ring) == VC_LINE_PAIR, "the receiver's lines must not hold the sender's");
_Static_assert(sizeof(struct vc_cell) + 48 == VC_CACHELINE, "48 bytes of payload travel in the flag's line");

struct vc_cells_layout {
    size_t cell, ring; /**< bytes of each */
    uint32_t ncells;   /**< a power of two */
};

/** Of n ranks that send to each other; their rings take `budget` bytes of each, or a little more where that
 * is not enough for the smallest. */
struct vc_cells_layout vc_cells_layout(int n, size_t budget);

static inline struct vc_cell *vc_ring_cell(const struct vc_cells_layout *lay, struct vc_ring *ring,
                                           uint64_t i)
{
    return (struct vc_cell *)(void *)(ring->cells + (i & (lay->ncells - 1)) * lay->cell);
}

/** Bytes of a message that fit in a cell. */
static inline size_t vc_ring_room(const struct vc_cells_layout *lay)
{
    return lay->cell - sizeof(struct vc_cell);
}

/* ---- queues of requests ---- */

struct vc_req_queue {
    struct vc_chan_req *head, **tail;
};

static inline void vc_req_queue_init(struct vc_req_queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static inline void vc_req_push(struct vc_req_queue *q, struct vc_chan_req *r)
{
    r->next = NULL;
    *q->tail = r;
    q->tail = &r->next;
}

static inline void vc_req_pop(struct vc_req_queue *q)
{
    q->head = q->head->next;
    if (!q->head)
        q->tail = &q->head;
}

/* ---- which peers have something to do ---- */

/** A set of peers, for a progress call that looks at no others. */
struct vc_busy_peers {
    int *list;  /**< [n], in no order; the caller frees it */
    int *place; /**< [peers] where a peer stands in it, or -1; behind it */
    int n;
};

/** Empty, of so many peers. False: out of memory. */
static inline bool vc_busy_peers_init(struct vc_busy_peers *b, int peers)
{
    b->n = 0;
    b->list = malloc(2 * (size_t)peers * sizeof *b->list);
    b->place = b->list ? b->list + peers : NULL;
    for (int i = 0; b->list && i < peers; i++)
        b->place[i] = -1;
    return b->list != NULL;
}

static inline void vc_busy_peers_add(struct vc_busy_peers *b, int i)
{
    if (b->place[i] >= 0)
        return;
    b->place[i] = b->n;
    b->list[b->n++] = i;
}

/** The list's last entry takes the place, so that a walk downwards may remove where it is. */
static inline void vc_busy_peers_remove(struct vc_busy_peers *b, int i)
{
    int last = b->list[--b->n];
    b->list[b->place[i]] = last;
    b->place[last] = b->place[i];
    b->place[i] = -1;
}

/* ---- requests: what vc_chan_req.priv holds ---- */

/** The channel's own begin at VC_REQ_OWN. */
enum { VC_REQ_BUF, VC_REQ_LEN, VC_REQ_AT, VC_REQ_OWN };

static inline void vc_ring_req_init(struct vc_chan_req *r, const void *buf, size_t len)
{
    vc_req_begin(r);
    r->err = VC_OK;
    r->next = NULL;
    r->priv[VC_REQ_BUF] = (uint64_t)(uintptr_t)buf;
    r->priv[VC_REQ_LEN] = len;
    r->priv[VC_REQ_AT] = 0;
}

static inline unsigned char *vc_ring_req_buf(const struct vc_chan_req *r)
{
    return (unsigned char *)(uintptr_t)r->priv[VC_REQ_BUF];
}

#endif

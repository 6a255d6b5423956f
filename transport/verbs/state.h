/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The structures of the verbs channel: process, connection, channel and peer. All of it is under the lock of
 * its struct vc_verbs. The files build on each other in this order, and each calls only those before it:
 * rc, fail, async, recvq, sendq, send, conn, abort, recv, path, event, chan and verbs.
 */
#ifndef VC_TRANSPORT_VERBS_STATE_H
#define VC_TRANSPORT_VERBS_STATE_H

#include "transport/verbs/regcache.h"
#include "transport/verbs/verbs.h"
#include "transport/verbs/wire.h"

#include <pthread.h>

/** Send work requests of a connection, if the device allows: more than a large message's pieces. */
#define QP_WR 128

/** Work request identifiers: the process, and the number of a work request or receive slot. */
static inline uint64_t wr_id(int proc, uint32_t number)
{
    return (uint64_t)(uint32_t)proc << 32 | number;
}

/** A posted send work request. */
struct wr_rec {
    int slot; /**< free again after it, or -1 */
    struct peer *peer;
    struct vc_chan_req *req; /**< completes with it, or NULL */
};

enum ep_state { EP_NEW, EP_CONNECTING, EP_READY, EP_FAILED };

/** A connection to a process. */
struct ep {
    struct vc_verbs *v;
    int proc;
    enum ep_state state;
    struct ibv_qp *qp;
    uint32_t inline_max; /**< bytes */
    uint32_t psn;
    /** Work requests: numbers head (next) and tail (oldest outstanding); rec[number % depth]. */
    uint32_t head, tail, depth, since_signal;
    int signaled;  /**< of them, those whose completion is to come */
    bool flushing; /**< failed, and they are part of v->flushing */
    struct wr_rec *rec;
    /* Without a shared receive queue: buffers of its own, numbered from 0. */
    unsigned char *recv_mem; /**< a mapping */
    size_t recv_bytes;
    struct ibv_mr *recv_mr;
    int recv_slots;
    struct peer *peers; /**< of all channels */
    uint64_t mailbox;   /**< memory of the peer that nobody reads: target of pings */
    uint32_t mailbox_rkey;
    bool heard;       /**< something came since the last check */
    uint64_t t_heard; /**< when a check last found `heard`; 0: not checked yet */
    uint64_t t_ping;  /**< when the ping under way was sent; 0: none */
    uint32_t ping_wr;
    bool proven;      /**< a message of a whole slot has arrived */
    bool local_error; /**< failed by a fault of this end's device or library */
    bool told;        /**< the peer was told that none arrived */
    uint64_t t_proof; /**< when that message was sent, while it is under way; 0: none */
    uint32_t proof_wr;
    char why[224];     /**< of a failed one */
    uint64_t t_answer; /**< when the peer's hello came */
    struct ep *next_connecting;
    /* the exchange over the boot channel */
    struct conn_hello hello_out, hello_in;
    struct conn_note note_out, note_in;
    bool answered, announced; /**< the peer's hello has come; the first note has gone */
    bool rejected;            /**< the own hello says no, so the peer expects no note */
    struct vc_chan_req boot[4];
};

/** A message that came before the request that it is for: a piece, or a CTS. */
struct piece {
    struct piece *next;
    struct ep *from;
    int slot; /**< or -1: the bytes follow this struct */
    uint32_t len;
    const unsigned char *data;
};

/**
 * Pieces match receives in two streams. A message whose rendezvous the receiver declined travels in pieces,
 * too, but eager messages that were sent after it may have overtaken it: it has a stream of its own.
 */
enum { STREAM_EAGER, STREAM_DECLINED, STREAMS };

/** A rank of a channel that has been sent to or received from. */
struct peer {
    struct chan *c;
    struct ep *ep;
    struct peer *next_on_ep, *next_active;
    int rank;
    bool active;
    uint16_t credits; /**< pieces that may be sent */
    uint16_t owed;    /**< pieces consumed and not told yet */
    struct vc_chan_req *send_head[STREAMS], *send_tail[STREAMS];
    struct vc_chan_req *wait_head, *wait_tail; /**< rendezvous sends without their grant */
    struct vc_chan_req *push_head, *push_tail; /**< rendezvous sends being written */
    struct vc_chan_req *recv_head[STREAMS], *recv_tail[STREAMS];
    struct piece *unexp_head[STREAMS], *unexp_tail[STREAMS];
    struct piece *cts_head, *cts_tail;
    struct vc_chan_req *owe_cts_head, *owe_cts_tail; /**< rendezvous receives whose CTS is not sent yet */
    int recvs;                                       /**< receives not complete, of all kinds */
};

struct chan {
    struct vc_chan base;
    struct vc_verbs *v;
    uint64_t id;
    int *procs;         /**< [size] */
    struct peer **peer; /**< [size] */
    struct chan *next;  /**< of all channels */
    int failed;
    char why[256];
    bool aborted;     /**< the peers were told */
    bool waits_unmet; /**< for a rank that is not connected yet; as of the last check */
};

/** Memory that a peer may write into. Its index and generation come back as immediate data. */
struct grant {
    struct vc_chan_req *req; /**< NULL: free */
    struct peer *peer;
    struct vc_reg *reg;
    uint8_t gen;
    int next_free;
};

/** Sizes of a process's queues and buffers. */
struct sizes {
    size_t slot_bytes;
    int nrecv, nsend;          /**< slots */
    int latency_cqe, bulk_cqe; /**< entries of the completion queues */
    int recv_depth;            /**< without a shared receive queue: receives of a connection */
};

struct vc_verbs {
    struct vc_verbs_dev dev;
    struct vc_verbs_cfg cfg;
    pthread_mutex_t lock;
    struct ibv_pd *pd;
    struct ibv_comp_channel *events;
    struct ibv_cq *cq_latency, *cq_bulk;
    struct ibv_srq *srq;      /**< NULL: queue pairs have receive queues of their own */
    struct vc_regcache *regs; /**< NULL: no zero copy here */
    struct sizes size;
    /* Buffers: slots 0..nrecv-1 receive (into the shared receive queue), the others send. Behind them a page
     * with the mailbox, a memory region of its own. */
    unsigned char *mem;
    struct ibv_mr *mr, *mailbox;
    int posted;     /**< receives */
    int recv_slots; /**< without a shared receive queue: of all connections together */
    int *free_send, nfree_send;
    int *free_recv, nfree_recv; /**< to be posted again */
    int signaled;               /**< signaled work requests whose completion was not polled */
    int flushing;               /**< work requests of failed connections that are still to be flushed */
    int bulk_waiters;           /**< requests that end with a completion on the bulk queue */
    unsigned tick;
    int completed; /**< requests, by the present call of vc_verbs_progress() */
    /* connections */
    int nprocs, me;
    struct vc_verbs_address *addresses;
    struct ep **ep; /**< [nprocs] */
    struct ep *connecting;
    struct vc_chan *boot;
    struct chan *chans;
    struct peer *active; /**< peers with something to be sent */
    struct grant *grants;
    int ngrants, free_grant;
    /* waiting */
    struct vc_wake_src src;
    bool armed_latency, armed_bulk;
    unsigned unacked_latency, unacked_bulk;
    int failed;
    char why[256];
    bool port_down, had_node;
    struct vc_verbs_stats stats;
};

/** What the channel keeps in vc_chan_req.priv. */
enum { P_BUF, P_LEN, P_OFF, P_REG, P_ADDR, P_RKEY_GRANT, P_NEXT_CTS, P_OP };
/** Receives that reduce, which never go by rendezvous. */
#define P_SCRATCH P_ADDR

static inline unsigned char *req_buf(const struct vc_chan_req *r)
{
    return (unsigned char *)(uintptr_t)r->priv[P_BUF];
}

static inline unsigned char *slot_mem(const struct vc_verbs *v, int slot)
{
    return v->mem + (size_t)slot * v->size.slot_bytes;
}

static inline void verbs_lock(struct vc_verbs *v)
{
    if (v->cfg.locking)
        pthread_mutex_lock(&v->lock);
}

static inline void verbs_unlock(struct vc_verbs *v)
{
    if (v->cfg.locking)
        pthread_mutex_unlock(&v->lock);
}

static inline void req_push(struct vc_chan_req **head, struct vc_chan_req **tail, struct vc_chan_req *r)
{
    r->next = NULL;
    if (*head)
        (*tail)->next = r;
    else
        *head = r;
    *tail = r;
}

static inline void req_pop(struct vc_chan_req **head)
{
    *head = (*head)->next;
}

#endif

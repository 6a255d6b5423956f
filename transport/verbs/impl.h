/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the verbs channel share. Everything here is under the lock of its struct vc_verbs. */
#ifndef VC_TRANSPORT_VERBS_IMPL_H
#define VC_TRANSPORT_VERBS_IMPL_H

#include "transport/verbs/port.h"
#include "transport/verbs/rc.h"
#include "transport/verbs/regcache.h"
#include "transport/verbs/verbs.h"

#include <pthread.h>

/* ---- what travels ---- */

enum msg_type { MSG_DATA = 1, MSG_CREDIT, MSG_CTS, MSG_ABORT };
/** This piece belongs to a message whose rendezvous the receiver refused: a stream of its own, because later
 * eager messages may have overtaken it. */
#define MSG_REFUSED 1u

/** In front of every message that is sent (not of RDMA writes). Little-endian machines only, as all we know.
 */
struct msg_hdr {
    uint64_t id;      /**< communicator */
    uint32_t rank;    /**< the sender's in it */
    uint16_t credits; /**< pieces consumed since the last header */
    uint8_t type, flags;
};
_Static_assert(sizeof(struct msg_hdr) == 16, "no padding");

/** Follows the header of a MSG_CTS: where to write, or nothing (MSG_REFUSED). */
struct msg_cts {
    uint64_t addr, len;
    uint32_t rkey, grant;
};

/** Exchanged by a pair when it meets. */
struct conn_hello {
    struct vc_rc_addr addr; /**< of this moment: the port's address may have changed since the start */
    uint32_t rkey, ok;
    uint64_t mailbox;
    char why[160];
};

/**
 * What follows a card on the boot channel: first, that the own queue pair can receive, or that it never will;
 * afterwards, only when something has failed, what. It reaches peers whom the device reaches no more, and
 * those who wait for a card.
 */
struct conn_note {
    uint64_t id; /**< the communicator that failed, or NOTE_ALL */
    uint32_t ok, rank;
    char why[200];
};
#define NOTE_ALL UINT64_MAX

/* ---- structures ---- */

/** Send work requests of a connection, if the device allows: more than a large message's pieces. */
#define QP_WR 128

/** Work request identifiers: the process, and a work request number or a receive slot. */
static inline uint64_t wr_id(int proc, uint32_t number)
{
    return (uint64_t)(uint32_t)proc << 32 | number;
}

/** A posted send work request. */
struct wr_rec {
    int slot; /**< to be given back, or -1 */
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
    int signaled; /**< of them, those whose completion is to come */
    struct wr_rec *rec;
    /* Without a shared receive queue: buffers of its own, numbered from 0. */
    unsigned char *recv_mem; /**< a mapping */
    size_t recv_bytes;
    struct ibv_mr *recv_mr;
    int recv_slots;
    struct peer *peers; /**< of all channels */
    uint64_t mailbox;   /**< of the peer: a harmless place to write to */
    uint32_t mailbox_rkey;
    bool heard;       /**< something came since the last check */
    uint64_t t_heard; /**< as of the last check; 0: not checked yet */
    uint64_t t_ping;  /**< 0: none on its way */
    uint32_t ping_wr;
    bool proven;      /**< a whole slot has got through */
    bool told;        /**< the peer, that it has not */
    uint64_t t_proof; /**< 0: none on its way */
    uint32_t proof_wr;
    char why[224];     /**< of a failed one */
    uint64_t t_answer; /**< when the peer's card came */
    struct ep *next_connecting;
    /* the exchange */
    struct conn_hello hello_out, hello_in;
    struct conn_note note_out, note_in;
    bool answered, announced; /**< the peer's card has come; the first note has gone */
    bool refused;             /**< the own card says no, so the peer expects no note */
    struct vc_chan_req boot[4];
};

/** A piece that came before its receive, or a grant before its send. */
struct piece {
    struct piece *next;
    struct ep *from;
    int slot; /**< or -1: the bytes follow this struct */
    uint32_t len;
    const unsigned char *data;
};

enum { STREAM_EAGER, STREAM_REFUSED, STREAMS };

/** A rank of a channel that has been sent to or received from. */
struct peer {
    struct chan *c;
    struct ep *ep;
    struct peer *next_on_ep, *next_active;
    int rank;
    bool active;
    uint16_t credits, owed;
    struct vc_chan_req *send_head[STREAMS], *send_tail[STREAMS];
    struct vc_chan_req *wait_head, *wait_tail; /**< rendezvous sends without their grant */
    struct vc_chan_req *push_head, *push_tail; /**< rendezvous sends being written */
    struct vc_chan_req *recv_head[STREAMS], *recv_tail[STREAMS];
    struct piece *unexp_head[STREAMS], *unexp_tail[STREAMS];
    struct piece *cts_head, *cts_tail;
    struct vc_chan_req *owe_cts_head, *owe_cts_tail; /**< rendezvous receives whose grant is not sent yet */
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
    bool aborted;     /**< peers were told; so that it is done once */
    bool waits_unmet; /**< for a rank that is not connected yet; as of the last check */
};

struct grant {
    struct vc_chan_req *req; /**< NULL: free */
    struct peer *peer;
    struct vc_reg *reg;
    uint8_t gen;
    int next_free;
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
    /* buffers: slots 0..nrecv-1 receive (into the shared receive queue), the others send; then a page with
     * the mailbox, a region of its own */
    unsigned char *mem;
    size_t mem_bytes, slot_bytes;
    struct ibv_mr *mr, *mailbox;
    int nrecv, nsend, posted;
    int latency_cqe;
    int recv_depth, recv_slots; /**< without a shared receive queue: of a connection, of all together */
    int *free_send, nfree_send;
    int *free_recv, nfree_recv; /**< to be posted again */
    int bulk_cqe, signaled;     /**< signaled work requests whose completion was not polled */
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
enum { P_BUF, P_LEN, P_OFF, P_REG, P_ADDR, P_RKEY_GRANT, P_NEXT_CTS };

static inline unsigned char *req_buf(const struct vc_chan_req *r)
{
    return (unsigned char *)(uintptr_t)r->priv[P_BUF];
}

static inline unsigned char *slot_mem(const struct vc_verbs *v, int slot)
{
    return v->mem + (size_t)slot * v->slot_bytes;
}

/** Work requests that may still be posted. */
static inline uint32_t ep_room(const struct ep *e)
{
    return e->depth - (e->head - e->tail);
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

static inline unsigned char *recv_slot(const struct vc_verbs *v, const struct ep *e, int slot)
{
    return e ? e->recv_mem + (size_t)slot * v->slot_bytes : slot_mem(v, slot);
}

/* path.c */
/** Whether the cards of two processes let a message pass between them. VC_OK or VC_ERR_INVAL. */
int vc_addresses_match(const struct vc_verbs_address *all, int a, int b);

/* conn.c */
/** The connection to a process, begun if there is none. NULL: recorded error. */
struct ep *vc_ep_get(struct vc_verbs *v, int proc);
/** Drives connections that are being made. */
int vc_ep_progress(struct vc_verbs *v);
/** Takes the notes of peers that have failed. */
void vc_ep_listen(struct vc_verbs *v);
/** Sends a process a note that this rank of communicator `id` (or NOTE_ALL) has failed. A process that was
 * not met yet gets a card that refuses, and the connection counts as failed here, too. */
void vc_ep_tell(struct vc_verbs *v, int proc, uint64_t id, int rank, const char *why);
void vc_ep_free(struct ep *e);
/** One receive buffer into a queue pair's own receive queue. 0 or errno. */
int vc_ep_post_recv(struct ep *e, int slot);
/** Gives freed receive buffers back to the device. */
int vc_verbs_repost(struct vc_verbs *v);

/* send.c */
/** Posts what can be posted for a peer; afterwards it is on the active list if something is left. */
void vc_peer_push(struct peer *p);
void vc_peer_activate(struct peer *p);
/** Sends a message that fits inline and has everything else it needs. False: the long way, please. */
bool vc_peer_send_now(struct peer *p, const void *buf, size_t len);
/** Tells every peer of a channel that has failed. */
void vc_chan_abort(struct chan *c);
/** The same for all channels, after the device has failed. */
void vc_verbs_abort(struct vc_verbs *v);
/** Posts a signaled zero-length write, whose completion says that the peer's device answers. */
bool vc_ep_ping(struct ep *e);
/** Sends a message of a whole slot that is for no communicator. False: not yet. */
bool vc_ep_send_proof(struct ep *e);
/** Takes completions of sends; negative on error. */
int vc_verbs_poll_bulk(struct vc_verbs *v);

/* recv.c */
int vc_verbs_progress(struct vc_verbs *v);
/** Takes what has come early for a receive that was just queued. Returns whether it is complete. */
bool vc_peer_take_early(struct peer *p, int stream);
void vc_piece_free(struct vc_verbs *v, struct piece *q);
/** The peer, made if there is none; NULL: recorded error. */
struct peer *vc_peer_get(struct chan *c, int rank);

static inline struct peer *peer_of(struct chan *c, int rank)
{
    struct peer *p = c->peer[rank];
    return p ? p : vc_peer_get(c, rank);
}

/** Ends a grant: its memory may not be written to any more. */
void vc_grant_free(struct vc_verbs *v, int i);
/** The same when the peer has not written yet and must not any more. */
void vc_grant_revoke(struct vc_verbs *v, int i);

/* event.c */
/** An error completion that names only the queue pair. */
void vc_qp_failed(struct vc_verbs *v, uint32_t qp_num, enum ibv_wc_status status);
void vc_verbs_src_init(struct vc_verbs *v);
void vc_verbs_ack_all(struct vc_verbs *v);
/** Takes what the device has to say besides completions. */
void vc_verbs_read_async(struct vc_verbs *v);
/** Everything is over for all channels that use the connection; text without a newline. */
void vc_ep_fail(struct ep *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vc_verbs_fail(struct vc_verbs *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vc_chan_fail(struct chan *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Another rank of the channel has failed, with that text. */
void vc_chan_gave_up(struct chan *c, int rank, const char *why, size_t len);
int vc_verbs_moderate(struct vc_verbs *v);

#endif

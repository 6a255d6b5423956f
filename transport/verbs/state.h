/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The structures of the verbs channel: process, connection, channel and peer. All of it is under the lock of
 * its struct vc_verbs. The files build on each other in this order, and each calls only those before it: rc,
 * queues, fail, recvq, limit, async, reopen, detour, sendq, send, conn, abort, recv, notes, idle, regain,
 * lost, turn, path, event, chan and verbs. Except that a turn, in recv, ends in the seldom things of turn.
 */
#ifndef VC_TRANSPORT_VERBS_STATE_H
#define VC_TRANSPORT_VERBS_STATE_H

#include "transport/verbs/regcache.h"
#include "transport/verbs/verbs.h"
#include "transport/verbs/wire.h"

#include <pthread.h>

/** Send work requests of a connection, if the device allows: more than a large message's pieces. */
#define QP_WR 128
/** Inline data saves the device a read of memory, but makes every work request larger. */
#define VC_INLINE_BYTES 192

/** Longest sleep while messages of the underlying MPI, which raise no event, move something. */
#define VC_BOOT_SLICE_NS 500000u

/** Work request identifiers: the process, and the number of a work request or receive slot. */
static inline uint64_t wr_id(int proc, uint32_t number)
{
    return (uint64_t)(uint32_t)proc << 32 | number;
}

/** What a work request sends, for sending it again on another way. */
enum rec_kind {
    REC_NONE,  /**< nothing that is missed */
    REC_MSG,   /**< a message: header and bytes, in its slot or in ep.keep */
    REC_WRITE, /**< bytes for granted memory: in its slot, or where the application has them */
    REC_LAST   /**< the same, and the grant's last ones */
};

/** A posted send work request. It is kept until its completion says that the peer's device has it all. */
struct wr_rec {
    int slot; /**< free again after it, or -1 */
    uint32_t len;
    struct vc_chan_req *req; /**< completes with it, or NULL */
    uint8_t kind;            /**< enum rec_kind */
    /* Of writes: */
    uint32_t grant;
    uint64_t off; /**< in the granted memory */
    struct peer *peer;
    struct vc_chan_req *from; /**< the send that it belongs to, if its bytes are the application's */
};

/**
 * Messages take the connection while it is ready, and the boot channel (the MPI's) once it is lost. In
 * between, both ends tell each other what has arrived, and the rest is sent again.
 */
enum ep_state {
    EP_NEW,
    EP_CONNECTING,
    EP_READY,
    EP_LEAVING, /**< told the peer that it sends nothing more over it: the boot channel takes that (idle.c) */
    EP_CLOSING, /**< so did the peer, and this end sends nothing until all that it had sent has arrived */
    EP_RETURNING, /**< a new queue pair was proven: nothing is sent until both ends have said so */
    EP_LOST,      /**< what has arrived is still to be looked at */
    EP_SWITCHING, /**< the peer was told; its own note is still to come */
    EP_MPI,       /**< the boot channel carries the messages */
    EP_FAILED     /**< the process is gone */
};

/** The steps of an end that is on its way from the boot channel back to a connection (regain.c). */
enum regain_step {
    REGAIN_NONE,
    REGAIN_OFFERED,   /**< the peer was told of a new queue pair; its own offer is to come */
    REGAIN_CONNECTED, /**< it has come */
    REGAIN_PROVING,   /**< a message is under way over the new queue pair */
    REGAIN_PROVEN,    /**< it has arrived; grants that are open still belong to the boot channel */
    REGAIN_CLEARED,   /**< none is, which the peer was told; its own such note is to come */
    REGAIN_DECLINED,  /**< this end has said no; the peer's word is to come */
    REGAIN_STOPPED,   /**< this end has said yes, and waits for the peer's word (EP_RETURNING) */
    REGAIN_HEARD      /**< the same, which the peer was told; its own note of this kind is to come */
};

struct regain {
    enum regain_step step;
    bool voided;                       /**< the peer has lost it meanwhile */
    bool broken;                       /**< the new queue pair has failed */
    bool arrived;                      /**< the message that proves it */
    bool proof_out;                    /**< it is under way, */
    int slot;                          /**< from this slot; -1: none */
    uint64_t t_proof;                  /**< since then */
    bool offered;                      /**< the peer's offer has come, and was not looked at: */
    struct conn_offer offer;           /**< that */
    bool ready, clear, stopped, heard; /**< notes of the peer that have come; stopped with: */
    bool yes;
    uint64_t t_next; /**< not before this time */
    uint64_t delay;  /**< between tries; 0: none has failed */
    int tries;       /**< that failed, one after another */
    uint64_t t_back; /**< when the present connection was regained; 0: it is the first */
};

/** Of a connection that is closed because it is not used (idle.c). */
struct idle {
    bool asking;    /**< the peer was asked; its answer is to come */
    bool asked;     /**< the peer has asked, and got no answer yet */
    bool peer_left; /**< the peer sends nothing more over it; its next notes wait for that to be read */
    bool closed;    /**< has no queue pair, by agreement or because there are as many as there may be */
    bool wanted;    /**< closed, and the peer wants it back */
    bool asleep;    /**< closed and unused: its peers are out of chan.peer, so that vc_peer_get() notices */
    uint32_t seen;  /**< what vc_ep_traffic() was when last looked at */
    uint32_t at_close; /**< and when it was closed */
    uint64_t t_used;   /**< when it last had changed */
    uint64_t t_asked;
};

struct out;

/** Requests of a connection on the boot channel. */
enum { BOOT_HELLO_OUT, BOOT_HELLO_IN, BOOT_NOTE_IN, BOOT_BODY_IN, BOOT_REQS };

/** A connection to a process. */
struct ep {
    struct vc_verbs *v;
    int proc;
    enum ep_state state;
    struct ibv_qp *qp;
    uint32_t inline_max; /**< bytes */
    uint32_t psn;
    /** Work requests: numbers head (next) and tail (oldest outstanding), which wrap around; see ep_rec(). */
    uint32_t head, tail, depth, since_signal;
    int signaled; /**< of them, those whose completion is to come */
    bool heard;   /**< something came since the last check */
    struct wr_rec *rec;
    unsigned char *keep; /**< inline messages, keep_bytes each, as rec */
    uint32_t keep_bytes;
    /* What has arrived here: msg_hdr.seq of the last message, and the number of grants' last writes. */
    uint32_t got_seq, got_writes;
    /* Of that which was sent, what has certainly arrived at the peer's device. */
    uint32_t acked_seq, acked_writes;
    /* Without a shared receive queue: buffers of its own, numbered from 0. */
    unsigned char *recv_mem; /**< a mapping */
    size_t recv_bytes;
    struct ibv_mr *recv_mr;
    int recv_slots;
    struct peer *peers; /**< of all channels */
    uint64_t mailbox;   /**< memory of the peer that nobody reads: target of pings */
    uint32_t mailbox_rkey;
    uint64_t t_heard; /**< when a check last found `heard`; 0: not checked yet */
    uint64_t t_ping;  /**< when the ping under way was sent; 0: none */
    uint32_t ping_wr;
    bool proven;      /**< a message of a whole slot has arrived */
    bool local_error; /**< failed by a fault of this end's device or library */
    bool quiet;       /**< lost while paths were proven, whoever does that tells why */
    bool was_told;    /**< the peer noticed the loss first */
    bool read;        /**< lost, and what had arrived was read */
    bool half_way;    /**< lost before it was regained altogether */
    bool was_ready;   /**< it has carried messages since the boot channel did last */
    uint64_t t_lost;  /**< when the peer was told */
    uint64_t t_proof; /**< when that message was sent, while it is under way; 0: none */
    uint32_t proof_wr;
    char why[224];     /**< of a failed one */
    uint64_t t_answer; /**< when the peer's hello came */
    struct ep *next_connecting;
    bool listed; /**< in v->connecting */
    /* the exchange over the boot channel */
    struct conn_hello hello_out, hello_in;
    struct conn_note note_in;
    unsigned char *body; /**< of note_in, that follows it */
    bool body_due;
    bool answered, announced, peer_ready; /**< the peer's hello has come; NOTE_READY has gone, has come */
    bool peer_lost;                       /**< NOTE_LOST has come, with: */
    uint32_t peer_seq, peer_writes;
    int nouts; /**< messages to it on the boot channel */
    struct regain regain;
    struct idle idle;
    bool detour;   /**< counted in v->detours */
    bool was_lost; /**< counted as lost, and not yet as regained */
    struct vc_chan_req boot[BOOT_REQS];
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
    struct peer **peer; /**< [size]; NULL: none yet, or its connection is asleep */
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

/* What the address of another process says: that it has verbs, and receives by rendezvous. */
enum reached { REACHED = 1, REACHED_ZCOPY = 2 };

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
    uint32_t lkey;  /**< of mr; meaningless while the device is closed */
    int posted;     /**< receives */
    int recv_slots; /**< without a shared receive queue: of all connections together */
    int *free_send, nfree_send;
    int *free_recv, nfree_recv; /**< to be posted again */
    int signaled;               /**< signaled work requests whose completion was not polled */
    int bulk_waiters;           /**< requests that end with a completion on the bulk queue */
    unsigned tick;
    int completed; /**< requests, by the present call of vc_verbs_progress() */
    /* connections */
    int nprocs, me;
    unsigned char *reached; /* [nprocs] bits of enum reached, by the address that it gave */
    struct ep **ep;         /**< [nprocs] */
    struct ep *connecting;  /**< being made, or lost and not yet on the boot channel */
    int detours;            /**< connections on the boot channel that channels use, and are not asleep */
    int open;               /**< queue pairs */
    int granted;            /**< so many the device has granted, and no more; 0: it has refused none */
    uint64_t t_refused;     /**< when that was */
    bool limited;           /**< connections are closed, or were */
    bool unsettled;         /**< there are some of either, or there were in the last turn */
    struct vc_chan *boot;
    int boot_failed;      /**< because of boot_why */
    _Atomic bool in_boot; /**< in a call of the boot channel; relaxed, matters in the same thread */
    unsigned looks;       /**< vc_verbs_look() */
    uint64_t t_look;
    uint64_t t_regain; /**< when lost connections were last thought of */
    struct out *outs;  /**< messages under way on the boot channel */
    bool proving, warned;
    struct chan *chans;
    struct peer *active; /**< peers with something to be sent */
    struct grant *grants;
    int ngrants, free_grant;
    /* waiting */
    struct vc_wake_src src;
    bool armed_latency, armed_bulk;
    unsigned unacked_latency, unacked_bulk;
    int failed; /**< the device: nothing goes over it any more, because of `why` */
    bool port_down, had_node;
    unsigned polls;    /**< vc_verbs_check_busy_device() */
    uint64_t t_device; /**< when that last looked */
    /* After a failure: since when it is closed, and the next try to open it; when it was opened again; for
     * how long it is left alone after it has failed soon. */
    uint64_t t_closed, t_try, t_open, open_delay;
    struct vc_verbs_stats stats;
    char why[256], boot_why[256]; /* last, so that what each message needs lies together */
};

/** What the channel keeps in vc_chan_req.priv. */
enum { P_BUF, P_LEN, P_OFF, P_REG, P_ADDR, P_RKEY_GRANT, P_NEXT_CTS, P_OP };
/** Receives that reduce, which never go by rendezvous. */
#define P_SCRATCH P_ADDR

static inline unsigned char *req_buf(const struct vc_chan_req *r)
{
    return (unsigned char *)(uintptr_t)r->priv[P_BUF];
}

/** The record of a work request. `depth` is a power of two, so that this goes on where numbers wrap around.
 */
static inline struct wr_rec *ep_rec(const struct ep *e, uint32_t number)
{
    return &e->rec[number & (e->depth - 1)];
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

/** Something goes through the boot channel from now on: turns drive it, and sleeps are short. */
static inline void verbs_unsettle(struct vc_verbs *v)
{
    v->unsettled = true;
    atomic_store_explicit(&v->src.max_slice_ns, VC_BOOT_SLICE_NS, memory_order_relaxed);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The verbs channel. A process has one `vc_verbs`: device, protection domain, buffers, two completion queues
 * and a reliable connection (RC queue pair) to each process that it has had a message for. The channels of
 * all communicators share it.
 *
 * Messages travel in two ways. Length and addresses decide, which both ends know:
 *  - eager: the message is cut into pieces of a slot, which are sent into the peer's posted buffers and
 * copied out there. A sender may have `credits` pieces under way for each communicator and peer. Credits come
 * back in the headers of messages the other way or, when half of them are due, in a message of their own.
 *  - rendezvous, from zcopy_min bytes on where the receiver has a registration cache: as soon as the receive
 * is posted, the receiver registers the buffer and grants it to the sender (CTS, clear to send). The sender
 *    writes there (RDMA write), from the user's buffer or, where that cannot be registered, through slots.
 * The last piece is a write with immediate, which tells the receiver. If the receiver cannot register the
 *    buffer, it declines, and the message travels in pieces.
 *
 * Sends are solicited when a sleeping receiver must wake up: the last piece of a message, and control
 * messages. Sleepers arm their queue for solicited events only, so other pieces raise no event. That saves
 * events on devices without moderation, too.
 *
 * There are two completion queues: `latency` gets receives, `bulk` gets completions of sends, for which a
 * rank seldom waits.
 *
 * Reliability does not end with a connection. What was posted is kept until its completion says that the
 * peer's device has it. When a queue pair, port or device is lost, both ends tell each other over the boot
 * channel (the MPI) what has arrived, send the rest again there, and go on there with the same messages,
 * until both ends have a queue pair that works. Only the end of a process is an error.
 *
 * Where there are to be fewer queue pairs than peers, those that are not used are closed, by agreement of
 * both ends, for the sake of those that are. The boot channel carries the messages of connections that have
 * none.
 */
#ifndef VC_TRANSPORT_VERBS_VERBS_H
#define VC_TRANSPORT_VERBS_VERBS_H

#include "transport/channel.h"
#include "transport/verbs/rc.h"

struct vc_verbs;

/** Completion moderation of a queue: an event after `count` completions or `period` us, 0: at once. */
struct vc_cq_mod {
    uint16_t count, period;
};

struct vc_verbs_cfg {
    struct vc_verbs_want want;
    int sl, tc;       /**< VCOLL_VERBS_SL, _TC (-1: as the system says) */
    int inline_bytes; /**< VCOLL_VERBS_INLINE: most inline data of a message; -1: by the device */
    size_t slot;      /**< VCOLL_VERBS_SLOT: bytes of a buffer, header included */
    int credits;      /**< VCOLL_VERBS_CREDITS: pieces under way for each communicator and peer */
    size_t zcopy_min; /**< VCOLL_VERBS_ZCOPY_MIN */
    bool reg_cache;   /**< VCOLL_VERBS_REG_CACHE */
    int timeout_s;    /**< VCOLL_VERBS_TIMEOUT: a peer that does not answer within it is lost */
    struct vc_cq_mod latency, bulk; /**< VCOLL_CQ_MODERATION */
    bool moderate;                  /**< whether that was given */
    bool locking;                   /**< several threads may call at once */
    int most_open;                  /**< VCOLL_VERBS_PEERS: queue pairs at once; 0: as many as there are */
    unsigned idle_ms; /**< connections that were not used for so long may be closed; 0: as usual */
    int peers;        /**< processes that may be reached; buffers are sized for log2 of it */
    int procs;        /**< of the job; 0: as many as `peers` and this one */
    int local;        /**< index among the processes of this OS, to spread completion vectors */
};

/** What a process tells the others about itself, once. Plain bytes, the same layout everywhere. */
struct vc_verbs_address {
    struct vc_rc_port port;
    uint32_t slot_bytes;
    uint8_t zcopy; /**< it receives large messages by rendezvous */
    uint8_t pad[3];
};

/**
 * Opens the device and makes everything but connections. VC_OK or an error as of vc_verbs_dev_open(), or
 * VC_ERR_NOMEM / VC_ERR_SYS, whose text says how much locked memory is needed and how to get it.
 */
int vc_verbs_create(const struct vc_verbs_cfg *cfg, struct vc_verbs **out);
void vc_verbs_address(const struct vc_verbs *v, struct vc_verbs_address *out);
const struct vc_verbs_dev *vc_verbs_dev(const struct vc_verbs *v);

/**
 * The addresses of n processes, all[of[i]] of process i (of NULL: all[i]), and the channel over which pairs
 * exchange queue pair numbers when they first have a message for each other (its ranks are the processes).
 * Keeps what it needs of the addresses and takes the channel over. An address of zeros: the process has no
 * verbs. VC_OK or VC_ERR_NOMEM.
 */
int vc_verbs_peers(struct vc_verbs *v, const struct vc_verbs_address *all, const int *of, int n, int me,
                   struct vc_chan *boot);

/**
 * Whether the addresses of processes a and b let messages pass between them. VC_OK, or VC_ERR_INVAL with the
 * difference: another link layer, partition, kind or family of GIDs, or subnet.
 */
int vc_verbs_addresses_match(const struct vc_verbs_address *all, int a, int b);

/**
 * Proves the paths to processes: connects to each and sends a message of a whole slot. All of them must call
 * this for each other at about the same time, after a barrier. Blocks until all paths are decided: at most
 * two seconds for a message, and ten for a connection. VC_OK, also for paths that were proven before;
 * otherwise the first error, whose text names the pair and the likely cause. The connection has then failed.
 */
int vc_verbs_prove(struct vc_verbs *v, const int *procs, int n);
/** Whether the path to a process was proven and its connection has not failed since. */
bool vc_verbs_proven(struct vc_verbs *v, int proc);

/**
 * Moderates the two queues from now on. VC_ERR_UNSUPPORTED: the device has none, which is a normal state;
 * VC_ERR_INVAL: out of its range; VC_ERR_SYS. After an error the latency queue may have its new value. Not
 * concurrent with channels of a struct vc_verbs made without `locking`.
 */
int vc_verbs_set_moderation(struct vc_verbs *v, const struct vc_cq_mod *latency,
                            const struct vc_cq_mod *bulk);

/**
 * To be called now and then in the program's own calls of the MPI: peers may need what this process has sent
 * over a connection that is lost. Where nothing is, that costs next to nothing. Not while this thread holds
 * locks that a channel over verbs may need.
 */
void vc_verbs_look(struct vc_verbs *v);

/** This thread never calls the MPI: connections are neither made nor replaced in its turns. */
void vc_verbs_forbid_boot(void);

/** Whether this thread is in the MPI on behalf of the device, whose lock it holds: what the MPI calls back
 * must leave channels over verbs alone. */
bool vc_verbs_within_boot(void);

/** Whether a process that was connected to is gone. */
bool vc_verbs_any_gone(struct vc_verbs *v);

/** Waits, at most half a second, until what was sent has arrived, and frees everything. NULL is legal. */
void vc_verbs_destroy(struct vc_verbs *v);

/**
 * A communicator's channel. procs[r] is the index of rank r's process; id is the same on all its ranks and
 * belongs to no other communicator that shares two processes with it. v must outlive the channel. No
 * messages to oneself: the mux delivers those. A rank may send on it only after all ranks have made it.
 */
struct vc_verbs_chan_cfg {
    struct vc_verbs *verbs;
    uint64_t id;
    int size, rank;
    const int *procs;
};
int vc_verbs_chan_create(const struct vc_verbs_chan_cfg *cfg, struct vc_chan **out);

/** Counters of the process. Not atomic: written under the lock by the thread that drives the channel. */
struct vc_verbs_stats {
    uint64_t sends, inlined, writes, recvs, unexpected, credits_sent, cts, declined, events, arms, pings;
    uint64_t connections;
    uint64_t lost;     /**< connections that were lost, and whose messages took the boot channel */
    uint64_t regained; /**< of them, those that carry messages again */
    uint64_t closed;   /**< connections that were closed because they were not used */
    uint64_t
        refused; /**< connections that began without a queue pair, because there were as many as may be */
    uint64_t reopened;  /**< of both, those that carry messages over the device again */
    uint64_t most_open; /**< queue pairs at once */
    size_t locked;      /**< bytes registered for buffers */
};
const struct vc_verbs_stats *vc_verbs_stats(const struct vc_verbs *v);

/** What a process needs, for `vcoll info --cost`: computed by the functions that make it. */
struct vc_verbs_need {
    int slots;          /**< buffers for receiving and sending */
    size_t locked;      /**< bytes registered */
    size_t per_peer;    /**< bytes of private memory for each connection */
    size_t per_closed;  /**< the same of one that was closed, and has no queue pair */
    size_t per_process; /**< bytes of private memory for each process of the job, connected or not, with one
                             communicator of them all */
    int cqe_latency, cqe_bulk;
    int qp_wr; /**< send work requests of a queue pair */
};
void vc_verbs_need(const struct vc_verbs_cfg *cfg, struct vc_verbs_need *out);

#endif

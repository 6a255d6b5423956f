/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel moves bytes between the ranks of one communicator. This is its contract; tests/unit/conformance
 * runs the same tests over every implementation. Messages between an ordered pair of ranks match in the order
 * in which they were posted on each side; lengths of matching messages are equal (the checker proves that of
 * every plan). On the data path channels allocate only what a pair needs at its first message, and room for
 * messages that come before their receives.
 */
#ifndef VC_TRANSPORT_CHANNEL_H
#define VC_TRANSPORT_CHANNEL_H

#include "transport/wait.h"

#include <stdatomic.h>

struct vc_chan;

/** One message in flight. Memory of the caller; must stay put until `done` (or until the channel is
 * destroyed). */
struct vc_chan_req {
    /** Set by the channel, maybe already in isend or irecv; read it with vc_req_done(). Another thread may
     * set it, in a call on another channel over the same device. */
    _Atomic bool done;
    bool mark;                /**< the caller's; channels leave it alone */
    int err;                  /**< valid once done: VC_OK or what went wrong */
    struct vc_chan_req *next; /**< the channel's */
    uint64_t priv[8];         /**< the channel's */
};

/** Acquire pairs with the release in vc_req_end(): what was received and `err` were written before. */
static inline bool vc_req_done(const struct vc_chan_req *r)
{
    return atomic_load_explicit(&r->done, memory_order_acquire);
}

/* For channels: vc_req_begin() before a request begins, vc_req_end() as the last access to it. Its owner may
 * then reuse the memory of request and message at once. */
static inline void vc_req_begin(struct vc_chan_req *r)
{
    atomic_store_explicit(&r->done, false, memory_order_relaxed);
}

static inline void vc_req_end(struct vc_chan_req *r)
{
    atomic_store_explicit(&r->done, true, memory_order_release);
}

/** What irecv_reduce does with a message. */
struct vc_chan_op {
    /** out[k] = a[k] (op) b[k]; out may be a or b. Takes elements of any alignment, in any thread. */
    void (*fn)(const void *a, const void *b, void *out, size_t count, void *ctx);
    size_t esize;  /**< bytes of an element */
    bool buf_left; /**< the buffer is the left operand, the message the right one; otherwise the reverse */
};

struct vc_chan_ops {
    const char *name; /**< as in VCOLL_CHANNELS */
    /**
     * Starts sending len bytes (0 is a message too). Never blocks. The caller owns buf and leaves it
     * unchanged until done. VC_OK or a negative error, with which the request was not started.
     */
    int (*isend)(struct vc_chan *ch, int peer, const void *buf, size_t len, struct vc_chan_req *req);
    /** Starts receiving exactly len bytes into buf, which belongs to the channel until done. Never blocks. */
    int (*irecv)(struct vc_chan *ch, int peer, void *buf, size_t len, struct vc_chan_req *req);
    /**
     * Optional (NULL: no message can be received so). As irecv of exactly len bytes, whole elements; each is
     * reduced into its place in buf, as op says, and out of the memory in which it arrives. Every element
     * once, in any order and at any time until done; meanwhile buf belongs to the channel. So does scratch,
     * which has len bytes; op stays as well. Matches in the order of posting, together with irecv. 1: not
     * this message, nothing was started, and the caller receives it by irecv and reduces. Which it is may
     * differ from message to message and from rank to rank.
     */
    int (*irecv_reduce)(struct vc_chan *ch, int peer, void *buf, size_t len, const struct vc_chan_op *op,
                        void *scratch, struct vc_chan_req *req);
    /**
     * Moves what can be moved and completes requests. Never blocks, never calls back. Returns a positive
     * number when something happened, 0 when nothing did and the caller may idle, or a negative error, after
     * which the channel is unusable.
     */
    int (*progress)(struct vc_chan *ch);
    /** Releases everything; unfinished requests are forgotten, their buffers no longer touched. Not
     * collective. */
    void (*destroy)(struct vc_chan *ch);
    /** Whether peers wake a sleeping rank through its park word. Otherwise its sleeps are timed. */
    bool wakes;
    /**
     * This rank has met an error elsewhere and takes no further part. Peers that wait for it, now or later,
     * get VC_ERR_PEER with this text within about a second, if the channel still reaches them. The channel is
     * unusable afterwards. Takes a tenth of a second at most.
     */
    void (*give_up)(struct vc_chan *ch, const char *text);
};

struct vc_chan {
    const struct vc_chan_ops *ops;
    int rank, size; /**< of the communicator */
    /** NULL, or what wakes a sleeper besides its park word: events of a device. */
    struct vc_wake_src *src;
};

#endif

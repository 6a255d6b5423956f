/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What processes send each other: headers of messages over the device, and what a pair exchanges over the
 * boot channel. Plain bytes. Numbers are little-endian because all machines that vcoll runs on are.
 */
#ifndef VC_TRANSPORT_VERBS_WIRE_H
#define VC_TRANSPORT_VERBS_WIRE_H

#include "transport/verbs/rc.h"

/* ---- over the device ---- */

enum msg_type { MSG_DATA = 1, MSG_CREDIT, MSG_CTS, MSG_ABORT };

/** In msg_hdr.flags. In a CTS: the receiver declines the rendezvous. In data: a piece of such a message. */
#define MSG_DECLINED 1u

/** In front of every message that is sent. RDMA writes have none. */
struct msg_hdr {
    uint64_t id;      /**< communicator */
    uint32_t rank;    /**< the sender's in it */
    uint16_t credits; /**< pieces that the sender has consumed since its last header */
    uint8_t type, flags;
};
_Static_assert(sizeof(struct msg_hdr) == 16, "no padding");

/** Follows the header of a CTS (clear to send): where the peer may write; all 0 when declined. */
struct msg_cts {
    uint64_t addr, len;
    uint32_t rkey, grant;
};

/* ---- over the boot channel, in this order ---- */

/** First message of each end: the address of its queue pair, or why it has none. */
struct conn_hello {
    struct vc_rc_addr addr; /**< as of this moment: the port's address may have changed since the start */
    uint32_t rkey, ok;      /**< ok 0: rejected, there will be no connection */
    uint64_t mailbox;
    char why[160];
};

/**
 * All later messages. The first one says whether the sender's queue pair can receive. Each further one tells
 * of a failure: it arrives where the device carries nothing any more, and where the peer still waits for the
 * first one.
 */
struct conn_note {
    uint64_t id; /**< the communicator that failed, or NOTE_ALL */
    uint32_t ok, rank;
    char why[200];
};
#define NOTE_ALL UINT64_MAX

#endif

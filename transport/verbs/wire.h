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
    uint32_t seq; /**< number of the work request that sends it: rises, whatever way a message takes */
    uint32_t unused;
};
_Static_assert(sizeof(struct msg_hdr) == 24, "no padding");

/** Follows the header of a CTS (clear to send): where the peer may write; all 0 when declined. */
struct msg_cts {
    uint64_t addr, len;
    uint32_t rkey, grant;
};

/* ---- over the boot channel, in this order ---- */

/** First message of each end: the address of its queue pair, or why it has none. */
struct conn_hello {
    struct vc_rc_addr addr; /**< as of this moment: the port's address may have changed since the start */
    uint32_t rkey, ok;      /**< ok 0: there is no queue pair, and NOTE_LOST follows */
    uint32_t full, unused;  /**< full: because the sender has as many as it may */
    uint64_t mailbox;
    uint64_t os;         /**< processes of one operating system and pid namespace have the same */
    uint64_t start_time; /**< of the process, with `pid`: as struct vc_peer_id */
    int64_t pid;
    char why[160];
};

enum note_type {
    NOTE_READY = 1, /**< the sender's queue pair can receive */
    NOTE_LOST,      /**< the sender's connection is lost; what it has got over it */
    NOTE_TELL,      /**< a rank of a communicator has given up */
    NOTE_MSG,       /**< a message, as a connection carries them, with its header */
    NOTE_WRITE,     /**< bytes for granted memory, as RDMA writes carry them */
    /* From the boot channel back to a connection; NOTE_READY is one of them, too. */
    NOTE_OFFER, /**< a new queue pair, or that there is none: struct conn_offer */
    NOTE_CLEAR, /**< the sender's message over it has arrived, and it has no open grants */
    NOTE_STOP,  /**< the sender takes it back (last: 0), or sends no messages over the boot channel any more
                   (1) */
    NOTE_HEARD, /**< the sender has read all that came before the peer's NOTE_STOP */
    /* Of a connection that is not used. */
    NOTE_ASK,  /**< the sender would like to close it */
    NOTE_KEEP, /**< the answer: no */
    NOTE_LEAVE /**< the answer, yes: the sender sends nothing more over it, and all that it had sent has
                  arrived */
};

/** In a NOTE_OFFER: as a hello. */
struct conn_offer {
    struct vc_rc_addr addr;
    uint32_t rkey, ok; /**< ok 0: there is no queue pair, and that is the end of it */
    uint32_t full, unused;
    uint64_t mailbox;
};

/** Bytes that travel in a note; longer ones follow in a message of their own. */
#define NOTE_BYTES 200

/**
 * All later messages. They arrive where the device carries nothing any more. NOTE_LOST is the first one where
 * there never was a connection, otherwise NOTE_READY is.
 */
struct conn_note {
    uint64_t id;     /**< TELL: the communicator; WRITE: where in the granted memory */
    uint32_t type;   /**< enum note_type */
    uint32_t len;    /**< MSG, WRITE: bytes; LOST, TELL: of the text */
    uint32_t rank;   /**< TELL: the sender's in the communicator; WRITE: the grant */
    uint32_t last;   /**< WRITE: the grant's last bytes; STOP: as told there */
    uint32_t seq;    /**< LOST: msg_hdr.seq of the last message that has arrived */
    uint32_t writes; /**< LOST: how many grants' last bytes have arrived */
    char bytes[NOTE_BYTES];
};

/** msg_hdr.id of messages that prove a path, which are for no communicator. */
#define NOBODY UINT64_MAX

#endif

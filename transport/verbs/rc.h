/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reliable connections (RC queue pairs): the one place that makes them, addresses them and brings them from
 * INIT to RTS. The channel, `vcoll bench` and `vcoll doctor` connect with these functions.
 */
#ifndef VC_TRANSPORT_VERBS_RC_H
#define VC_TRANSPORT_VERBS_RC_H

#include "transport/verbs/device.h"

/** Address of a port. Plain bytes, the same layout on all machines that a job may have. */
struct vc_rc_port {
    uint8_t gid[16];
    uint8_t subnet[8]; /**< InfiniBand: the prefix of the port's first GID; zero: unknown */
    uint16_t lid, pkey;
    uint8_t mtu, roce, has_gid, gid_type;
};

/** Address of a queue pair: what each end tells the other. */
struct vc_rc_addr {
    struct vc_rc_port port;
    uint32_t qpn, psn; /**< its number, and the first packet sequence number that it sends */
};

/** How packets travel, and when a packet that is not acknowledged fails the connection. */
struct vc_rc_path {
    int sl;
    int tc;          /**< -1: what the system sets for the port */
    uint8_t timeout; /**< one try takes at least 4.096 us * 2^timeout */
    uint8_t retries; /**< tries after the first one; rxe takes 7 for "without end" */
};

/**
 * Chooses timeout and tries so that the device gives up after at most this many seconds (1..600), and not
 * much earlier, if a try takes as long as the specification's least. A try may take up to four times that.
 */
void vc_rc_patience(int seconds, struct vc_rc_path *path);

/** The address of the port that was chosen on an open device. */
void vc_rc_port_of(const struct vc_verbs_dev *dev, struct vc_rc_port *out);

/**
 * Makes an RC queue pair. attr->cap.max_inline_data is the most inline data that the caller can use; devices
 * may have less, so smaller sizes down to 0 are tried too. Afterwards it says what was granted. NULL: failed,
 * errno says why.
 */
struct ibv_qp *vc_rc_create(struct ibv_pd *pd, struct ibv_qp_init_attr *attr);

/** To INIT, where receives may be posted. `access`: IBV_ACCESS_ flags of the peer. 0, or an errno value. */
int vc_rc_init(struct ibv_qp *qp, const struct vc_verbs_dev *dev, unsigned access);

/**
 * Connects a queue pair in INIT: to RTR, then to RTS. `psn` is what this end told the peer. Both ends must
 * have the same link layer. 0, or an errno value.
 */
int vc_rc_connect(struct ibv_qp *qp, const struct vc_verbs_dev *dev, const struct vc_rc_path *path,
                  uint32_t psn, const struct vc_rc_addr *peer);

/** To the error state: all posted requests come back with an error, and the peer's next message fails. 0, or
 * an errno value. */
int vc_rc_break(struct ibv_qp *qp);

#endif

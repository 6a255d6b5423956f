/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queue pairs of a program's own, beside those of the channel: `vcoll bench` measures on one, `vcoll doctor`
 * tries paths with two. A probe is an open device, a piece of registered memory and one or two RC queue
 * pairs with completion queues. The program exchanges the addresses, posts and polls.
 */
#ifndef VC_TRANSPORT_VERBS_PROBE_H
#define VC_TRANSPORT_VERBS_PROBE_H

#include "transport/verbs/rc.h"
#include "transport/verbs/verbs.h"

enum { VC_PROBE_QPS = 2 };

struct vc_probe_cfg {
    const struct vc_verbs_cfg *verbs; /**< the device, service level and traffic class; only read by open */
    uint8_t timeout, retries;         /**< as in struct vc_rc_path */
    size_t bytes;                     /**< of registered memory, zeroed */
    int qps;                          /**< 1 or 2 */
    int sends, recvs;                 /**< work requests that a queue pair holds */
    uint32_t inline_bytes;            /**< most inline data that sends use */
    bool events;                      /**< receive completions can raise events */
};

struct vc_probe_qp {
    struct ibv_qp *qp;
    struct ibv_cq *send_cq, *recv_cq;
    uint32_t inline_bytes; /**< granted */
    unsigned unacked;      /**< events of recv_cq that the program has taken and not acknowledged */
};

struct vc_probe {
    struct vc_verbs_dev dev; /**< ctx NULL: not open */
    struct vc_rc_path path;
    struct ibv_pd *pd;
    struct ibv_comp_channel *events;
    struct ibv_mr *mr;
    unsigned char *mem;
    uint32_t psn;
    struct vc_probe_qp end[VC_PROBE_QPS];
};

/**
 * Opens the device and brings the queue pairs to INIT. VC_OK, or the error of vc_verbs_dev_open() (then
 * dev.ctx is NULL), or VC_ERR_SYS with errno, when something could not be made on the open device. After an
 * error as well, vc_probe_close() gives everything back.
 */
int vc_probe_open(const struct vc_probe_cfg *cfg, struct vc_probe *p);

/** What the other end must know of queue pair i. */
struct vc_rc_addr vc_probe_addr(const struct vc_probe *p, int i);

/** Connects queue pair i. 0, or an errno value. */
int vc_probe_connect(struct vc_probe *p, int i, const struct vc_rc_addr *peer);

/** Posts a receive into mem[offset, offset + len). 0, or an errno value. */
int vc_probe_recv(struct vc_probe *p, int i, uint64_t wr_id, size_t offset, size_t len);

/** A zeroed probe is legal. */
void vc_probe_close(struct vc_probe *p);

#endif

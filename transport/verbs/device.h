/* SPDX-License-Identifier: BSD-3-Clause */
/* Choosing and opening the device, port, GID and P_Key that messages go over. */
#ifndef VC_TRANSPORT_VERBS_DEVICE_H
#define VC_TRANSPORT_VERBS_DEVICE_H

#include "transport/verbs/lib.h"

/** What the user asked for; the zero of each (-1 for gid_index) leaves the choice to vcoll. */
struct vc_verbs_want {
    const char *library; /**< VCOLL_VERBS_LIBRARY */
    const char *device;  /**< VCOLL_VERBS_DEVICE, "" or NULL: as VC_VERBS_NEAR; see near.h */
    int local;           /**< index among the processes of this OS, which share out near devices */
    int port;            /**< VCOLL_VERBS_PORT, 0: the first active one */
    int gid_index;       /**< VCOLL_VERBS_GID_INDEX, -1: RoCE v2 with a routable address, if there is one */
    int pkey;            /**< VCOLL_VERBS_PKEY, 0: the first of full membership */
};

/** An open device and what was chosen on it. The channel replaces what was chosen when the port's address
 * changes. */
struct vc_verbs_dev {
    struct ibv_context *ctx;
    char name[64];
    int port;
    bool roce; /**< Ethernet link layer: addressed by GID alone */
    /** The device is a program on CPUs, of this OS (rxe, siw) or a hypervisor: polling takes its time. */
    bool software;
    bool ignores_inline; /**< its library takes IBV_SEND_INLINE and does not heed it */
    int tc;              /**< traffic class that the system sets for RDMA connections of the port; 0: none */
    uint16_t lid;
    int gid_index; /**< -1: none (InfiniBand without global routing) */
    union ibv_gid gid;
    uint8_t subnet[8]; /**< InfiniBand: the prefix of the port's first GID, also where no GID is used */
    int gid_type;      /**< enum ibv_gid_type; meaningless for gid_index -1 */
    bool
        grh; /**< InfiniBand whose every packet needs a global route (the port says so): gid_index is valid */
    uint16_t pkey;
    int pkey_index;
    enum ibv_mtu mtu; /**< active */
    uint32_t max_msg; /**< bytes of the port's longest message */
    struct ibv_device_attr attr;
    uint16_t cq_mod_count, cq_mod_period; /**< largest of ibv_modify_cq; both 0: it has no moderation */
    bool
        fork_safe; /**< pinned memory survives fork() without help (kernel 5.12 and libibverbs 37 or newer) */
    /** A fork() takes pages away from the device: the kernel is older than 5.12, and nobody has called
     * ibv_fork_init(). */
    bool fork_breaks;
};

/**
 * Opens the device and port that `want` names, or the best: one with an active port; hardware before
 * software; then the rate of the port; then the nearness to this process's CPUs (near.h), or the name. VC_OK,
 * or: VC_ERR_UNSUPPORTED (no library, no device at all, or none but iWARP and vendors' own transports),
 * VC_ERR_INVAL (something asked for does not exist), VC_ERR_SYS (it exists and cannot be used: no active
 * port, no GID on RoCE, no P_Key). The text is one line that says what was found and what would be valid.
 */
int vc_verbs_dev_open(const struct vc_verbs_want *want, struct vc_verbs_dev *dev);
/** A port that was looked at (port 0: the whole device). */
struct vc_verbs_candidate {
    char device[64];
    int port;
    bool chosen;
    int err;       /**< VC_OK: could be used */
    unsigned rate; /**< 100 Mbit/s; 0 unknown */
    bool software; /**< as in struct vc_verbs_dev */
    char why[320]; /**< why it was not chosen; "" for the chosen one */
};
/**
 * What vc_verbs_dev_open() would look at and why it would pass over all but one, for people. Stores at most
 * `max`, and their number in *n. VC_OK also when none can be used; the error of vc_verbs_dev_open() when
 * there is nothing to look at (*n is then 0).
 */
int vc_verbs_survey(const struct vc_verbs_want *want, struct vc_verbs_candidate *list, int max, int *n);

/** Everything made on the device must have been destroyed before. A device that was never opened is legal. */
void vc_verbs_dev_close(struct vc_verbs_dev *dev);

/** The GID in its usual notation; buf of at least 40 bytes. */
const char *vc_verbs_gid_text(const union ibv_gid *gid, char *buf, size_t len);

#endif

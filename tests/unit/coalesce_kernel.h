/* SPDX-License-Identifier: BSD-3-Clause */
/* A made-up kernel for test_coalesce: answers ethtool netlink requests for one interface, eth0. */
#ifndef VC_TESTS_UNIT_COALESCE_KERNEL_H
#define VC_TESTS_UNIT_COALESCE_KERNEL_H

#include "transport/topology/coalesce.h"

#define RX_USECS    VC_COALESCE_RX_USECS
#define RX_FRAMES   VC_COALESCE_RX_FRAMES
#define TX_USECS    VC_COALESCE_TX_USECS
#define ADAPTIVE_RX VC_COALESCE_ADAPTIVE_RX

struct made_up_kernel {
    struct vc_coalesce driver; /* what eth0 has */
    int family_error, get_error, set_error;
    const char *extack;
    int blame; /* ETHTOOL_A_... of the SET request that the error points at */
    bool capped, without_ack, stray, wide, adapts;
    bool like_igbvf;        /* rx-usecs: 0 becomes 1, 1 is refused */
    uint32_t max_rx_frames; /* cut to it silently; 0: none */
    int gets, sets;
    struct vc_coalesce last_set;
    bool by_index;
    /* what to do with the bytes of the answer to request number `nth` */
    int nth, requests;
    void (*mangle)(char *buf, size_t *len, size_t cap);
};
extern struct made_up_kernel kern;

/** The way to it. */
extern const struct vc_netlink made_up;

/** A cmocka setup: rx-usecs 3, rx-frames 16, adaptive-rx off, and no faults. */
int new_kernel(void **state);

#endif

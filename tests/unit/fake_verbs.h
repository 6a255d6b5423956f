/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RDMA devices made of numbers, in place of a verbs library: what there is to be found is written into
 * fake_devices before each test. They can be listed, opened and queried, nothing more.
 */
#ifndef VC_TESTS_FAKE_VERBS_H
#define VC_TESTS_FAKE_VERBS_H

#include "transport/verbs/lib.h"

enum { FAKE_DEVICES = 4, FAKE_PORTS = 2, FAKE_GIDS = 10, FAKE_PKEYS = 4 };

struct fake_port {
    enum ibv_port_state state;
    int link; /* IBV_LINK_LAYER_* */
    uint16_t lid;
    uint8_t width, speed, flags;
    int query_error;
    struct {
        const char *text; /* NULL: empty */
        enum ibv_gid_type type;
    } gid[FAKE_GIDS];
    uint16_t pkey[FAKE_PKEYS]; /* 0: empty */
};

struct fake_device {
    const char *name;
    int transport; /* IBV_TRANSPORT_* */
    int nports;
    int open_error, query_error;
    bool no_extended, no_modify; /* lacks the extended device query, ibv_modify_cq */
    uint16_t mod_count, mod_period;
    struct fake_port port[FAKE_PORTS];
};

extern struct fake_device fake_devices[FAKE_DEVICES];
extern int fake_ndevices;         /* negative: the list cannot be had, errno is its negative */
extern int fake_open, fake_lists; /* not closed, not freed */
extern enum ibv_fork_status fake_fork;

/* Puts these in the place of a library. Without `gid_ex` as an old library that has no ibv_query_gid_ex, nor
 * ibv_is_fork_initialized. */
void fake_verbs_install(bool gid_ex);

/* A device with one active port. */
struct fake_device fake_roce(const char *name);
struct fake_device fake_ib(const char *name);

#endif

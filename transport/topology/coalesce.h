/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupt moderation of a network interface ("coalescing", what `ethtool -c` shows), read and set through
 * the kernel's ethtool netlink family; and which interface stands behind an RDMA device. Where RDMA goes
 * through the interface's own interrupts (rxe, siw) these values delay every completion, elsewhere TCP only.
 * `nl` is the way to the kernel: NULL is the real one, tests hand in their own.
 *
 * Blocking, for set-up and tools; never called while a collective runs. Thread-safe: nothing is shared
 * between calls. Reading needs no privilege; setting needs CAP_NET_ADMIN in the user namespace that owns the
 * interface's network namespace. All functions look in the network namespace of the calling thread.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_COALESCE_H
#define VC_TRANSPORT_TOPOLOGY_COALESCE_H

#include "transport/topology/ethtool_nl.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Values by the names that ethtool gives them. */
enum vc_coalesce_field {
    VC_COALESCE_RX_USECS,    /**< microseconds from a packet's arrival to the interrupt, at most */
    VC_COALESCE_RX_FRAMES,   /**< packets that make an interrupt come earlier; 0: the driver's own rule */
    VC_COALESCE_TX_USECS,    /**< the same for packets that were sent */
    VC_COALESCE_TX_FRAMES,   /**< the same for packets that were sent */
    VC_COALESCE_ADAPTIVE_RX, /**< 1: the driver changes the receiving side's values with the load */
    VC_COALESCE_ADAPTIVE_TX, /**< 1: the driver changes the sending side's values with the load */
    VC_COALESCE_CQE_RX,      /**< 1: the timer starts anew with every completion, 0: with the first */
    VC_COALESCE_CQE_TX,      /**< the same for packets that were sent */
    VC_COALESCE_FIELDS
};

struct vc_coalesce {
    unsigned has; /**< bit 1 << field: value[field] is present */
    uint32_t value[VC_COALESCE_FIELDS];
};

static inline bool vc_coalesce_has(const struct vc_coalesce *c, enum vc_coalesce_field f)
{
    return c->has >> f & 1;
}

static inline void vc_coalesce_put(struct vc_coalesce *c, enum vc_coalesce_field f, uint32_t value)
{
    c->has |= 1u << f;
    c->value[f] = value;
}

/** "rx-usecs", ..., as in `ethtool -C`. Static storage. */
const char *vc_coalesce_name(enum vc_coalesce_field f);
/** True for the fields that are 0 or 1, shown as off and on. */
bool vc_coalesce_is_switch(enum vc_coalesce_field f);
/** The present fields as "rx-usecs 3, rx-frames 0, adaptive-rx off"; "" when there are none. Returns buf. */
char *vc_coalesce_text(const struct vc_coalesce *c, char *buf, size_t len);

/**
 * Reads the values the driver reports. VC_ERR_UNSUPPORTED: the driver has none (errno is EOPNOTSUPP), or the
 * kernel has no ethtool netlink family (before Linux 5.6, and in some sandboxes); VC_ERR_INVAL: no such
 * interface in this network namespace; VC_ERR_SYS: anything else, with the kernel's words. `out` is written
 * on success only.
 */
int vc_coalesce_get(const struct vc_netlink *nl, const char *netdev, struct vc_coalesce *out);

/**
 * What was there before somebody set something. Zeroed: nothing to put back. Owned by the caller, one thread
 * at a time; holds no resources, so it may be forgotten.
 */
struct vc_coalesce_saved {
    bool active;
    pid_t owner;                 /**< process that saved; copies in its forked children are inert */
    uint32_t ifindex;            /**< the interface, should it be renamed in between; 0: go by name */
    char netdev[VC_NETDEV_NAME]; /**< its name when saved */
    struct vc_coalesce before;
};

/** Remembers the present values. Errors as vc_coalesce_get(); then `saved` is not active. */
int vc_coalesce_save(const struct vc_netlink *nl, const char *netdev, struct vc_coalesce_saved *saved);

/** The driver took the request, but another value than the one asked for is there now. */
#define VC_COALESCE_ROUNDED 1

/**
 * Sets, in one request, those of the fields present in `want` whose value differs from the one there is, and
 * reads back. While adaptive-rx is 1 drivers overrule the other receive values: want it 0 with them.
 *
 * `saved` (NULL: none): unless it is active already it is filled with the old values before anything
 * changes, so one object passed to many calls leads back to where the first began. When nothing could be
 * changed and the call made it active, it is inactive again. Active for another interface: VC_ERR_INVAL.
 * `now` (NULL: not wanted) receives what was read back, on VC_OK and VC_COALESCE_ROUNDED.
 *
 * VC_OK: each wanted value is there. VC_COALESCE_ROUNDED: drivers may round, and limit, silently (igbvf makes
 * rx-usecs 1 of 0). VC_ERR_INVAL: no such interface, or a value out of the driver's range, named.
 * VC_ERR_UNSUPPORTED: the driver does not report a wanted field or has no coalescing. VC_ERR_SYS: no
 * CAP_NET_ADMIN (errno is EPERM, the text says what to do), or another failure of the system.
 */
int vc_coalesce_set(const struct vc_netlink *nl, const char *netdev, const struct vc_coalesce *want,
                    struct vc_coalesce_saved *saved, struct vc_coalesce *now);

/**
 * Puts back exactly what was there, and verifies it. Does nothing and returns VC_OK when `saved` is not
 * active, as after a call that succeeded, and in a child forked after saving; after an error `saved` stays
 * active, so that it can be called again. May be called from atexit() handlers, destructors and
 * MPI_Finalize; not from a signal handler. Errors as vc_coalesce_set(), and VC_ERR_SYS when the driver does
 * not come back to the old values.
 */
int vc_coalesce_restore(const struct vc_netlink *nl, struct vc_coalesce_saved *saved);

/**
 * The network interface behind a port (from 1) of an RDMA device: for RoCE that of its first GID, which on
 * bonded ports is the bond; for rxe what it was put on; for InfiniBand the port's IPoIB interface.
 * VC_ERR_INVAL: no such device or port; VC_ERR_UNSUPPORTED: no interface is known, or its name does not fit.
 * Both leave "" in name. `root` as in sysfile.h. The name may belong to another network namespace.
 */
int vc_rdma_netdev(const char *root, const char *rdma_dev, int port, char *name, size_t len);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network functions on the PCI bus, and what kind each is. A guest sees no physfn link on a virtual function
 * (that link lives where the physical function's owner runs), so PCI ids decide. `root` as in sysfile.h.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_NICS_H
#define VC_TRANSPORT_TOPOLOGY_NICS_H

#include <stdbool.h>

enum vc_nic_kind {
    VC_NIC_PHYSICAL, /**< a whole adapter (in a guest: passed through) */
    VC_NIC_VF,       /**< an SR-IOV virtual function */
    VC_NIC_SOFTWARE, /**< paravirtual or emulated: its packets go through the hypervisor's software */
};

struct vc_nic {
    char bdf[16]; /**< PCI address, "0000:03:00.1" */
    unsigned vendor, device;
    enum vc_nic_kind kind;
    const char
        *model; /**< of well-known ids, e.g. "ConnectX-5 virtual function"; "" otherwise. Static storage */
    bool has_physfn; /**< the kernel knows its physical function: we are where that one's owner runs */
    int totalvfs;    /**< virtual functions the device can have; -1: the kernel does not say */
    int numvfs;      /**< virtual functions switched on; -1: the kernel does not say */
    int ari;         /**< Alternative Routing-ID forwarding is on for it: 0, 1; -1: the kernel does not say */
    int iommu_group; /**< -1: none */
    char driver[32]; /**< "" when no driver is bound */
    char netdev[32]; /**< first network interface, or "" */
    char rdma[32];   /**< first RDMA device, or "" */
};

/**
 * Scans; stores at most `max` functions sorted by address, and returns how many. `guest`: this is a virtual
 * machine, where some ids of old adapters mean the hypervisor's copy of them.
 */
int vc_nics_scan(const char *root, bool guest, struct vc_nic *nics, int max);

/** "physical function", "virtual function", "paravirtual or emulated". Static storage. */
const char *vc_nic_kind_text(enum vc_nic_kind kind);

#endif

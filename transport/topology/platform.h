/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this operating system runs on: bare metal or a virtual machine, under which hypervisor, and how its
 * network adapters reach it. `root` as in sysfile.h: NULL is this system.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_PLATFORM_H
#define VC_TRANSPORT_TOPOLOGY_PLATFORM_H

#include "transport/topology/nics.h"
#include <stdbool.h>

/** How a rank's machine and its network are virtualized; a key of tuning tables later. */
enum vc_platform_class {
    VC_PLATFORM_NATIVE,      /**< no hypervisor below this operating system */
    VC_PLATFORM_SOFTWARE,    /**< virtual machine whose network goes through the hypervisor's software, or has
                                none */
    VC_PLATFORM_PASSTHROUGH, /**< virtual machine that owns a whole adapter */
    VC_PLATFORM_SRIOV_VF,    /**< virtual machine with an SR-IOV virtual function */
};

/** What the CPUID instruction says. Elsewhere than on x86: `present` is false. */
struct vc_cpuid {
    bool present;
    bool hypervisor;    /**< leaf 1, ECX bit 31 */
    char signature[13]; /**< leaf 0x40000000, "KVMKVMKVM"; "" when hypervisor is false */
    bool root;          /**< Hyper-V's root partition: a hypervisor's own management system, not a guest */
};

struct vc_platform {
    enum vc_platform_class class;
    bool guest;          /**< in a virtual machine */
    char hypervisor[32]; /**< "kvm", "microsoft", "vmware", "xen", ..., "unknown"; "none" on bare metal */
    char evidence[160];  /**< what that was told by, in words */
    bool container;      /**< in a container (whatever the machine is) */
    char vendor[64], product[64]; /**< DMI: sys_vendor and product_name; "" when not readable */
    char network[160];            /**< which adapter decided the class, in words */
};

/** Asks this CPU. */
void vc_cpuid_read(struct vc_cpuid *out);

/** Fills `out` entirely. `cpuid` is what the CPU says; NULL: this CPU is asked. Cannot fail: what cannot be
 * seen is bare metal without a name. */
void vc_platform_detect(const char *root, const struct vc_cpuid *cpuid, struct vc_platform *out);

/** "native", "software", "passthrough", "sriov-vf" by class, and NULL. */
extern const char *const vc_platform_words[];
/** One of them. */
const char *vc_platform_class_name(enum vc_platform_class c);
/** A sentence for people. Static storage. */
const char *vc_platform_class_text(enum vc_platform_class c);

#endif

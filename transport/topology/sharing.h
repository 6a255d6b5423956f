/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether processes of one kernel share CPUs, whatever containers they are in: then one that waits busily
 * takes the time of one that works.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_SHARING_H
#define VC_TRANSPORT_TOPOLOGY_SHARING_H

#include <stdbool.h>
#include <stdint.h>

enum { VC_MASK_WORDS = 16 }; /**< CPUs beyond 1024 are folded: too few is a guess on the careful side */

/** What one process may use. */
struct vc_cpu_claim {
    uint64_t mask[VC_MASK_WORDS];
    double quota; /**< CPUs that its control groups pay for; INFINITY: no limit */
    int os;       /**< processes of equal numbers live under the same quota */
};

/** The affinity mask of this process's first thread. False: cannot be read. */
bool vc_cpus_mask(uint64_t mask[VC_MASK_WORDS]);

/**
 * Whether claim `me` shares CPUs: among the processes that are confined to some set of CPUs, `me` one of
 * them, there are more than CPUs in the set, less the part in a thousand that the hypervisor steals; or they
 * are more than their quota pays for. Sets that are looked at: the mask of each process, and all masks
 * together.
 */
bool vc_cpus_shared(const struct vc_cpu_claim *claims, int n, int me, unsigned stolen);

/** Time that this process's first thread has run, and time it was kept waiting for a CPU although it could
 * run, in ns (/proc/self/schedstat). False: the kernel does not say. */
bool vc_cpus_delay(const char *root, uint64_t *ran, uint64_t *kept);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether processes of one kernel share CPUs, in whatever containers they are: then one that waits busily
 * takes time from one that works.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_SHARING_H
#define VC_TRANSPORT_TOPOLOGY_SHARING_H

#include <stdbool.h>
#include <stdint.h>

enum { VC_MASK_WORDS = 16 }; /**< CPUs beyond 1024 are folded, which can only make them seem fewer */

/** What one process may use, or several together: all of an operating system. */
struct vc_cpu_claim {
    uint64_t mask[VC_MASK_WORDS]; /**< none: could not be read */
    double quota;                 /**< CPUs that control groups pay for; INFINITY: no limit */
    int os;                       /**< claims of equal numbers live under the least of their quotas */
    int procs;                    /**< processes */
    int launched; /**< as the launcher counts them, which may know of more; 0: it did not say */
};

/** The affinity mask of this process's first thread. False: cannot be read. */
bool vc_cpus_mask(uint64_t mask[VC_MASK_WORDS]);

/**
 * Whether claim `me`, one of those of a kernel, shares CPUs: its operating system has more processes than its
 * quota pays for, or `me` is confined to a set of CPUs to which more processes are confined than it has CPUs,
 * less the part in a thousand that the hypervisor steals. The sets are the mask of each claim, and all that
 * can be reached from the mask of `me` by way of masks that overlap. Claims without mask are left out.
 */
bool vc_cpus_shared(const struct vc_cpu_claim *claims, int n, int me, unsigned stolen);

/** How long this process's first thread has run, and how long it could have run but had to wait for a CPU, in
 * ns (/proc/self/schedstat). False: the kernel does not say. */
bool vc_cpus_delay(const char *root, uint64_t *ran, uint64_t *kept);

#endif

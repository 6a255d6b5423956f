/* SPDX-License-Identifier: BSD-3-Clause */
/* How far CPUs are from devices, as the firmware tells the kernel. `root` as in sysfile.h. */
#ifndef VC_TRANSPORT_TOPOLOGY_NUMA_H
#define VC_TRANSPORT_TOPOLOGY_NUMA_H

#include <sched.h>
#include <stddef.h>

/** The kernel's distance (10: the same node) to a NUMA node from the nearest one that has one of the CPUs. 0:
 * unknown, as for node -1. */
int vc_numa_distance(const char *root, int node, const cpu_set_t *cpus);
/** The same to the NUMA node that an RDMA device is attached to. */
int vc_numa_rdma_distance(const char *root, const char *device, const cpu_set_t *cpus);

/** Memory that was not touched yet is to lie on the NUMA node of the CPU that touches it first, whatever the
 * process's policy is for its other memory (numactl --interleave). Where the kernel refuses, nothing changes.
 */
void vc_numa_stay_near(void *mem, size_t bytes);

#endif

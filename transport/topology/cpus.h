/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many CPUs this process really has: what its affinity mask allows, and what the CPU quota of its control
 * groups pays for; and whether the hypervisor gives virtual CPUs their time. `root` as in sysfile.h: NULL is
 * this system.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_CPUS_H
#define VC_TRANSPORT_TOPOLOGY_CPUS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * CPUs the calling thread may run on: their number is returned (at least 1) and, if `set` is not NULL, the
 * first CPU_SETSIZE of them stored. Right on machines with more CPUs than a cpu_set_t holds, too.
 */
int vc_cpus_allowed(cpu_set_t *set);

/**
 * CPUs the control groups of this process pay for, the smallest quota of the process's groups and all their
 * ancestors (cgroup v2 cpu.max; v1 cpu.cfs_quota_us): 1.5 means one and a half. INFINITY when there is no
 * limit to be seen. In a container whose mounts hide the ancestors, only what is visible counts.
 */
double vc_cpus_quota(const char *root);

/** min(number of allowed CPUs, quota): what this process really has. */
double vc_cpus_available(void);
/** The same with another root for the quota. */
double vc_cpus_available_at(const char *root);

/** The group of the process in a hierarchy, out of the text of /proc/self/cgroup: that of version 2
 * ("0::/path", `controller` NULL), or the one of version 1 that has the controller ("4:cpu,cpuacct:/path").
 */
bool vc_cgroup_path(const char *cgroups, const char *controller, char *path, size_t len);

/**
 * Time stolen from this machine's virtual CPUs by the hypervisor and time of all kinds, both summed over all
 * CPUs since boot, in ticks (/proc/stat). The ratio of two readings' differences is the stolen share. VC_OK
 * or VC_ERR_UNSUPPORTED.
 */
int vc_steal_read(uint64_t *steal, uint64_t *total);
/** The same below another root. */
int vc_steal_read_at(const char *root, uint64_t *steal, uint64_t *total);

#endif

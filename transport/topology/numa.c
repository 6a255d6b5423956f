/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/numa.h"

#include "transport/topology/sysfile.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES "/sys/devices/system/node"

/* Whether a list such as "0-3,8" has one of the CPUs. */
static bool list_has(const char *list, const cpu_set_t *cpus)
{
    while (*list) {
        char *end;
        long first = strtol(list, &end, 10), last = first;
        if (end == list)
            return false;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        for (long cpu = first < 0 ? 0 : first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET((int)cpu, cpus))
                return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* The number in "node12"; -1: another name. */
static int number_of(const char *name)
{
    return strncmp(name, "node", 4) == 0 && name[4] >= '0' && name[4] <= '9' ? atoi(name + 4) : -1;
}

/* The number in a column of "10 21 31". 0: there is none. */
static int column(const char *row, int at)
{
    char *end = NULL;
    long d = strtol(row, &end, 10);
    for (; at > 0 && end != row; at--) {
        row = end;
        d = strtol(row, &end, 10);
    }
    return end != row && d > 0 && d < 1000 ? (int)d : 0;
}

int vc_numa_distance(const char *root, int node, const cpu_set_t *cpus)
{
    struct vc_sys_names names;
    char text[4096];
    int best = 0, at = 0;
    bool known = false;
    vc_sys_list(root, &names, NODES);
    /* The columns of a row are the nodes that are there, in ascending order. */
    for (int i = 0; i < names.n; i++) {
        int k = number_of(names.name[i]);
        at += k >= 0 && k < node;
        known |= k == node && node >= 0;
    }
    for (int i = 0; known && i < names.n; i++) {
        if (number_of(names.name[i]) < 0 ||
            !vc_sys_read(root, text, sizeof text, NODES "/%s/cpulist", names.name[i]) ||
            !list_has(text, cpus) ||
            !vc_sys_read(root, text, sizeof text, NODES "/%s/distance", names.name[i]))
            continue;
        int d = column(text, at);
        if (d > 0 && (best == 0 || d < best))
            best = d;
    }
    return best;
}

int vc_numa_rdma_distance(const char *root, const char *device, const cpu_set_t *cpus)
{
    long long node;
    if (!vc_sys_number(root, &node, "/sys/class/infiniband/%s/device/numa_node", device) || node < 0)
        return 0;
    return vc_numa_distance(root, (int)node, cpus);
}

void vc_numa_stay_near(void *mem, size_t bytes)
{
    int before = errno;
    syscall(SYS_mbind, mem, bytes, MPOL_LOCAL, NULL, 0, 0);
    errno = before;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The facts of an operating system. */
#include "tools/doctor/facts.h"

#include "coll/node/node.h"
#include "transport/topology/cpus.h"
#include "transport/topology/sysfile.h"
#include "transport/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CPUS "/sys/devices/system/cpu"

/* ---- from files ---- */

/* CPUs that the control groups allow. They are not those that are online where machines are shared. */
static bool read_cpuset(const char *root, struct doc_set *cpus)
{
    char group[512] = "", text[1024] = "";
    char *groups = vc_sys_read_all(root, "/proc/self/cgroup");
    bool found = groups && vc_cgroup_path(groups, NULL, group, sizeof group) &&
                 vc_sys_read(root, text, sizeof text, "/sys/fs/cgroup%s/cpuset.cpus.effective", group);
    if (!found)
        found = vc_sys_read(root, text, sizeof text, "/sys/fs/cgroup/cpuset.cpus.effective");
    if (!found && groups && vc_cgroup_path(groups, "cpuset", group, sizeof group))
        found = vc_sys_read(root, text, sizeof text, "/sys/fs/cgroup/cpuset%s/cpuset.effective_cpus", group);
    if (!found)
        found = vc_sys_read(root, text, sizeof text, "/sys/fs/cgroup/cpuset/cpuset.effective_cpus");
    free(groups);
    return found && text[0] && doc_set_parse(cpus, text);
}

static void read_cpus(const char *root, struct doc_node *n)
{
    char text[1024];
    if (!read_cpuset(root, &n->online)) {
        doc_set_free(&n->online);
        if (!vc_sys_read(root, text, sizeof text, CPUS "/online") || !doc_set_parse(&n->online, text))
            for (int i = 0; i < (int)sysconf(_SC_NPROCESSORS_ONLN); i++)
                doc_set_add(&n->online, i);
    }
    n->quota = vc_cpus_quota(root);
    n->steal_boot = facts_stolen(root);
    n->steal_now = -1;
}

static void read_frequency(const char *root, struct doc_node *n)
{
    char governor[32];
    for (int i = 0; i < n->online.n; i++) {
        int cpu = n->online.v[i];
        if (!vc_sys_read(root, governor, sizeof governor, CPUS "/cpu%d/cpufreq/scaling_governor", cpu))
            continue;
        if (n->governor[0] && strcmp(governor, "powersave") != 0)
            continue;
        snprintf(n->governor, sizeof n->governor, "%s", governor);
        vc_sys_read(root, n->freq_driver, sizeof n->freq_driver, CPUS "/cpu%d/cpufreq/scaling_driver", cpu);
        vc_sys_read(root, n->preference, sizeof n->preference,
                    CPUS "/cpu%d/cpufreq/energy_performance_preference", cpu);
        if (strcmp(governor, "powersave") == 0)
            return;
    }
}

static struct doc_netdev *netdev(struct doc_node *n, const char *root, const char *name)
{
    char state[32];
    for (int i = 0; i < n->nnetdevs; i++)
        if (strcmp(n->netdev[i].name, name) == 0)
            return &n->netdev[i];
    if (!name[0] || n->nnetdevs == DOC_NICS)
        return NULL;
    struct doc_netdev *d = &n->netdev[n->nnetdevs++];
    snprintf(d->name, sizeof d->name, "%s", name);
    d->up = vc_sys_read(root, state, sizeof state, "/sys/class/net/%s/operstate", name) &&
            strcmp(state, "up") == 0;
    return d;
}

static void read_devices(const char *root, struct doc_node *n)
{
    n->nnics = vc_nics_scan(root, n->platform.guest, n->nic, DOC_NICS);
    n->nrdma = vc_rdma_scan(root, n->rdma, DOC_RDMA);
    for (int i = 0; i < n->nrdma; i++) {
        for (int k = 0; k < n->rdma[i].nports; k++) {
            char name[VC_NETDEV_NAME];
            if (vc_rdma_netdev(root, n->rdma[i].name, n->rdma[i].port[k].number, name, sizeof name) != VC_OK)
                continue;
            struct doc_netdev *d = netdev(n, root, name);
            if (!d)
                continue;
            snprintf(d->rdma, sizeof d->rdma, "%s", n->rdma[i].name);
            d->software = n->rdma[i].bdf[0] == '\0';
        }
    }
    for (int i = 0; i < n->nnics; i++)
        netdev(n, root, n->nic[i].netdev);
}

void doc_node_read(const char *root, struct doc_node *n)
{
    vc_platform_detect(root, NULL, &n->platform);
    read_cpus(root, n);
    read_frequency(root, n);
    vc_sys_read(root, n->clock, sizeof n->clock,
                "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    vc_sys_read(root, n->clocks, sizeof n->clocks,
                "/sys/devices/system/clocksource/clocksource0/available_clocksource");
    vc_sys_read(root, n->idle_driver, sizeof n->idle_driver, CPUS "/cpuidle/current_driver");
    if (strcmp(n->idle_driver, "none") == 0)
        n->idle_driver[0] = '\0';
    read_devices(root, n);
}

/* ---- by trying ---- */

static double time_clock(void)
{
    enum { LOOKS = 1000, ROUNDS = 5 };
    double best = 0;
    for (int k = 0; k < ROUNDS; k++) {
        uint64_t from = vc_now_ns(), to = from;
        for (int i = 0; i < LOOKS; i++)
            to = vc_now_ns();
        double each = (double)(to - from) / LOOKS;
        if (k == 0 || each < best)
            best = each;
    }
    return best;
}

static void try_memory(struct doc_node *n, const struct vc_params *p)
{
    struct statvfs fs;
    struct vc_seg seg;
    struct vc_seg_handle handle;
    n->shm_wanted = (p->channels & VC_CHAN_SHM) != 0;
    n->backing = p->shm_backing;
    if (statvfs("/dev/shm", &fs) == 0) {
        n->shm_total = (unsigned long long)fs.f_blocks * fs.f_frsize;
        n->shm_free = (unsigned long long)fs.f_bavail * fs.f_frsize;
    }
    n->seg_made = true;
    if (!n->shm_wanted || n->npeers < 2)
        return;
    n->shm_need = vc_park_bytes(n->npeers) + vc_node_common_bytes(n->npeers) +
                  (size_t)n->npeers * vc_node_bytes(n->npeers, p->shm_bulk);
    n->seg_made = vc_seg_create(n->shm_need, p->shm_backing, &seg, &handle) == VC_OK;
    if (n->seg_made)
        vc_seg_detach(&seg);
    else
        snprintf(n->seg_why, sizeof n->seg_why, "%s", vc_error_text());
}

void doc_node_try(struct doc_node *n, const struct vc_params *p)
{
    n->clock_ns = time_clock();
    try_memory(n, p);
    for (int i = 0; i < n->nnetdevs; i++)
        n->netdev[i].reported = vc_coalesce_get(NULL, n->netdev[i].name, &n->netdev[i].now) == VC_OK;
    facts_verbs(p, &n->verbs);
    n->most_open = p->verbs_peers;
    n->sharing = !n->shm_wanted                                   ? 1
                 : p->node_split > 0 && p->node_split < n->npeers ? p->node_split
                                                                  : n->npeers;
    facts_host(NULL, p, true, &n->host_memory);
    facts_table(p, n->platform.class, n->rdma, n->nrdma, &n->table);
}

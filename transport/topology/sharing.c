/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/sharing.h"

#include "transport/topology/sysfile.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool vc_cpus_mask(uint64_t mask[VC_MASK_WORDS])
{
    enum { CPUS = 8192 };
    memset(mask, 0, VC_MASK_WORDS * sizeof *mask);
    cpu_set_t *set = CPU_ALLOC(CPUS);
    size_t len = CPU_ALLOC_SIZE(CPUS);
    bool known = set && sched_getaffinity(getpid(), len, set) == 0;
    for (int i = 0; known && i < CPUS; i++)
        if (CPU_ISSET_S(i, len, set))
            mask[i / 64 % VC_MASK_WORDS] |= UINT64_C(1) << i % 64;
    if (set)
        CPU_FREE(set);
    return known;
}

static bool within(const uint64_t *a, const uint64_t *b)
{
    for (int i = 0; i < VC_MASK_WORDS; i++)
        if (a[i] & ~b[i])
            return false;
    return true;
}

/* More processes are confined to `set` than it has CPUs to give. A CPU of which little is stolen is a CPU. */
static bool is_full(const struct vc_cpu_claim *claims, int n, const uint64_t *set, unsigned stolen)
{
    int cpus = 0, inside = 0;
    for (int i = 0; i < VC_MASK_WORDS; i++)
        cpus += __builtin_popcountll(set[i]);
    for (int i = 0; i < n; i++)
        inside += within(claims[i].mask, set);
    double have = stolen > 250 ? cpus * (1000.0 - stolen) / 1000.0 : cpus;
    return cpus > 0 && inside > have + 0.01;
}

bool vc_cpus_shared(const struct vc_cpu_claim *claims, int n, int me, unsigned stolen)
{
    uint64_t all[VC_MASK_WORDS] = {0};
    double quota = claims[me].quota;
    int kin = 0;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < VC_MASK_WORDS; k++)
            all[k] |= claims[i].mask[k];
        if (claims[i].os != claims[me].os)
            continue;
        kin++;
        if (claims[i].quota < quota)
            quota = claims[i].quota;
    }
    if (kin > quota + 0.01 || is_full(claims, n, all, stolen))
        return true;
    for (int i = 0; i < n; i++) {
        const uint64_t *set = claims[i].mask;
        bool repeated = i > 0 && memcmp(set, claims[i - 1].mask, sizeof claims->mask) == 0;
        if (!repeated && within(claims[me].mask, set) && is_full(claims, n, set, stolen))
            return true;
    }
    return false;
}

bool vc_cpus_delay(const char *root, uint64_t *ran, uint64_t *kept)
{
    char text[128];
    unsigned long long a, b;
    if (!vc_sys_read(root, text, sizeof text, "/proc/self/schedstat") ||
        sscanf(text, "%llu %llu", &a, &b) != 2)
        return false;
    *ran = a;
    *kept = b;
    return true;
}

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

/* Whether a process that may use `mask` cannot leave `set`. */
static bool is_confined(const uint64_t *mask, const uint64_t *set)
{
    uint64_t any = 0;
    for (int i = 0; i < VC_MASK_WORDS; i++) {
        if (mask[i] & ~set[i])
            return false;
        any |= mask[i];
    }
    return any != 0;
}

static bool overlap(const uint64_t *a, const uint64_t *b)
{
    for (int i = 0; i < VC_MASK_WORDS; i++)
        if (a[i] & b[i])
            return true;
    return false;
}

static bool is_more(int procs, int launched, double cpus)
{
    return (procs > launched ? procs : launched) > cpus + 0.01;
}

/* More processes are confined to `set` than it has CPUs. One of which little is stolen counts whole. */
static bool is_full(const struct vc_cpu_claim *claims, int n, const uint64_t *set, unsigned stolen)
{
    int cpus = 0, procs = 0, launched = 0;
    for (int i = 0; i < VC_MASK_WORDS; i++)
        cpus += __builtin_popcountll(set[i]);
    for (int i = 0; i < n; i++) {
        if (!is_confined(claims[i].mask, set))
            continue;
        procs += claims[i].procs;
        if (claims[i].launched > launched)
            launched = claims[i].launched;
    }
    return is_more(procs, launched, stolen > 250 ? cpus * (1000.0 - stolen) / 1000.0 : cpus);
}

/* Extends `set` by all masks that overlap it, be it by way of others. */
static void extend(const struct vc_cpu_claim *claims, int n, uint64_t *set)
{
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < n; i++) {
            if (!overlap(claims[i].mask, set) || is_confined(claims[i].mask, set))
                continue;
            more = true;
            for (int k = 0; k < VC_MASK_WORDS; k++)
                set[k] |= claims[i].mask[k];
        }
    }
}

static bool is_over_quota(const struct vc_cpu_claim *claims, int n, int me)
{
    double quota = claims[me].quota;
    int procs = 0, launched = 0;
    for (int i = 0; i < n; i++) {
        if (claims[i].os != claims[me].os)
            continue;
        procs += claims[i].procs;
        if (claims[i].launched > launched)
            launched = claims[i].launched;
        if (claims[i].quota < quota)
            quota = claims[i].quota;
    }
    return is_more(procs, launched, quota);
}

bool vc_cpus_shared(const struct vc_cpu_claim *claims, int n, int me, unsigned stolen)
{
    const uint64_t *mine = claims[me].mask;
    uint64_t reach[VC_MASK_WORDS];
    memcpy(reach, mine, sizeof reach);
    if (!is_confined(mine, mine)) /* not known */
        return false;
    extend(claims, n, reach);
    if (is_over_quota(claims, n, me) || is_full(claims, n, reach, stolen))
        return true;
    for (int i = 0; i < n; i++) {
        const uint64_t *set = claims[i].mask;
        bool repeated = i > 0 && memcmp(set, claims[i - 1].mask, sizeof claims->mask) == 0;
        if (!repeated && is_confined(mine, set) && is_full(claims, n, set, stolen))
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

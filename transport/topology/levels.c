/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/levels.h"

#include "transport/topology/sysfile.h"

#include <string.h>

const char *const vc_unit_words[] = {"core", "l3", "numa", NULL};
_Static_assert(sizeof vc_unit_words / sizeof vc_unit_words[0] == VC_UNITS + 1, "a word for each kind");

/* Long enough for 1024 CPUs, each with its comma. */
enum { LIST_TEXT = 8192 };

#define CPU_DIR  "/sys/devices/system/cpu"
#define NODE_DIR "/sys/devices/system/node"

void vc_locality_none(struct vc_locality *out)
{
    for (int k = 0; k < VC_UNITS; k++)
        out->unit[k] = -1;
}

int vc_locality_coreless(const struct vc_locality *of, int n, int *other)
{
    *other = -1;
    for (int i = 0; i < n; i++) {
        int core = of[i].unit[VC_UNIT_CORE], same = 0;
        while (core >= 0 && of[same].unit[VC_UNIT_CORE] != core)
            same++;
        if (core >= 0 && same == i)
            continue;
        *other = core < 0 ? -1 : same;
        return i;
    }
    return -1;
}

static bool is_within(const uint64_t *mask, const uint64_t *set)
{
    for (int i = 0; i < VC_MASK_WORDS; i++)
        if (mask[i] & ~set[i])
            return false;
    return true;
}

static bool is_one_cpu(const uint64_t *mask)
{
    int n = 0;
    for (int i = 0; i < VC_MASK_WORDS; i++)
        n += __builtin_popcountll(mask[i]);
    return n == 1;
}

/* ---- the kernel's word ---- */

/* False: there is no such file, or its list is not one to be trusted. */
static bool parse_list(const char *text, uint64_t *set)
{
    return strlen(text) < LIST_TEXT - 1 && text[0] && vc_cpu_list_parse(text, set);
}

/* The lowest CPU of the core that holds the mask, whose lowest CPU is `cpu`. */
static int read_core(const char *root, const uint64_t *mask, int cpu)
{
    char text[LIST_TEXT];
    uint64_t set[VC_MASK_WORDS];
    if ((vc_sys_read(root, text, sizeof text, CPU_DIR "/cpu%d/topology/thread_siblings_list", cpu) ||
         vc_sys_read(root, text, sizeof text, CPU_DIR "/cpu%d/topology/core_cpus_list", cpu)) &&
        parse_list(text, set))
        return is_within(mask, set) ? vc_cpu_lowest(set) : -1;
    /* Whatever the core is, processes on one CPU share it. */
    return is_one_cpu(mask) ? cpu : -1;
}

/* The same of the last cache. */
static int read_cache(const char *root, const uint64_t *mask, int cpu)
{
    enum { INDICES = 16 };
    char text[LIST_TEXT];
    long long level = 0, last = 0;
    int at = -1;
    for (int i = 0; i < INDICES; i++) {
        if (!vc_sys_number(root, &level, CPU_DIR "/cpu%d/cache/index%d/level", cpu, i))
            break;
        if (vc_sys_read(root, text, sizeof text, CPU_DIR "/cpu%d/cache/index%d/type", cpu, i) &&
            strcmp(text, "Instruction") != 0 && level > last) {
            last = level;
            at = i;
        }
    }
    uint64_t set[VC_MASK_WORDS];
    if (at < 0 ||
        !vc_sys_read(root, text, sizeof text, CPU_DIR "/cpu%d/cache/index%d/shared_cpu_list", cpu, at) ||
        !parse_list(text, set) || !is_within(mask, set))
        return -1;
    return vc_cpu_lowest(set);
}

static int read_node(const char *root, const uint64_t *mask, int cpu)
{
    char text[LIST_TEXT];
    uint64_t nodes[VC_MASK_WORDS], set[VC_MASK_WORDS];
    if (!vc_sys_read(root, text, sizeof text, NODE_DIR "/online") || !parse_list(text, nodes))
        return -1;
    for (int node = 0; node < VC_LEVELS_CPUS; node++) {
        if (!vc_cpu_has(nodes, node) ||
            !vc_sys_read(root, text, sizeof text, NODE_DIR "/node%d/cpulist", node) ||
            !parse_list(text, set) || !vc_cpu_has(set, cpu))
            continue;
        return is_within(mask, set) ? node : -1;
    }
    return -1;
}

void vc_locality_read(const char *root, const uint64_t mask[VC_MASK_WORDS], struct vc_locality *out)
{
    char text[LIST_TEXT];
    uint64_t online[VC_MASK_WORDS];
    int cpu = vc_cpu_lowest(mask);
    vc_locality_none(out);
    /* Beyond VC_LEVELS_CPUS a mask is folded, and its CPUs are others. */
    if (cpu < 0 || (vc_sys_read(root, text, sizeof text, CPU_DIR "/online") && !parse_list(text, online)))
        return;
    out->unit[VC_UNIT_CORE] = read_core(root, mask, cpu);
    out->unit[VC_UNIT_CACHE] = read_cache(root, mask, cpu);
    out->unit[VC_UNIT_NUMA] = read_node(root, mask, cpu);
}

/* ---- made up ---- */

void vc_locality_deal(const struct vc_synthetic *s, int i, int n, struct vc_locality *out)
{
    long long all = 1;
    vc_locality_none(out);
    for (int k = 0; k < VC_UNITS; k++)
        all *= s->count[k] ? s->count[k] : 1;
    /* The number of the finest unit in all; each coarser one follows from it. */
    long long at = s->count[VC_UNIT_CORE] ? i % all : i * all / n;
    for (int k = 0; k < VC_UNITS; k++) {
        if (!s->count[k])
            continue;
        out->unit[k] = (int32_t)at;
        at /= s->count[k];
    }
}

/* ---- measured ---- */

void vc_cpu_map_none(struct vc_cpu_map *m)
{
    memset(m->over, 0, sizeof m->over);
    memset(m->unit, -1, sizeof m->unit);
}

bool vc_cpu_map_covers(const struct vc_cpu_map *m, const uint64_t mask[VC_MASK_WORDS])
{
    return vc_cpu_lowest(mask) >= 0 && is_within(mask, m->over);
}

void vc_locality_map(const struct vc_cpu_map *m, const uint64_t mask[VC_MASK_WORDS], struct vc_locality *out)
{
    int first = vc_cpu_lowest(mask);
    vc_locality_none(out);
    for (int k = 0; k < VC_UNITS && first >= 0; k++) {
        out->unit[k] = m->unit[k][first];
        for (int cpu = first; cpu < VC_LEVELS_CPUS; cpu++)
            if (vc_cpu_has(mask, cpu) && m->unit[k][cpu] != m->unit[k][first])
                out->unit[k] = -1;
    }
    if (first >= 0 && out->unit[VC_UNIT_CORE] < 0 && is_one_cpu(mask)) {
        /* Measured maps have no cores, because each process had one of its own. Those that share a CPU do. */
        bool known = false;
        for (int cpu = 0; cpu < VC_LEVELS_CPUS; cpu++)
            known |= m->unit[VC_UNIT_CORE][cpu] >= 0;
        if (!known)
            out->unit[VC_UNIT_CORE] = first;
    }
}

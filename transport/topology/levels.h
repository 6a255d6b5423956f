/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a process stands inside its operating system: on which core, behind which last cache, on which NUMA
 * node. The kernel tells it (/sys), a made-up topology, or a map of CPUs that was measured. Processes that
 * name the same unit are near each other; coll/levels.h makes groups of them. `root` as in sysfile.h.
 *
 * hwloc knows the same and more, but loading it takes each process 3.5 ms on two CPUs, and more on more; here
 * some ten small files are read, in 0.1 ms.
 */
#ifndef VC_TRANSPORT_TOPOLOGY_LEVELS_H
#define VC_TRANSPORT_TOPOLOGY_LEVELS_H

#include "transport/topology/sharing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VC_LEVELS_CPUS = 64 * VC_MASK_WORDS }; /**< on larger machines nothing is known */

/** What processes can share, from the finest to the coarsest. */
enum vc_unit { VC_UNIT_CORE, VC_UNIT_CACHE, VC_UNIT_NUMA, VC_UNITS };

/** "core", "l3", "numa", NULL: as in VCOLL_TOPOLOGY. */
extern const char *const vc_unit_words[];

/** The unit of each kind that holds all CPUs that a process may use; -1: unknown, or it may leave it. Numbers
 * tell units of one kind and one source apart, and mean nothing else. */
struct vc_locality {
    int32_t unit[VC_UNITS];
};

/** Nothing is known. */
void vc_locality_none(struct vc_locality *out);

/** The first of n processes that has no core of its own, which times between them would need; *other: one
 * before it that has the same core, or -1: it is bound to none. -1: there is no such process. */
int vc_locality_coreless(const struct vc_locality *of, int n, int *other);

/** As the kernel says: a core's hardware threads, the CPUs that share the last cache, a NUMA node. Units are
 * named by their lowest CPU, NUMA nodes by their number. An empty mask: nothing is known. */
void vc_locality_read(const char *root, const uint64_t mask[VC_MASK_WORDS], struct vc_locality *out);

/** A made-up topology: how many units of a kind are in one of the next coarser kind that is there; 0: there
 * is none of this kind. */
struct vc_synthetic {
    int count[VC_UNITS];
};

/**
 * Process `i` of `n`. With cores, one process comes on each in turn, and again from the first when there are
 * more processes than cores: these share one. Without, no two share a core, and each of the finest units gets
 * an equal part, in blocks.
 */
void vc_locality_deal(const struct vc_synthetic *s, int i, int n, struct vc_locality *out);

/** Which unit each CPU belongs to; -1: not known. */
struct vc_cpu_map {
    uint64_t over[VC_MASK_WORDS]; /**< CPUs that it speaks of */
    int16_t unit[VC_UNITS][VC_LEVELS_CPUS];
};

/** No CPU is known. */
void vc_cpu_map_none(struct vc_cpu_map *m);
/** Whether the map speaks of all CPUs of the mask, and there are any. */
bool vc_cpu_map_covers(const struct vc_cpu_map *m, const uint64_t mask[VC_MASK_WORDS]);
void vc_locality_map(const struct vc_cpu_map *m, const uint64_t mask[VC_MASK_WORDS], struct vc_locality *out);

/** CPUs as the kernel writes them, "0-3,8"; "" is none. False: malformed, or beyond VC_LEVELS_CPUS. */
bool vc_cpu_list_parse(const char *text, uint64_t mask[VC_MASK_WORDS]);
/** The same spelling back. Returns buf. */
char *vc_cpu_list_text(const uint64_t mask[VC_MASK_WORDS], char *buf, size_t len);
/** -1: none. */
int vc_cpu_lowest(const uint64_t mask[VC_MASK_WORDS]);

static inline bool vc_cpu_has(const uint64_t mask[VC_MASK_WORDS], int cpu)
{
    return mask[cpu / 64] >> cpu % 64 & 1;
}

/** The processor's name, as /proc/cpuinfo has it ("" where it says none), and how many CPUs are online (0:
 * the kernel does not say): a map that was measured holds where both are equal. */
void vc_processor(const char *root, char *name, size_t len, int *cpus);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of a region of memory, in units of whoever uses it: the first gap that is large enough is taken. */
#ifndef VC_TRANSPORT_IVSHMEM_RANGES_H
#define VC_TRANSPORT_IVSHMEM_RANGES_H

#include <stdbool.h>
#include <stdint.h>

struct vc_mem_range {
    uint32_t at, units;
};

/** Zeroed: nothing is taken. Not for several threads at once. */
struct vc_mem_ranges {
    struct vc_mem_range *range; /* ascending */
    int n, cap;
};

/** Takes `units` > 0 of a region of `end`. False: there is no such gap, or no memory to note it. */
bool vc_mem_ranges_take(struct vc_mem_ranges *all, uint32_t end, uint32_t units, struct vc_mem_range *out);
/** Gives back what begins there; nothing happens where nothing does. */
void vc_mem_ranges_give(struct vc_mem_ranges *all, uint32_t at);
/** Forgets all. */
void vc_mem_ranges_free(struct vc_mem_ranges *all);

#endif

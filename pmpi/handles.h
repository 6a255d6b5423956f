/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small hash table from MPI's handles to numbers. Filled once, right after MPI_Init, and only read
 * afterwards, so that look-ups need no synchronization.
 */
#ifndef VC_PMPI_HANDLES_H
#define VC_PMPI_HANDLES_H

#include <stdint.h>

/** Open addressing with linear probing; at least twice as many slots as there are predefined datatypes. */
enum { VC_HANDLE_BITS = 8, VC_HANDLE_SLOTS = 1 << VC_HANDLE_BITS };

struct vc_handle_map {
    struct vc_handle_slot {
        uintptr_t handle;
        int value; /**< plus one: 0 is an empty slot */
    } slot[VC_HANDLE_SLOTS];
};

/** The slot that holds the handle, or the empty one where it belongs. */
static inline unsigned vc_handle_slot(const struct vc_handle_map *map, uintptr_t handle)
{
    /* Handles are addresses of objects of one size: the multiplication spreads them over the upper bits. */
    unsigned at = (unsigned)((uint64_t)handle * UINT64_C(0x9e3779b97f4a7c15) >> (64 - VC_HANDLE_BITS));
    while (map->slot[at].value != 0 && map->slot[at].handle != handle)
        at = (at + 1) % VC_HANDLE_SLOTS;
    return at;
}

/** The number of a handle (any value), or -1. */
static inline int vc_handle_find(const struct vc_handle_map *map, uintptr_t handle)
{
    return map->slot[vc_handle_slot(map, handle)].value - 1;
}

static inline void vc_handle_add(struct vc_handle_map *map, uintptr_t handle, int value)
{
    map->slot[vc_handle_slot(map, handle)] = (struct vc_handle_slot){handle, value + 1};
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the other ranks of this operating system, mapped by XPMEM where they all have it and it was seen
 * to work. Maps belong to pairs of processes; all communicators share them.
 */
#ifndef VC_PMPI_MAPS_H
#define VC_PMPI_MAPS_H

#include "transport/shm/map.h"

/** Whether this rank can map memory of others, as far as it knows itself. What others need for it is then at
 * vc_arena_head(). Right after vc_memory was opened. */
bool vc_maps_begin(void);
/** Collective over the ranks of vc_memory, after vc_maps_begin() was true on all of them: tries it. ranks[n]
 * are those of the world, me the own index, which is the place in the arena of each. VC_OK or an error of
 * this rank. */
int vc_maps_prove(const int *ranks, int n, int me);
/** Of what vc_maps_begin() did. Not while a communicator has maps. */
void vc_maps_fini(void);

/** Whether maps are used; the same on all ranks of vc_memory. */
bool vc_maps_on(void);
/** The map of the process at this place of the arena. NULL: there is none, or it is this one. Thread-safe. */
struct vc_map_peer *vc_maps_peer(int place);

#endif

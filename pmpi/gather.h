/* SPDX-License-Identifier: BSD-3-Clause */
/* The exchanges right after MPI_Init: some bytes of each rank to all ranks, in few messages. */
#ifndef VC_PMPI_GATHER_H
#define VC_PMPI_GATHER_H

#include "pmpi/records.h"

#include <stdatomic.h>
#include <stdbool.h>

/**
 * A record of each rank of MPI_COMM_WORLD to all of them; collective. Each rank sends and receives
 * ceil(log2 size) messages, which no collective of the underlying MPI promises. A message has each different
 * record once, so that it is short where ranks of a node have the same one. `watched`: if other
 * ranks do not come, logs a warning after ten seconds and ends the job after two minutes. VC_OK, and `out` is
 * to be freed, or an error of this rank.
 */
int vc_gather_world(const void *mine, size_t bytes, bool watched, struct vc_records *out);
/** `bytes` of each of n ranks, of which this one is ranks[me], to all[i * bytes] of all; collective among
 * them, in as many messages, not watched. */
int vc_gather_among(const int *ranks, int n, int me, const void *mine, void *all, size_t bytes);

/** What this process has told others in set-ups, its own messages above, and what it gave to the MPI's
 * collectives. */
extern struct vc_told {
    _Atomic uint64_t messages, bytes, collectives, collective_bytes; /**< relaxed */
} vc_told;
/** Counts a collective of the MPI that belongs to a set-up, and the bytes that a rank gives. */
void vc_told_collective(size_t bytes);

#endif

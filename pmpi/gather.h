/* SPDX-License-Identifier: BSD-3-Clause */
/* The exchanges right after MPI_Init: some bytes of each rank to all ranks, in few messages. */
#ifndef VC_PMPI_GATHER_H
#define VC_PMPI_GATHER_H

#include <stdbool.h>
#include <stddef.h>

/**
 * `bytes` of each rank of MPI_COMM_WORLD to all[rank * bytes] of all; collective. Each rank sends and
 * receives ceil(log2 size) messages, which no collective of the underlying MPI promises. `watched`: if other
 * ranks do not come, logs a warning after ten seconds and ends the job after two minutes. VC_OK or an error
 * of this rank.
 */
int vc_gather_world(const void *mine, void *all, size_t bytes, bool watched);
/** The same among n of the ranks, of which this one is ranks[me]; collective among them, not watched. */
int vc_gather_among(const int *ranks, int n, int me, const void *mine, void *all, size_t bytes);

#endif

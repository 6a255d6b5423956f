/* SPDX-License-Identifier: BSD-3-Clause */
/* Which ranks of the world a communicator has. */
#ifndef VC_PMPI_MEMBERS_H
#define VC_PMPI_MEMBERS_H

#include "pmpi/door.h"

/**
 * World ranks of the communicator's ranks into `out`; NULL: they are only checked. Local, and allocates
 * nothing of vcoll's, because its answer decides which ranks vote. False, with *why: some ranks are of
 * another world, or have other settings, which rank 0 of the world has said already.
 */
bool vc_members_find(MPI_Comm comm, int size, int *out, const char **why);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The arrays of counts and displacements of a call with a block for each rank. */
#ifndef VC_PMPI_VECTORS_H
#define VC_PMPI_VECTORS_H

#include "pmpi/door.h"

/** Element r of an array of counts of the call: of int, or of MPI_Count. */
static inline MPI_Count vc_count_at(const struct vc_call *k, const void *counts, int r)
{
    return k->wide ? ((const MPI_Count *)counts)[r] : ((const int *)counts)[r];
}

/** The same of displacements. */
static inline MPI_Aint vc_displ_at(const struct vc_call *k, const void *displs, int r)
{
    return k->wide ? ((const MPI_Aint *)displs)[r] : ((const int *)displs)[r];
}

#endif

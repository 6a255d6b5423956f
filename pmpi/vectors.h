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

/** The same of displacements: of int, or `wide` of MPI_Aint. */
static inline MPI_Aint vc_displ_of(const void *displs, bool wide, int r)
{
    return wide ? ((const MPI_Aint *)displs)[r] : ((const int *)displs)[r];
}

static inline MPI_Aint vc_displ_at(const struct vc_call *k, const void *displs, int r)
{
    return vc_displ_of(displs, k->wide, r);
}

#endif

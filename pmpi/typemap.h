/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The numbers by which the reduction kernels know MPI's predefined datatypes and operators. vcoll reduces a
 * pair of them where vc_redop_init() has a kernel for it. MPI forbids some pairs, such as a logical operator
 * on a Fortran INTEGER: these have no kernel, so that the underlying MPI gets the call and reports its own
 * error.
 *
 * Only types whose format is known have a number. Reductions of others pass through: of derived types, of
 * MPI_CHAR, MPI_CHARACTER, MPI_WCHAR and MPI_PACKED (no operator is defined for them), of MPI_REAL16 and
 * MPI_COMPLEX32 (the Fortran compiler chooses their format), and of Fortran types where the MPI has none.
 */
#ifndef VC_PMPI_TYPEMAP_H
#define VC_PMPI_TYPEMAP_H

#include "coll/kernels/kernels.h"

#include <mpi.h>

/**
 * Fills the maps. Call it once after the underlying MPI is initialized and vc_next_init() has run, before a
 * second thread can make MPI calls; until then most answers are -1. Calling it again does nothing.
 */
void vc_typemap_init(void);

/** The out-of-line part of the functions below. */
int vc_type_lookup(MPI_Datatype type);
int vc_op_lookup(MPI_Op op);

/** The enum vc_type of a predefined datatype, or -1. Thread-safe, any value of a handle is allowed. */
static inline int vc_type_of_mpi(MPI_Datatype type)
{
    if (type == MPI_DOUBLE)
        return VC_T_DOUBLE;
    return vc_type_lookup(type);
}

/** The enum vc_op of a predefined operator (MPI_REPLACE and MPI_NO_OP are none of reductions), or -1. */
static inline int vc_op_of_mpi(MPI_Op op)
{
    if (op == MPI_SUM)
        return VC_OP_SUM;
    return vc_op_lookup(op);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the elements of a derived datatype are plain bytes. Size, extent and true extent do not tell: they
 * are equal for a type that permutes its blocks, too. How the type was made does.
 */
#ifndef VC_PMPI_TYPE_ORDER_H
#define VC_PMPI_TYPE_ORDER_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * Whether the data of one element of `size` bytes, in the order of the signature, are the bytes 0 to size - 1
 * from its address. False may also mean that it is not known: of types made of more than some thousand
 * blocks, or by constructors that scatter (darray). Costs some microseconds, because the MPI hands out copies
 * of what the type was made from (MPI-3.1, 4.1.13). Thread-safe; calls no error handler, if `type` is one
 * that may be used in communication.
 */
bool vc_type_in_order(MPI_Datatype type, size_t size);

#endif

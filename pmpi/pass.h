/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that pass through: counted when statistics are on, otherwise one test and a jump. */
#ifndef VC_PMPI_PASS_H
#define VC_PMPI_PASS_H

#include "pmpi/symbols.h"

/** What `count` elements are; 0 for what MPI will refuse. */
static inline size_t vc_bytes_of(MPI_Count count, MPI_Datatype type)
{
    MPI_Count size;
    if (count <= 0 || type == NULL || type == MPI_DATATYPE_NULL ||
        vc_next.Type_size_x(type, &size) != MPI_SUCCESS || size < 0)
        return 0;
    return (size_t)count * (size_t)size;
}

/** How many counts an array of the user's has, one for each rank it speaks of; 0 for what MPI will refuse. */
static inline int vc_counts(const void *counts, MPI_Comm comm)
{
    int size, inter;
    if (!counts || comm == NULL || comm == MPI_COMM_NULL ||
        vc_next.Comm_test_inter(comm, &inter) != MPI_SUCCESS)
        return 0;
    int rc = inter ? vc_next.Comm_remote_size(comm, &size) : vc_next.Comm_size(comm, &size);
    return rc == MPI_SUCCESS ? size : 0;
}

/** Calls the underlying function, between begin and end when that is wanted. */
#define VC_PASS(coll, why, bytes, call)                                                                      \
    do {                                                                                                     \
        if (vc_gate_open())                                                                                  \
            return vc_next.call;                                                                             \
        uint64_t begun = vc_other_begin();                                                                   \
        int rc = vc_next.call;                                                                               \
        if (begun)                                                                                           \
            vc_other_end(coll, why, begun, rc == MPI_SUCCESS ? (bytes) : 0);                                 \
        return rc;                                                                                           \
    } while (0)

#endif

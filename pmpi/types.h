/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datatypes as data movement sees them. Only predefined types without gaps are taken as plain bytes: nothing
 * cheap proves that of a derived type (size, extent and true extent are equal for a type that permutes its
 * blocks, too), and a cache keyed by handle would be wrong as soon as the handle is reused. Everything else
 * is packed.
 */
#ifndef VC_PMPI_TYPES_H
#define VC_PMPI_TYPES_H

#include "pmpi/door.h"

/** A datatype in a call. */
struct vc_dtype {
    MPI_Datatype type;
    size_t size; /**< bytes of its signature */
    ptrdiff_t extent;
    bool predefined;
    bool dense; /**< predefined and without gaps */
};

/** The private communicator for packing, and the table of predefined types. Once, after MPI_Init. */
int vc_types_init(void);
void vc_types_fini(void);

/** The rest of vc_dtype_get(). */
bool vc_dtype_get_slow(MPI_Datatype type, struct vc_dtype *out);

/** One of the most used types, found without a look-up. */
extern struct vc_dtype vc_dtype_double;

/** Describes a type. False: no type that may be used in communication (null, not committed, not available).
 */
static inline bool vc_dtype_get(MPI_Datatype type, struct vc_dtype *out)
{
    if (type == MPI_DOUBLE && vc_dtype_double.size) {
        *out = vc_dtype_double;
        return true;
    }
    return vc_dtype_get_slow(type, out);
}

/** Elements in the signature's order, without gaps. VC_OK or VC_ERR_MPI; count * size is at most
 * VC_CALL_LIMIT. */
int vc_pack(const void *from, size_t count, const struct vc_dtype *type, void *to);
int vc_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type);

#endif

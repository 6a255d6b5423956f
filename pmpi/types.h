/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datatypes as data movement needs them. Types without gaps whose bytes lie in the order of the signature are
 * taken as plain bytes; all others are packed. What is known of a derived type hangs on it and its duplicates
 * as an attribute, so that it ends with it: a cache keyed by handle would be wrong as soon as the handle is
 * reused.
 */
#ifndef VC_PMPI_TYPES_H
#define VC_PMPI_TYPES_H

#include "pmpi/device_mem.h"
#include "pmpi/door.h"
#include "pmpi/layout.h"

/** A datatype in a call. */
struct vc_dtype {
    MPI_Datatype type;
    size_t size; /**< bytes of its signature */
    ptrdiff_t extent;
    bool predefined;
    bool dense; /**< plain bytes: elements without gaps, in order; after vc_dtype_of() and in the host's
                   memory */
    unsigned char device; /**< whose memory the elements are in, as vc_device_of() says; 0: the host's */
};

/** The private communicator for packing, and the table of predefined types. Once, after MPI_Init. */
int vc_types_init(void);
void vc_types_fini(void);

/** Whether it is a predefined type, whose handle the program cannot free. */
bool vc_dtype_predefined(MPI_Datatype type);

/** The rest of vc_dtype_get(). */
bool vc_dtype_get_slow(MPI_Datatype type, struct vc_dtype *out);

/** The type that is used most, found without a look-up. */
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

/** MPI_DOUBLE needs no look at the buffer, because there are no devices. */
extern _Atomic bool vc_dtype_quick;
/** There are devices from now on. */
void vc_types_forget(void);

/** Finds out whose memory the buffer is in: device and dense of *t. */
void vc_dtype_place(const void *buf, struct vc_dtype *t);

/** Describes one side of a call: the type and where the elements are. False as vc_dtype_get(). */
static inline bool vc_dtype_of(const void *buf, MPI_Datatype type, struct vc_dtype *out)
{
    if (type == MPI_DOUBLE && atomic_load_explicit(&vc_dtype_quick, memory_order_relaxed)) {
        *out = vc_dtype_double;
        return true;
    }
    if (!vc_dtype_get_slow(type, out))
        return false;
    /* No buffer: the MPI's own pack reports it. */
    if (VC_UNLIKELY(buf == NULL))
        out->dense = out->dense && out->predefined;
    if (VC_UNLIKELY(vc_device_on()))
        vc_dtype_place(buf, out);
    return true;
}

/** The layout of a type is looked for once so many bytes of it have been moved, since that takes some
 * microseconds. */
#define VC_LAYOUT_WORTH 16384
/** Elements of a derived type in the host's memory, seen as packed bytes. Valid as long as the type, or its
 * layout is held. False: it is not known, or not yet, where their bytes lie. Thread-safe. */
bool vc_dtype_strewn(struct vc_strewn *s, const void *base, size_t count, const struct vc_dtype *type);

/** Pack and unpack, of elements in the host's memory, as MPI_Pack packs them. VC_OK or VC_ERR_MPI. */
int vc_dtype_pack(const void *from, size_t count, const struct vc_dtype *type, void *to);
int vc_dtype_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/types.h"

#include <limits.h>
#include <string.h>

/* Written once by vc_types_init(), then only read. At least twice as many slots as there are types. */
enum { SLOT_BITS = 8, SLOTS = 1 << SLOT_BITS };
static struct vc_dtype table[SLOTS];
struct vc_dtype vc_dtype_double;
_Atomic bool vc_dtype_quick;

/* Packing needs a communicator, and its errors are ours to handle. */
static MPI_Comm pack_comm = MPI_COMM_NULL;

static struct vc_dtype *slot_of(MPI_Datatype type)
{
    unsigned at = (unsigned)((uint64_t)(uintptr_t)type * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOT_BITS));
    while (table[at].type && table[at].type != type)
        at = (at + 1) % SLOTS;
    return &table[at];
}

/* An empty pack checks a type as a send would, and reports to nobody. */
static bool usable(MPI_Datatype type)
{
    char none[8] = "";
    int at = 0;
    return type != NULL && type != MPI_DATATYPE_NULL &&
           vc_next.Pack(none, 0, type, none, (int)sizeof none, &at, pack_comm) == MPI_SUCCESS;
}

static bool measure(MPI_Datatype type, struct vc_dtype *out)
{
    MPI_Count size;
    MPI_Aint lb, extent;
    if (!usable(type) || vc_next.Type_size_x(type, &size) != MPI_SUCCESS || size < 0 ||
        vc_next.Type_get_extent(type, &lb, &extent) != MPI_SUCCESS)
        return false;
    out->type = type;
    out->size = (size_t)size;
    out->extent = extent;
    out->predefined = out->dense = false;
    out->device = 0;
    return true;
}

static void add(MPI_Datatype type)
{
    struct vc_dtype t;
    if (type == NULL || type == MPI_DATATYPE_NULL || !measure(type, &t) || t.size == 0)
        return; /* an MPI without Fortran, or without that width */
    t.predefined = true;
    t.dense = (ptrdiff_t)t.size == t.extent;
    *slot_of(type) = t;
}

int vc_types_init(void)
{
    if (vc_next.Comm_dup(MPI_COMM_SELF, &pack_comm) != MPI_SUCCESS) {
        pack_comm = MPI_COMM_NULL;
        return vc_fail(VC_ERR_MPI, "MPI_Comm_dup of MPI_COMM_SELF failed");
    }
    vc_next.Comm_set_errhandler(pack_comm, MPI_ERRORS_RETURN);
#define VC_PREDEFINED(name) add(name);
#include "pmpi/types.list"
#undef VC_PREDEFINED
    vc_dtype_double = *slot_of(MPI_DOUBLE);
    atomic_store_explicit(&vc_dtype_quick, vc_dtype_double.size != 0, memory_order_relaxed);
    return VC_OK;
}

void vc_types_fini(void)
{
    if (pack_comm != MPI_COMM_NULL)
        vc_next.Comm_free(&pack_comm);
    pack_comm = MPI_COMM_NULL;
    vc_types_forget();
    memset(table, 0, sizeof table);
    memset(&vc_dtype_double, 0, sizeof vc_dtype_double);
}

void vc_types_forget(void)
{
    atomic_store_explicit(&vc_dtype_quick, false, memory_order_relaxed);
}

void vc_dtype_place(const void *buf, struct vc_dtype *t)
{
    MPI_Aint lb = 0, extent = 0;
    /* A derived type may have its first byte anywhere, and MPI_BOTTOM for a buffer. */
    if (!t->predefined && vc_next.Type_get_true_extent(t->type, &lb, &extent) != MPI_SUCCESS)
        return;
    t->device = t->size ? vc_device_of((const void *)((uintptr_t)buf + (uintptr_t)lb)) : 0;
    t->dense = t->dense && t->device == 0;
}

bool vc_dtype_get_slow(MPI_Datatype type, struct vc_dtype *out)
{
    if (type) {
        const struct vc_dtype *t = slot_of(type);
        if (t->type) {
            *out = *t;
            return true;
        }
    }
    return measure(type, out);
}

int vc_pack(const void *from, size_t count, const struct vc_dtype *type, void *to)
{
    int at = 0;
    if (VC_UNLIKELY(type->device))
        return vc_device_pack(from, count, type, to);
    if (count > INT_MAX || vc_next.Pack(from, (int)count, type->type, to, (int)(count * type->size), &at,
                                        pack_comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Pack of %zu elements of %zu bytes failed", count, type->size);
    return VC_OK;
}

int vc_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    int at = 0;
    if (VC_UNLIKELY(type->device))
        return vc_device_unpack(from, to, count, type);
    if (count > INT_MAX || vc_next.Unpack(from, (int)(count * type->size), &at, to, (int)count, type->type,
                                          pack_comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Unpack of %zu elements of %zu bytes failed", count, type->size);
    return VC_OK;
}

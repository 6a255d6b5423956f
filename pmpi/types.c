/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/types.h"

#include "pmpi/handles.h"
#include "pmpi/layout.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The predefined types, and where each is in that list. Written once by vc_types_init(), then only read. */
static struct vc_dtype known[VC_HANDLE_SLOTS / 2];
static int nknown;
static struct vc_handle_map places;
struct vc_dtype vc_dtype_double;
_Atomic bool vc_dtype_quick;

/* The attribute of derived types: their struct vc_dtype. */
static int keyval = MPI_KEYVAL_INVALID;

/* MPI_Pack needs a communicator. This one returns errors. */
static MPI_Comm pack_comm = MPI_COMM_NULL;

/* An empty pack checks a type as a send would, and its error calls no handler of the user's. */
static bool usable(MPI_Datatype type)
{
    char none[8] = "";
    int at = 0;
    return type != NULL && type != MPI_DATATYPE_NULL &&
           vc_next.Pack(none, 0, type, none, (int)sizeof none, &at, pack_comm) == MPI_SUCCESS;
}

static bool ask_mpi(MPI_Datatype type, struct vc_dtype *out)
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

static void add_predefined(MPI_Datatype type)
{
    struct vc_dtype t;
    /* Several names may be one handle; an MPI without Fortran, or without that width, has a null handle. */
    if (nknown == VC_HANDLE_SLOTS / 2 || type == NULL || type == MPI_DATATYPE_NULL ||
        vc_handle_find(&places, (uintptr_t)type) >= 0 || !ask_mpi(type, &t) || t.size == 0)
        return;
    t.predefined = true;
    t.dense = (ptrdiff_t)t.size == t.extent;
    vc_handle_add(&places, (uintptr_t)type, nknown);
    known[nknown++] = t;
}

/* What hangs on a derived type and its duplicates. */
struct kept {
    struct vc_dtype type;               /* of the type that was asked about first */
    _Atomic(struct vc_layout *) layout; /* NULL: not looked for yet */
    atomic_size_t moved;                /* bytes moved before that */
    atomic_uint types;                  /* that it hangs on */
};

/* A layout that is not known. */
static struct vc_layout no_layout;

static int on_type_free(MPI_Datatype type, int key, void *value, void *unused)
{
    struct kept *kept = value;
    (void)type;
    (void)key;
    (void)unused;
    /* Acquire and release: what other threads have done with it comes before. */
    if (atomic_fetch_sub_explicit(&kept->types, 1, memory_order_acq_rel) > 1)
        return MPI_SUCCESS;
    struct vc_layout *l = atomic_load_explicit(&kept->layout, memory_order_relaxed);
    if (l != &no_layout)
        vc_layout_drop(l);
    free(kept);
    return MPI_SUCCESS;
}

static int on_type_dup(MPI_Datatype type, int key, void *unused, void *value, void *copy, int *flag)
{
    struct kept *kept = value;
    (void)type;
    (void)key;
    (void)unused;
    atomic_fetch_add_explicit(&kept->types, 1, memory_order_relaxed);
    *(void **)copy = kept;
    *flag = 1;
    return MPI_SUCCESS;
}

static struct kept *attribute_of(MPI_Datatype type)
{
    void *kept;
    int found = 0;
    return vc_next.Type_get_attr(type, keyval, (void *)&kept, &found) == MPI_SUCCESS && found ? kept : NULL;
}

static bool read_attribute(MPI_Datatype type, struct vc_dtype *out)
{
    const struct kept *kept = attribute_of(type);
    if (!kept)
        return false;
    *out = kept->type;
    out->type = type;
    return true;
}

/* Without memory for it, the next call looks again. */
static void write_attribute(const struct vc_dtype *t)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        return;
    kept->type = *t;
    atomic_init(&kept->types, 1);
    if (vc_next.Type_set_attr(t->type, keyval, kept) != MPI_SUCCESS)
        free(kept);
}

/* Plain bytes. The bytes that it spans tell of most types that have gaps. */
static bool is_dense(const struct vc_dtype *t)
{
    MPI_Aint lb, extent;
    if (t->size == 0 || (ptrdiff_t)t->size != t->extent ||
        vc_next.Type_get_true_extent(t->type, &lb, &extent) != MPI_SUCCESS || lb != 0 ||
        (size_t)extent != t->size)
        return false;
    struct vc_layout *l = vc_layout_of(t->type, t->size);
    bool dense = l && vc_layout_in_order(l);
    vc_layout_drop(l);
    return dense;
}

/* An attribute that is there may be read without the lock, because it is never written again: then the MPI
 * would free the old one. */
static bool learn_derived(MPI_Datatype type, struct vc_dtype *out)
{
    static pthread_mutex_t learning = PTHREAD_MUTEX_INITIALIZER;
    if (!ask_mpi(type, out))
        return false;
    pthread_mutex_lock(&learning);
    if (!read_attribute(type, out)) {
        out->dense = is_dense(out);
        write_attribute(out);
    }
    pthread_mutex_unlock(&learning);
    return true;
}

static bool find_derived(MPI_Datatype type, struct vc_dtype *out)
{
    if (type == NULL || type == MPI_DATATYPE_NULL)
        return false;
    return read_attribute(type, out) || learn_derived(type, out);
}

int vc_types_init(void)
{
    if (vc_next.Comm_dup(MPI_COMM_SELF, &pack_comm) != MPI_SUCCESS) {
        pack_comm = MPI_COMM_NULL;
        return vc_fail(VC_ERR_MPI, "MPI_Comm_dup of MPI_COMM_SELF failed");
    }
    vc_next.Comm_set_errhandler(pack_comm, MPI_ERRORS_RETURN);
    if (vc_next.Type_create_keyval(on_type_dup, on_type_free, &keyval, NULL) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Type_create_keyval failed");
#define VC_PREDEFINED(name) add_predefined(name);
#include "pmpi/types.list"
#undef VC_PREDEFINED
    vc_dtype_get_slow(MPI_DOUBLE, &vc_dtype_double);
    atomic_store_explicit(&vc_dtype_quick, vc_dtype_double.size != 0, memory_order_relaxed);
    return VC_OK;
}

void vc_types_fini(void)
{
    if (pack_comm != MPI_COMM_NULL)
        vc_next.Comm_free(&pack_comm);
    pack_comm = MPI_COMM_NULL;
    /* Attributes that are there stay until their types go. */
    if (keyval != MPI_KEYVAL_INVALID)
        vc_next.Type_free_keyval(&keyval);
    vc_types_forget();
    memset(&places, 0, sizeof places);
    nknown = 0;
    memset(&vc_dtype_double, 0, sizeof vc_dtype_double);
}

void vc_types_forget(void)
{
    atomic_store_explicit(&vc_dtype_quick, false, memory_order_relaxed);
}

void vc_dtype_place(const void *buf, struct vc_dtype *t)
{
    MPI_Aint lb = 0, extent = 0;
    /* A derived type may have its first byte anywhere, and its buffer may be MPI_BOTTOM. */
    if (!t->predefined && vc_next.Type_get_true_extent(t->type, &lb, &extent) != MPI_SUCCESS)
        return;
    t->device = t->size ? vc_device_of((const void *)((uintptr_t)buf + (uintptr_t)lb)) : 0;
    t->dense = t->dense && t->device == 0;
}

bool vc_dtype_predefined(MPI_Datatype type)
{
    return vc_handle_find(&places, (uintptr_t)type) >= 0;
}

bool vc_dtype_get_slow(MPI_Datatype type, struct vc_dtype *out)
{
    int at = vc_handle_find(&places, (uintptr_t)type);
    if (at < 0)
        return find_derived(type, out);
    *out = known[at];
    return true;
}

/* For a call that moves `bytes`. NULL: not known, or not yet. */
static struct vc_layout *layout_of(const struct vc_dtype *type, size_t bytes)
{
    struct kept *kept = type->predefined ? NULL : attribute_of(type->type);
    if (!kept)
        return NULL;
    /* Acquire: pairs with the release of the thread that has put it there. */
    struct vc_layout *l = atomic_load_explicit(&kept->layout, memory_order_acquire), *none = NULL;
    if (!l) {
        if (atomic_fetch_add_explicit(&kept->moved, bytes, memory_order_relaxed) + bytes < VC_LAYOUT_WORTH)
            return NULL;
        l = vc_layout_of(type->type, type->size);
        if (!l)
            l = &no_layout;
        if (!atomic_compare_exchange_strong_explicit(&kept->layout, &none, l, memory_order_acq_rel,
                                                     memory_order_acquire)) {
            if (l != &no_layout)
                vc_layout_drop(l);
            l = none;
        }
    }
    return l == &no_layout ? NULL : l;
}

bool vc_dtype_strewn(struct vc_strewn *s, const void *base, size_t count, const struct vc_dtype *type)
{
    struct vc_layout *l = layout_of(type, count * type->size);
    if (l)
        vc_strewn_init(s, l, base, count, type->extent);
    return l != NULL;
}

int vc_dtype_pack(const void *from, size_t count, const struct vc_dtype *type, void *to)
{
    int at = 0;
    struct vc_strewn s;
    if (vc_dtype_strewn(&s, from, count, type)) {
        vc_strewn_get(&s, 0, count * type->size, to);
        return VC_OK;
    }
    if (count > INT_MAX || vc_next.Pack(from, (int)count, type->type, to, (int)(count * type->size), &at,
                                        pack_comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Pack of %zu elements of %zu bytes failed", count, type->size);
    return VC_OK;
}

int vc_dtype_unpack(const void *from, void *to, size_t count, const struct vc_dtype *type)
{
    int at = 0;
    struct vc_strewn s;
    if (vc_dtype_strewn(&s, to, count, type)) {
        vc_strewn_put(&s, 0, count * type->size, from);
        return VC_OK;
    }
    if (count > INT_MAX || vc_next.Unpack(from, (int)(count * type->size), &at, to, (int)count, type->type,
                                          pack_comm) != MPI_SUCCESS)
        return vc_fail(VC_ERR_MPI, "MPI_Unpack of %zu elements of %zu bytes failed", count, type->size);
    return VC_OK;
}

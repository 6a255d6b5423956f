/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/type_order.h"

#include "transport/mpi/next.h"

#include <stdlib.h>

enum {
    DEPTH_MAX = 16,   /* types made from types */
    BLOCKS_MAX = 4096 /* numbers that one of them was made from */
};

/* What a type was made from. */
struct origin {
    int combiner;
    int nints, naddrs, ntypes;
    int *ints;
    MPI_Aint *addrs;
    MPI_Datatype *types;
};

/* A type that another was made from. */
struct inner {
    MPI_Datatype type;
    size_t size;
    MPI_Aint extent;
    bool in_order;
};

static bool in_order(MPI_Datatype type, size_t size, int depth);

static bool inner_of(MPI_Datatype type, int depth, struct inner *in)
{
    MPI_Count size;
    MPI_Aint lb;
    if (vc_next.Type_size_x(type, &size) != MPI_SUCCESS || size < 0 ||
        vc_next.Type_get_extent(type, &lb, &in->extent) != MPI_SUCCESS)
        return false;
    in->type = type;
    in->size = (size_t)size;
    in->in_order = in_order(type, in->size, depth + 1);
    return true;
}

/* Whether so many of them behind each other are in order. */
static bool run_in_order(const struct inner *in, size_t count)
{
    return count == 0 || in->size == 0 || (in->in_order && (count == 1 || (size_t)in->extent == in->size));
}

/* Blocks behind each other: *end is where the last one ended. Those without data may be anywhere. */
static bool block_follows(const struct inner *in, int len, MPI_Aint at, MPI_Aint *end)
{
    size_t bytes = (size_t)len * in->size;
    if (bytes == 0)
        return true;
    if (at != *end || !run_in_order(in, (size_t)len))
        return false;
    *end += (MPI_Aint)bytes;
    return true;
}

/* Equal blocks at one distance. */
static bool strided_in_order(const struct inner *in, int count, int len, MPI_Aint stride)
{
    MPI_Aint end = 0;
    for (int i = 0; i < count && i < 2; i++)
        if (!block_follows(in, len, i * stride, &end))
            return false;
    return true;
}

/* ints: count, then lengths (one for all if `one`), then displacements in extents where they are no
 * addresses. */
static bool blocks_in_order(const struct origin *o, const struct inner *in, bool one)
{
    int count = o->ints[0];
    const int *len = o->ints + 1, *displ = len + (one ? 1 : count);
    MPI_Aint end = 0;
    for (int i = 0; i < count; i++)
        if (!block_follows(in, len[one ? 0 : i], o->naddrs ? o->addrs[i] : displ[i] * in->extent, &end))
            return false;
    return true;
}

static bool members_in_order(const struct origin *o, int depth)
{
    MPI_Aint end = 0;
    struct inner in;
    for (int i = 0; i < o->ints[0]; i++)
        if (!inner_of(o->types[i], depth, &in) || !block_follows(&in, o->ints[1 + i], o->addrs[i], &end))
            return false;
    return true;
}

/* The whole array. */
static bool subarray_in_order(const struct origin *o, const struct inner *in)
{
    int dims = o->ints[0];
    size_t all = 1;
    for (int d = 0; d < dims; d++) {
        if (o->ints[1 + d] != o->ints[1 + dims + d])
            return false;
        all *= (size_t)o->ints[1 + d];
    }
    return run_in_order(in, all);
}

/* See MPI_Type_get_contents (MPI-3.1, 4.1.13) for what stands where. */
static bool origin_in_order(const struct origin *o, int depth)
{
    struct inner in;
    if (o->combiner == MPI_COMBINER_STRUCT)
        return members_in_order(o, depth);
    if (o->ntypes != 1 || !inner_of(o->types[0], depth, &in))
        return false;
    switch (o->combiner) {
    case MPI_COMBINER_DUP:
    case MPI_COMBINER_RESIZED:
        return run_in_order(&in, 1);
    case MPI_COMBINER_CONTIGUOUS:
        return run_in_order(&in, (size_t)o->ints[0]);
    case MPI_COMBINER_VECTOR:
        return strided_in_order(&in, o->ints[0], o->ints[1], o->ints[2] * in.extent);
    case MPI_COMBINER_HVECTOR:
        return strided_in_order(&in, o->ints[0], o->ints[1], o->addrs[0]);
    case MPI_COMBINER_INDEXED:
    case MPI_COMBINER_HINDEXED:
        return blocks_in_order(o, &in, false);
    case MPI_COMBINER_INDEXED_BLOCK:
    case MPI_COMBINER_HINDEXED_BLOCK:
        return blocks_in_order(o, &in, true);
    case MPI_COMBINER_SUBARRAY:
        return subarray_in_order(o, &in);
    default:
        return false;
    }
}

static bool made_from_none(int combiner)
{
    return combiner == MPI_COMBINER_NAMED || combiner == MPI_COMBINER_F90_INTEGER ||
           combiner == MPI_COMBINER_F90_REAL || combiner == MPI_COMBINER_F90_COMPLEX;
}

static bool is_predefined(MPI_Datatype type)
{
    int ints, addrs, types, combiner;
    return vc_next.Type_get_envelope(type, &ints, &addrs, &types, &combiner) != MPI_SUCCESS ||
           made_from_none(combiner);
}

static bool order_of_origin(MPI_Datatype type, struct origin *o, int depth)
{
    /* The MPI's handles of derived types are new ones. */
    if (vc_next.Type_get_contents(type, o->nints, o->naddrs, o->ntypes, o->ints, o->addrs, o->types) !=
        MPI_SUCCESS)
        return false;
    bool yes = origin_in_order(o, depth);
    for (int i = 0; i < o->ntypes; i++)
        if (!is_predefined(o->types[i]))
            vc_next.Type_free(&o->types[i]);
    return yes;
}

/* Predefined types: those whose true extent is their size. Pairs with a gap inside have a larger one. */
static bool plain(MPI_Datatype type, size_t size)
{
    MPI_Aint lb, extent;
    return vc_next.Type_get_true_extent(type, &lb, &extent) == MPI_SUCCESS && lb == 0 &&
           (size_t)extent == size;
}

static bool in_order(MPI_Datatype type, size_t size, int depth)
{
    struct origin o = {.ints = NULL};
    /* The bytes it spans tell of most types that have gaps. */
    if (size == 0 || !plain(type, size) ||
        vc_next.Type_get_envelope(type, &o.nints, &o.naddrs, &o.ntypes, &o.combiner) != MPI_SUCCESS)
        return size == 0;
    if (made_from_none(o.combiner))
        return true;
    if (depth == DEPTH_MAX || o.nints > BLOCKS_MAX)
        return false;
    size_t addrs = (size_t)o.naddrs * sizeof *o.addrs, types = (size_t)o.ntypes * sizeof(MPI_Datatype);
    char *mem = malloc(addrs + types + (size_t)o.nints * sizeof(int));
    if (!mem)
        return false;
    o.addrs = (MPI_Aint *)(void *)mem;
    o.types = (MPI_Datatype *)(void *)(mem + addrs);
    o.ints = (int *)(void *)(mem + addrs + types);
    bool yes = order_of_origin(type, &o, depth);
    free(mem);
    return yes;
}

bool vc_type_in_order(MPI_Datatype type, size_t size)
{
    return in_order(type, size, 0);
}

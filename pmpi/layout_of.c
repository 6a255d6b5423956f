/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/layout.h"

#include "transport/mpi/next.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 16,   /* types made from types */
    BLOCKS_MAX = 4096 /* numbers that one of them was made from; runs of a layout */
};

/* What a type was made from. */
struct origin {
    int combiner;
    int nints, naddrs, ntypes;
    int *ints;
    MPI_Aint *addrs;
    MPI_Datatype *types;
};

/* A layout that is being made. `begin` of its runs is not set, nor size and tile. */
struct draft {
    struct vc_runs *runs; /* from malloc(), or NULL */
    size_t nruns, room;
    size_t reps;
    ptrdiff_t step;
};

/* A type that another was made from. */
struct inner {
    struct draft draft;
    MPI_Aint extent;
};

static bool draft_type(struct draft *d, MPI_Datatype type, int depth);

/* Differences of addresses may wrap around, as those do that MPI_BOTTOM goes with. */
static ptrdiff_t times(size_t n, ptrdiff_t distance)
{
    return (ptrdiff_t)(n * (size_t)distance);
}

static ptrdiff_t plus(ptrdiff_t a, ptrdiff_t b)
{
    return (ptrdiff_t)((size_t)a + (size_t)b);
}

/* Makes these runs a part of the ones before, if they go on as those do. */
static bool continues(struct vc_runs *last, const struct vc_runs *r)
{
    if (last->count == 1 && r->count == 1 && plus(last->at, (ptrdiff_t)last->len) == r->at) {
        last->len += r->len;
        return true;
    }
    if (last->len != r->len)
        return false;
    ptrdiff_t stride = last->count > 1 ? last->stride : (ptrdiff_t)((size_t)r->at - (size_t)last->at);
    if (plus(last->at, times(last->count, stride)) != r->at || (r->count > 1 && r->stride != stride))
        return false;
    last->stride = stride;
    last->count += r->count;
    return true;
}

static bool add_runs(struct draft *d, const struct vc_runs *r)
{
    if (d->nruns > 0 && continues(&d->runs[d->nruns - 1], r))
        return true;
    if (d->nruns == d->room) {
        size_t room = d->room ? 2 * d->room : 4;
        struct vc_runs *more = room <= 2 * (size_t)BLOCKS_MAX ? realloc(d->runs, room * sizeof *more) : NULL;
        if (!more)
            return false;
        d->runs = more;
        d->room = room;
    }
    d->runs[d->nruns++] = *r;
    return true;
}

/* `from`, as far away as `at`, behind what there is already. */
static bool add_draft(struct draft *d, const struct draft *from, ptrdiff_t at)
{
    if (from->reps > BLOCKS_MAX || from->nruns * from->reps > BLOCKS_MAX)
        return false;
    for (size_t rep = 0; rep < from->reps; rep++)
        for (size_t i = 0; i < from->nruns; i++) {
            struct vc_runs r = from->runs[i];
            r.at = plus(plus(r.at, at), times(rep, from->step));
            if (!add_runs(d, &r))
                return false;
        }
    return true;
}

static void draft_clear(struct draft *d)
{
    free(d->runs);
    *d = (struct draft){.reps = 1};
}

/* The draft n times, at one distance. */
static bool repeat(struct draft *d, size_t n, ptrdiff_t distance)
{
    if (n == 0)
        draft_clear(d);
    if (n <= 1 || d->nruns == 0)
        return true;
    struct vc_runs *r = d->runs;
    if (d->reps > 1) {
        if (distance == times(d->reps, d->step)) {
            d->reps *= n;
            return true;
        }
        struct draft flat = {.reps = 1};
        if (!add_draft(&flat, d, 0)) {
            free(flat.runs);
            return false;
        }
        free(d->runs);
        *d = flat;
        r = d->runs;
    }
    if (d->nruns == 1 && r->count == 1 && distance == (ptrdiff_t)r->len) {
        r->len *= n;
    } else if (d->nruns == 1 && r->count == 1) {
        r->count = n;
        r->stride = distance;
    } else if (d->nruns == 1 && distance == times(r->count, r->stride)) {
        r->count *= n;
    } else {
        d->reps = n;
        d->step = distance;
    }
    return true;
}

static bool inner_of(MPI_Datatype type, int depth, struct inner *in)
{
    MPI_Aint lb;
    in->draft = (struct draft){.reps = 1};
    return vc_next.Type_get_extent(type, &lb, &in->extent) == MPI_SUCCESS &&
           draft_type(&in->draft, type, depth + 1);
}

/* `len` of the inner type behind each other, at `at`. */
static bool add_block(struct draft *d, const struct inner *in, int len, ptrdiff_t at)
{
    if (len <= 0 || in->draft.nruns == 0)
        return true;
    struct draft block = {.reps = 1};
    bool ok = false;
    if (len == 1) /* the most frequent one, without a copy */
        return add_draft(d, &in->draft, at);
    block.runs = malloc(in->draft.nruns * sizeof *block.runs);
    if (block.runs) {
        memcpy(block.runs, in->draft.runs, in->draft.nruns * sizeof *block.runs);
        block.nruns = block.room = in->draft.nruns;
        block.reps = in->draft.reps;
        block.step = in->draft.step;
        ok = repeat(&block, (size_t)len, in->extent) && add_draft(d, &block, at);
    }
    free(block.runs);
    return ok;
}

/* ints: count, then lengths (one for all if `one`), then displacements in extents where they are no
 * addresses. */
static bool draft_blocks(struct draft *d, const struct origin *o, const struct inner *in, bool one)
{
    int count = o->ints[0];
    const int *len = o->ints + 1, *displ = len + (one ? 1 : count);
    for (int i = 0; i < count; i++)
        if (!add_block(d, in, len[one ? 0 : i],
                       o->naddrs ? o->addrs[i] : times((size_t)displ[i], in->extent)))
            return false;
    return true;
}

static bool draft_members(struct draft *d, const struct origin *o, int depth)
{
    bool ok = true;
    for (int i = 0; ok && i < o->ints[0]; i++) {
        struct inner in;
        ok = inner_of(o->types[i], depth, &in) && add_block(d, &in, o->ints[1 + i], o->addrs[i]);
        free(in.draft.runs);
    }
    return ok;
}

/* Dimension by dimension, from the one whose elements lie behind each other. */
static bool repeat_subarray(struct draft *d, const struct origin *o, MPI_Aint extent)
{
    int dims = o->ints[0];
    const int *sizes = o->ints + 1, *parts = sizes + dims, *starts = parts + dims;
    bool c_order = starts[dims] == MPI_ORDER_C;
    ptrdiff_t distance = extent, at = 0;
    for (int i = 0; i < dims; i++) {
        int dim = c_order ? dims - 1 - i : i;
        if (!repeat(d, (size_t)parts[dim], distance))
            return false;
        at = plus(at, times((size_t)starts[dim], distance));
        distance = times((size_t)sizes[dim], distance);
    }
    for (size_t i = 0; i < d->nruns; i++)
        d->runs[i].at = plus(d->runs[i].at, at);
    return true;
}

/* See MPI_Type_get_contents (MPI-3.1, 4.1.13) for what stands where. */
static bool draft_made_of(struct draft *d, const struct origin *o, struct inner *in)
{
    switch (o->combiner) {
    case MPI_COMBINER_INDEXED:
    case MPI_COMBINER_HINDEXED:
        return draft_blocks(d, o, in, false);
    case MPI_COMBINER_INDEXED_BLOCK:
    case MPI_COMBINER_HINDEXED_BLOCK:
        return draft_blocks(d, o, in, true);
    default:
        break;
    }
    /* The others are the inner type, repeated. */
    struct draft none = *d;
    *d = in->draft;
    in->draft = none;
    switch (o->combiner) {
    case MPI_COMBINER_DUP:
    case MPI_COMBINER_RESIZED:
        return true;
    case MPI_COMBINER_CONTIGUOUS:
        return repeat(d, (size_t)o->ints[0], in->extent);
    case MPI_COMBINER_VECTOR:
        return repeat(d, (size_t)o->ints[1], in->extent) &&
               repeat(d, (size_t)o->ints[0], times((size_t)o->ints[2], in->extent));
    case MPI_COMBINER_HVECTOR:
        return repeat(d, (size_t)o->ints[1], in->extent) && repeat(d, (size_t)o->ints[0], o->addrs[0]);
    case MPI_COMBINER_SUBARRAY:
        return repeat_subarray(d, o, in->extent);
    default:
        return false;
    }
}

static bool draft_of_origin(struct draft *d, const struct origin *o, int depth)
{
    if (o->combiner == MPI_COMBINER_STRUCT)
        return draft_members(d, o, depth);
    if (o->ntypes != 1)
        return false;
    struct inner in;
    bool ok = inner_of(o->types[0], depth, &in) && draft_made_of(d, o, &in);
    free(in.draft.runs);
    return ok;
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

static bool draft_origin(struct draft *d, MPI_Datatype type, struct origin *o, int depth)
{
    /* The MPI's handles of derived types are new ones. */
    if (vc_next.Type_get_contents(type, o->nints, o->naddrs, o->ntypes, o->ints, o->addrs, o->types) !=
        MPI_SUCCESS)
        return false;
    bool ok = draft_of_origin(d, o, depth);
    for (int i = 0; i < o->ntypes; i++)
        if (!is_predefined(o->types[i]))
            vc_next.Type_free(&o->types[i]);
    return ok;
}

/* Predefined types: those whose true extent is their size have no gaps inside. Of MPI's pairs one has. */
static bool draft_predefined(struct draft *d, MPI_Datatype type)
{
    MPI_Aint lb, extent;
    MPI_Count size;
    if (vc_next.Type_size_x(type, &size) != MPI_SUCCESS || size < 0 ||
        vc_next.Type_get_true_extent(type, &lb, &extent) != MPI_SUCCESS)
        return false;
    const struct vc_runs all = {.len = (size_t)size, .count = 1};
    const struct vc_runs value = {.len = sizeof(short), .count = 1},
                         index = {.at = (ptrdiff_t)sizeof(int), .len = sizeof(int), .count = 1};
    if (type == MPI_SHORT_INT && sizeof(short) < sizeof(int))
        return add_runs(d, &value) && add_runs(d, &index);
    return lb == 0 && extent == (MPI_Aint)size && (size == 0 || add_runs(d, &all));
}

static bool draft_type(struct draft *d, MPI_Datatype type, int depth)
{
    struct origin o = {.ints = NULL};
    if (vc_next.Type_get_envelope(type, &o.nints, &o.naddrs, &o.ntypes, &o.combiner) != MPI_SUCCESS)
        return false;
    if (made_from_none(o.combiner))
        return draft_predefined(d, type);
    if (depth == DEPTH_MAX || o.nints > BLOCKS_MAX)
        return false;
    size_t addrs = (size_t)o.naddrs * sizeof *o.addrs, types = (size_t)o.ntypes * sizeof(MPI_Datatype);
    char *mem = malloc(addrs + types + (size_t)o.nints * sizeof(int) + 1);
    if (!mem)
        return false;
    o.addrs = (MPI_Aint *)(void *)mem;
    o.types = (MPI_Datatype *)(void *)(mem + addrs);
    o.ints = (int *)(void *)(mem + addrs + types);
    bool ok = draft_origin(d, type, &o, depth);
    free(mem);
    return ok;
}

/* A draft that does not have the bytes that the MPI says the type has is not believed. */
static struct vc_layout *finish(const struct draft *d, size_t size)
{
    if (d->nruns == 0 || d->nruns > BLOCKS_MAX)
        return NULL;
    struct vc_layout *l = malloc(sizeof *l + d->nruns * sizeof *l->runs);
    if (!l)
        return NULL;
    *l = (struct vc_layout){
        .users = 1, .size = size, .reps = d->reps, .step = d->step, .nruns = (int)d->nruns};
    for (size_t i = 0; i < d->nruns; i++) {
        l->runs[i] = d->runs[i];
        l->runs[i].begin = l->tile;
        l->tile += d->runs[i].len * d->runs[i].count;
    }
    if (l->tile * l->reps == size)
        return l;
    free(l);
    return NULL;
}

struct vc_layout *vc_layout_of(MPI_Datatype type, size_t size)
{
    struct draft d = {.reps = 1};
    struct vc_layout *l = size && draft_type(&d, type, 0) ? finish(&d, size) : NULL;
    free(d.runs);
    return l;
}

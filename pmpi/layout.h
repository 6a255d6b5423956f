/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the bytes of a datatype lie, as runs in the order of the signature. MPI packs whole elements alone;
 * with the runs any part of packed data can be moved, so that packing and transfer overlap. Size, extent and
 * true extent do not tell where bytes lie: they are equal for a type that permutes its blocks, too. How the
 * type was made does (MPI_Type_get_contents, MPI-3.1, 4.1.13).
 */
#ifndef VC_PMPI_LAYOUT_H
#define VC_PMPI_LAYOUT_H

#include <mpi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Runs of equal length at one distance. */
struct vc_runs {
    ptrdiff_t at;     /**< of the first one, from the element's address */
    size_t len;       /**< bytes of each; not 0 */
    size_t count;     /**< not 0 */
    ptrdiff_t stride; /**< from one to the next */
    size_t begin;     /**< where they begin in the packed tile */
};

/** One element: a tile of runs, repeated at one distance. */
struct vc_layout {
    atomic_uint users; /**< see vc_layout_drop() */
    size_t size;       /**< bytes of data of the element: reps * tile; not 0 */
    size_t reps, tile;
    ptrdiff_t step; /**< from tile to tile */
    int nruns;
    struct vc_runs runs[];
};

/**
 * The layout of one element of `size` bytes of a type that may be used in communication, with one user.
 * NULL: not known, because the type has no data, is made of more than some thousand blocks, or by a
 * constructor that scatters (darray), or because there is no memory. Costs some microseconds, since the MPI
 * hands out copies of what the type was made from. Thread-safe; calls no error handler.
 */
struct vc_layout *vc_layout_of(MPI_Datatype type, size_t size);

/** One user more. */
static inline void vc_layout_hold(struct vc_layout *l)
{
    atomic_fetch_add_explicit(&l->users, 1, memory_order_relaxed);
}

/** One user less: the last one releases it. NULL is no layout. Thread-safe. */
void vc_layout_drop(struct vc_layout *l);

/** Whether the data of an element are its bytes 0 to size - 1, in order. */
static inline bool vc_layout_in_order(const struct vc_layout *l)
{
    return l->nruns == 1 && l->reps == 1 && l->runs[0].count == 1 && l->runs[0].at == 0;
}

/** Elements in memory, seen as packed bytes 0 to count * size - 1. */
struct vc_strewn {
    struct vc_layout *layout; /**< has to stay, as it has the runs; NULL: nothing has to */
    uintptr_t base;           /**< address of the first element */
    size_t size;              /**< as those of struct vc_layout */
    size_t tile;
    ptrdiff_t extent, step;
    int nruns;
    const struct vc_runs *runs;
    struct vc_runs one; /**< all elements, where each is one run; then runs is NULL */
};

void vc_strewn_init(struct vc_strewn *s, struct vc_layout *l, const void *base, size_t count,
                    ptrdiff_t extent);

/** Copies packed bytes [at, at + len) from the elements, or into them. Bytes between elements are neither
 * read nor written. Thread-safe for different bytes. */
void vc_strewn_get(const struct vc_strewn *s, size_t at, size_t len, void *to);
void vc_strewn_put(const struct vc_strewn *s, size_t at, size_t len, const void *from);

#endif

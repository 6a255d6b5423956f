/* SPDX-License-Identifier: BSD-3-Clause */
/* Data with gaps, or in another order, as collectives see them that pack and unpack while they move them. */
#ifndef VC_PMPI_VIEW_H
#define VC_PMPI_VIEW_H

#include "pmpi/run.h"

/** Blocks of elements of one type, each where a displacement says. */
struct vc_placed {
    int n;
    const void *base;
    const void *displs; /**< [n], in extents of the type */
    bool wide;          /**< they are MPI_Aint, not int */
    const size_t *at;   /**< [n + 1] where each begins in the packed data, and the end */
};

/** The same as a side of a view. */
struct vc_view_placed {
    struct vc_placed blocks;
    ptrdiff_t extent;
    bool dense;           /**< elements are plain bytes */
    struct vc_strewn one; /**< otherwise: as if all elements followed each other from address 0 on */
};

struct vc_view_pairs;

/** Of one call. NULL stands for none. */
struct vc_call_view {
    bool holds; /**< stays valid where the program frees its types meanwhile */
    struct vc_view packed;
    struct vc_strewn src, dst;
    struct vc_view_placed placed; /**< in place of one of these */
    struct vc_view_pairs *pairs;  /**< in place of both */
    struct vc_layout **held;      /**< [nheld] */
    int nheld;
};

/** Whether what was selected for the call, which reduces nothing, takes a view: plans do, and node phases of
 * long messages, here of `len` bytes as the phase counts them. A matter of this rank alone. */
bool vc_view_may(const struct vc_comm *c, const struct vc_call *k, size_t len);

/** A view for a blocking call, in memory of the caller's, of nothing yet. Returns v. */
struct vc_call_view *vc_view_init(struct vc_call_view *v);
/** Releases what it has besides itself: only views of pairs have something. */
void vc_view_drop(struct vc_call_view *v);
/** The same for a call that goes on after it has returned. NULL: no memory for it. */
struct vc_call_view *vc_view_create(void);
void vc_view_destroy(struct vc_call_view *v);

/** The data, or the result, are these elements. False: they have to be packed, or unpacked, as a whole: of a
 * device, or in a layout that is not known, or v is NULL. */
bool vc_view_data(struct vc_call_view *v, struct vc_work *w, const void *base, size_t count,
                  const struct vc_dtype *type);
bool vc_view_result(struct vc_call_view *v, struct vc_work *w, void *base, size_t count,
                    const struct vc_dtype *type);
/** The same of blocks, whose arrays have to stay. */
bool vc_view_placed_data(struct vc_call_view *v, struct vc_work *w, const struct vc_placed *b,
                         const struct vc_dtype *type);
bool vc_view_placed_result(struct vc_call_view *v, struct vc_work *w, const struct vc_placed *b,
                           const struct vc_dtype *type);

/** For a call whose sizes only pairs of ranks know, n of them: then of block r, of those that are sent, or
 * received. */
bool vc_view_pairs(struct vc_call_view *v, struct vc_work *w, int n);
bool vc_view_block(struct vc_call_view *v, bool sent, int r, const void *base, size_t count,
                   const struct vc_dtype *type);

/** Whether the result, received as packed data, is unpacked by a view. */
static inline bool vc_view_unpacks(const struct vc_work *w)
{
    return w->view && w->view->dst;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What calls that move data look at in their arguments. */
#ifndef VC_PMPI_SIDES_H
#define VC_PMPI_SIDES_H

#include "pmpi/quick.h"
#include "pmpi/run.h"

/** Fills *t. True: MPI will complain about this side of the arguments. */
static inline bool vc_bad_side(const void *buf, int count, MPI_Datatype type, struct vc_dtype *t)
{
    return count < 0 || !vc_dtype_of(buf, type, t) || (buf == NULL && t->predefined && count > 0);
}

/** The size of the call; false, with k->why, when it is the underlying MPI's for that reason. */
static inline bool vc_size_call(struct vc_call *k, size_t block, size_t nblocks)
{
    k->bytes = block;
    if (VC_UNLIKELY(block == 0)) {
        k->why = VC_PASS_EMPTY;
        return false;
    }
    if (VC_UNLIKELY(block > VC_CALL_LIMIT / nblocks)) {
        k->why = VC_PASS_LARGE;
        return false;
    }
    return true;
}

/** Later calls like this one, of elements without gaps, may be quick. */
static inline void vc_learn(struct vc_comm *c, const struct vc_call *k, const struct vc_selected *sel,
                            size_t esize)
{
    const struct vc_redop none = {.esize = esize};
    vc_quick_learn(c, k, sel, &none);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operators as the kernels want them. Predefined ones on predefined types have kernels; a user's run through
 * MPI_Reduce_local, which also knows the calling convention of Fortran, one that takes elements in their own
 * layout: where that is not plain bytes, the kernel unpacks its operands and packs the result.
 */
#ifndef VC_PMPI_REDOP_H
#define VC_PMPI_REDOP_H

#include "coll/kernels/kernels.h"
#include "pmpi/types.h"

/** What a user's operator needs while its collective runs. */
struct vc_user_op {
    MPI_Op op;
    struct vc_dtype type;
    ptrdiff_t lb;       /**< where an element's first byte lies */
    size_t align;       /**< what the operator may expect of a pointer to plain bytes */
    size_t chunk;       /**< elements that the two operands below hold */
    void *mem;          /**< the operands' memory; NULL: not needed yet */
    char *left, *right; /**< elements in the type's own layout */
    size_t span;
    bool failed;
};

/** The operator and type of one call. */
struct vc_reduction {
    struct vc_redop op;
    struct vc_dtype type;
    bool packed; /**< buffers hold packed elements (op.esize is the type's size) */
    bool padded; /**< buffers hold elements with gaps that the user's must keep (op.esize is the extent) */
    bool user;
    struct vc_user_op u; /**< user only: op.ctx points here */
};

/**
 * Finds out how to reduce. False: the underlying MPI should see the call (an operator or type vcoll does not
 * know, or the MPI will complain about). The result must not be moved.
 */
bool vc_reduction_init(struct vc_reduction *r, MPI_Op op, MPI_Datatype type);

/** The last predefined pair without gaps that this thread used; predefined handles stay what they are. None
 * where there are devices: then every call has to look where its buffers are. */
struct vc_redop_memo {
    MPI_Op op; /**< NULL: none yet */
    MPI_Datatype type;
    struct vc_redop redop;
};
extern __thread struct vc_redop_memo vc_redop_last __attribute__((tls_model("initial-exec")));

/** The kernel for a pair that vc_reduction_init() has met just before, or NULL. Valid until the thread's next
 * call. */
static inline const struct vc_redop *vc_redop_again(MPI_Op op, MPI_Datatype type)
{
    return VC_LIKELY(op == vc_redop_last.op && type == vc_redop_last.type && op) ? &vc_redop_last.redop
                                                                                 : NULL;
}

/** The thread's next call looks its pair up. */
static inline void vc_redop_forget(void)
{
    vc_redop_last.op = NULL;
}

/** Before a user's operator is run: memory for `count` elements. VC_OK or VC_ERR_NOMEM. Nothing for others.
 */
int vc_reduction_begin(struct vc_reduction *r, size_t count);
/** Releases that; VC_ERR_MPI when the operator failed, otherwise `err`. */
int vc_reduction_end(struct vc_reduction *r, int err);

/** Copies elements of a padded type without touching the gaps of the target. */
void vc_reduction_copy(const struct vc_reduction *r, const void *from, void *to, size_t count);

#endif

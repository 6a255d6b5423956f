/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operators as functions that the engine can call. A predefined operator on a predefined type has a kernel of
 * its own. A user's operator runs through MPI_Reduce_local, which also calls those of Fortran programs; it
 * takes elements in their own layout, so that where a type has gaps, the operands are unpacked for it and its
 * result is packed.
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

/** The last operator and type without gaps, both predefined, that this thread used: the meaning of predefined
 * handles does not change. None where there are devices: then every call has to look where its buffers are.
 */
struct vc_redop_memo {
    MPI_Op op; /**< NULL: none yet */
    MPI_Datatype type;
    struct vc_redop redop;
};
extern __thread struct vc_redop_memo vc_redop_last __attribute__((tls_model("initial-exec")));

/** The kernel, if operator and type are those of the thread's last vc_reduction_init(), or NULL. Valid until
 * its next call. */
static inline const struct vc_redop *vc_redop_again(MPI_Op op, MPI_Datatype type)
{
    return VC_LIKELY(op == vc_redop_last.op && type == vc_redop_last.type && op) ? &vc_redop_last.redop
                                                                                 : NULL;
}

/** The thread's next call looks operator and type up. */
static inline void vc_redop_forget(void)
{
    vc_redop_last.op = NULL;
}

/** Before a user's operator runs: allocates operands for `count` elements. VC_OK or VC_ERR_NOMEM. Does
 * nothing for a predefined operator. */
int vc_reduction_begin(struct vc_reduction *r, size_t count);
/** Frees them. VC_ERR_MPI when the operator failed, otherwise `err`. */
int vc_reduction_end(struct vc_reduction *r, int err);

/** Copies elements of a padded type without touching the gaps of the target. */
void vc_reduction_copy(const struct vc_reduction *r, const void *from, void *to, size_t count);

#endif

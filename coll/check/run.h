/* SPDX-License-Identifier: BSD-3-Clause */
/* A symbolic run: state and what run.c and run_node.c share. */
#ifndef VC_COLL_CHECK_RUN_H
#define VC_COLL_CHECK_RUN_H

#include "coll/check/internal.h"

struct vck_run {
    struct vck *c;
    bool eager;
    struct vck_cell *mem;
    struct vck_cell *sent; /**< eager: contents of messages, at sent_at[send] */
    size_t *sent_at;
    int *pending; /**< what a step still waits for before it may start */
    bool *started, *done;
    /* who waits for the end of step g: rev[rev_first[g] .. rev_first[g + 1] - 1] */
    int *rev_first, *rev;
    int *ready, nready, ready_head;
    int ndone;
    int *arrived; /**< [nnodes] per first rank's NODE step: how many of the node are in it */
    int words;
    uint64_t *known; /**< barrier: whose entry a step's end comes after */
};

static inline struct vck_cell *vck_cells(const struct vck_run *x, int rank, struct vc_ref ref)
{
    return x->mem + x->c->ranks[rank].first_cell + vck_addr(x->c, rank, ref) / x->c->grain;
}

/** Whose entry is known to have happened before the end of a step; only in barriers. */
static inline uint64_t *vck_known(const struct vck_run *x, int g)
{
    return x->known + (size_t)g * (size_t)x->words;
}

/** Fails when one of n cells is undefined; g is the step that reads them. */
bool vck_defined(struct vck_run *x, int g, struct vc_ref ref, const struct vck_cell *v, size_t n);
/** dst = left (op) right, cell by cell; dst may be either. */
bool vck_reduce(struct vck_run *x, int g, struct vck_cell *dst, const struct vck_cell *left,
                const struct vck_cell *right, size_t n);
/** A step is over: what waits for it may start. */
void vck_done(struct vck_run *x, int g);
/** A rank enters a node phase; the last one of the node does it for all. */
bool vck_start_node(struct vck_run *x, int g);

#endif

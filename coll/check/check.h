/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checker proves a plan on paper: it runs the plans of all ranks symbolically and shows that every rank
 * ends with exactly the right contributions in the right places, that each send meets a receive of the same
 * length, that nothing deadlocks, that no two unordered steps touch the same memory (one writing), that node
 * phases agree, that reductions of non-commutative operators keep ascending rank order, that allreduce
 * results are associated identically everywhere, and that no plan is longer than the algorithm says.
 */
#ifndef VC_COLL_CHECK_H
#define VC_COLL_CHECK_H

#include "coll/registry.h"

/**
 * Builds and checks the plans of all ranks of the shape. 0: proven. Otherwise -1 and up to `len` bytes of
 * text that say which rank, step and byte broke which rule. `alias`: SEND is RECV (MPI_IN_PLACE) as plan.h
 * says.
 */
int vc_check_plan(const struct vc_alg *alg, const struct vc_shape *shape, bool alias, char *text, size_t len);

/** What was proven: a hash of 64 bits of all that the checker looks at. */
struct vc_proven;
struct vc_proven *vc_proven_new(void);
void vc_proven_free(struct vc_proven *known);

/**
 * As vc_check_plan(). Plans are built, and their promised lengths compared, each time; what is in `known` is
 * not proven again, because the same plans for the same shape give the same proof whatever parameters or
 * algorithm made them. A proof for an operator that is not commutative is one for those that are: it allows
 * less.
 */
int vc_check_plan_once(struct vc_proven *known, const struct vc_alg *alg, const struct vc_shape *shape,
                       bool alias, char *text, size_t len);

#endif

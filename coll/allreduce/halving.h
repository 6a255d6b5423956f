/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recursive halving, shared by Rabenseifner's reduce and allreduce and by reduce-scatters. The nearest exchange
 * first, so that a participant always holds the reduction of consecutive ones: operands stay in ascending
 * order.
 */
#ifndef VC_COLL_ALLREDUCE_HALVING_H
#define VC_COLL_ALLREDUCE_HALVING_H

#include "coll/group.h"

/** The group folded to a power of two of members: of each of the first few pairs only one participant is a
 * member. */
struct vc_halving {
    const struct vc_group *g;
    size_t esize;
    int n;      /**< members, a power of two */
    int paired; /**< virtual ranks 0..paired-1 make pairs */
    int keep;   /**< the virtual rank that is a member even if it is the second of its pair, or -1 */
    int me;     /**< own number among the members, or -1 */
    /** [n + 1] where the parts of the vector begin that members end with, in the order in which they stand in
     * it. NULL: slices of equal length. */
    const size_t *at;
};

void vc_halving_init(struct vc_halving *h, const struct vc_group *g, size_t esize, int keep);
/** The member that stands for a virtual rank, and the communicator rank of a member. */
int vc_halving_member(const struct vc_halving *h, int v);
int vc_halving_rank(const struct vc_halving *h, int member);

/** Pairs are reduced to the one that is a member. `own`: the operand. `sum`: where the result is built (may
 * be own); not used by the others. */
void vc_halving_fold(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum);
/** Leaves the window of distance n / 2 of `sum` reduced on every member. */
void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum);
/** What `member` keeps of the vector after the exchange at distance `dist`. */
struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int dist);

#endif

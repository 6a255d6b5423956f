/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reduce-scatter by recursive halving, shared by Rabenseifner's reduce and allreduce. Neighbours go first, so
 * that what a rank holds always comes of consecutive ranks: operands stay in ascending order.
 */
#ifndef VC_COLL_ALLREDUCE_HALVING_H
#define VC_COLL_ALLREDUCE_HALVING_H

#include "coll/plan.h"

struct vc_halving {
    const struct vc_shape *shape;
    int rank;
    int n;      /**< participants, a power of two */
    int paired; /**< ranks 0..paired-1 make pairs of which one takes part */
    int keep;   /**< the rank that takes part even if it is the second of its pair, or -1 */
    int me;     /**< own number among the participants, or -1 */
};

void vc_halving_init(struct vc_halving *h, const struct vc_shape *shape, int rank, int keep);
/** Participant number of a rank's group, and the rank of a participant. */
int vc_halving_member(const struct vc_halving *h, int rank);
int vc_halving_rank(const struct vc_halving *h, int member);

/** Pairs are reduced to the one that takes part. `sum`: where the result is built; not used by the others. */
void vc_halving_fold(const struct vc_halving *h, struct vc_plan *p, struct vc_ref sum);
/** Leaves the window of distance n / 2 of `sum` reduced on every participant. */
void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref sum);
/** What `member` keeps of the vector after the exchange at distance `dist`. */
struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int dist);

#endif

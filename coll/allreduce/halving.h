/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recursive halving, shared by Rabenseifner's reduce and allreduce and by reduce-scatters. The nearest
 * exchange first, so that a participant always holds the reduction of consecutive ones: operands stay in
 * ascending order.
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
    int digit;  /**< participants of a round, a power of two; 2, but whoever begins may take more */
    /** [n + 1] where the parts of the vector begin that members end with, in the order in which they stand in
     * it. NULL: slices of equal length. */
    const size_t *at;
};

void vc_halving_init(struct vc_halving *h, const struct vc_group *g, size_t esize, int keep);
/** The member that stands for a virtual rank, and the communicator rank of a member. */
int vc_halving_member(const struct vc_halving *h, int v);
int vc_halving_rank(const struct vc_halving *h, int member);

/** `digit` for a shape's radix: rounds of several halvings in one, with all who differ in them. */
int vc_halving_digit(int radix);
/** Of the round that begins at distance k: how many take part, the member that is the j-th of them, and the
 * distance of its last halving. */
static inline int vc_halving_round(const struct vc_halving *h, int k)
{
    return h->digit < h->n / k ? h->digit : h->n / k;
}
static inline int vc_halving_peer(const struct vc_halving *h, int k, int j)
{
    return (h->me & ~((vc_halving_round(h, k) - 1) * k)) | j * k;
}
static inline int vc_halving_last(const struct vc_halving *h, int k)
{
    return k * vc_halving_round(h, k) / 2;
}
/** Where the last round begins; 0: there is none. The one before is `digit` times nearer. */
int vc_halving_top(const struct vc_halving *h);

/** Reduces `others` vectors, which lie one behind the other in `in`, and `vec` into that, which is the
 * `me`-th of all. Overwrites `in`. */
void vc_reduce_in_order(struct vc_plan *p, struct vc_ref vec, int me, struct vc_ref in, int others);

/** Pairs are reduced to the one that is a member. `own`: the operand. `sum`: where the result is built (may
 * be own); not used by the others. */
void vc_halving_fold(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum);
/** Leaves the window of distance n / 2 of `sum` reduced on every member. */
void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum);
/** What `member` keeps of the vector after the exchange at distance `dist`. */
struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int dist);

#endif

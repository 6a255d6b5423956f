/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recursive halving, and dividing by more, shared by Rabenseifner's reduce and allreduce and by
 * reduce-scatters. The nearest exchange first, so that a participant always holds the reduction of
 * consecutive ones: operands stay in ascending order.
 */
#ifndef VC_COLL_ALLREDUCE_HALVING_H
#define VC_COLL_ALLREDUCE_HALVING_H

#include "coll/group.h"

#define VC_HALVING_ROUNDS 32

/** The group folded to `n` members: of each of the first few pairs only one participant is a member. */
struct vc_halving {
    const struct vc_group *g;
    size_t esize;
    int n;      /**< members: all, if they can be divided into rounds, else a power of two */
    int paired; /**< virtual ranks 0..paired-1 make pairs */
    int keep;   /**< the virtual rank that is a member even if it is the second of its pair, or -1 */
    int me;     /**< own number among the members, or -1 */
    int rounds;
    int factor[VC_HALVING_ROUNDS]; /**< participants of each round, the nearest first; n is their product */
    /** [n + 1] where the parts of the vector begin that members end with, in the order in which they stand in
     * it. NULL: slices of equal length. */
    const size_t *at;
};

/** radix: participants of a round, at most, of which the next lower power of two counts. Below 4 all rounds
 * are halvings. From 4 on all of the group are members if their number has no factor above that (or 31),
 * because folding takes two vectors more. */
void vc_halving_init(struct vc_halving *h, const struct vc_group *g, size_t esize, int keep, int radix);
/** The member that stands for a virtual rank, and the communicator rank of a member. */
int vc_halving_member(const struct vc_halving *h, int v);
int vc_halving_rank(const struct vc_halving *h, int member);

/** The distance of those who meet in a round. */
static inline int vc_halving_distance(const struct vc_halving *h, int round)
{
    int k = 1;
    for (int i = 0; i < round; i++)
        k *= h->factor[i];
    return k;
}
/** A member's place in a round, and the member that has place j there beside this one. */
static inline int vc_halving_place(const struct vc_halving *h, int round, int member)
{
    return member / vc_halving_distance(h, round) % h->factor[round];
}
static inline int vc_halving_peer(const struct vc_halving *h, int round, int j)
{
    return h->me + (j - vc_halving_place(h, round, h->me)) * vc_halving_distance(h, round);
}

/** Reduces `others` vectors, which lie one behind the other in `in`, and `vec` into that, which is the
 * `me`-th of all. Overwrites `in`. */
void vc_reduce_in_order(struct vc_plan *p, struct vc_ref vec, int me, struct vc_ref in, int others);

/** Pairs are reduced to the one that is a member. `own`: the operand. `sum`: where the result is built (may
 * be own); not used by the others. */
void vc_halving_fold(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum);
/** Leaves the window of the last round of `sum` reduced on every member. */
void vc_halving_scatter(const struct vc_halving *h, struct vc_plan *p, struct vc_ref own, struct vc_ref sum);
/** What `member` keeps of the vector after a round; -1: before the first. */
struct vc_ref vc_halving_window(const struct vc_halving *h, struct vc_ref vector, int member, int round);

#endif

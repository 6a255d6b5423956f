/* SPDX-License-Identifier: BSD-3-Clause */
/* Allgathers among the participants of a group. The caller has put the own block in its place. */
#ifndef VC_COLL_ALLGATHER_EXCHANGE_H
#define VC_COLL_ALLGATHER_EXCHANGE_H

#include "coll/bounds.h"
#include "coll/group.h"
#include "coll/pipe.h"

/** The virtual rank whose block round k of n - 1 of a ring brings; for round -1 the own one. */
static inline int vc_x_allgather_ring_in(const struct vc_group *g, int k)
{
    return (g->me - k - 1 + g->n) % g->n;
}
/** That round: passes on the block that came last. */
void vc_x_allgather_ring_step(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                              int k);
void vc_x_allgather_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** Adjacent blocks only. Each round multiplies what is held by the group's radix. */
void vc_x_allgather_bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** The same in place, without Bruck's turn. Adjacent blocks and a product of factors up to the radix only. */
void vc_x_allgather_multiply(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** Whether that is possible, and takes no more rounds than Bruck's. */
static inline bool vc_x_allgather_multiplies(int n, int radix)
{
    int k = vc_smooth_rounds(n, vc_tree_radix(radix));
    return k >= 0 && k <= vc_bound_rounds(n, vc_tree_radix(radix));
}
/** The other way around: the farthest participant first, block by block. A power of two only. `j` of 1..n -
 * 1: the j-th message each way. */
void vc_x_allgather_halving_step(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                 int j, struct vc_pipe *pipe);
/** By multiplying where it does, else by Bruck's. */
void vc_x_allgather_log(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** Adjacent blocks and an even number only. */
void vc_x_allgather_neighbor(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);

/* The ring among all ranks part by part, of equal blocks or of unequal ones: round 0 is the own block. */
long vc_allgather_ring_rounds(const struct vc_shape *shape);
void vc_allgather_ring_part(const struct vc_shape *shape, int rank, long from, long to, struct vc_plan *p);

typedef void vc_x_allgather(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** A plan of one of these among all ranks, of equal blocks or of unequal ones: a vc_alg's `build`. */
int vc_allgather_plan(const struct vc_shape *shape, int rank, struct vc_plan *p, vc_x_allgather *exchange);

#endif

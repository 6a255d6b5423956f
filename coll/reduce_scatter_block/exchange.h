/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions among the participants of a group, each of whom ends with its own block of the result. `lay`:
 * where everybody's blocks lie in this participant's operand, adjacent. `mine`: where its own block of the
 * result is built, outside of the operand.
 */
#ifndef VC_COLL_REDUCE_SCATTER_BLOCK_EXCHANGE_H
#define VC_COLL_REDUCE_SCATTER_BLOCK_EXCHANGE_H

#include "coll/group.h"

/** Everybody sends each block to its owner, who reduces in ascending order from its own operand outwards. */
void vc_x_reduce_scatter_pairwise(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                  struct vc_ref mine);
/** Blocks are reduced on their way around a ring, each cut into `segments`. Commutative operators only. */
void vc_x_reduce_scatter_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                              size_t esize, int segments, struct vc_ref mine);
/** Recursive halving. Keeps ascending order: a result has the bits of vc_x_allreduce_rabenseifner() for groups
 * of a power of two, and of vc_x_allreduce_multiply() with radix 2. */
void vc_x_reduce_scatter_halving(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                 size_t esize, struct vc_ref mine);

/** With more segments than this, reducing and transfer do not overlap any better. */
#define VC_REDUCE_SCATTER_SEGMENTS 16

/** Steps of halving among n. */
long vc_x_reduce_scatter_halving_steps(long n);

#endif

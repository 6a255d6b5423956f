/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions among the participants of a group, each of whom ends with its own block of the result. `lay`:
 * where everybody's blocks lie in this participant's operand, adjacent. `mine`: where its own block of the
 * result is built, outside of the operand.
 */
#ifndef VC_COLL_REDUCE_SCATTER_BLOCK_EXCHANGE_H
#define VC_COLL_REDUCE_SCATTER_BLOCK_EXCHANGE_H

#include "coll/group.h"

/** Everybody sends each block to its owner, who reduces in ascending order from its own operand outwards.
 * Rounds `from` to `to` - 1 of n. */
void vc_x_reduce_scatter_pairwise(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                  struct vc_ref mine, long from, long to);
/** Blocks are reduced on their way around a ring, each cut into `segments`. Commutative operators only. */
void vc_x_reduce_scatter_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                              size_t esize, int segments, struct vc_ref mine);
/** Recursive halving. Keeps ascending order: a result has the bits of vc_x_allreduce_rabenseifner() for
 * groups of a power of two, and of vc_x_allreduce_multiply() with radix 2. */
void vc_x_reduce_scatter_halving(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                 size_t esize, struct vc_ref mine);

/* The plans of the algorithms that reduce_scatter_block and reduce_scatter have alike: whole builds, and
 * their steps. */
int vc_reduce_scatter_halving_plan(const struct vc_shape *s, int rank, struct vc_plan *p);
long vc_reduce_scatter_halving_steps(const struct vc_shape *s);
long vc_reduce_scatter_pairwise_rounds(const struct vc_shape *s);
void vc_reduce_scatter_pairwise_part(const struct vc_shape *s, int rank, long from, long to,
                                     struct vc_plan *p);
long vc_reduce_scatter_pairwise_steps(const struct vc_shape *s);
int vc_reduce_scatter_ring_plan(const struct vc_shape *s, int rank, struct vc_plan *p);
long vc_reduce_scatter_ring_steps(const struct vc_shape *s);
int vc_reduce_scatter_two_level_plan(const struct vc_shape *s, int rank, struct vc_plan *p);
long vc_reduce_scatter_two_level_steps(const struct vc_shape *s);
int vc_reduce_scatter_two_level_multi_plan(const struct vc_shape *s, int rank, struct vc_plan *p);
long vc_reduce_scatter_two_level_multi_steps(const struct vc_shape *s);

/** The own block of the result. */
static inline struct vc_ref vc_reduce_scatter_mine(const struct vc_shape *s, int rank)
{
    return vc_ref_of(VC_BUF_RECV, 0, vc_shape_block(s, rank));
}

/** With more segments than this, reducing and transfer do not overlap any better. */
#define VC_REDUCE_SCATTER_SEGMENTS 16

/** Steps of halving among n. */
long vc_x_reduce_scatter_halving_steps(long n);

#endif

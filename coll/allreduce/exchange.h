/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reductions to all participants of a group. `own` is where a participant's operand lies, `vec` where the
 * result is built; they may be the same place. All participants get the same bits.
 */
#ifndef VC_COLL_ALLREDUCE_EXCHANGE_H
#define VC_COLL_ALLREDUCE_EXCHANGE_H

#include "coll/group.h"

typedef void vc_allreduce_exchange(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                                   struct vc_ref own, struct vc_ref vec);

/** Recursive multiplying: exchanges among up to `radix` participants a round (2: recursive doubling). Keeps
 * ascending order. */
void vc_x_allreduce_multiply(struct vc_plan *p, const struct vc_group *g, struct vc_ref own,
                             struct vc_ref vec, int radix);
/** The shape's radix, or `otherwise`, within what the exchange can do. */
int vc_allreduce_radix(const struct vc_shape *shape, int otherwise);
/** Reduce-scatter by halving, allgather by doubling (Rabenseifner 2004). Keeps ascending order. */
vc_allreduce_exchange vc_x_allreduce_rabenseifner;
/** Around a ring, each chunk cut into `segments`: rounds `from` to `to` - 1 of 2 (n - 1). Commutative
 * operators only. */
void vc_x_allreduce_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                         struct vc_ref own, struct vc_ref vec, int segments, long from, long to);

/** With more segments than this, reducing and transfer, or node and network, do not overlap any better.
 */
#define VC_ALLREDUCE_SEGMENTS 16

/** vc_alg.steps of a multi-leader algorithm whose exchange between the nodes has `exchange` steps. */
long vc_allreduce_multi_steps(const struct vc_shape *shape, long exchange);
/** Multi-leader allreduce with that exchange between the nodes. A whole build(). */
int vc_allreduce_multi(const struct vc_shape *shape, int rank, struct vc_plan *p,
                       vc_allreduce_exchange *exchange);

#endif

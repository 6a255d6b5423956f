/* SPDX-License-Identifier: BSD-3-Clause */
/* Alltoalls among the participants of a group. The own block is left to the caller. */
#ifndef VC_COLL_ALLTOALL_EXCHANGE_H
#define VC_COLL_ALLTOALL_EXCHANGE_H

#include "coll/group.h"

/** Peers that a rank exchanges with at a time in linear alltoalls. Messages that share a link all end at
 * about the same time, and the next ones then begin with an idle link, so there are few such turns; and few
 * enough messages for large communicators. */
#define VC_ALLTOALL_WINDOW 64

/** Block v of `out` goes to v, block v of `in` comes from v; `window` peers at a time. Of the n - 1 peers
 * each way those that are `begin` to `end` - 1 away, `begin` at least 1. */
void vc_x_alltoall_linear(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                          const struct vc_layout *in, int window, int begin, int end);
/** The same in n - 1 rounds of one peer each way. */
void vc_x_alltoall_pairwise(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                            const struct vc_layout *in, int begin, int end);
/** The same in ceil(log_radix(n)) phases (radix 0: 2), in which blocks travel by the digits of their ways.
 * Equal blocks, in scratch on the way. */
void vc_x_alltoall_bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                         const struct vc_layout *in, int radix);
/** Its steps among n, with one more for the own block. */
long vc_bound_alltoall_bruck(long n, int radix);

/** The multi-leader alltoall: in the node ranks swap blocks, then each exchanges one block of blocks with the
 * rank of its local index on every other node. A whole build(). */
int vc_alltoall_multi(const struct vc_shape *shape, int rank, struct vc_plan *p,
                      void (*exchange)(struct vc_plan *p, const struct vc_group *g,
                                       const struct vc_layout *out, const struct vc_layout *in,
                                       const struct vc_shape *shape));
/** Its steps, but for those of the exchange. */
long vc_bound_alltoall_multi(const struct vc_shape *shape);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Allgathers among the participants of a group. The own block is in its place before. */
#ifndef VC_COLL_ALLGATHER_EXCHANGE_H
#define VC_COLL_ALLGATHER_EXCHANGE_H

#include "coll/group.h"

/** Whose block round k of n - 1 of a ring brings; of round -1, the own. */
static inline int vc_x_allgather_ring_in(const struct vc_group *g, int k)
{
    return (g->me - k - 1 + g->n) % g->n;
}
/** That round: passes on what came last. */
void vc_x_allgather_ring_step(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                              int k);
void vc_x_allgather_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** Adjacent blocks only. */
void vc_x_allgather_bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** Adjacent blocks and a power of two only. */
void vc_x_allgather_doubling(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** One of the two above. */
void vc_x_allgather_log(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);
/** Adjacent blocks and an even number only. */
void vc_x_allgather_neighbor(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay);

#endif

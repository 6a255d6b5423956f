/* SPDX-License-Identifier: BSD-3-Clause */
/* Barriers among the participants of a group. */
#ifndef VC_COLL_BARRIER_EXCHANGE_H
#define VC_COLL_BARRIER_EXCHANGE_H

#include "coll/group.h"

/**
 * Dissemination (Hensgen, Finkel, Manber 1988): in the round of distance d a participant sends to those d,
 * 2d, .. (radix - 1) d behind it, which then know that it and all whose messages it got have entered:
 * ceil(log_radix n) rounds. Receives wait for nothing, so they can all be posted at once; a send waits for
 * step `arrived` (-1: none) and for all receives of earlier rounds.
 */
void vc_x_barrier_dissemination(struct vc_plan *p, const struct vc_group *g, int radix, int arrived);

#endif

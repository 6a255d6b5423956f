/* SPDX-License-Identifier: BSD-3-Clause */
/* Plans that grow with the number of ranks, as parts: vc_alg.rounds and vc_alg.part. */
#ifndef VC_COLL_PARTS_H
#define VC_COLL_PARTS_H

#include "coll/registry.h"

/** Of plans made part by part: steps of a part, unless a single round has more. */
#define VC_PART_STEPS 512

/** In how many rounds at a time the plan is made as it runs; 0: as a whole, because it is short or has no
 * parts. */
long vc_alg_part_rounds(const struct vc_alg *alg, const struct vc_shape *shape);
/** A vc_alg's `build` for those that have parts: all of them, `rounds` at a time; what runs part by part. */
int vc_plan_of_parts(const struct vc_alg *alg, const struct vc_shape *shape, int rank, long rounds,
                     struct vc_plan *plan);

#endif

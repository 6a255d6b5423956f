/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VC_COLL_ALLREDUCE_MULTIPLY_H
#define VC_COLL_ALLREDUCE_MULTIPLY_H

#include "coll/plan.h"

/** Appends an allreduce by recursive multiplying with that radix (2: recursive doubling). Ascending order. */
void vc_allreduce_multiply(struct vc_plan *p, const struct vc_shape *shape, int rank, int radix);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VC_COLL_REDUCE_TREE_H
#define VC_COLL_REDUCE_TREE_H

#include "coll/plan.h"

/**
 * Appends a reduction along a binomial tree rooted at rank `top`, whose result goes to `at_top` there.
 * Operands stay in ascending order when top is 0. The shape's segment, if any, makes it a pipeline.
 */
void vc_reduce_tree(struct vc_plan *p, const struct vc_shape *shape, int rank, int top, struct vc_ref at_top);

#endif

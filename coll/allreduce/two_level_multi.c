/* SPDX-License-Identifier: BSD-3-Clause */
/* Every leader of a node reduces a slice in its memory and across the network by recursive doubling. */
#include "coll/bounds.h"
#include "coll/two_level.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allreduce_multi(shape, rank, p, vc_x_allreduce_multiply);
}

static long steps(const struct vc_shape *s)
{
    return vc_allreduce_multi_steps(s, vc_bound_multiply(s->hier->nnodes, s->radix));
}

const struct vc_alg vc_alg_allreduce_two_level_multi = {
    .name = "two_level_multi",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .params = VC_PARAM_RADIX | VC_PARAM_SEGMENT | VC_PARAM_LEADERS,
    .help = "several ranks per node carry a slice each, recursive doubling (DPML, Bayatpour et al. 2017)",
    .build = build,
    .steps = steps,
};

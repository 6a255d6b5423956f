/* SPDX-License-Identifier: BSD-3-Clause */
/* Every leader of a node reduces a slice in its memory and across the network by halving and doubling. */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allreduce_multi(shape, rank, p, vc_x_allreduce_rabenseifner);
}

static long steps(const struct vc_shape *s)
{
    return vc_allreduce_multi_steps(s, vc_bound_rabenseifner(s->hier->nnodes, s->radix));
}

const struct vc_alg vc_alg_allreduce_two_level_multi_rabenseifner = {
    .name = "two_level_multi_rabenseifner",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_BLOCK_OR_COMM,
    .params = VC_PARAM_SEGMENT | VC_PARAM_RADIX | VC_PARAM_LEADERS,
    .help = "several ranks per node carry a slice each, reduce-scatter and allgather (Rabenseifner 2004)",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Every leader of a node reduces a slice in its memory and across the network around a ring. */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"

static void ring(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape, struct vc_ref own,
                 struct vc_ref vec)
{
    vc_x_allreduce_ring(p, g, shape, own, vec, 1, 0, 2L * (g->n - 1));
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allreduce_multi(shape, rank, p, ring);
}

static long steps(const struct vc_shape *s)
{
    return vc_allreduce_multi_steps(s, 4L * (s->hier->nnodes - 1));
}

const struct vc_alg vc_alg_allreduce_two_level_multi_ring = {
    .name = "two_level_multi_ring",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE,
    .params = VC_PARAM_SEGMENT | VC_PARAM_LEADERS,
    .help = "several ranks per node carry a slice each around a ring; for very large vectors",
    .build = build,
    .steps = steps,
};

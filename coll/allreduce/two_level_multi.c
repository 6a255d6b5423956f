/* SPDX-License-Identifier: BSD-3-Clause */
/* Every leader of a node reduces a slice in its memory and across the network by recursive doubling. */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

long vc_allreduce_multi_steps(const struct vc_shape *shape, long exchange)
{
    long segments = vc_bound_segments(shape, 0);
    return (2 + exchange) * (segments < VC_ALLREDUCE_SEGMENTS ? segments : VC_ALLREDUCE_SEGMENTS);
}

int vc_allreduce_multi(const struct vc_shape *shape, int rank, struct vc_plan *p,
                       vc_allreduce_exchange *exchange)
{
    vc_plan_begin(p, shape, rank);
    int leaders = vc_leaders(shape), local = shape->hier->local_of[rank];
    struct vc_group g = vc_group_of_local(shape, rank, local);
    int segments = shape->bytes ? vc_segments(shape->bytes, shape->esize, shape->segment) : 0;
    if (segments > VC_ALLREDUCE_SEGMENTS)
        segments = VC_ALLREDUCE_SEGMENTS;
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, shape->bytes), before = VC_NOTHING;
    /* The node gathers a segment when the next one is already on its way through the network. */
    for (int i = 0; i <= segments; i++) {
        struct vc_ref vec = VC_NOTHING;
        if (i < segments) {
            vec = vc_slices(all, shape->esize, segments, i, i + 1);
            vc_plan_node(p, VC_PHASE_REDUCE_SCATTER, 0, leaders, vec.len,
                         vc_ref_of(VC_BUF_SEND, vec.off, vec.len), vec);
            if (local < leaders) {
                struct vc_ref own = vc_slices(vec, shape->esize, leaders, local, local + 1);
                exchange(p, &g, shape, own, own);
            }
        }
        if (before.len)
            vc_plan_node(p, VC_PHASE_ALLGATHER_SLICES, 0, leaders, before.len, VC_NOTHING, before);
        before = vec;
    }
    return vc_plan_finish(p);
}

static void doubling(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                     struct vc_ref own, struct vc_ref vec)
{
    vc_x_allreduce_multiply(p, g, own, vec, vc_allreduce_radix(shape, 2));
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allreduce_multi(shape, rank, p, doubling);
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

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/allreduce/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

static long rounds(const struct vc_shape *s)
{
    return s->size > 1 ? 2L * (s->size - 1) : 1;
}

static void part(const struct vc_shape *s, int rank, long from, long to, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), vec = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    int segments = vc_segments(vc_slice(s->bytes, s->esize, s->size, 1), s->esize, s->segment);
    vc_x_allreduce_ring(p, &all, s, own, vec,
                        segments < VC_ALLREDUCE_SEGMENTS ? segments : VC_ALLREDUCE_SEGMENTS, from, to);
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_allreduce_ring, s, rank, rounds(s), p);
}

static long steps(const struct vc_shape *s)
{
    size_t chunk = vc_slice(s->bytes, s->esize ? s->esize : 1, s->size, 1);
    long segments = vc_segments(chunk, s->esize ? s->esize : 1, s->segment);
    return 1 + 5L * (s->size - 1) * (segments < VC_ALLREDUCE_SEGMENTS ? segments : VC_ALLREDUCE_SEGMENTS);
}

const struct vc_alg vc_alg_allreduce_ring = {
    .name = "ring",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "reduce-scatter and allgather around a ring: large messages; chunks segmented on request",
    .build = build,
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* All n - 1 messages each way at once. Each rank begins with its next neighbour, so that no rank is first for
 * all. */
#include "coll/alltoall/exchange.h"
#include "coll/bounds.h"

/* Round 0 is the own block; in round k the peers are k away. */
static long rounds(const struct vc_shape *shape)
{
    return shape->size;
}

static void part(const struct vc_shape *shape, int rank, long from, long to, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout out = {.buf = VC_BUF_SEND, .unit = shape->bytes, .stride = shape->bytes};
    struct vc_layout in = {.buf = VC_BUF_RECV, .unit = shape->bytes, .stride = shape->bytes};
    if (!shape->bytes)
        return;
    vc_x_alltoall_linear(p, &g, &out, &in, VC_ALLTOALL_WINDOW, from ? (int)from : 1, (int)to);
    if (from == 0)
        vc_plan_copy(p, vc_layout_block(&out, rank), vc_layout_block(&in, rank));
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_alltoall_linear, shape, rank, rounds(shape), p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 2L * (s->size - 1);
}

const struct vc_alg vc_alg_alltoall_linear = {
    .name = "linear",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "messages to all peers at once, nearest first, at most 64 each way under way",
    .build = build,
    .scales = true,
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

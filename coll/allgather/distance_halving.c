/* SPDX-License-Identifier: BSD-3-Clause */
/* log_radix n rounds like recursive multiplying, but the round that moves most blocks is between neighbours
 * and the one that crosses the network moves one. What a participant holds does not lie in one piece before
 * the end, so blocks travel one by one. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

/* Blocks on their way from a rank at a time. */
#define UNDER_WAY 24

/* Round 0 is the own block. */
static long rounds(const struct vc_shape *shape)
{
    return shape->size;
}

static void part(const struct vc_shape *shape, int rank, long from, long to, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout all = vc_layout_ranks(shape, VC_BUF_RECV);
    struct vc_pipe pipe = {.width = UNDER_WAY};
    if (!shape->bytes)
        return;
    if (from == 0)
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, 0, shape->bytes), vc_layout_block(&all, rank));
    for (long j = from ? from : 1; j < to; j++)
        vc_x_allgather_halving_step(p, &g, &all, (int)j, &pipe);
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_allgather_distance_halving, shape, rank, rounds(shape), p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 2L * (s->size - 1);
}

const struct vc_alg vc_alg_allgather_distance_halving = {
    .name = "distance_halving",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_POW2_SIZE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help =
        "ranks n/`radix` (2) apart swap all they hold, then those a radix-th of that apart, to neighbours, "
        "block by block: most bytes go the shortest way (Loch & Koslovski 2021)",
    .build = build,
    .scales = true,
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

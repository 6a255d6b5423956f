/* SPDX-License-Identifier: BSD-3-Clause */
/* n - 1 rounds of one block, always from and to the same neighbours. */
#include "coll/allgather/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_allgather_ring, shape, rank, shape->size, p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 2L * (s->size - 1);
}

const struct vc_alg vc_alg_allgather_ring = {
    .name = "ring",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "blocks travel around a ring; for large messages (Thakur et al. 2005)",
    .build = build,
    .scales = true,
    .rounds = vc_allgather_ring_rounds,
    .part = vc_allgather_ring_part,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* n / 2 rounds: one of one block, the others of two. */
#include "coll/allgather/exchange.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allgather_plan(shape, rank, p, vc_x_allgather_neighbor);
}

static long steps(const struct vc_shape *s)
{
    return 1 + s->size;
}

const struct vc_alg vc_alg_allgatherv_neighbor_exchange = {
    .name = "neighbor_exchange",
    .coll = VC_ALLGATHERV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_EVEN_SIZE | VC_PLACEMENT_FREE,
    .help = "swaps pairs of blocks with both neighbours in turn, n / 2 rounds (Chen et al. 2005)",
    .build = build,
    .scales = true,
    .steps = steps,
};

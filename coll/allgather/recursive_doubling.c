/* SPDX-License-Identifier: BSD-3-Clause */
/* log2 n rounds, n - 1 blocks, no scratch. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_allgather_plan(shape, rank, p, vc_x_allgather_multiply);
}

static long steps(const struct vc_shape *s)
{
    return 1 + vc_bound_allgather_log(s->size, 2);
}

const struct vc_alg vc_alg_allgather_recursive_doubling = {
    .name = "recursive_doubling",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_POW2_SIZE | VC_PLACEMENT_FREE,
    .help = "partners at distance 1, 2, 4, ... swap all they hold (Thakur et al. 2005)",
    .build = build,
    .scales = true,
    .steps = steps,
};

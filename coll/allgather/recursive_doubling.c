/* SPDX-License-Identifier: BSD-3-Clause */
/* log2 n rounds, n - 1 blocks, no scratch. */
#include "coll/bounds.h"
#include "coll/two_level.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout all = {.buf = VC_BUF_RECV, .unit = shape->bytes, .stride = shape->bytes};
    vc_plan_begin(p, shape, rank);
    if (shape->bytes) {
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, 0, shape->bytes), vc_layout_block(&all, rank));
        vc_x_allgather_doubling(p, &g, &all);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + vc_bound_allgather_log(s->size);
}

const struct vc_alg vc_alg_allgather_recursive_doubling = {
    .name = "recursive_doubling",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_POW2_SIZE | VC_PLACEMENT_FREE,
    .help = "partners at distance 1, 2, 4, ... swap all they hold (Thakur et al. 2005)",
    .build = build,
    .steps = steps,
};

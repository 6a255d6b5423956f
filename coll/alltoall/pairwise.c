/* SPDX-License-Identifier: BSD-3-Clause */
/* n - 1 rounds of one block each way. */
#include "coll/bounds.h"
#include "coll/two_level.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout out = {.buf = VC_BUF_SEND, .unit = shape->bytes, .stride = shape->bytes};
    struct vc_layout in = {.buf = VC_BUF_RECV, .unit = shape->bytes, .stride = shape->bytes};
    vc_plan_begin(p, shape, rank);
    if (shape->bytes) {
        vc_plan_copy(p, vc_layout_block(&out, rank), vc_layout_block(&in, rank));
        vc_x_alltoall_pairwise(p, &g, &out, &in);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 2L * (s->size - 1);
}

const struct vc_alg vc_alg_alltoall_pairwise = {
    .name = "pairwise",
    .coll = VC_ALLTOALL,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "one peer each way per round, n - 1 rounds; for large messages (Thakur et al. 2005)",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* n - 1 rounds of one block, always from and to the same neighbours. The longest block is under way in every
 * round. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout all = vc_layout_ranks(shape, VC_BUF_RECV);
    vc_plan_begin(p, shape, rank);
    if (vc_shape_total(shape)) {
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, 0, vc_shape_block(shape, rank)), vc_layout_block(&all, rank));
        vc_x_allgather_ring(p, &g, &all);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 2L * (s->size - 1);
}

const struct vc_alg vc_alg_allgatherv_ring = {
    .name = "ring",
    .coll = VC_ALLGATHERV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "blocks travel around a ring; for large messages of similar lengths (Thakur et al. 2005)",
    .build = build,
    .steps = steps,
};

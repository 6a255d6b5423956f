/* SPDX-License-Identifier: BSD-3-Clause */
/* n - 1 rounds of one block each way, of whatever lengths, also of none. */
#include "coll/alltoall/exchange.h"
#include "coll/bounds.h"

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout out = {.buf = VC_BUF_SEND_BLOCK}, in = {.buf = VC_BUF_RECV_BLOCK};
    vc_plan_begin(p, shape, rank);
    vc_plan_copy(p, vc_layout_block(&out, rank), vc_layout_block(&in, rank));
    vc_x_alltoall_pairwise(p, &g, &out, &in);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + 2L * (s->size - 1);
}

const struct vc_alg vc_alg_alltoallv_pairwise = {
    .name = "pairwise",
    .coll = VC_ALLTOALLV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "one peer each way per round, n - 1 rounds; for large messages (Thakur et al. 2005)",
    .build = build,
    .steps = steps,
};

const struct vc_alg vc_alg_alltoallw_pairwise = {
    .name = "pairwise",
    .coll = VC_ALLTOALLW,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "one peer each way per round, n - 1 rounds; for large messages (Thakur et al. 2005)",
    .build = build,
    .steps = steps,
};

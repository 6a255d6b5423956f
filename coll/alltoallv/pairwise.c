/* SPDX-License-Identifier: BSD-3-Clause */
/* n - 1 rounds of one block each way, of whatever lengths, also of none. */
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
    struct vc_layout out = {.buf = VC_BUF_SEND_BLOCK}, in = {.buf = VC_BUF_RECV_BLOCK};
    if (from == 0)
        vc_plan_copy(p, vc_layout_block(&out, rank), vc_layout_block(&in, rank));
    vc_x_alltoall_pairwise(p, &g, &out, &in, from ? (int)from : 1, (int)to);
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_alltoallv_pairwise, shape, rank, rounds(shape), p);
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
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

const struct vc_alg vc_alg_alltoallw_pairwise = {
    .name = "pairwise",
    .coll = VC_ALLTOALLW,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "one peer each way per round, n - 1 rounds; for large messages (Thakur et al. 2005)",
    .build = build,
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

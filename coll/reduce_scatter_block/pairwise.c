/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

long vc_reduce_scatter_pairwise_rounds(const struct vc_shape *s)
{
    return s->size;
}

void vc_reduce_scatter_pairwise_part(const struct vc_shape *s, int rank, long from, long to,
                                     struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_layout lay = vc_layout_ranks(s, VC_BUF_SEND);
    vc_x_reduce_scatter_pairwise(p, &all, &lay, vc_reduce_scatter_mine(s, rank), from, to);
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_reduce_scatter_block_pairwise, s, rank, s->size, p);
}

long vc_reduce_scatter_pairwise_steps(const struct vc_shape *s)
{
    return 1 + 4L * (s->size - 1);
}

const struct vc_alg vc_alg_reduce_scatter_block_pairwise = {
    .name = "pairwise",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "each block straight to its owner, with one distance after another: large blocks, any operator",
    .build = build,
    .scales = true,
    .rounds = vc_reduce_scatter_pairwise_rounds,
    .part = vc_reduce_scatter_pairwise_part,
    .steps = vc_reduce_scatter_pairwise_steps,
};

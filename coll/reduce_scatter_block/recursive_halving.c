/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/reduce_scatter_block/exchange.h"

int vc_reduce_scatter_halving_plan(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_layout lay = vc_layout_ranks(s, VC_BUF_SEND);
    vc_plan_begin(p, s, rank);
    vc_x_reduce_scatter_halving(p, &all, &lay, s->esize, vc_reduce_scatter_mine(s, rank));
    return vc_plan_finish(p);
}

long vc_reduce_scatter_halving_steps(const struct vc_shape *s)
{
    return vc_x_reduce_scatter_halving_steps(s->size);
}

const struct vc_alg vc_alg_reduce_scatter_block_recursive_halving = {
    .name = "recursive_halving",
    .coll = VC_REDUCE_SCATTER_BLOCK,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "exchanges of halves at doubling distance, in ascending order: small and medium blocks",
    .build = vc_reduce_scatter_halving_plan,
    .steps = vc_reduce_scatter_halving_steps,
};

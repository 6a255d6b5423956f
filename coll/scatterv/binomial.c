/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/rooted.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, vc_shape_block(s, rank)),
                  all = vc_ref_of(VC_BUF_SEND, 0, vc_shape_total(s));
    struct vc_rooted x = {.plan = p, .group = &g, .root = s->root, .window = s->segment, .all = all};
    vc_plan_begin(p, s, rank);
    vc_rooted_uneven(&x, s, false);
    if (x.at && all.len) {
        vc_x_scatter_binomial(&x, own);
        if (rank == s->root)
            vc_plan_copy(p, vc_ref_sub(all, vc_shape_at(s, rank), own.len), own);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + vc_bound_rooted_uneven(s->size);
}

const struct vc_alg vc_alg_scatterv_binomial = {
    .name = "binomial",
    .coll = VC_SCATTERV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .lengths = VC_LENGTHS_OF_ALL,
    .help = "all ranks' lengths to all, then a binomial tree, log2(n) hops: small blocks",
    .build = build,
    .steps = steps,
};

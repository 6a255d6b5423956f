/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bcast/exchange.h"
#include "coll/bounds.h"
#include "coll/patterns.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group all = vc_group_all(s, rank);
    struct vc_ref msg = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    vc_plan_begin(p, s, rank);
    int before = vc_x_bcast_scatter(p, &all, msg, s->root);
    if (vc_is_pow2(all.n))
        vc_x_bcast_doubling(p, &all, msg, s->root, before);
    for (int k = 0; !vc_is_pow2(all.n) && k < all.n - 1; k++)
        before = vc_x_bcast_ring_step(p, &all, msg, s->root, k, before);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->size, lg = vc_bound_lg(n);
    return 1 + lg + 2 * (vc_is_pow2(s->size) ? lg : n - 1);
}

const struct vc_alg vc_alg_bcast_scatter_allgather = {
    .name = "scatter_allgather",
    .coll = VC_BCAST,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help =
        "binomial scatter, then allgather of what is missing, by doubling or in a ring (van de Geijn): large",
    .build = build,
    .steps = steps,
};

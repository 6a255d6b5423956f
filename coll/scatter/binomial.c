/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/rooted.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(s, rank);
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, b), all = vc_ref_of(VC_BUF_SEND, 0, (size_t)s->size * b);
    struct vc_rooted x = {
        .plan = p, .group = &g, .root = s->root, .unit = b, .window = s->segment, .all = all};
    vc_plan_begin(p, s, rank);
    if (b) {
        vc_x_scatter_binomial(&x, own);
        if (rank == s->root)
            vc_plan_copy(p, vc_ref_sub(all, (size_t)rank * b, b), own);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + vc_bound_rooted(s, s->size);
}

const struct vc_alg vc_alg_scatter_binomial = {
    .name = "binomial",
    .coll = VC_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "binomial tree, log2(n) hops: small blocks; inner ranks hold four segments at most, of 64 KiB",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* ceil(log_radix n) rounds, n - 1 blocks; no scratch where n is a product of factors up to the radix. */
#include "coll/allgather/exchange.h"
#include "coll/bounds.h"

#define DEFAULT_RADIX 4

static struct vc_shape with_radix(const struct vc_shape *shape)
{
    struct vc_shape s = *shape;
    if (s.radix < 2)
        s.radix = DEFAULT_RADIX;
    return s;
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_shape s = with_radix(shape);
    return vc_allgather_plan(&s, rank, p, vc_x_allgather_log);
}

static long steps(const struct vc_shape *s)
{
    return 1 + vc_bound_allgather_log(s->size, with_radix(s).radix);
}

const struct vc_alg vc_alg_allgather_recursive_multiplying = {
    .name = "recursive_multiplying",
    .coll = VC_ALLGATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help =
        "up to `radix` (4, at most 64) ranks a round swap all they hold: in place where n is a product of "
        "factors up to the radix, else as bruck",
    .build = build,
    .scales = true,
    .steps = steps,
};

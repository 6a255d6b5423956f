/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/registry.h"

#define DEFAULT_SEGMENT 65536

/* From the last rank down to rank 0, each putting its operand on the left of what comes; then to the root. */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, segments = vc_segments(s->bytes, s->esize, s->segment ? s->segment : DEFAULT_SEGMENT);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, s->bytes), result = vc_ref_of(VC_BUF_RECV, 0, s->bytes),
                  acc;
    vc_plan_begin(p, s, rank);
    if (rank == 0 && s->root == 0)
        acc = result;
    else if (rank == n - 1)
        acc = own;
    else
        acc = vc_plan_tmp(p, s->bytes);
    for (int i = 0; i < segments; i++) {
        size_t at = vc_slice(s->bytes, s->esize, segments, i);
        size_t len = vc_slice(s->bytes, s->esize, segments, i + 1) - at;
        struct vc_ref sum = vc_ref_sub(acc, at, len), mine = vc_ref_sub(own, at, len);
        if (rank == 0 && s->root == 0) {
            /* SEND may be RECV here, so what comes must not overwrite the operand. */
            vc_plan_copy(p, mine, sum);
            if (n > 1)
                vc_plan_recv_reduce(p, 1, sum, true);
        } else if (rank < n - 1) {
            vc_plan_recv(p, rank + 1, sum);
            vc_plan_reduce(p, mine, sum, false);
        }
        if (rank > 0)
            vc_plan_send(p, rank - 1, sum);
        else if (s->root != 0)
            vc_plan_send(p, s->root, sum);
    }
    /* Listed last: RECV may be SEND, which the chain still reads, and this step must not hold it up. */
    for (int i = 0; i < segments && rank == s->root && rank != 0; i++) {
        size_t at = vc_slice(s->bytes, s->esize, segments, i);
        vc_plan_recv(p, 0, vc_ref_sub(result, at, vc_slice(s->bytes, s->esize, segments, i + 1) - at));
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 4 * vc_bound_segments(s, DEFAULT_SEGMENT);
}

const struct vc_alg vc_alg_reduce_chain = {
    .name = "chain",
    .coll = VC_REDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help =
        "pipeline of segments (64k) down the ranks in order, then to the root: large messages, any operator",
    .build = build,
    .steps = steps,
};

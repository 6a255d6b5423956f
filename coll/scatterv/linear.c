/* SPDX-License-Identifier: BSD-3-Clause */
/* The root sends each rank that gets something its block, a few at a time. */
#include "coll/bounds.h"
#include "coll/group.h"

#define WINDOW      32
#define WINDOW_MOST 64

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, most = s->radix > 0 ? s->radix : WINDOW, sent[WINDOW_MOST], nsent = 0;
    size_t b = vc_shape_block(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, b);
    if (most > WINDOW_MOST)
        most = WINDOW_MOST;
    vc_plan_begin(p, s, rank);
    if (b && rank != s->root) {
        vc_plan_recv(p, s->root, own);
    } else if (rank == s->root) {
        for (int i = 1; i < n; i++) {
            int peer = vc_absolute(i, s->root, n);
            size_t len = vc_shape_block(s, peer);
            if (!len)
                continue;
            int step = vc_plan_send(p, peer, vc_ref_of(VC_BUF_SEND, vc_shape_at(s, peer), len));
            if (nsent >= most)
                vc_plan_after(p, step, sent[nsent % most]);
            sent[nsent++ % most] = step;
        }
        if (b)
            vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, vc_shape_at(s, rank), b), own);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + s->size;
}

const struct vc_alg vc_alg_scatterv_linear = {
    .name = "linear",
    .coll = VC_SCATTERV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "the root to each rank, radix messages at a time, by default 32",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* The root sends each rank its block, a few at a time. */
#include "coll/bounds.h"
#include "coll/group.h"

/* Messages under way, where the shape does not say: enough to hide latency, few enough for channels. */
#define WINDOW 32

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, most = s->radix > 0 ? s->radix : WINDOW, sent = 0;
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, b);
    vc_plan_begin(p, s, rank);
    if (b && rank != s->root) {
        vc_plan_recv(p, s->root, own);
    } else if (b) {
        for (int i = 1; i < n; i++) {
            int peer = vc_absolute(i, s->root, n);
            int step = vc_plan_send(p, peer, vc_ref_of(VC_BUF_SEND, (size_t)peer * b, b));
            if (i == 1)
                sent = step;
            else if (i > most)
                vc_plan_after(p, step, sent + i - 1 - most);
        }
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, (size_t)rank * b, b), own);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 1 + s->size;
}

const struct vc_alg vc_alg_scatter_linear = {
    .name = "linear",
    .coll = VC_SCATTER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "the root to each rank, radix messages at a time, by default 32",
    .build = build,
    .steps = steps,
};

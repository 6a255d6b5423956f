/* SPDX-License-Identifier: BSD-3-Clause */
/* The root sends each rank its block, a few at a time. */
#include "coll/bounds.h"
#include "coll/group.h"

/* Messages under way, where the shape does not say: enough to hide latency, few enough for channels. */
#define WINDOW 32

/* Round 0 is what is not the root's or its own, round i the i-th rank behind the root. */
static long rounds(const struct vc_shape *s)
{
    return s->size;
}

static void part(const struct vc_shape *s, int rank, long from, long to, struct vc_plan *p)
{
    int most = s->radix > 0 ? s->radix : WINDOW, low = from ? (int)from : 1;
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_RECV, 0, b);
    if (b && rank != s->root && from == 0)
        vc_plan_recv(p, s->root, own);
    if (!b || rank != s->root)
        return;
    for (int i = low; i < to; i++) {
        int peer = vc_absolute(i, s->root, s->size);
        int step = vc_plan_send(p, peer, vc_ref_of(VC_BUF_SEND, (size_t)peer * b, b));
        vc_plan_after(p, step, i - low >= most ? step - most : -1);
    }
    if (from == 0)
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, (size_t)rank * b, b), own);
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_scatter_linear, s, rank, rounds(s), p);
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
    .scales = true,
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

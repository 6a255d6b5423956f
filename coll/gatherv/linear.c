/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every rank that has something sends it to the root. Long blocks come a few at a time, as in gather: whether
 * one is long, and how many ranks are in front of it, is known to its owner and to the root.
 */
#include "coll/bounds.h"
#include "coll/group.h"

#define LONG         4096
#define SENDERS      8
#define SENDERS_MOST 64

static int senders(const struct vc_shape *s)
{
    int n = s->radix > 0 ? s->radix : SENDERS;
    return n < SENDERS_MOST ? n : SENDERS_MOST;
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, most = senders(s), v = vc_relative(rank, s->root, n), came[SENDERS_MOST];
    size_t b = vc_shape_block(s, rank);
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, b), none = vc_ref_of(VC_BUF_NONE, 0, 0);
    vc_plan_begin(p, s, rank);
    if (v && b) {
        int told = v > most && b > LONG ? vc_plan_recv(p, s->root, none) : -1;
        vc_plan_after(p, vc_plan_send(p, s->root, own), told);
    } else if (!v) {
        if (b)
            vc_plan_copy(p, own, vc_ref_of(VC_BUF_RECV, vc_shape_at(s, rank), b));
        for (int i = 1; i < n; i++) {
            int peer = vc_absolute(i, s->root, n), earlier = i > most ? came[i % most] : -1;
            size_t len = vc_shape_block(s, peer);
            came[i % most] = -1;
            if (len && i > most && len > LONG)
                vc_plan_after(p, vc_plan_send(p, peer, none), earlier);
            if (len)
                came[i % most] = vc_plan_recv(p, peer, vc_ref_of(VC_BUF_RECV, vc_shape_at(s, peer), len));
        }
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + 2L * s->size;
}

const struct vc_alg vc_alg_gatherv_linear = {
    .name = "linear",
    .coll = VC_GATHERV,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "each rank to the root; blocks of more than 4 KiB a few at a time: radix ranks, by default 8",
    .build = build,
    .steps = steps,
};

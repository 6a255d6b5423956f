/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every rank sends its block to the root. Long blocks come a few at a time: the others wait for an empty
 * message of the root, so that nothing piles up there that it cannot receive yet.
 */
#include "coll/bounds.h"
#include "coll/group.h"

/* Shorter blocks are sent at once. */
#define LONG 4096
/* How many ranks send at a time, where the shape does not say. */
#define SENDERS 8

static int senders(const struct vc_shape *s)
{
    if (s->bytes <= LONG)
        return s->size;
    return s->radix > 0 ? s->radix : SENDERS;
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, most = senders(s), v = vc_relative(rank, s->root, n);
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, b), none = vc_ref_of(VC_BUF_NONE, 0, 0);
    vc_plan_begin(p, s, rank);
    if (b && v) {
        int told = v > most ? vc_plan_recv(p, s->root, none) : -1;
        vc_plan_after(p, vc_plan_send(p, s->root, own), told);
    } else if (b) {
        vc_plan_copy(p, own, vc_ref_of(VC_BUF_RECV, (size_t)rank * b, b));
        int came = 0; /* the receive of the first rank; those of the others follow it */
        for (int i = 1; i < n; i++) {
            int peer = vc_absolute(i, s->root, n), earlier = i - most;
            /* Behind the first `most` receives a token stands before each. */
            if (earlier > 0)
                vc_plan_after(p, vc_plan_send(p, peer, none),
                              earlier <= most ? came + earlier - 1 : came + most - 1 + 2 * (earlier - most));
            int step = vc_plan_recv(p, peer, vc_ref_of(VC_BUF_RECV, (size_t)peer * b, b));
            if (i == 1)
                came = step;
        }
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    long n = s->size;
    return 2 + 2 * n;
}

const struct vc_alg vc_alg_gather_linear = {
    .name = "linear",
    .coll = VC_GATHER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help = "each rank to the root; blocks of more than 4 KiB a few at a time: radix ranks, by default 8",
    .build = build,
    .steps = steps,
};

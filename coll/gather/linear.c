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

/* Round 0 is what is not the root's or its own, round i the i-th rank behind the root. */
static long rounds(const struct vc_shape *s)
{
    return s->size;
}

static void collect(const struct vc_shape *s, long from, long to, struct vc_plan *p)
{
    int n = s->size, most = senders(s), low = from ? (int)from : 1, first = p->nsteps;
    /* Tokens in front of the receives of rank `low` and those behind it, up to rank i. */
    int untold = most > low - 1 ? most : low - 1;
    struct vc_ref none = vc_ref_of(VC_BUF_NONE, 0, 0);
    for (int i = low; i < to; i++) {
        int peer = vc_absolute(i, s->root, n), earlier = i - most;
        if (earlier > 0)
            vc_plan_after(p, vc_plan_send(p, peer, none),
                          earlier < low ? -1
                                        : first + earlier - low + (earlier > untold ? earlier - untold : 0));
        vc_plan_recv(p, peer, vc_ref_of(VC_BUF_RECV, (size_t)peer * s->bytes, s->bytes));
    }
}

static void part(const struct vc_shape *s, int rank, long from, long to, struct vc_plan *p)
{
    int most = senders(s), v = vc_relative(rank, s->root, s->size);
    size_t b = s->bytes;
    struct vc_ref own = vc_ref_of(VC_BUF_SEND, 0, b);
    if (b && v && from == 0) {
        int told = v > most ? vc_plan_recv(p, s->root, vc_ref_of(VC_BUF_NONE, 0, 0)) : -1;
        vc_plan_after(p, vc_plan_send(p, s->root, own), told);
    } else if (b && !v) {
        if (from == 0)
            vc_plan_copy(p, own, vc_ref_of(VC_BUF_RECV, (size_t)rank * b, b));
        collect(s, from, to, p);
    }
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    return vc_plan_of_parts(&vc_alg_gather_linear, s, rank, rounds(s), p);
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
    .rounds = rounds,
    .part = part,
    .steps = steps,
};

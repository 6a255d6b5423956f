/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/registry.h"

struct call {
    const struct vc_shape *s;
    struct vc_plan *p;
    int n, v; /* relative ranks: slice i of n belongs to relative rank i */
};

static struct vc_ref slices(const struct call *c, int first, int end)
{
    size_t at = vc_slice(c->s->bytes, 1, c->n, first);
    return vc_ref_of(VC_BUF_RECV, at, vc_slice(c->s->bytes, 1, c->n, end) - at);
}

static void send(const struct call *c, int to, struct vc_ref ref)
{
    if (ref.len)
        vc_plan_send(c->p, vc_absolute(to, c->s->root, c->n), ref);
}

static void recv(const struct call *c, int from, struct vc_ref ref)
{
    if (ref.len)
        vc_plan_recv(c->p, vc_absolute(from, c->s->root, c->n), ref);
}

/* Whether the scatter left slices first..end-1 with v already: inner nodes of its tree keep what they passed
 * on. */
static bool holds(const struct call *c, int v, int first, int end)
{
    return first >= v && end <= v + vc_binomial_size(v, c->n);
}

static void scatter(const struct call *c)
{
    int v = c->v, n = c->n;
    if (v > 0)
        recv(c, vc_binomial_parent(v), slices(c, v, v + vc_binomial_size(v, n)));
    for (int k = vc_binomial_span(v, n) / 2; k >= 1; k /= 2)
        if (v + k < n)
            send(c, v + k, slices(c, v + k, v + k + vc_binomial_size(v + k, n)));
}

static void doubling(const struct call *c)
{
    for (int k = 1; k < c->n; k *= 2) {
        int peer = c->v ^ k, mine = c->v & ~(k - 1), theirs = peer & ~(k - 1);
        if (!holds(c, c->v, theirs, theirs + k))
            recv(c, peer, slices(c, theirs, theirs + k));
        if (!holds(c, peer, mine, mine + k))
            send(c, peer, slices(c, mine, mine + k));
    }
}

static void ring(const struct call *c)
{
    int n = c->n, left = (c->v + n - 1) % n, right = (c->v + 1) % n;
    for (int k = 0; k < n - 1; k++) {
        int in = (c->v - k - 1 + n) % n, out = (c->v - k + n) % n;
        if (!holds(c, c->v, in, in + 1))
            recv(c, left, slices(c, in, in + 1));
        if (!holds(c, right, out, out + 1))
            send(c, right, slices(c, out, out + 1));
    }
}

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct call c = {s, p, s->size, vc_relative(rank, s->root, s->size)};
    vc_plan_begin(p, s, rank);
    scatter(&c);
    if (vc_is_pow2(c.n))
        doubling(&c);
    else
        ring(&c);
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

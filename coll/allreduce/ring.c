/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/registry.h"

/* Enough to overlap reducing with transfer; more would only add steps. */
#define MAX_SEGMENTS 16

struct call {
    const struct vc_shape *s;
    int n, segments;
};

static struct vc_ref part(const struct call *c, enum vc_buf buf, int chunk, int segment)
{
    size_t at = vc_slice(c->s->bytes, c->s->esize, c->n, chunk);
    size_t len = vc_slice(c->s->bytes, c->s->esize, c->n, chunk + 1) - at;
    size_t from = vc_slice(len, c->s->esize, c->segments, segment);
    return vc_ref_of(buf, at + from, vc_slice(len, c->s->esize, c->segments, segment + 1) - from);
}

/* Chunk i starts at rank i and collects its sum on the way around; then the sums go around. */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, right = (rank + 1) % n, left = (rank + n - 1) % n;
    struct call c = {s, n, vc_segments(vc_slice(s->bytes, s->esize, n, 1), s->esize, s->segment)};
    if (c.segments > MAX_SEGMENTS)
        c.segments = MAX_SEGMENTS;
    vc_plan_begin(p, s, rank);
    if (n == 1)
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, 0, s->bytes), vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    for (int k = 0; k < 2 * (n - 1); k++) {
        int out = ((rank - k) % n + n) % n, in = (out + n - 1) % n;
        for (int i = 0; i < c.segments; i++) {
            struct vc_ref give = part(&c, k == 0 ? VC_BUF_SEND : VC_BUF_RECV, out, i);
            struct vc_ref take = part(&c, VC_BUF_RECV, in, i);
            if (give.len)
                vc_plan_send(p, right, give);
            if (take.len && k < n - 1) {
                vc_plan_copy(p, part(&c, VC_BUF_SEND, in, i), take);
                vc_plan_recv_reduce(p, left, take, false);
            } else if (take.len) {
                vc_plan_recv(p, left, take);
            }
        }
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    size_t chunk = vc_slice(s->bytes, s->esize ? s->esize : 1, s->size, 1);
    long segments = vc_segments(chunk, s->esize ? s->esize : 1, s->segment);
    return 1 + 5L * (s->size - 1) * (segments < MAX_SEGMENTS ? segments : MAX_SEGMENTS);
}

const struct vc_alg vc_alg_allreduce_ring = {
    .name = "ring",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_NEEDS_COMMUTATIVE | VC_PLACEMENT_FREE,
    .params = VC_PARAM_SEGMENT,
    .help = "reduce-scatter and allgather around a ring: large messages; chunks segmented on request",
    .build = build,
    .steps = steps,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/patterns.h"
#include "coll/registry.h"

static const struct vc_ref token = {VC_BUF_NONE, 0, 0};

/* Up a binomial tree to rank 0 and down again. */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, span = vc_binomial_span(rank, n), released = -1;
    vc_plan_begin(p, s, rank);
    for (int k = 1; k < span && rank + k < n; k *= 2)
        vc_plan_recv(p, rank + k, token);
    int heard = p->nsteps;
    if (rank > 0) {
        int up = vc_plan_send(p, vc_binomial_parent(rank), token);
        for (int i = 0; i < heard; i++)
            vc_plan_after(p, up, i);
        released = vc_plan_recv(p, vc_binomial_parent(rank), token);
    }
    for (int k = span / 2; k >= 1; k /= 2) {
        if (rank + k >= n)
            continue;
        int down = vc_plan_send(p, rank + k, token);
        if (rank > 0)
            vc_plan_after(p, down, released);
        else
            for (int i = 0; i < heard; i++)
                vc_plan_after(p, down, i);
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 2 + 2 * vc_bound_lg(s->size);
}

const struct vc_alg vc_alg_barrier_tree = {
    .name = "tree",
    .coll = VC_BARRIER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "tokens up a binomial tree and down again: fewest messages",
    .build = build,
    .steps = steps,
};

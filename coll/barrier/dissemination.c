/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/registry.h"

static const struct vc_ref token = {VC_BUF_NONE, 0, 0};

/*
 * In the round of distance d a rank tells the ranks d, 2d, .. (radix - 1) d after it that it and all it has
 * heard of are there. Receives wait for nothing, so they can all be posted at once; a send waits for all
 * receives of earlier rounds.
 */
static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    int n = s->size, radix = s->radix >= 2 ? s->radix : 2;
    vc_plan_begin(p, s, rank);
    for (long d = 1; d < n; d *= radix) {
        int heard = p->nsteps;
        for (long k = d; k < d * radix && k < n; k += d) {
            int step = vc_plan_send(p, (int)((rank + k) % n), token);
            for (int i = 0; i < heard; i++)
                if (p->steps[i].kind == VC_STEP_RECV)
                    vc_plan_after(p, step, i);
            vc_plan_recv(p, (int)((rank - k + n) % n), token);
        }
    }
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_tokens(s->size, s->radix);
}

const struct vc_alg vc_alg_barrier_dissemination = {
    .name = "dissemination",
    .coll = VC_BARRIER,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .params = VC_PARAM_RADIX,
    .help =
        "log_radix(n) rounds of tokens to ranks at growing distance (Hensgen, Finkel, Manber 1988); radix 2",
    .build = build,
    .steps = steps,
};

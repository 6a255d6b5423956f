/* SPDX-License-Identifier: BSD-3-Clause */
/* Arrive in the node; dissemination among the nodes of a host, among hosts, and in the host again; release.
 */
#include "coll/barrier/exchange.h"
#include "coll/bounds.h"

/* A step that waits for all from `first` on. */
static int join(struct vc_plan *p, int first)
{
    int end = p->nsteps, joined = vc_plan_copy(p, VC_NOTHING, VC_NOTHING);
    for (int i = first; i < end; i++)
        vc_plan_after(p, joined, i);
    return joined;
}

static int build(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    struct vc_host_groups g;
    vc_plan_begin(p, shape, rank);
    if (!vc_group_hosts(p, shape, rank, -1, &g))
        return vc_plan_finish(p);
    int last = vc_plan_node(p, VC_PHASE_GATHER, 0, 0, 0, VC_NOTHING, VC_NOTHING);
    if (g.is_leader) {
        int first = last;
        vc_x_barrier_dissemination(p, &g.within, shape->radix, last);
        last = join(p, first);
        if (g.is_lead) {
            vc_x_barrier_dissemination(p, &g.across, shape->radix, last);
            last = join(p, last);
        }
        /* Whoever hears of the host's lead hears of all hosts. */
        first = last;
        vc_x_barrier_dissemination(p, &g.within, shape->radix, last);
        last = join(p, first);
    }
    int released = vc_plan_node(p, VC_PHASE_BCAST, 0, 0, 0, VC_NOTHING, VC_NOTHING);
    vc_plan_after(p, released, last);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return 5 + 3 * vc_bound_tokens(s->hier->nnodes, s->radix);
}

const struct vc_alg vc_alg_barrier_three_level = {
    .name = "three_level",
    .coll = VC_BARRIER,
    .kind = VC_ALG_PLAN,
    .params = VC_PARAM_RADIX,
    .help = "two_level, with dissemination among the nodes of each host and among hosts",
    .build = build,
    .steps = steps,
};

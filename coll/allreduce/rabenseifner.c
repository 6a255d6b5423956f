/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/bounds.h"
#include "coll/allreduce/halving.h"
#include "coll/registry.h"

static int build(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_ref all = vc_ref_of(VC_BUF_RECV, 0, s->bytes);
    struct vc_halving h;
    vc_plan_begin(p, s, rank);
    vc_halving_init(&h, s, rank, -1);
    vc_halving_fold(&h, p, all);
    if (h.me < 0) {
        vc_plan_recv(p, rank ^ 1, all);
        return vc_plan_finish(p);
    }
    vc_halving_scatter(&h, p, all);
    for (int k = h.n / 2; k >= 1; k /= 2) {
        int peer = vc_halving_rank(&h, h.me ^ k);
        struct vc_ref mine = vc_halving_window(&h, all, h.me, k),
                      theirs = vc_halving_window(&h, all, h.me ^ k, k);
        if (theirs.len)
            vc_plan_recv(p, peer, theirs);
        if (mine.len)
            vc_plan_send(p, peer, mine);
    }
    if (rank < h.paired)
        vc_plan_send(p, rank ^ 1, all);
    return vc_plan_finish(p);
}

static long steps(const struct vc_shape *s)
{
    return vc_bound_rabenseifner(s->size);
}

const struct vc_alg vc_alg_allreduce_rabenseifner = {
    .name = "rabenseifner",
    .coll = VC_ALLREDUCE,
    .kind = VC_ALG_PLAN,
    .restrictions = VC_PLACEMENT_FREE,
    .help = "reduce-scatter by halving, allgather by doubling (Rabenseifner 2004): medium and large messages",
    .build = build,
    .steps = steps,
};

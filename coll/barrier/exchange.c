/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/barrier/exchange.h"

void vc_x_barrier_dissemination(struct vc_plan *p, const struct vc_group *g, int radix, int arrived)
{
    int n = g->n, first = p->nsteps,
        heard = first; /* receives, each followed by a send, from `first` to `heard` */
    radix = radix < 2 ? 2 : radix > n ? n : radix;
    for (long long d = 1; d < n; d *= radix) {
        int round = heard;
        for (int j = 1; j < radix && j * d < n; j++) {
            int far = (int)(j * d);
            vc_plan_recv(p, vc_group_rank(g, (g->me - far + n) % n), VC_NOTHING);
            int out = vc_plan_send(p, vc_group_rank(g, (g->me + far) % n), VC_NOTHING);
            vc_plan_after(p, out, arrived);
            for (int r = first; r < round; r += 2)
                vc_plan_after(p, out, r);
            heard += 2;
        }
    }
}

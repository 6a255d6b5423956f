/* SPDX-License-Identifier: BSD-3-Clause */
/* The exchanges behind flat and two-level alltoall. */
#include "coll/alltoall/exchange.h"

void vc_x_alltoall_linear(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                          const struct vc_layout *in, int window, int begin, int end)
{
    int n = g->n;
    for (int k = begin; k < end; k++) {
        int to = (g->me + k) % n, from = (g->me - k + n) % n;
        /* Each peer adds two steps, so those of `window` peers ago stand at a fixed distance. */
        int r = vc_plan_recv(p, vc_group_rank(g, from), vc_layout_block(in, from));
        vc_plan_after(p, r, k - begin >= window ? r - 2 * window : -1);
        int s = vc_plan_send(p, vc_group_rank(g, to), vc_layout_block(out, to));
        vc_plan_after(p, s, k - begin >= window ? s - 2 * window : -1);
    }
}

void vc_x_alltoall_pairwise(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *out,
                            const struct vc_layout *in, int begin, int end)
{
    int n = g->n;
    bool pow2 = (n & (n - 1)) == 0;
    for (int k = begin, r = -1, s = -1; k < end; k++) {
        /* Powers of two pair up, so that each round's traffic is between two ranks only. */
        int to = pow2 ? g->me ^ k : (g->me + k) % n;
        int from = pow2 ? to : (g->me - k + n) % n;
        int before_r = r, before_s = s;
        r = vc_plan_recv(p, vc_group_rank(g, from), vc_layout_block(in, from));
        vc_plan_after(p, r, before_r);
        vc_plan_after(p, r, before_s);
        s = vc_plan_send(p, vc_group_rank(g, to), vc_layout_block(out, to));
        vc_plan_after(p, s, before_r);
        vc_plan_after(p, s, before_s);
    }
}

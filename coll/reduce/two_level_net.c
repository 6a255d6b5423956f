/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions to one participant of a group: the network phases of two-level reduce. */
#include "coll/two_level.h"

#include "coll/patterns.h"

void vc_x_reduce_binomial(struct vc_plan *p, const struct vc_group *g, const struct vc_shape *shape,
                          struct vc_ref vec, int root)
{
    int n = g->n;
    if (n < 2 || !vec.len)
        return;
    /* A tree turned towards the root would put participants behind their successors. */
    int top = shape->commutative ? root : 0;
    int v = vc_relative(g->me, top, n), span = vc_binomial_span(v, n);
    for (int k = 1; k < span; k *= 2)
        if (v + k < n)
            vc_plan_recv_reduce(p, vc_group_rank(g, vc_absolute(v + k, top, n)), vec, true);
    if (v)
        vc_plan_send(p, vc_group_rank(g, vc_absolute(vc_binomial_parent(v), top, n)), vec);
    if (top == root)
        return;
    if (g->me == top)
        vc_plan_send(p, vc_group_rank(g, root), vec);
    else if (g->me == root)
        vc_plan_recv(p, vc_group_rank(g, top), vec);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/scan/exchange.h"

#include "coll/patterns.h"

/* Two places take turns, so that a round's receive does not wait for the reduction of the round before. */
struct turns {
    struct vc_ref place[2];
    int next;
};

static struct vc_ref next_place(struct vc_plan *p, struct turns *t, size_t len)
{
    struct vc_ref *r = &t->place[t->next];
    t->next ^= 1;
    if (!r->len)
        *r = vc_plan_tmp(p, len);
    return *r;
}

/* After the round of distance k a participant has the operands of 2 k participants up to itself. Receives
 * come first: sends would wait for each other all the way up, where a message waits for its receive. */
void vc_x_scan_doubling(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref vec)
{
    struct turns turns = {{VC_NOTHING, VC_NOTHING}, 0};
    if (!vec.len)
        return;
    vc_plan_move(p, own, vec);
    for (int k = 1; k < g->n; k *= 2) {
        struct vc_ref in = VC_NOTHING;
        if (g->me >= k) {
            in = next_place(p, &turns, vec.len);
            vc_plan_recv(p, vc_group_rank(g, g->me - k), in);
        }
        if (g->me + k < g->n)
            vc_plan_send(p, vc_group_rank(g, g->me + k), vec);
        if (g->me >= k)
            vc_plan_reduce(p, in, vec, false);
    }
}

/* The same, with two reductions: one without the own operand, and the one that goes on. */
void vc_x_exscan_doubling(struct vc_plan *p, const struct vc_group *g, struct vc_ref own, struct vc_ref vec)
{
    struct turns turns = {{VC_NOTHING, VC_NOTHING}, 0};
    struct vc_ref with_own = own;
    if (!own.len)
        return;
    if (g->me > 0 && g->me + 1 < g->n) { /* vec may be the same place */
        with_own = vc_plan_tmp(p, own.len);
        vc_plan_copy(p, own, with_own);
    }
    for (int k = 1; k < g->n; k *= 2) {
        struct vc_ref in = vec;
        if (g->me >= k) {
            if (k > 1)
                in = next_place(p, &turns, own.len);
            vc_plan_recv(p, vc_group_rank(g, g->me - k), in);
        }
        if (g->me + k < g->n)
            vc_plan_send(p, vc_group_rank(g, g->me + k), with_own);
        if (g->me >= k && k > 1)
            vc_plan_reduce(p, in, vec, false);
        if (g->me >= k && g->me + 2 * k < g->n) /* it is sent again */
            vc_plan_reduce(p, in, with_own, false);
    }
}

void vc_x_scan_chain(struct vc_plan *p, const struct vc_group *g, size_t esize, int segments,
                     struct vc_ref own, struct vc_ref vec)
{
    for (int i = 0; i < segments && vec.len; i++) {
        struct vc_ref mine = vc_slices(own, esize, segments, i, i + 1),
                      sum = vc_slices(vec, esize, segments, i, i + 1);
        vc_plan_move(p, mine, sum);
        if (g->me > 0)
            vc_plan_recv_reduce(p, vc_group_rank(g, g->me - 1), sum, false);
        if (g->me + 1 < g->n)
            vc_plan_send(p, vc_group_rank(g, g->me + 1), sum);
    }
}

void vc_x_exscan_chain(struct vc_plan *p, const struct vc_group *g, size_t esize, int segments,
                       struct vc_ref own, struct vc_ref vec)
{
    bool sends = g->me + 1 < g->n;
    struct vc_ref with_own = own;
    if (g->me > 0 && sends && own.len)
        with_own = vc_plan_tmp(p, own.len);
    for (int i = 0; i < segments && own.len; i++) {
        struct vc_ref sum = vc_slices(with_own, esize, segments, i, i + 1);
        if (g->me > 0) {
            struct vc_ref before = vc_slices(vec, esize, segments, i, i + 1);
            if (sends)
                vc_plan_copy(p, vc_slices(own, esize, segments, i, i + 1), sum);
            vc_plan_recv(p, vc_group_rank(g, g->me - 1), before);
            if (sends)
                vc_plan_reduce(p, before, sum, false);
        }
        if (sends)
            vc_plan_send(p, vc_group_rank(g, g->me + 1), sum);
    }
}

int vc_scan_chain_plan(const struct vc_shape *s, int rank, struct vc_plan *p, vc_x_scan_chain_of *chain)
{
    struct vc_group all = vc_group_all(s, rank);
    int segments = vc_segments(s->bytes, s->esize, s->segment ? s->segment : VC_SCAN_SEGMENT);
    vc_plan_begin(p, s, rank);
    chain(p, &all, s->esize, segments, vc_ref_of(VC_BUF_SEND, 0, s->bytes),
          vc_ref_of(VC_BUF_RECV, 0, s->bytes));
    return vc_plan_finish(p);
}

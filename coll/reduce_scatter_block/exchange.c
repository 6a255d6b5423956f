/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/reduce_scatter_block/exchange.h"

#include "coll/allreduce/halving.h"
#include "coll/bounds.h"

#include <stdlib.h>

/* ---- pairwise ---- */

static int send_block(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay, int to)
{
    struct vc_ref block = vc_layout_block(lay, to);
    return block.len ? vc_plan_send(p, vc_group_rank(g, to), block) : -1;
}

/*
 * At distance d with both neighbours at that distance, so that what is reduced always comes from consecutive
 * ranks. The sends of a distance wait for what came at the one before, so that no rank is flooded.
 */
void vc_x_reduce_scatter_pairwise(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                  struct vc_ref mine, long from, long to)
{
    int last = -1;
    if (mine.len && from == 0)
        vc_plan_copy(p, vc_layout_block(lay, g->me), mine);
    for (int d = from ? (int)from : 1; d < to; d++) {
        int above = g->me + d, below = g->me - d, before = last, s;
        if (above < g->n && (s = send_block(p, g, lay, above)) >= 0)
            vc_plan_after(p, s, before);
        if (below >= 0 && (s = send_block(p, g, lay, below)) >= 0)
            vc_plan_after(p, s, before);
        if (above < g->n && mine.len)
            last = vc_plan_recv_reduce(p, vc_group_rank(g, above), mine, true);
        if (below >= 0 && mine.len)
            last = vc_plan_recv_reduce(p, vc_group_rank(g, below), mine, false);
    }
}

/* ---- ring ---- */

static size_t longest_block(const struct vc_group *g, const struct vc_layout *lay)
{
    size_t longest = 0;
    for (int i = 0; i < g->n; i++)
        if (vc_layout_block(lay, i).len > longest)
            longest = vc_layout_block(lay, i).len;
    return longest;
}

/* Block i starts at the participant behind its owner, and ends there. Two places take turns: what came in one
 * round leaves in the next. */
void vc_x_reduce_scatter_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                              size_t esize, int segments, struct vc_ref mine)
{
    int n = g->n, right = vc_group_rank(g, (g->me + 1) % n), left = vc_group_rank(g, (g->me + n - 1) % n);
    size_t longest = n > 2 ? longest_block(g, lay) : 0;
    struct vc_ref place[2] = {VC_NOTHING, VC_NOTHING}, leaves = VC_NOTHING;
    for (int i = 0; i < 2 && longest; i++)
        place[i] = vc_plan_tmp(p, longest);
    if (n == 1 && mine.len)
        vc_plan_copy(p, vc_layout_block(lay, 0), mine);
    for (int k = 0; k < n - 1; k++) {
        int out = ((g->me - k - 1) % n + n) % n, in = (out + n - 1) % n;
        struct vc_ref own = vc_layout_block(lay, in);
        struct vc_ref comes = in == g->me ? mine : vc_ref_sub(place[k & 1], 0, own.len);
        if (k == 0)
            leaves = vc_layout_block(lay, out);
        for (int i = 0; i < segments; i++) {
            struct vc_ref gone = vc_slices(leaves, esize, segments, i, i + 1);
            struct vc_ref come = vc_slices(comes, esize, segments, i, i + 1);
            if (gone.len)
                vc_plan_send(p, right, gone);
            if (come.len == 0)
                continue;
            vc_plan_copy(p, vc_slices(own, esize, segments, i, i + 1), come);
            vc_plan_recv_reduce(p, left, come, false);
        }
        leaves = comes;
    }
}

/* ---- halving ---- */

/* The first virtual rank that a member of the halving stands for; those of the next one follow. */
static int first_of(const struct vc_halving *h, int member)
{
    return member < h->paired / 2 ? 2 * member : member + h->paired / 2;
}

/* Where a member's part stands among those of all, so that each keeps adjacent ones, in every round. The same
 * the other way round. */
static int reversed(int member, int n)
{
    int r = 0;
    for (int k = 1; k < n; k *= 2, member /= 2)
        r = 2 * r + (member & 1);
    return r;
}

void vc_x_reduce_scatter_halving(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                 size_t esize, struct vc_ref mine)
{
    struct vc_halving h;
    struct vc_copier c = {.plan = p};
    vc_halving_init(&h, g, esize, -1, 2);
    size_t *at = calloc((size_t)h.n + 1, sizeof *at);
    if (!at) {
        p->failed = true;
        return;
    }
    h.at = at;
    for (int i = 0; i < h.n; i++) {
        int m = reversed(i, h.n);
        at[i + 1] = at[i] + vc_layout_range(lay, first_of(&h, m), first_of(&h, m + 1)).len;
    }
    struct vc_ref vec = at[h.n] ? vc_plan_tmp(p, at[h.n]) : VC_NOTHING;
    for (int i = 0; i < h.n && vec.len; i++) {
        int m = reversed(i, h.n);
        struct vc_ref part = vc_layout_range(lay, first_of(&h, m), first_of(&h, m + 1));
        if (part.len)
            vc_copier_add(&c, part, vc_ref_sub(vec, at[i], part.len));
    }
    vc_copier_flush(&c);
    if (vec.len)
        vc_halving_fold(&h, p, vec, vec);
    if (h.me < 0) { /* the partner has its block */
        if (mine.len)
            vc_plan_recv(p, vc_group_rank(g, g->me ^ 1), mine);
    } else if (vec.len) {
        vc_halving_scatter(&h, p, vec, vec);
        struct vc_ref part = vc_halving_window(&h, vec, h.me, h.rounds - 1);
        if (g->me < h.paired) {
            struct vc_ref theirs = vc_ref_sub(part, mine.len, part.len - mine.len);
            if (theirs.len)
                vc_plan_send(p, vc_group_rank(g, g->me ^ 1), theirs);
        }
        if (mine.len)
            vc_plan_copy(p, vc_ref_sub(part, 0, mine.len), mine);
    }
    free(at);
}

long vc_x_reduce_scatter_halving_steps(long n)
{
    return n + 2 + vc_bound_rabenseifner(n, 2);
}

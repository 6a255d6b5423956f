/* SPDX-License-Identifier: BSD-3-Clause */
/* The exchanges behind flat and two-level allgather. */
#include "coll/allgather/exchange.h"

#include "coll/patterns.h"

void vc_x_allgather_ring_step(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay, int k)
{
    int n = g->n;
    int out = vc_x_allgather_ring_in(g, k - 1), in = vc_x_allgather_ring_in(g, k);
    vc_plan_recv(p, vc_group_rank(g, (g->me - 1 + n) % n), vc_layout_block(lay, in));
    vc_plan_send(p, vc_group_rank(g, (g->me + 1) % n), vc_layout_block(lay, out));
}

void vc_x_allgather_ring(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay)
{
    for (int k = 0; k < g->n - 1; k++)
        vc_x_allgather_ring_step(p, g, lay, k);
}

/* Where the i-th block behind that of virtual rank `me` begins, blocks being laid out in a circle from that
 * one on. */
static size_t turned(const struct vc_group *g, const struct vc_layout *lay, int i)
{
    size_t own = vc_layout_off(lay, g->me), total = vc_layout_off(lay, g->n);
    if (g->me + i < g->n)
        return vc_layout_off(lay, g->me + i) - own;
    return total - own + vc_layout_off(lay, g->me + i - g->n);
}

void vc_x_allgather_bruck(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay)
{
    int n = g->n;
    if (n <= 2) {
        vc_x_allgather_ring(p, g, lay);
        return;
    }
    struct vc_ref circle = vc_plan_tmp(p, vc_layout_off(lay, n));
    vc_plan_copy(p, vc_layout_block(lay, g->me), vc_ref_sub(circle, 0, turned(g, lay, 1)));
    for (int have = 1, held = 1; have < n; held = have)
        for (int z = 1; z < vc_tree_radix(g->radix) && have < n; z++) {
            int more = held <= n - have ? held : n - have;
            size_t at = turned(g, lay, have);
            vc_plan_recv(p, vc_group_rank(g, (g->me + have) % n),
                         vc_ref_sub(circle, at, turned(g, lay, have + more) - at));
            vc_plan_send(p, vc_group_rank(g, (g->me - have + n) % n),
                         vc_ref_sub(circle, 0, turned(g, lay, more)));
            have += more;
        }
    /* The own block is in its place. Blocks that follow it in the circle stand behind it, the others at the
     * front.
     */
    int behind = n - g->me - 1;
    size_t at = turned(g, lay, 1);
    if (behind) {
        struct vc_ref dst = vc_layout_range(lay, g->me + 1, n);
        vc_plan_copy(p, vc_ref_sub(circle, at, dst.len), dst);
        at += dst.len;
    }
    if (g->me) {
        struct vc_ref dst = vc_layout_range(lay, 0, g->me);
        vc_plan_copy(p, vc_ref_sub(circle, at, dst.len), dst);
    }
}

/* Before a round `held` neighbours hold each other's blocks; in it as many times that, which differ in one
 * digit. */
void vc_x_allgather_multiply(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay)
{
    for (int held = 1, factor; held < g->n; held *= factor) {
        factor = vc_smooth_factor(g->n / held, vc_tree_radix(g->radix));
        int digit = g->me / held % factor, own = g->me - g->me % held;
        for (int j = 1; j < factor; j++) {
            int from = ((digit + j) % factor - digit) * held;
            int to = ((digit - j + factor) % factor - digit) * held;
            vc_plan_recv(p, vc_group_rank(g, g->me + from),
                         vc_layout_range(lay, own + from, own + from + held));
            vc_plan_send(p, vc_group_rank(g, g->me + to), vc_layout_range(lay, own, own + held));
        }
    }
}

/* Where the factors differ the least comes first, because most bytes go in the last round. */
static int halving_factor(int rest, int radix)
{
    int most = vc_pow2_below(radix);
    while (rest > most)
        rest /= most;
    return rest;
}

/* In a round `factor` participants, which are `distance` apart, swap the `held` blocks that each has. */
struct halving_round {
    int held, factor, distance;
};

/* That of message j: so many came before. */
static struct halving_round halving_round_of(int n, int radix, int j)
{
    struct halving_round r = {.held = 1, .factor = halving_factor(n, radix)};
    while (r.held * r.factor <= j) {
        r.held *= r.factor;
        r.factor = halving_factor(n / r.held, radix);
    }
    r.distance = n / (r.held * r.factor);
    return r;
}

/* The participant that is so many places on from v in that round. */
static int halving_peer(const struct halving_round *r, int v, int way)
{
    int digit = v / r->distance % r->factor;
    return v + ((digit + way + r->factor) % r->factor - digit) * r->distance;
}

/* The block that came to participant v by message j; 0: its own. */
static int halving_block(int n, int radix, int v, int j)
{
    while (j) {
        struct halving_round r = halving_round_of(n, radix, j);
        v = halving_peer(&r, v, -((j - r.held) % (r.factor - 1) + 1));
        j = (j - r.held) / (r.factor - 1);
    }
    return v;
}

/* What came first goes on first: a block to all peers of the round, then the next one. */
void vc_x_allgather_halving_step(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay,
                                 int j, struct vc_pipe *pipe)
{
    int radix = vc_tree_radix(g->radix);
    struct halving_round r = halving_round_of(g->n, radix, j);
    int way = (j - r.held) % (r.factor - 1) + 1, which = (j - r.held) / (r.factor - 1);
    vc_plan_recv(p, vc_group_rank(g, halving_peer(&r, g->me, -way)),
                 vc_layout_block(lay, halving_block(g->n, radix, g->me, j)));
    vc_pipe_send(pipe, p, vc_group_rank(g, halving_peer(&r, g->me, way)),
                 vc_layout_block(lay, halving_block(g->n, radix, g->me, which)));
}

void vc_x_allgather_log(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay)
{
    if (vc_x_allgather_multiplies(g->n, g->radix))
        vc_x_allgather_multiply(p, g, lay);
    else
        vc_x_allgather_bruck(p, g, lay);
}

/*
 * First both of a pair (2x, 2x + 1) swap their blocks. From then on pairs of blocks travel. Each participant
 * exchanges with its two neighbours in turn, beginning with the one outside its pair: it sends the pair of
 * blocks that came last. What comes in rounds 2j - 1 and 2j belongs j pairs away, first on the side of the
 * outer neighbour.
 */
void vc_x_allgather_neighbor(struct vc_plan *p, const struct vc_group *g, const struct vc_layout *lay)
{
    int n = g->n, pairs = n / 2, x = g->me / 2;
    int outward = g->me % 2 ? 1 : -1;
    int partner = vc_group_rank(g, g->me - outward), outer = vc_group_rank(g, (g->me + outward + n) % n);
    vc_plan_recv(p, partner, vc_layout_block(lay, g->me - outward));
    vc_plan_send(p, partner, vc_layout_block(lay, g->me));
    int out = x;
    for (int i = 1; i < pairs; i++) {
        int j = (i + 1) / 2, dir = i % 2 ? outward : -outward;
        int in = ((x + dir * j) % pairs + pairs) % pairs;
        int peer = i % 2 ? outer : partner;
        vc_plan_recv(p, peer, vc_layout_range(lay, 2 * in, 2 * in + 2));
        vc_plan_send(p, peer, vc_layout_range(lay, 2 * out, 2 * out + 2));
        out = in;
    }
}

int vc_allgather_plan(const struct vc_shape *shape, int rank, struct vc_plan *p, vc_x_allgather *exchange)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout all = vc_layout_ranks(shape, VC_BUF_RECV);
    vc_plan_begin(p, shape, rank);
    if (vc_shape_total(shape)) {
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, 0, vc_shape_block(shape, rank)), vc_layout_block(&all, rank));
        exchange(p, &g, &all);
    }
    return vc_plan_finish(p);
}

long vc_allgather_ring_rounds(const struct vc_shape *shape)
{
    return shape->size;
}

void vc_allgather_ring_part(const struct vc_shape *shape, int rank, long from, long to, struct vc_plan *p)
{
    struct vc_group g = vc_group_all(shape, rank);
    struct vc_layout all = vc_layout_ranks(shape, VC_BUF_RECV);
    if (!vc_shape_total(shape))
        return;
    if (from == 0)
        vc_plan_copy(p, vc_ref_of(VC_BUF_SEND, 0, vc_shape_block(shape, rank)), vc_layout_block(&all, rank));
    for (long k = from ? from : 1; k < to; k++)
        vc_x_allgather_ring_step(p, &g, &all, (int)k - 1);
}

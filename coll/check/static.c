/* SPDX-License-Identifier: BSD-3-Clause */
/* Every step on its own: references, lengths of node phases. And where the buffers of a rank lie. */
#include "coll/check/internal.h"
#include "coll/info.h"
#include "transport/base.h"

#include <stdlib.h>
#include <string.h>

static size_t gcd(size_t a, size_t b)
{
    if (a == 1 || b == 1)
        return 1;
    while (b) {
        size_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static bool is_reduction(const struct vck *c)
{
    return vc_coll_reduces(c->shape->coll);
}

static size_t side_of(const struct vc_shape *s, struct vc_side side, bool sends, int rank)
{
    if (side.root_only && rank != s->root)
        return 0;
    return s->pairs ? (sends ? vc_shape_sent_below : vc_shape_received_below)(s, rank, s->size)
                    : vc_shape_side(s, side, rank);
}

/* Lengths and places of a rank's buffers. */
static void layout(struct vck *c, int rank)
{
    const struct vc_shape *s = c->shape;
    const struct vc_coll_info *info = &vc_coll_info[s->coll];
    struct vck_rank *k = &c->ranks[rank];
    k->send_len = side_of(s, info->send, true, rank);
    k->recv_len = side_of(s, info->recv, false, rank);
    bool alias = c->alias && info->in_place != VC_IN_PLACE_NEVER && k->send_len && k->recv_len;
    size_t own = vc_shape_at(s, rank);
    k->recv_at = alias && info->in_place == VC_IN_PLACE_IN_SEND ? own : 0;
    k->send_at = !alias ? k->recv_len : info->in_place == VC_IN_PLACE_OWN_BLOCK ? own : 0;
    k->tmp_at = !alias ? k->recv_len + k->send_len : k->recv_len > k->send_len ? k->recv_len : k->send_len;
    k->end = k->tmp_at + c->plans[rank].tmp_bytes;
}

static bool check_ref(struct vck *c, int rank, int step, struct vc_ref ref, bool write, const char *which)
{
    static const char *const names[] = {"nothing", "SEND", "RECV", "TMP"};
    const struct vck_rank *k = &c->ranks[rank];
    if (ref.len == 0)
        return true;
    size_t have = 0;
    switch (ref.buf) {
    case VC_BUF_SEND:
        have = k->send_len;
        break;
    case VC_BUF_RECV:
        have = k->recv_len;
        break;
    case VC_BUF_TMP:
        have = c->plans[rank].tmp_bytes;
        break;
    default:
        break;
    }
    if ((unsigned)ref.buf > VC_BUF_TMP || ref.off > have || ref.len > have - ref.off)
        return vck_fail(c, rank, step, "%s is bytes %zu..%zu of %s, which has %zu", which, ref.off,
                        ref.off + ref.len, (unsigned)ref.buf > VC_BUF_TMP ? "?" : names[ref.buf], have);
    if (write && ref.buf == VC_BUF_SEND)
        return vck_fail(c, rank, step, "writes SEND at byte %zu", ref.off);
    return true;
}

static bool overlap(const struct vck *c, int rank, struct vc_ref a, struct vc_ref b)
{
    size_t x = vck_addr(c, rank, a), y = vck_addr(c, rank, b);
    return a.len && b.len && x < y + b.len && y < x + a.len;
}

static bool check_two(struct vck *c, int rank, int step, const struct vc_step *s, bool same_allowed)
{
    if (s->src.len != s->dst.len)
        return vck_fail(c, rank, step, "source has %zu bytes, destination %zu", s->src.len, s->dst.len);
    if (!check_ref(c, rank, step, s->src, s->kind == VC_STEP_RECV_REDUCE, "source") ||
        !check_ref(c, rank, step, s->dst, true, "destination"))
        return false;
    bool same = vck_addr(c, rank, s->src) == vck_addr(c, rank, s->dst);
    if (overlap(c, rank, s->src, s->dst) && !(same && same_allowed))
        return vck_fail(c, rank, step, "source and destination overlap at byte %zu", s->dst.off);
    if (s->kind != VC_STEP_COPY && !is_reduction(c))
        return vck_fail(c, rank, step, "reduces in a collective that has no operator");
    if (s->kind != VC_STEP_COPY && s->dst.len % c->shape->esize)
        return vck_fail(c, rank, step, "%zu bytes are not whole elements", s->dst.len);
    return true;
}

/* A copy of several pieces: all of them in their buffers, apart from each other and the two sides from each
 * other. */
static bool check_pieces(struct vck *c, int rank, int step, const struct vc_step *s)
{
    const struct vc_ref sides[2] = {s->src, s->dst};
    const ptrdiff_t steps[2] = {s->src_step, s->dst_step};
    struct vc_ref span[2];
    if (s->src.len != s->dst.len)
        return vck_fail(c, rank, step, "source has %zu bytes, destination %zu", s->src.len, s->dst.len);
    for (int i = 0; i < 2; i++) {
        const char *which = i ? "destination" : "source";
        size_t apart = (size_t)(steps[i] < 0 ? -steps[i] : steps[i]);
        if (sides[i].buf > VC_BUF_TMP)
            return vck_fail(c, rank, step, "%s has pieces of a block that the call places", which);
        if (apart < sides[i].len)
            return vck_fail(c, rank, step, "%s has pieces of %zu bytes that are %zu apart", which,
                            sides[i].len, apart);
        if (steps[i] < 0 && apart * (size_t)(s->parts - 1) > sides[i].off)
            return vck_fail(c, rank, step, "%s has pieces before the buffer's begin", which);
        span[i] = vc_pieces_span(sides[i], steps[i], s->parts);
        if (!check_ref(c, rank, step, span[i], i == 1, which))
            return false;
    }
    return !overlap(c, rank, span[0], span[1]) ||
           vck_fail(c, rank, step, "source and destination overlap at byte %zu", s->dst.off);
}

void vck_node_lengths(const struct vc_step *s, int q, int l, size_t *src, size_t *dst)
{
    const struct vc_phase_info *i = &vc_phase_info[s->node];
    bool root = s->peer == l;
    *src = vc_phase_has_src(s->node, root) ? vc_phase_side(i->src, s->len, s->at, q, l) : 0;
    *dst = vc_phase_has_dst(s->node, root) ? vc_phase_side(i->dst, s->len, s->at, q, l) : 0;
}

/* The blocks of a phase of unequal ones: ascending from 0, the longest as long as the phase says. */
static bool check_blocks(struct vck *c, int rank, int step, const struct vc_step *s, int q)
{
    size_t longest = 0;
    if (s->node == VC_PHASE_ALLTOALLV)
        return vck_fail(c, rank, step, "a phase whose sizes only pairs know has no place in a plan");
    if (!vc_phase_info[s->node].uneven)
        return !s->at || vck_fail(c, rank, step, "has blocks of its own, which this kind has not");
    if (!s->at || s->at[0] != 0)
        return vck_fail(c, rank, step, "has no blocks that begin at 0");
    for (int l = 0; l < q; l++) {
        if (s->at[l + 1] < s->at[l])
            return vck_fail(c, rank, step, "block %d ends before it begins", l);
        longest = s->at[l + 1] - s->at[l] > longest ? s->at[l + 1] - s->at[l] : longest;
    }
    return longest == s->len ||
           vck_fail(c, rank, step, "says %zu bytes where its longest block has %zu", s->len, longest);
}

static bool check_node(struct vck *c, int rank, int step, const struct vc_step *s)
{
    const struct vc_hier *h = c->shape->hier;
    int q = vc_hier_node_size(h, h->node_of[rank]), l = h->local_of[rank];
    size_t src, dst;
    if (c->alg->restrictions & VC_PLACEMENT_FREE)
        return vck_fail(c, rank, step, "an algorithm that claims VC_PLACEMENT_FREE has a node phase");
    if ((unsigned)s->node >= VC_PHASE_COUNT)
        return vck_fail(c, rank, step, "unknown node phase %d", (int)s->node);
    const struct vc_phase_info *i = &vc_phase_info[s->node];
    bool sliced = vc_phase_sliced(s->node);
    if (vc_phase_rooted(s->node) && (s->peer < 0 || s->peer >= q))
        return vck_fail(c, rank, step, "root %d of a node of %d ranks", s->peer, q);
    if (sliced && (s->parts < 1 || s->parts > q))
        return vck_fail(c, rank, step, "%d slices on a node of %d ranks", s->parts, q);
    if (i->reduces && !is_reduction(c))
        return vck_fail(c, rank, step, "reduces in a collective that has no operator");
    if (is_reduction(c) && (i->reduces || sliced) && s->len % c->shape->esize)
        return vck_fail(c, rank, step, "%zu bytes are not whole elements", s->len);
    if (!check_blocks(c, rank, step, s, q))
        return false;
    vck_node_lengths(s, q, l, &src, &dst);
    if (src && s->src.len != src)
        return vck_fail(c, rank, step, "source has %zu bytes instead of %zu", s->src.len, src);
    if (dst && s->dst.len != dst)
        return vck_fail(c, rank, step, "destination has %zu bytes instead of %zu", s->dst.len, dst);
    bool writes = vc_phase_writes_dst(s->node, s->peer == l);
    if ((src && !check_ref(c, rank, step, s->src, false, "source")) ||
        (dst && !check_ref(c, rank, step, s->dst, writes, "destination")))
        return false;
    if (src && dst && overlap(c, rank, s->src, s->dst)) {
        size_t x = vck_addr(c, rank, s->src), y = vck_addr(c, rank, s->dst),
               own = s->at ? s->at[l] : s->len * (size_t)l;
        bool blocks = i->src == VC_EXTENT_ONE && i->dst == VC_EXTENT_EACH;
        bool from_blocks = i->src == VC_EXTENT_EACH && i->dst == VC_EXTENT_ONE;
        bool apart = (i->uneven && blocks) || (from_blocks && i->reduces);
        bool in_place =
            (x == y && !apart) || (blocks && x == y + own) || (from_blocks && !i->reduces && y == x + own);
        if (!in_place)
            return vck_fail(c, rank, step, "source and destination overlap at byte %zu", s->dst.off);
    }
    return true;
}

static bool check_step(struct vck *c, int rank, int step)
{
    const struct vc_plan *p = &c->plans[rank];
    const struct vc_step *s = &p->steps[step];
    if (s->dep_first < 0 || s->dep_count < 0 || s->dep_first + s->dep_count > p->ndeps)
        return vck_fail(c, rank, step, "its dependencies lie outside the plan");
    for (int i = 0; i < s->dep_count; i++) {
        int d = p->deps[s->dep_first + i];
        if (d < 0 || d >= step)
            return vck_fail(c, rank, step, "depends on step %d, which is not an earlier one", d);
    }
    if (s->kind == VC_STEP_SEND || s->kind == VC_STEP_RECV || s->kind == VC_STEP_RECV_REDUCE) {
        if (s->peer < 0 || s->peer >= c->shape->size || s->peer == rank)
            return vck_fail(c, rank, step, "peer %d is no other rank", s->peer);
    }
    switch (s->kind) {
    case VC_STEP_SEND:
        return check_ref(c, rank, step, s->src, false, "source");
    case VC_STEP_RECV:
        return check_ref(c, rank, step, s->dst, true, "destination");
    case VC_STEP_RECV_REDUCE:
    case VC_STEP_REDUCE:
        return check_two(c, rank, step, s, false);
    case VC_STEP_COPY:
        return s->parts > 1 ? check_pieces(c, rank, step, s) : check_two(c, rank, step, s, true);
    case VC_STEP_NODE:
        return check_node(c, rank, step, s);
    }
    return vck_fail(c, rank, step, "unknown kind of step");
}

bool vck_static(struct vck *c)
{
    size_t g = is_reduction(c)                        ? gcd(c->shape->bytes, c->shape->esize)
               : c->shape->offsets || c->shape->pairs ? 0
                                                      : c->shape->bytes;
    for (int i = 0; c->shape->pairs && i < c->shape->size * c->shape->size; i++)
        g = gcd(g, c->shape->pairs[i]);
    for (int r = 0; c->shape->offsets && r < c->shape->size; r++)
        g = gcd(g, vc_shape_block(c->shape, r));
    if (is_reduction(c) && (c->shape->esize == 0 || c->shape->bytes % c->shape->esize))
        return vck_fail(c, -1, -1, "the shape has %zu bytes of %zu-byte elements", c->shape->bytes,
                        c->shape->esize);
    size_t cells = 0;
    for (int r = 0; r < c->shape->size; r++) {
        layout(c, r);
        g = gcd(g, c->plans[r].tmp_bytes);
        for (int i = 0; i < c->plans[r].nsteps; i++) {
            const struct vc_step *s = &c->plans[r].steps[i];
            if (!check_step(c, r, i))
                return false;
            g = gcd(gcd(gcd(g, s->src.off), gcd(s->src.len, s->dst.off)), s->dst.len);
            if (s->kind == VC_STEP_COPY && s->parts > 1)
                g = gcd(gcd(g, (size_t)(s->src_step < 0 ? -s->src_step : s->src_step)),
                        (size_t)(s->dst_step < 0 ? -s->dst_step : s->dst_step));
            for (int l = 0; s->kind == VC_STEP_NODE && s->at && l < vck_node_size(c, r); l++)
                g = gcd(g, s->at[l + 1]);
            if (s->kind == VC_STEP_NODE)
                g = s->node == VC_PHASE_ALLGATHER_SLICES && !is_reduction(c) ? 1 : gcd(g, s->len);
        }
    }
    c->grain = g ? g : 1;
    for (int r = 0; r < c->shape->size; r++) {
        c->ranks[r].first_cell = cells;
        cells += c->ranks[r].end / c->grain;
    }
    return true;
}

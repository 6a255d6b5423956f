/* SPDX-License-Identifier: BSD-3-Clause */
#include "coll/rooted.h"

#include "coll/bounds.h"
#include "coll/patterns.h"

/* Bytes in front of member v's part in the root's buffer, or in the order of members. */
static size_t bytes_before(const struct vc_rooted *x, int v)
{
    size_t blocks = (size_t)(x->first ? x->first[v] : v);
    return x->at ? x->at[blocks] : blocks * x->unit;
}

/* The same counted from the root's part on: of the i-th member from the root. */
static size_t begin_of(const struct vc_rooted *x, int i)
{
    int n = x->group->n;
    size_t total = bytes_before(x, n), origin = bytes_before(x, x->root);
    if (i == n)
        return total;
    int v = vc_absolute(i, x->root, n);
    size_t at = bytes_before(x, v);
    return v >= x->root ? at - origin : at + total - origin;
}

/* Longer where there would be more than VC_MAX_SEGMENTS, so that plans stay short. */
static size_t window_of(const struct vc_rooted *x)
{
    size_t w = x->window ? x->window : VC_ROOTED_WINDOW,
           least = bytes_before(x, x->group->n) / VC_MAX_SEGMENTS + 1;
    return w > least ? w : least;
}

static size_t window_end(const struct vc_rooted *x, size_t at, size_t hi)
{
    size_t w = window_of(x), end = (at / w + 1) * w;
    return end < hi ? end : hi;
}

/* Where the root's buffer ends and begins again. Messages to and from the root are cut there as well. */
static size_t wrap_of(const struct vc_rooted *x)
{
    return bytes_before(x, x->group->n) - bytes_before(x, x->root);
}

static int peer_of(const struct vc_rooted *x, int i)
{
    return vc_group_rank(x->group, vc_absolute(i, x->root, x->group->n));
}

static void message(struct vc_rooted *x, int peer, struct vc_ref ref, bool sends)
{
    if (sends)
        vc_plan_send(x->plan, peer, ref);
    else
        vc_plan_recv(x->plan, peer, ref);
}

/* ---- the root ---- */

/* The block that byte `at` is in, in the order of members. */
static size_t block_of(const struct vc_rooted *x, size_t at)
{
    size_t lo = 0, hi = (size_t)(x->first ? x->first[x->group->n] : x->group->n);
    while (hi - lo > 1) { /* at[lo] <= at < at[hi] */
        size_t mid = (lo + hi) / 2;
        if (x->at[mid] <= at)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Between scratch and the places of the blocks that are [at, at + len) in the order of members. */
static void reorder(struct vc_rooted *x, size_t at, struct vc_ref tmp, bool gathers)
{
    struct vc_copier c = {.plan = x->plan};
    size_t block = x->at ? block_of(x, at) : at / x->unit;
    for (size_t done = 0, len; done < tmp.len; done += len, at += len, block++) {
        size_t begin = x->at ? x->at[block] : block * x->unit,
               end = x->at ? x->at[block + 1] : begin + x->unit;
        size_t rank = (size_t)x->members[block], place = x->places ? x->places[rank] : rank * x->unit;
        len = vc_min_size(end - at, tmp.len - done);
        struct vc_ref part = vc_ref_sub(tmp, done, len), there = vc_ref_sub(x->all, place + at - begin, len);
        if (len)
            vc_copier_add(&c, gathers ? part : there, gathers ? there : part);
    }
    vc_copier_flush(&c);
}

/* A message of [lo, hi) between the root and a child. */
static void root_message(struct vc_rooted *x, int peer, size_t lo, size_t hi, bool gathers)
{
    size_t wrap = wrap_of(x), at = lo >= wrap ? lo - wrap : lo + bytes_before(x, x->root);
    if (!x->members) {
        message(x, peer, vc_ref_sub(x->all, at, hi - lo), !gathers);
        return;
    }
    size_t room = vc_min_size(window_of(x), bytes_before(x, x->group->n));
    if (!x->placed)
        x->held = vc_plan_tmp(x->plan, VC_ROOTED_HELD * room);
    x->placed = true;
    struct vc_ref tmp = vc_ref_sub(x->held, (size_t)x->turn * room, hi - lo);
    x->turn = (x->turn + 1) % VC_ROOTED_HELD;
    if (!gathers)
        reorder(x, at, tmp, false);
    message(x, peer, tmp, !gathers);
    if (gathers)
        reorder(x, at, tmp, true);
}

static void with_child(struct vc_rooted *x, int child, bool gathers)
{
    size_t wrap = wrap_of(x), hi = begin_of(x, child + vc_binomial_size(child, x->group->n));
    for (size_t at = begin_of(x, child), end; at < hi; at = end) {
        end = window_end(x, at, hi);
        if (at < wrap && wrap < end)
            end = wrap;
        root_message(x, peer_of(x, child), at, end, gathers);
    }
}

/* ---- inner ranks and leaves ---- */

static int relative_of(const struct vc_rooted *x)
{
    return vc_relative(x->group->me, x->root, x->group->n);
}

struct vc_ref vc_rooted_place(struct vc_rooted *x)
{
    int v = relative_of(x), size = vc_binomial_size(v, x->group->n);
    size_t lo = begin_of(x, v), all = begin_of(x, v + size) - lo, most = VC_ROOTED_HELD * window_of(x);
    if (!x->placed && v && size > 1)
        x->held = vc_plan_tmp(x->plan, vc_min_size(all, most));
    x->placed = x->placed || v;
    return v && size > 1 && all <= most ? vc_ref_sub(x->held, 0, begin_of(x, v + 1) - lo) : VC_NOTHING;
}

/* Scratch of the part of a window of this rank's subtree, whose parts begin at lo and end at hi. */
static struct vc_ref held_part(const struct vc_rooted *x, size_t lo, size_t hi, size_t at, size_t end)
{
    size_t w = window_of(x), place = at - lo;
    if (hi - lo > VC_ROOTED_HELD * w)
        place = at / w % VC_ROOTED_HELD * w + at % w;
    return vc_ref_sub(x->held, place, end - at);
}

/* The messages of [at, at + ref.len) between this rank and its parent. */
static void with_parent(struct vc_rooted *x, int v, size_t at, struct vc_ref ref, bool gathers)
{
    int parent = vc_binomial_parent(v);
    size_t wrap = wrap_of(x), head = parent == 0 && at < wrap && wrap < at + ref.len ? wrap - at : ref.len;
    message(x, peer_of(x, parent), vc_ref_sub(ref, 0, head), gathers);
    if (head < ref.len)
        message(x, peer_of(x, parent), vc_ref_sub(ref, head, ref.len - head), gathers);
}

/* The message of child v + k, as far as it is in the window that begins at `at`. */
static void in_window(struct vc_rooted *x, int child, size_t at, struct vc_ref window, bool gathers)
{
    size_t lo = begin_of(x, child), hi = begin_of(x, child + vc_binomial_size(child, x->group->n));
    lo = lo > at ? lo : at;
    hi = vc_min_size(hi, at + window.len);
    if (lo < hi)
        message(x, peer_of(x, child), vc_ref_sub(window, lo - at, hi - lo), !gathers);
}

void vc_x_gather_binomial(struct vc_rooted *x, struct vc_ref own)
{
    int n = x->group->n, v = relative_of(x);
    for (int k = 1; v == 0 && k < n; k *= 2)
        with_child(x, k, true);
    if (v == 0)
        return;
    vc_rooted_place(x);
    size_t lo = begin_of(x, v), mine = begin_of(x, v + 1), hi = begin_of(x, v + vc_binomial_size(v, n));
    for (size_t at = lo, end; at < hi; at = end) {
        end = window_end(x, at, hi);
        if (end <= mine) {
            with_parent(x, v, at, vc_ref_sub(own, at - lo, end - at), true);
            continue;
        }
        struct vc_ref window = held_part(x, lo, hi, at, end);
        if (at < mine)
            vc_plan_move(x->plan, vc_ref_sub(own, at - lo, mine - at), vc_ref_sub(window, 0, mine - at));
        for (int k = 1; k < vc_binomial_span(v, n) && v + k < n; k *= 2)
            in_window(x, v + k, at, window, true);
        with_parent(x, v, at, window, true);
    }
}

void vc_x_scatter_binomial(struct vc_rooted *x, struct vc_ref own)
{
    int n = x->group->n, v = relative_of(x), span = vc_binomial_span(v, n);
    /* The child with the largest subtree first. */
    for (int k = span / 2; v == 0 && k; k /= 2)
        if (k < n)
            with_child(x, k, false);
    if (v == 0)
        return;
    vc_rooted_place(x);
    size_t lo = begin_of(x, v), mine = begin_of(x, v + 1), hi = begin_of(x, v + vc_binomial_size(v, n));
    for (size_t at = lo, end; at < hi; at = end) {
        end = window_end(x, at, hi);
        if (end <= mine) {
            with_parent(x, v, at, vc_ref_sub(own, at - lo, end - at), false);
            continue;
        }
        struct vc_ref window = held_part(x, lo, hi, at, end);
        with_parent(x, v, at, window, false);
        for (int k = span / 2; k; k /= 2)
            if (v + k < n)
                in_window(x, v + k, at, window, false);
        if (at < mine)
            vc_plan_move(x->plan, vc_ref_sub(window, 0, mine - at), vc_ref_sub(own, at - lo, mine - at));
    }
}

long vc_bound_rooted(const struct vc_shape *s, long n)
{
    size_t w = s->segment ? s->segment : VC_ROOTED_WINDOW, most = w * VC_MAX_SEGMENTS / (size_t)s->size;
    long windows = 2 + (s->bytes < most ? (long)((size_t)s->size * s->bytes / w) : VC_MAX_SEGMENTS);
    return 4 + 4 * windows + 2 * vc_bound_lg(n);
}

long vc_bound_rooted_uneven(long n)
{
    return 4 + 4 * (3 + (long)VC_MAX_SEGMENTS) + 2 * vc_bound_lg(n);
}

void vc_rooted_uneven(struct vc_rooted *x, const struct vc_shape *s, bool nodes)
{
    const struct vc_hier *h = s->hier;
    size_t *places = vc_plan_array(x->plan, (size_t)s->size + 1), *at = places;
    bool ordered = !nodes || h->block;
    if (!ordered)
        at = vc_plan_array(x->plan, (size_t)s->size + 1);
    if (!places || !at)
        return;
    for (int r = 0; r <= s->size; r++)
        places[r] = vc_shape_at(s, r);
    for (int i = 0; !ordered && i < s->size; i++)
        at[i + 1] = at[i] + vc_shape_block(s, h->members[i]);
    x->at = at;
    x->places = places;
    x->first = nodes ? h->first : NULL;
    x->members = ordered ? NULL : h->members;
}

size_t *vc_node_offsets(struct vc_plan *p, const struct vc_shape *s, int node)
{
    int q = vc_hier_node_size(s->hier, node);
    size_t *at = vc_plan_array(p, (size_t)q + 1);
    for (int l = 0; at && l < q; l++)
        at[l + 1] = at[l] + vc_shape_block(s, vc_hier_rank(s->hier, node, l));
    return at;
}

/* ---- the root's node ---- */

bool vc_node_consecutive(const struct vc_hier *h, int node)
{
    const int *m = h->members + h->first[node];
    int q = vc_hier_node_size(h, node);
    return m[q - 1] - m[0] == q - 1;
}

struct vc_ref vc_node_blocks(const struct vc_shape *s, int node, struct vc_ref all)
{
    return vc_ref_sub(all, (size_t)vc_hier_rank(s->hier, node, 0) * s->bytes,
                      (size_t)vc_hier_node_size(s->hier, node) * s->bytes);
}

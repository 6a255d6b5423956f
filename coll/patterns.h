/* SPDX-License-Identifier: BSD-3-Clause */
/* Rank arithmetic that algorithms share. Pure functions of numbers, so that a test can enumerate them. */
#ifndef VC_COLL_PATTERNS_H
#define VC_COLL_PATTERNS_H

#include "transport/base.h"

/** The largest power of two that is at most n >= 1. */
static inline int vc_pow2_below(int n)
{
    int p = 1;
    while (p <= n / 2)
        p *= 2;
    return p;
}

static inline bool vc_is_pow2(int n)
{
    return (n & (n - 1)) == 0;
}

/** Rank as seen from the root, which is 0, and back. */
static inline int vc_relative(int rank, int root, int n)
{
    return rank >= root ? rank - root : rank - root + n;
}

static inline int vc_absolute(int relative, int root, int n)
{
    return relative + root < n ? relative + root : relative + root - n;
}

/* Binomial tree over relative ranks 0..n-1. The subtree of v is the range [v, v + vc_binomial_size(v, n));
 * the children of v are v + 1, v + 2, v + 4 ... below v + span, as far as they exist. */

/** Parent of v > 0. */
static inline int vc_binomial_parent(int v)
{
    return v & (v - 1);
}

/** Children of v are v + 2^k with 2^k < span and v + 2^k < n. */
static inline int vc_binomial_span(int v, int n)
{
    int span = 1;
    if (v)
        return v & -v;
    while (span < n)
        span *= 2;
    return span;
}

static inline int vc_binomial_size(int v, int n)
{
    int span = vc_binomial_span(v, n);
    return span < n - v ? span : n - v;
}

/* The same with more children: a k-nomial tree. Its inner nodes clear one digit of v in base `radix` after
 * the other; radix 2 is the binomial tree. The children of v are v + d * w for 0 < d < radix and the weights
 * w = 1, radix, radix^2 ... below its span, as far as they exist; their subtrees have vc_knomial_size()
 * ranks. */

/** The weight of the lowest digit of v that is not zero; for 0 the least weight that no rank reaches. */
static inline int vc_knomial_span(int v, int n, int radix)
{
    long long span = 1;
    while (span < n && (v == 0 || v % (span * radix) == 0))
        span *= radix;
    return span < n ? (int)span : n;
}

/** The largest weight of children: below the span; 0: v has none. */
static inline int vc_knomial_weight(int v, int n, int radix)
{
    int span = vc_knomial_span(v, n, radix), w = 1;
    while (w <= (span - 1) / radix)
        w *= radix;
    return span > 1 ? w : 0;
}

/** Parent of v > 0. */
static inline int vc_knomial_parent(int v, int n, int radix)
{
    return (int)(v - v % ((long long)vc_knomial_span(v, n, radix) * radix));
}

static inline int vc_knomial_size(int v, int n, int radix)
{
    int span = vc_knomial_span(v, n, radix);
    return span < n - v ? span : n - v;
}

/** Larger radices are cut to this. */
#define VC_MAX_RADIX 64

/** A radix of a shape, 0 for 2. */
static inline int vc_tree_radix(int radix)
{
    return radix < 2 ? 2 : radix < VC_MAX_RADIX ? radix : VC_MAX_RADIX;
}

/** More segments than this only cost memory: a pipeline is long past full. */
#define VC_MAX_SEGMENTS 256

/** How many segments of about `segment` bytes (0: one) a message is cut into; cut with vc_slice(). At
 * least 1. */
static inline int vc_segments(size_t bytes, size_t grain, size_t segment)
{
    size_t n = segment ? (bytes + segment - 1) / segment : 1;
    n = vc_min_size(vc_min_size(n, bytes / grain), VC_MAX_SEGMENTS);
    return n ? (int)n : 1;
}

/*
 * Folding n ranks into p <= n groups of consecutive ranks whose sizes differ by at most one (larger groups
 * first), so that algorithms which need a particular number of ranks run among one rank of each group, in
 * ascending order.
 */
struct vc_fold {
    int group;       /**< of the rank asked for, 0..p-1 */
    int first, size; /**< of that group */
};

/** First rank of a group. */
static inline int vc_fold_first(int n, int p, int group)
{
    return (int)vc_slice((size_t)n, 1, p, group);
}

static inline struct vc_fold vc_fold_of(int n, int p, int rank)
{
    int q = n / p, larger = n % p, edge = larger * (q + 1);
    struct vc_fold f;
    f.group = rank < edge ? rank / (q + 1) : larger + (rank - edge) / q;
    f.first = vc_fold_first(n, p, f.group);
    f.size = q + (f.group < larger);
    return f;
}

/** The largest p <= n that is a product of factors from 2 to `radix` (at least 2), so that no power has to be
 * exact. */
static inline int vc_smooth_below(int n, int radix)
{
    for (int p = n;; p--) {
        int rest = p;
        for (int f = 2; f <= radix; f++)
            while (rest % f == 0)
                rest /= f;
        if (rest == 1)
            return p;
    }
}

/** The least radix from `radix` to 2 radix - 1 whose factors make up n, so that nobody is folded: a fold
 * takes two rounds more, and meeting up to twice as many at once takes less than that. `radix` itself if
 * there is none, or if it is 2, so that doubling stays doubling. */
static inline int vc_smooth_radix(int n, int radix)
{
    for (int k = radix; radix > 2 && k < 2 * radix && k <= VC_MAX_RADIX; k++)
        if (vc_smooth_below(n, k) == n)
            return k;
    return radix;
}

/** The largest factor of `rest` that is at most `radix`; above 1 if vc_smooth_below() found `rest` > 1 for
 * this radix. */
static inline int vc_smooth_factor(int rest, int radix)
{
    int f = radix < rest ? radix : rest;
    while (rest % f)
        f--;
    return f;
}

/** How many of those make up n >= 1; -1: it is no product of them. */
static inline int vc_smooth_rounds(int n, int radix)
{
    int k = 0;
    for (int f; n > 1; n /= f, k++)
        if ((f = vc_smooth_factor(n, radix)) < 2)
            return -1;
    return k;
}

#endif

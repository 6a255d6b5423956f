/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long plans can be, for vc_alg.steps: upper bounds over all ranks and roots, from what every rank knows
 * of a shape, without building anything. The node arrays of a hierarchy may be missing here (vc_hier.first
 * NULL: ranks are dealt evenly).
 */
#ifndef VC_COLL_BOUNDS_H
#define VC_COLL_BOUNDS_H

#include "coll/patterns.h"
#include "coll/plan.h"

/** Rounds of an exchange that multiplies by `radix`: the least k with radix^k >= n. */
static inline long vc_bound_rounds(long n, long radix)
{
    long k = 0;
    for (long long m = 1; m < n; m *= radix)
        k++;
    return k;
}

static inline long vc_bound_lg(long n)
{
    return vc_bound_rounds(n, 2);
}

/** Ranks of the largest node. */
static inline long vc_bound_ppn(const struct vc_shape *s)
{
    const struct vc_hier *h = s->hier;
    int most = (s->size + h->nnodes - 1) / h->nnodes;
    for (int i = 0; h->first && i < h->nnodes; i++)
        if (vc_hier_node_size(h, i) > most)
            most = vc_hier_node_size(h, i);
    return most;
}

/** Copies that bring all ranks' blocks into the order of nodes, or back. */
static inline long vc_bound_regroup(const struct vc_shape *s)
{
    return s->hier->block ? 0 : s->size;
}

/** Segments, given the algorithm's own size. */
static inline long vc_bound_segments(const struct vc_shape *s, size_t segment)
{
    return vc_segments(s->bytes, s->esize ? s->esize : 1, s->segment ? s->segment : segment);
}

/** Tokens of a dissemination: each send waits for all receives of earlier rounds. */
static inline long vc_bound_tokens(long n, int radix)
{
    long k = radix < 2 ? 2 : radix > n ? n : radix, m = (k - 1) * vc_bound_rounds(n, k);
    return 2 * m + m * m / 8;
}

/** Recursive multiplying: of factors with a product of at most n none is larger than that of
 * vc_smooth_radix(). */
static inline long vc_bound_multiply(long n, int radix)
{
    long k = vc_tree_radix(radix), factor = k == 2 ? 2 : 2 * k - 1 < VC_MAX_RADIX ? 2 * k - 1 : VC_MAX_RADIX;
    return 4 + 3 * (factor - 1) * vc_bound_rounds(n, k);
}

/** Halving and doubling, with the fold: of a round of d participants d - 1 messages each way, twice, and as
 * many reductions. */
long vc_bound_rabenseifner(long n, int radix);

/** Children of a node of a k-nomial tree. */
static inline long vc_bound_children(long n, int radix)
{
    long k = vc_tree_radix(radix), children = 0;
    for (long w = 1; w < n; w *= k)
        children += (n - 1) / w < k - 1 ? (n - 1) / w : k - 1;
    return children;
}

/** Allgather in log n rounds, by multiplying or Bruck's: k - 1 messages each way in a round that multiplies
 * by k, and no factors make more of them than Bruck's. */
static inline long vc_bound_allgather_log(long n, int radix)
{
    return 4 + 2 * vc_bound_children(n, radix);
}

/** An inner node of a reduction's tree: a message from every child, which is two steps where several come at
 * a time, and one to the parent, and the own part. */
static inline long vc_bound_reduce_steps(long children, int radix)
{
    return 3 + (vc_tree_radix(radix) > 2 ? 2 : 1) * children;
}

/** That of a k-nomial tree. */
static inline long vc_bound_tree(long n, int radix)
{
    return vc_bound_reduce_steps(vc_bound_children(n, radix), radix);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways to do the same (or more), measured against each other: calls and sequences of calls, on the same or on
 * different communicators, in rounds of one block each, in an order shuffled anew. What counts is the ratio
 * of the first side's time to each other one's, paired by rounds.
 */
#ifndef VC_TUNE_SEARCH_SIDES_H
#define VC_TUNE_SEARCH_SIDES_H

#include "tune/search/search.h"

#define VC_SEARCH_SIDES  6
#define VC_SEARCH_ROUNDS 15

struct vc_search_side {
    struct vc_search_comm *on; /**< the communicator; all of them have rank 0 in common */
    enum vc_coll coll;         /**< what of `fns` is called, and with which buffers */
    size_t bytes;
    const struct vc_measure_fns *fns; /**< how it is done */
    /* results, rank 0: */
    double raw[VC_MEASURES][VC_SEARCH_ROUNDS];  /**< of blocks: medians, means; NAN: nothing usable */
    struct vc_measure_series time[VC_MEASURES]; /**< seconds */
    struct vc_measure_series over[VC_MEASURES]; /**< the first side's time over this one's */
    struct vc_measure_series over_both;         /**< the geometric mean of both measures, round by round */
    struct vc_measure_call *call;               /**< shared by sides of equal data on one communicator */
    long block[VC_MEASURES];                    /**< calls of a block */
};

/**
 * Measures side[0..n-1], within about `seconds`. Collective over `world`, of which all communicators are
 * subsets; ranks that have nothing to do sleep. 0, or -1 without memory for the buffers (on all ranks).
 */
int vc_search_sides_run(struct vc_measure_world *world, struct vc_search_side *side, int n, double seconds);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways to do the same (or more), measured against each other: calls and sequences of calls, on the same or on
 * different communicators, in rounds of one block each, in an order shuffled anew. What counts is the ratio
 * of the first side's time to each other one's, paired by rounds.
 */
#ifndef VC_TOOLS_TUNE_SIDES_H
#define VC_TOOLS_TUNE_SIDES_H

#include "tools/tune/tune.h"

#define TUNE_SIDES  6
#define TUNE_ROUNDS 15

struct tune_side {
    struct tune_comm *on; /**< the communicator; all of them have rank 0 in common */
    enum vc_coll coll;    /**< what of `fns` is called, and with which buffers */
    size_t bytes;
    const struct bench_fns *fns; /**< how it is done */
    /* results, rank 0: */
    double raw[BENCH_MEASURES][TUNE_ROUNDS]; /**< of blocks: medians, means; NAN: nothing usable */
    struct tune_series time[BENCH_MEASURES]; /**< seconds */
    struct tune_series over[BENCH_MEASURES]; /**< the first side's time over this one's */
    struct tune_series over_both;            /**< the geometric mean of both measures, round by round */
    struct bench_call *call;                 /**< shared by sides of equal data on one communicator */
    long block[BENCH_MEASURES];              /**< calls of a block */
};

/**
 * Measures side[0..n-1], within about `seconds`. Collective over `world`, of which all communicators are
 * subsets; ranks that have nothing to do sleep. 0, or -1 without memory for the buffers (on all ranks).
 */
int tune_sides_run(struct bench_world *world, struct tune_side *side, int n, double seconds);

#endif

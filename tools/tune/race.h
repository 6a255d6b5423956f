/* SPDX-License-Identifier: BSD-3-Clause */
/* What tune_measure.c (blocks of one candidate) and tune_race.c (many against each other) share. */
#ifndef VC_TOOLS_TUNE_RACE_H
#define VC_TOOLS_TUNE_RACE_H

#include "tools/tune/tune.h"

/** A candidate in a race, on rank 0; `out` on all ranks. */
struct tune_entrant {
    bool out;                   /**< not measured (any more) */
    double call;                /**< seconds of a call back to back, roughly */
    double cpu;                 /**< CPU-seconds of all ranks per call, roughly */
    long block[BENCH_MEASURES]; /**< calls in a block; on all ranks */
};

struct tune_race_state {
    struct tune_comm *c;
    struct tune_point *p;
    const struct tune_limits *limits;
    struct bench_call call;
    struct bench_starts starts;
    struct tune_entrant entrant[TUNE_MAX_CANDS];
    double begin;
    bool (*stop)(void *arg);
    void *arg;
};

/** Collective: native calls directly, all others through the front door. */
const struct bench_fns *tune_fns(const struct tune_race_state *r, int i);

/** Collective: forces the candidate, checks one result, warms it up and times it roughly. Losers of that, and
 * what refuses, is out. `best`: rank 0's score of the best so far (INFINITY: none); returns this one's, on
 * rank 0. */
double tune_enter(struct tune_race_state *r, int i, double best);

/** Collective: one round's blocks of a candidate, appended to its arrays. */
void tune_round(struct tune_race_state *r, int i, bool b2b_first);

#endif

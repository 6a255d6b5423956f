/* SPDX-License-Identifier: BSD-3-Clause */
/* What vc_search_measure.c (blocks of one candidate) and vc_search_race.c (many against each other) share. */
#ifndef VC_TUNE_SEARCH_RACE_H
#define VC_TUNE_SEARCH_RACE_H

#include "tune/search/search.h"

/** A candidate in a race, on rank 0; `out` on all ranks. */
struct vc_search_entrant {
    bool out;                /**< not measured (any more) */
    double call;             /**< seconds of a call back to back, roughly */
    double cpu;              /**< CPU-seconds of all ranks per call, roughly */
    long block[VC_MEASURES]; /**< calls in a block; on all ranks */
};

struct vc_search_race_state {
    struct vc_search_comm *c;
    struct vc_search_point *p;
    const struct vc_search_limits *limits;
    struct vc_measure_call call;
    struct vc_measure_starts starts;
    struct vc_search_entrant entrant[VC_SEARCH_MAX_CANDS];
    double begin;
    bool (*stop)(void *arg);
    void *arg;
};

/** Collective: native calls directly, all others through the front door. */
const struct vc_measure_fns *vc_search_fns(const struct vc_search_race_state *r, int i);

/** Collective: forces the candidate, checks one result, warms it up and times it roughly. Losers of that, and
 * what refuses, is out. `best`: rank 0's score of the best so far (INFINITY: none); returns this one's, on
 * rank 0. */
double vc_search_enter(struct vc_search_race_state *r, int i, double best);

/** Collective: one round's blocks of a candidate, appended to its arrays. */
void vc_search_round(struct vc_search_race_state *r, int i, bool b2b_first);

#endif

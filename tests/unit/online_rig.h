/* SPDX-License-Identifier: BSD-3-Clause */
/* A communicator of made-up ranks with made-up clocks, for the tests of online tuning. */
#ifndef VC_TESTS_ONLINE_RIG_H
#define VC_TESTS_ONLINE_RIG_H

#include "tune/params/params.h"
#include "tune/online/online.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { RANKS = 3, SIZE = 4, MAX_SCORES = 1200 };

/** Four ranks on one node, three of which are played. */
extern const struct vc_topo_key rig_key;

struct world;
/* True seconds of a call. */
typedef double clock_fn(const struct world *w, enum vc_coll coll, const struct vc_choice *c);

struct world {
    struct vc_selection sel;
    struct vc_select_range rules[VC_COLL_COUNT][2];
    struct vc_online *o[RANKS];
    clock_fn *clock;
    double noise;  /* relative deviation */
    double spikes; /* part of the calls that take ten times as long */
    uint64_t random, seed;
    /* what was seen */
    long calls, others, verdicts;
    double other_seconds, seconds;
    struct vc_choice last; /* what ran in the last call that was no trial of something else */
    bool refuse;           /* all plans refuse */
    long refusals;
};

/** Every collective runs what `use` says, or native. */
struct world *begin(const char *use, double share, clock_fn *clock);
void end(struct world *w);
/** Between 0 and 1. */
double uniform(struct world *w);
/** One call on all ranks: each has its own noise, and all must do the same. */
void call(struct world *w, enum vc_coll coll, size_t bytes, bool commutative);
/** Allreduces of 1000 bytes. */
void calls(struct world *w, long n);

/** A clock: between 1 and 20 microseconds, by algorithm, parameters and seed. */
double by_hash(const struct world *w, enum vc_coll coll, const struct vc_choice *c);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll tune check`: performance guidelines (Traeff, Gropp, Thakur: Self-consistent MPI performance
 * guidelines, 2010), measured. vc_search_check.c: what is measured, in which order; vc_search_check_rules.c:
 * the guidelines and the calls they are made of; vc_search_check_print.c: text and JSON.
 */
#ifndef VC_TUNE_SEARCH_CHECK_H
#define VC_TUNE_SEARCH_CHECK_H

#include "tune/search/internal.h"
#include "tune/search/sides.h"

#define VC_CHECK_MARGIN 0.03  /**< a left side that is slower by less is not worth a word, */
#define VC_CHECK_LEAST  50e-9 /**< nor by less than that in seconds: half of what a cache line takes */

enum vc_check_rule {
    VC_CHECK_NATIVE, /**< vcoll <= native */
    VC_CHECK_ALLREDUCE,
    VC_CHECK_BCAST,
    VC_CHECK_BARRIER,
    VC_CHECK_ALLGATHER,
    VC_CHECK_REDUCE,
    VC_CHECK_SIZE,  /**< t(n) <= t(2n) */
    VC_CHECK_RANKS, /**< t(p) <= t(p') */
    VC_CHECK_RULES
};

/** "allreduce <= reduce + bcast" */
const char *vc_check_rule_name(enum vc_check_rule rule);
/** What stands on the right, in words: "reduce + bcast". */
const char *vc_check_rule_right(enum vc_check_rule rule);
/** The composition that bounds a collective from above; VC_CHECK_RULES: none. */
enum vc_check_rule vc_check_rule_of(enum vc_coll coll);

/** How calls are done: the left sides (vcoll, or the MPI underneath with --native) and the compositions. */
struct vc_check_calls {
    const struct vc_measure_fns *left, *native;
    struct vc_measure_fns composed;
};
/** Once per run. False when the library cannot name the underlying functions. */
bool vc_check_calls_init(struct vc_check_calls *c, const struct vc_measure_world *w, bool native);

/** One comparison. */
struct vc_check_one {
    enum vc_check_rule rule;
    enum vc_coll coll;
    size_t bytes, right_bytes;
    struct vc_search_place *on, *right_on;
    bool measured;
    char algorithm[64]; /**< of the left side */
    struct vc_measure_series left[VC_MEASURES], right[VC_MEASURES], ratio[VC_MEASURES];
    struct vc_measure_series both; /**< of the ratios of both measures, round by round */
    bool suspect;                  /**< in the first measurement */
    bool violated;                 /**< in all further ones, too */
};

struct vc_check_report {
    struct vc_check_one *one; /**< the same on all ranks but for results */
    int n;
    const struct vc_search_place *place;
    int nplace;
    bool native;
    int signal; /**< what ended the run early, 0: nothing */
    double seconds;
};

/** "4 ranks", "2 nodes x 3" */
const char *check_place_name(const struct vc_search_place *p, char buf[48]);

/** Whether the left side is slower, beyond interval and margins. */
bool vc_check_says(const struct vc_measure_world *w, const struct vc_check_one *c);

/** Rank 0: a violation, with its figures. */
void check_print_violation(FILE *f, const struct vc_measure_world *w, const struct vc_check_one *c);
void check_print_head(FILE *f, const struct vc_measure_world *w, const struct vc_check_report *r);
void check_print_summary(FILE *f, const struct vc_check_report *r);
/** 0, or -1 after a message. `file` as in --json. */
int check_write_json(const struct vc_measure_world *w, const struct vc_check_report *r, const char *file);

#endif

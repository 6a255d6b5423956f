/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll tune check`: performance guidelines (Traeff, Gropp, Thakur: Self-consistent MPI performance
 * guidelines, 2010), measured. tune_check.c: what is measured, in which order; tune_check_rules.c: the
 * guidelines and the calls they are made of; tune_check_print.c: text and JSON.
 */
#ifndef VC_TOOLS_TUNE_CHECK_H
#define VC_TOOLS_TUNE_CHECK_H

#include "tools/tune/job.h"
#include "tools/tune/sides.h"

#define CHECK_MARGIN 0.03  /**< a left side that is slower by less is not worth a word, */
#define CHECK_LEAST  50e-9 /**< nor by less than that in seconds: half of what a cache line takes */

enum check_rule {
    CHECK_NATIVE, /**< vcoll <= native */
    CHECK_ALLREDUCE,
    CHECK_BCAST,
    CHECK_BARRIER,
    CHECK_ALLGATHER,
    CHECK_REDUCE,
    CHECK_SIZE,  /**< t(n) <= t(2n) */
    CHECK_RANKS, /**< t(p) <= t(p') */
    CHECK_RULES
};

/** "allreduce <= reduce + bcast" */
const char *check_rule_name(enum check_rule rule);
/** What stands on the right, in words: "reduce + bcast". */
const char *check_rule_right(enum check_rule rule);
/** The composition that bounds a collective from above; CHECK_RULES: none. */
enum check_rule check_rule_of(enum vc_coll coll);

/** How calls are done: the left sides (vcoll, or the MPI underneath with --native) and the compositions. */
struct check_calls {
    const struct bench_fns *left, *native;
    struct bench_fns composed;
};
/** Once per run. False when the library cannot name the underlying functions. */
bool check_calls_init(struct check_calls *c, const struct bench_world *w, bool native);

/** One comparison. */
struct check_one {
    enum check_rule rule;
    enum vc_coll coll;
    size_t bytes, right_bytes;
    struct tune_place *on, *right_on;
    bool measured;
    char algorithm[64]; /**< of the left side */
    struct tune_series left[BENCH_MEASURES], right[BENCH_MEASURES], ratio[BENCH_MEASURES];
    struct tune_series both; /**< of the ratios of both measures, round by round */
    bool suspect;            /**< in the first measurement */
    bool violated;           /**< in all further ones, too */
};

struct check_report {
    struct check_one *one; /**< the same on all ranks but for results */
    int n;
    const struct tune_place *place;
    int nplace;
    bool native;
    int signal; /**< what ended the run early, 0: nothing */
    double seconds;
};

/** "4 ranks", "2 nodes x 3" */
const char *check_place_name(const struct tune_place *p, char buf[48]);

/** Whether the left side is slower, beyond interval and margins. */
bool check_says(const struct bench_world *w, const struct check_one *c);

/** Rank 0: a violation, with its figures. */
void check_print_violation(FILE *f, const struct bench_world *w, const struct check_one *c);
void check_print_head(FILE *f, const struct bench_world *w, const struct check_report *r);
void check_print_summary(FILE *f, const struct check_report *r);
/** 0, or -1 after a message. `file` as in --json. */
int check_write_json(const struct bench_world *w, const struct check_report *r, const char *file);

/** Writes to a file, or to standard output for "-". 0, or -1 after a message. */
int tune_json_save(const json_t *o, const char *file);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll tune validate --measure`: whether what a table chooses still is the best. vc_search_remeasure.c: the
 * run; vc_search_remeasure_load.c: the points, out of the table; vc_search_remeasure_point.c: one point and
 * its verdict; vc_search_remeasure_print.c: text and JSON.
 */
#ifndef VC_TUNE_SEARCH_REMEASURE_H
#define VC_TUNE_SEARCH_REMEASURE_H

#include "tools/table/tool.h"
#include "tune/search/internal.h"

#define VC_AGAIN_CANDS   5    /**< native, the choice, and three alternatives */
#define VC_AGAIN_BETTER  1.05 /**< an alternative that is better by less is no reason to tune anew */
#define VC_AGAIN_NATIVE  1.01 /**< native has to be better by that with its whole interval */
#define VC_AGAIN_MEASURE 0.65 /**< of the budget; the rest is for looking again at what seems lost */

enum vc_again_fate {
    VC_AGAIN_WAITS,   /**< fits, and is still to be measured */
    VC_AGAIN_NO_ROOM, /**< no such communicator in this allocation */
    VC_AGAIN_OTHER,   /**< the communicator is of another kind here: why says which */
    VC_AGAIN_MEASURED,
    VC_AGAIN_SKIPPED, /**< time or memory ran out */
};

/** A measured point of the table. The part before `rule` is the same on all ranks. */
struct vc_again_point {
    enum vc_coll coll;
    size_t bytes;
    int ranks, nodes, ppn;
    bool crowded;
    int place; /**< index; -1: too many communicators */
    int ncand;
    char choice[VC_AGAIN_CANDS][VC_CHOICE_TEXT]; /**< native, then what was chosen when the table was made */
    /* rank 0: */
    struct vc_topo_key key;       /**< as the table says */
    int rule;                     /**< row of the table that decides, from 0; -1: none */
    char subject[VC_CHOICE_TEXT]; /**< what the table gives the call */
    enum vc_again_fate fate;
    char why[128];
    struct vc_measure_series over_best, over_native; /**< the subject's score over theirs */
    double loss; /**< part by which the best found is better, 0: it is the best */
    char best[VC_CHOICE_TEXT];
    double score, best_score, native_score; /**< seconds, as the objective weighs them */
    bool suspect, lost, to_native, wrong, refused;
    json_t *cands; /**< of the last race */
};

struct vc_again_run {
    struct vc_measure_world *w;
    const struct vc_search_opts *o;
    enum vc_search_objective objective; /**< the table's */
    uint64_t seed;                      /**< not the one the table was measured with */
    struct table_file file;             /**< rank 0 */
    struct vc_again_point *point;
    int n;
    struct vc_search_place place[VC_SEARCH_PLACES];
    int nplace;
    double begin, seconds, took;
    int signal;
};

/** Collective: reads the table on rank 0, everybody gets the points. 0, or -1 after a message. */
int vc_again_load(struct vc_again_run *r);
/** Rank 0: what the table gives the call on the communicator, which is open. */
void vc_again_subject(struct vc_again_run *r, struct vc_again_point *p);

/** Collective over the world: races the subject against the others; `again`: against native and the one that
 * seemed better alone. 0, or -1 without memory. */
int vc_again_measure(struct vc_again_run *r, struct vc_again_point *p, double seconds, bool again);

struct vc_again_sum {
    int fitting, measured, lost, to_native, wrong, refused;
    double average, worst; /**< of the losses; average: geometric mean of the ratios to the best, less 1 */
    const struct vc_again_point *worst_at;
};
/** Rank 0. */
void vc_again_count(const struct vc_again_run *r, struct vc_again_sum *s);
void re_print(FILE *f, const struct vc_again_run *r);
int re_write_json(const struct vc_again_run *r, const char *file);

#endif

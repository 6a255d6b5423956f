/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll tune validate --measure`: whether what a table chooses still is the best. tune_remeasure.c: the run;
 * tune_remeasure_load.c: the points, out of the table; tune_remeasure_point.c: one point and its verdict;
 * tune_remeasure_print.c: text and JSON.
 */
#ifndef VC_TOOLS_TUNE_REMEASURE_H
#define VC_TOOLS_TUNE_REMEASURE_H

#include "tools/table/tool.h"
#include "tools/tune/job.h"

#define RE_CANDS   5    /**< native, the choice, and three alternatives */
#define RE_BETTER  1.05 /**< an alternative that is better by less is no reason to tune anew */
#define RE_NATIVE  1.01 /**< native has to be better by that with its whole interval */
#define RE_MEASURE 0.65 /**< of the budget; the rest is for looking again at what seems lost */

enum re_fate {
    RE_WAITS,   /**< fits, and is still to be measured */
    RE_NO_ROOM, /**< no such communicator in this allocation */
    RE_OTHER,   /**< the communicator is of another kind here: why says which */
    RE_MEASURED,
    RE_SKIPPED, /**< time or memory ran out */
};

/** A measured point of the table. The part before `rule` is the same on all ranks. */
struct re_point {
    enum vc_coll coll;
    size_t bytes;
    int ranks, nodes, ppn;
    bool crowded;
    int place; /**< index; -1: too many communicators */
    int ncand;
    char choice[RE_CANDS][VC_CHOICE_TEXT]; /**< native, then what was chosen when the table was made */
    /* rank 0: */
    struct vc_topo_key key;       /**< as the table says */
    int rule;                     /**< row of the table that decides, from 0; -1: none */
    char subject[VC_CHOICE_TEXT]; /**< what the table gives the call */
    enum re_fate fate;
    char why[128];
    struct tune_series over_best, over_native; /**< the subject's score over theirs */
    double loss; /**< part by which the best found is better, 0: it is the best */
    char best[VC_CHOICE_TEXT];
    double score, best_score, native_score; /**< seconds, as the objective weighs them */
    bool suspect, lost, to_native, wrong, refused;
    json_t *cands; /**< of the last race */
};

struct re_run {
    struct bench_world *w;
    const struct tune_opts *o;
    enum tune_objective objective; /**< the table's */
    uint64_t seed;                 /**< not the one the table was measured with */
    struct table_file file;        /**< rank 0 */
    struct re_point *point;
    int n;
    struct tune_place place[TUNE_PLACES];
    int nplace;
    double begin, seconds, took;
    int signal;
};

/** Collective: reads the table on rank 0, everybody gets the points. 0, or -1 after a message. */
int re_load(struct re_run *r);
/** Rank 0: what the table gives the call on the communicator, which is open. */
void re_subject(struct re_run *r, struct re_point *p);

/** Collective over the world: races the subject against the others; `again`: against native and the one that
 * seemed better alone. 0, or -1 without memory. */
int re_measure(struct re_run *r, struct re_point *p, double seconds, bool again);

struct re_sum {
    int fitting, measured, lost, to_native, wrong, refused;
    double average, worst; /**< of the losses; average: geometric mean of the ratios to the best, less 1 */
    const struct re_point *worst_at;
};
/** Rank 0. */
void re_count(const struct re_run *r, struct re_sum *s);
void re_print(FILE *f, const struct re_run *r);
int re_write_json(const struct re_run *r, const char *file);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of `vcoll tune run` share. */
#ifndef VC_TUNE_SEARCH_INTERNAL_H
#define VC_TUNE_SEARCH_INTERNAL_H

#include "tune/search/points.h"
#include "tune/search/search.h"
#include "tune/select/select.h"

/* ---- vc_search_comm.c ---- */

/** The nodes of the world, as vcoll sees them (VCOLL_NODE_SPLIT included). */
struct vc_search_nodes {
    int count, least, most; /**< nodes; fewest and most ranks of one */
    int split;              /**< VCOLL_NODE_SPLIT */
    int *node, *local;      /**< [world size] */
    int *ranks;             /**< [count] */
};
/** Collective over the world; false without memory, on all ranks. */
bool vc_search_nodes(struct vc_measure_world *world, struct vc_search_nodes *n);
void vc_search_nodes_free(struct vc_search_nodes *n);

/* ---- vc_search_places.c: where is measured, and which sizes ---- */

#define VC_SEARCH_PLACES 24

/** A communicator of the run. */
struct vc_search_place {
    int nodes, ppn, ranks; /**< asked for; nodes == 0: the world */
    bool open;             /**< it could be made, and vcoll is active on it; on all ranks */
    struct vc_search_comm c;
    char name[48]; /**< "4 ranks", "2 nodes x 3" */
};

/** A point that was measured, in that order. On rank 0. */
struct vc_search_result {
    int place;
    struct vc_search_point p;
    bool resumed;
    int visits;       /**< how often it was measured */
    char setting[64]; /**< of the devices, "": as found */
};

#define VC_SEARCH_SWEEPS 2 /* of the devices' settings, up and down */

/** What the devices were set to in trials, and what came of it ("moderation", tune/search/search.h). */
struct vc_search_trial {
    char setting[64]; /**< "as found", "rx-usecs 50", "cq latency 4:16" */
    bool found, chosen, refused;
    bool has_coalesce;
    struct vc_coalesce coalesce;
    char cq[64];                    /**< VCOLL_CQ_MODERATION, "": not tried */
    double score[VC_SEARCH_SWEEPS]; /**< logarithms, of all points */
    struct {
        enum vc_coll coll;
        size_t bytes;
        char choice[VC_CHOICE_TEXT];
        struct vc_measure_series s;
        double native;
    } point[8];
    int npoint;
};
#define VC_SEARCH_TRIALS 16

struct vc_search_job {
    struct vc_measure_world *w;
    const struct vc_search_opts *o;
    struct vc_search_place place[VC_SEARCH_PLACES];
    int nplace;
    int most_sizes; /**< of a collective to begin with; 0: all */
    struct vc_model model;
    double begin;  /**< vc_measure_now() of the start */
    double budget; /**< seconds */
    struct vc_search_result *result;
    int nresult, capresult;
    struct vc_search_trial trial[VC_SEARCH_TRIALS];
    int ntrial;
    char setting[64];      /**< of the devices, now */
    int measured;          /**< points of this run */
    int taken_over;        /**< points of an earlier one */
    int skipped;           /**< points that the time did not reach */
    int ncand_measured;    /**< candidates that were raced to some end */
    double exhaustive;     /**< seconds that measuring all to the end would have taken, estimated */
    int points_exhaustive; /**< points (size and candidate) of that */
    int points_tried;      /**< of them measured, if only briefly */
    bool failed, interrupted, wrong;
    FILE *csv;
    char samples[4096]; /**< its name */
    char hosts[1024];
};

/** Lists the communicators (not opened yet). Equal on all ranks. */
void vc_search_places(struct vc_search_job *j, const struct vc_search_nodes *n);
/** The sizes of a collective to begin with, ascending; their number. */
int vc_search_sizes(const struct vc_search_job *j, enum vc_coll coll, size_t sizes[VC_MEASURE_SIZES]);
/** Points to begin with. */
int vc_search_count_points(const struct vc_search_job *j);
/** Drops sizes and places that the budget cannot pay, unless they were asked for. Equal on all ranks. */
void vc_search_thin(struct vc_search_job *j);

/* ---- vc_search_space.c ---- */

/** Which candidate the built-in rules take; 0 (native) when unknown. */
int vc_search_builtin(const struct vc_search_comm *c, const struct vc_search_point *p);
/** Seconds of a choice by the cost model; NAN: it has no prediction for it. */
double vc_search_predict_one(const struct vc_search_comm *c, const struct vc_search_point *p,
                             const struct vc_model *m, const char *text);
/** Predictions, candidates in the order in which they are to be tried; those that cannot win are dropped (not
 * with `all`). Returns how many were. */
int vc_search_predict(const struct vc_search_comm *c, struct vc_search_point *p, const struct vc_model *m,
                      bool all);
/** The same choice under another policy; "" in out where it already names one. */
void vc_search_with_policy(const char *choice, const char *policy, char *out, size_t len);

/* ---- vc_search_point.c: what all ranks do at rank 0's word ---- */

enum vc_search_command_kind { VC_SEARCH_STOP, VC_SEARCH_POINT, VC_SEARCH_DEVICE, VC_SEARCH_QUEUES };
struct vc_search_command {
    enum vc_search_command_kind kind;
    int place;
    enum vc_coll coll;
    size_t bytes;
    double seconds;
    bool brief; /**< only native and what the built-in rules take, and the policies of that */
    bool again; /**< it was measured before: only those that may still win */
    bool restore;
    struct vc_coalesce coalesce;
    char text[64]; /**< VC_SEARCH_QUEUES: as VCOLL_CQ_MODERATION */
};
/** Rank 0: tells everybody and takes part. *p is filled by VC_SEARCH_POINT (the caller frees it). 0, or -1:
 * it could not be done; why says so. */
int vc_search_do(struct vc_search_job *j, const struct vc_search_command *c, struct vc_search_point *p,
                 char *why, size_t len);
/** All others: until VC_SEARCH_STOP. */
void vc_search_serve(struct vc_search_job *j);
/** Puts the candidates of two races of one point together: the later one decides, the earlier's losers follow
 * it. Takes over what `first` holds. False without memory; then `last` is alone. */
bool vc_search_merge(struct vc_search_point *last, struct vc_search_point *first);

/* ---- vc_search_run.c: rank 0 ---- */

/** Measures a point, keeps it, writes it down. False: the run is over (time, a signal, or a failure). */
bool vc_search_visit(struct vc_search_job *j, int place, enum vc_coll coll, size_t bytes, double seconds);
/** The result of a point, or NULL. */
struct vc_search_result *vc_search_find(const struct vc_search_job *j, int place, enum vc_coll coll,
                                        size_t bytes);
/** Keeps a point (and frees an older one of the same place, collective and size); NULL without memory. */
struct vc_search_result *vc_search_keep(struct vc_search_job *j, int place, const struct vc_search_point *p);
/** Seconds of the budget that are left. */
double vc_search_left(const struct vc_search_job *j);
/** The measured sizes of a collective, ascending. */
int vc_search_measured(const struct vc_search_job *j, int place, enum vc_coll coll,
                       struct vc_search_result *list[VC_MEASURE_SIZES]);

/* ---- vc_search_refine.c, vc_search_moderate.c: rank 0 ---- */

/** Second looks at points in doubt, and sizes between neighbours that disagree, while there is time. */
void vc_search_refine(struct vc_search_job *j);
/** VCOLL_CQ_MODERATION's syntax; false for "" and "off". */
bool vc_search_cq_parse(const char *text, struct vc_param_moderation *m);
/** Finds a setting of the devices and leaves it set. */
void vc_search_moderate(struct vc_search_job *j, double seconds);

/* ---- vc_search_state.c, vc_search_resume.c: rank 0 ---- */

/** Whether files are in the way of the run, or missing; then says so. */
bool vc_search_state_refuses(const struct vc_search_opts *o);
/** Opens the samples file, new or for going on. 0, or -1 after a message. */
int vc_search_state_open(struct vc_search_job *j);
/** A finished point, on disk when this returns. */
void vc_search_state_add(struct vc_search_job *j, const struct vc_search_result *r);
void vc_search_state_close(struct vc_search_job *j);
/** What must be equal for samples of different runs to be of one table, as "name=value" words, for the
 * header. */
void vc_search_identity(const struct vc_search_job *j, char *buf, size_t len);
/** Takes finished points over. `keep` gets how many bytes of the file are whole. 0, or -1 after a message. */
int vc_search_state_load(struct vc_search_job *j, const char *file, long *keep);

/* ---- vc_search_rules.c, vc_search_write.c, vc_search_sum.c: rank 0 ---- */

/** The results as points, place by place; *n of them. NULL without memory. */
struct vc_measured *vc_search_points(const struct vc_search_job *j, int *n);
/** The topology of a place as rules see it. */
void vc_search_topo_key(const struct vc_search_place *p, struct vc_topo_key *key);
/** Writes the table, and checks it. 0, or -1 after a message. */
int vc_search_write(struct vc_search_job *j);
void vc_search_summary(const struct vc_search_job *j);
int vc_search_summary_json(const struct vc_search_job *j, const char *file);
/** --dry-run. */
void vc_search_print_plan(struct vc_search_job *j);

/* ---- vc_search_progress.c: rank 0 ---- */

/** `what` NULL: the line is taken away. */
void vc_search_progress(const struct vc_search_job *j, const char *what);
void vc_search_point_line(const struct vc_search_job *j, const struct vc_search_result *r);

#endif

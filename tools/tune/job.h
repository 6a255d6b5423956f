/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of `vcoll tune run` share. */
#ifndef VC_TOOLS_TUNE_JOB_H
#define VC_TOOLS_TUNE_JOB_H

#include "tools/tune/tune.h"
#include "tune/select/select.h"

/* ---- tune_opts.c, tune_launch.c ---- */

/** Parses the words of a mode; on wrong ones prints usage and exits with 2. */
void tune_parse(struct tune_opts *o, enum tune_mode mode, int argc, char **argv);
/** Runs itself under mpirun; the exit code. */
int tune_launch(const struct tune_opts *o);

/* ---- tune_comm.c ---- */

/** The nodes of the world, as vcoll sees them (VCOLL_NODE_SPLIT included). */
struct tune_nodes {
    int count, least, most; /**< nodes; fewest and most ranks of one */
    int split;              /**< VCOLL_NODE_SPLIT */
    int *node, *local;      /**< [world size] */
    int *ranks;             /**< [count] */
};
/** Collective over the world; false without memory, on all ranks. */
bool tune_nodes(struct bench_world *world, struct tune_nodes *n);
void tune_nodes_free(struct tune_nodes *n);

/* ---- tune_places.c: where is measured, and which sizes ---- */

#define TUNE_PLACES 24

/** A communicator of the run. */
struct tune_place {
    int nodes, ppn, ranks; /**< asked for; nodes == 0: the world */
    bool open;             /**< it could be made, and vcoll is active on it; on all ranks */
    struct tune_comm c;
    char name[48]; /**< "4 ranks", "2 nodes x 3" */
};

/** A point that was measured, in that order. On rank 0. */
struct tune_result {
    int place;
    struct tune_point p;
    bool resumed;
    int visits;       /**< how often it was measured */
    char setting[64]; /**< of the devices, "": as found */
};

#define TUNE_SWEEPS 2 /* of the devices' settings, up and down */

/** What the devices were set to in trials, and what came of it ("moderation", tools/tune/tune.h). */
struct tune_trial {
    char setting[64]; /**< "as found", "rx-usecs 50", "cq latency 4:16" */
    bool found, chosen, refused;
    bool has_coalesce;
    struct vc_coalesce coalesce;
    char cq[64];               /**< VCOLL_CQ_MODERATION, "": not tried */
    double score[TUNE_SWEEPS]; /**< logarithms, of all points */
    struct {
        enum vc_coll coll;
        size_t bytes;
        char choice[VC_CHOICE_TEXT];
        struct tune_series s;
        double native;
    } point[8];
    int npoint;
};
#define TUNE_TRIALS 16

struct tune_job {
    struct bench_world *w;
    const struct tune_opts *o;
    struct tune_place place[TUNE_PLACES];
    int nplace;
    int most_sizes; /**< of a collective to begin with; 0: all */
    struct vc_model model;
    double begin;  /**< bench_now() of the start */
    double budget; /**< seconds */
    struct tune_result *result;
    int nresult, capresult;
    struct tune_trial trial[TUNE_TRIALS];
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
void tune_places(struct tune_job *j, const struct tune_nodes *n);
/** The sizes of a collective to begin with, ascending; their number. */
int tune_sizes(const struct tune_job *j, enum vc_coll coll, size_t sizes[BENCH_MAX_SIZES]);
/** Points to begin with. */
int tune_count_points(const struct tune_job *j);
/** Drops sizes and places that the budget cannot pay, unless they were asked for. Equal on all ranks. */
void tune_thin(struct tune_job *j);

/* ---- tune_space.c ---- */

/** Which candidate the built-in rules take; 0 (native) when unknown. */
int tune_builtin(const struct tune_comm *c, const struct tune_point *p);
/** Seconds of a choice by the cost model; NAN: it has no prediction for it. */
double tune_predict_one(const struct tune_comm *c, const struct tune_point *p, const struct vc_model *m,
                        const char *text);
/** Predictions, candidates in the order in which they are to be tried; those that cannot win are dropped (not
 * with `all`). Returns how many were. */
int tune_predict(const struct tune_comm *c, struct tune_point *p, const struct vc_model *m, bool all);
/** The same choice under another policy; "" in out where it already names one. */
void tune_with_policy(const char *choice, const char *policy, char *out, size_t len);

/* ---- tune_point.c: what all ranks do at rank 0's word ---- */

enum tune_command_kind { TUNE_STOP, TUNE_POINT, TUNE_DEVICE, TUNE_QUEUES };
struct tune_command {
    enum tune_command_kind kind;
    int place;
    enum vc_coll coll;
    size_t bytes;
    double seconds;
    bool brief; /**< only native and what the built-in rules take, and the policies of that */
    bool again; /**< it was measured before: only those that may still win */
    bool restore;
    struct vc_coalesce coalesce;
    char text[64]; /**< TUNE_QUEUES: as VCOLL_CQ_MODERATION */
};
/** Rank 0: tells everybody and takes part. *p is filled by TUNE_POINT (the caller frees it). 0, or -1: it
 * could not be done; why says so. */
int tune_do(struct tune_job *j, const struct tune_command *c, struct tune_point *p, char *why, size_t len);
/** All others: until TUNE_STOP. */
void tune_serve(struct tune_job *j);
/** Puts the candidates of two races of one point together: the later one decides, the earlier's losers follow
 * it. Takes over what `first` holds. False without memory; then `last` is alone. */
bool tune_merge(struct tune_point *last, struct tune_point *first);

/* ---- tune_run.c: rank 0 ---- */

/** Measures a point, keeps it, writes it down. False: the run is over (time, a signal, or a failure). */
bool tune_visit(struct tune_job *j, int place, enum vc_coll coll, size_t bytes, double seconds);
/** The result of a point, or NULL. */
struct tune_result *tune_find(const struct tune_job *j, int place, enum vc_coll coll, size_t bytes);
/** Keeps a point (and frees an older one of the same place, collective and size); NULL without memory. */
struct tune_result *tune_keep(struct tune_job *j, int place, const struct tune_point *p);
/** Seconds of the budget that are left. */
double tune_left(const struct tune_job *j);
/** The measured sizes of a collective, ascending. */
int tune_measured(const struct tune_job *j, int place, enum vc_coll coll,
                  struct tune_result *list[BENCH_MAX_SIZES]);

/* ---- tune_refine.c, tune_moderate.c: rank 0 ---- */

/** Second looks at points in doubt, and sizes between neighbours that disagree, while there is time. */
void tune_refine(struct tune_job *j);
/** VCOLL_CQ_MODERATION's syntax; false for "" and "off". */
bool tune_cq_parse(const char *text, struct vc_param_moderation *m);
/** Finds a setting of the devices and leaves it set. */
void tune_moderate(struct tune_job *j, double seconds);

/* ---- tune_state.c, tune_resume.c: rank 0 ---- */

/** Whether files are in the way of the run, or missing; then says so. */
bool tune_state_refuses(const struct tune_opts *o);
/** Opens the samples file, new or for going on. 0, or -1 after a message. */
int tune_state_open(struct tune_job *j);
/** A finished point, on disk when this returns. */
void tune_state_add(struct tune_job *j, const struct tune_result *r);
void tune_state_close(struct tune_job *j);
/** What must be equal for samples of different runs to be of one table, as "name=value" words, for the
 * header. */
void tune_identity(const struct tune_job *j, char *buf, size_t len);
/** Takes finished points over. `keep` gets how many bytes of the file are whole. 0, or -1 after a message. */
int tune_state_load(struct tune_job *j, const char *file, long *keep);

/* ---- tune_rules.c, tune_write.c, tune_sum.c: rank 0 ---- */

/** The rules made of the results. NULL without memory. */
json_t *tune_rules(const struct tune_job *j);
/** Whether each measured point gets its choice from the table; says which not. */
bool tune_obeyed(const struct tune_job *j, const struct vc_table *t);
/** The topology of a place as rules see it. */
void tune_topo_key(const struct tune_place *p, struct vc_topo_key *key);
/** Writes the table, and checks it. 0, or -1 after a message. */
int tune_write(struct tune_job *j);
void tune_summary(const struct tune_job *j);
int tune_summary_json(const struct tune_job *j, const char *file);
/** --dry-run. */
void tune_print_plan(struct tune_job *j);

/* ---- tune_progress.c: rank 0 ---- */

/** `what` NULL: the line is taken away. */
void tune_progress(const struct tune_job *j, const char *what);
void tune_point_line(const struct tune_job *j, const struct tune_result *r);

#endif

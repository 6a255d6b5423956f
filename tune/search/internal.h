/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the room share. */
#ifndef VC_TUNE_SEARCH_INTERNAL_H
#define VC_TUNE_SEARCH_INTERNAL_H

#include "tune/search/search.h"
#include "tune/table/table.h"

/* ---- comm.c ---- */

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
/** Opens the communicator of the ranks that say so, which are on `node`: collective over the world. False, on
 * all ranks alike, when vcoll does not serve it; there is nothing to close then. */
bool vc_search_comm_open(struct vc_measure_world *world, bool member, int node, struct vc_search_comm *c);
void vc_search_comm_close(struct vc_search_comm *c);

/* ---- places.c ---- */

/** Lists the communicators (not opened yet). Equal on all ranks. */
void vc_search_places(struct vc_search_job *j, const struct vc_search_nodes *n);
/** Adds one of `nodes` nodes with `ppn` ranks of each; nodes == 0: the world, across so many nodes. Its
 * index; -1: no room. */
int vc_search_add_place(struct vc_search_job *j, int nodes, int ppn, int ranks, int across);
/** Opens all; whether any is open. Collective over the world. */
bool vc_search_open_places(struct vc_search_job *j, const struct vc_search_nodes *n);
/** Seconds that so many entrants need at least to prove anything. */
double vc_search_least(const struct vc_measure_world *w, int entrants);
/** Drops sizes and places that the budget cannot pay, unless they were asked for. Equal on all ranks. */
void vc_search_thin(struct vc_search_job *j);
/** The topology of a place, for selection and built-in rules. */
void vc_search_topo_key(const struct vc_search_place *p, struct vc_topo_key *key);

/* ---- space.c ---- */

/** Appends a candidate unless it is there. False without memory, or when there are more than of two races. */
bool vc_search_add(struct vc_point *p, const char *choice, double predicted);
/** Seconds of a choice by the cost model; NAN: it has no prediction for it. */
double vc_search_predict_one(const struct vc_search_comm *c, const struct vc_point *p,
                             const struct vc_model *m, const char *text);
/** Predictions, candidates in the order in which they are to be tried; those that cannot win are skipped (not
 * with `all`). */
void vc_search_predict(const struct vc_search_comm *c, struct vc_point *p, const struct vc_model *m,
                       bool all);
/** How long the text is without its policy. */
size_t vc_search_plain(const char *choice);

/* ---- race.c ---- */

/** How far one race may go. */
struct vc_search_limits {
    double seconds;
    int rounds_min, rounds_max;
    bool drop; /**< losers are dropped when intervals separate */
    enum vc_objective objective;
};

/** Races all candidates of the point. 0, or -1 without memory (on all ranks). A signal ends it with what
 * there is. */
int vc_search_race(struct vc_search_comm *c, struct vc_point *p, const struct vc_search_limits *limits);

/* ---- point.c: what all ranks do at rank 0's word ---- */

enum vc_search_kind {
    VC_SEARCH_STOP,
    VC_SEARCH_POINT,    /**< finds the best of all candidates */
    VC_SEARCH_BRIEF,    /**< only native and what the built-in rules take, and the policies of that */
    VC_SEARCH_FINAL,    /**< it was found before: only those that may still win */
    VC_SEARCH_GIVEN,    /**< rank 0 gives the candidates; with `all`, all others as well */
    VC_SEARCH_ENTRANTS, /**< rank 0 gives entrants, of whatever calls and communicators */
    VC_SEARCH_DEVICE,
    VC_SEARCH_QUEUES
};
#define VC_SEARCH_SIDES 6
struct vc_search_command {
    enum vc_search_kind kind;
    int place;
    enum vc_coll coll;
    size_t bytes;
    double seconds;
    bool all;
    struct {
        int place;
        enum vc_coll coll;
        size_t bytes;
        int fns; /**< of vc_guide_fns() */
    } side[VC_SEARCH_SIDES];
    int nside;
    bool restore;
    struct vc_coalesce coalesce;
    char text[64]; /**< VC_SEARCH_QUEUES: as VCOLL_CQ_MODERATION */
};
/** Rank 0: tells everybody and takes part. *p (may be NULL where there is none) has the candidates that are
 * given, and the results; the caller frees it. 0, or -1: it could not be done; why says so. */
int vc_search_do(struct vc_search_job *j, const struct vc_search_command *c, struct vc_point *p, char *why,
                 size_t len);
/** All others: until VC_SEARCH_STOP. */
void vc_search_serve(struct vc_search_job *j);
/** Puts the candidates of two races of one point together: the later one decides, the earlier's losers follow
 * it. Takes over what `first` holds. False without memory; then `last` is alone. */
bool vc_search_merge(struct vc_point *last, struct vc_point *first);
/** The best candidate by score of those with rounds that are not taken, native not counted; -1: none. */
int vc_search_next_best(const struct vc_point *p, const bool *taken);

/* ---- results.c, visit.c: rank 0 ---- */

bool vc_search_interrupted(void);
/** Measures a point, keeps it, writes it down. False: the run is over (time, a signal, or a failure). */
bool vc_search_visit(struct vc_search_job *j, int place, enum vc_coll coll, size_t bytes, double seconds);
/** The result of a point, or NULL. */
struct vc_search_result *vc_search_find(const struct vc_search_job *j, int place, enum vc_coll coll,
                                        size_t bytes);
/** Keeps a point (and frees an older one of the same place, collective and size); NULL without memory. */
struct vc_search_result *vc_search_keep(struct vc_search_job *j, int place, const struct vc_point *p);
/** Seconds of the budget that are left. */
double vc_search_left(const struct vc_search_job *j);
/** The line on a terminal: what is measured. `what` NULL: the line is taken away. */
void vc_search_progress(const struct vc_search_job *j, const char *what);
void vc_search_progress_call(const struct vc_search_job *j, enum vc_coll coll, size_t bytes, int place);

/* ---- what rank 0 does ---- */

/** Second looks at points in doubt, and sizes between neighbours that disagree, while there is time. */
void vc_search_refine(struct vc_search_job *j);
/** Finds a setting of the devices and leaves it set. */
void vc_search_moderate(struct vc_search_job *j, double seconds);
/** VCOLL_CQ_MODERATION's syntax; false for "" and "off". */
bool vc_search_cq_parse(const char *text, struct vc_param_moderation *m);
/** Reads the points of the table, and lists their places. 0, or -1 after a message. */
int vc_again_load(struct vc_search_job *j);
/** Measures them. 0, or -1 after a message. */
int vc_again_run(struct vc_search_job *j);
/** Lists and measures the comparisons. 0, or -1 after a message. */
int vc_guide_run(struct vc_search_job *j);

/* ---- compose.c: all ranks ---- */

/** Ways to run calls: as the left sides do, as the MPI underneath does, composed of other calls. On all
 * ranks, once a run. NULL: the library cannot name the underlying functions. */
enum { VC_GUIDE_LEFT, VC_GUIDE_UNDERNEATH, VC_GUIDE_COMPOSED };
const struct vc_measure_fns *vc_guide_fns(const struct vc_measure_world *w, bool native, int which);

/* ---- state.c, resume.c: rank 0 ---- */

/** Opens the samples file, new or for going on. 0, or -1 after a message. */
int vc_search_state_open(struct vc_search_job *j);
/** A finished point, on disk when this returns. */
void vc_search_state_add(struct vc_search_job *j, const struct vc_search_result *r);
void vc_search_state_close(struct vc_search_job *j);
/** What must be equal for samples of different runs to be of one table, as "name=value" words, for the
 * header. */
void vc_search_identity(const struct vc_search_job *j, char *buf, size_t len);
/** Takes finished points over. `keep` gets how many bytes of the file are whole. 0, or -1 after a message. */
int vc_search_resume(struct vc_search_job *j, const char *file, long *keep);

/* ---- device.c ---- */

/** Puts back what a run that was killed has left behind, on every host; says so. Collective over the world.
 */
void vc_device_recover(struct vc_measure_world *w);
/** The network device behind the RDMA device in use, on this host, or "". */
const char *vc_device_netdev(void);
/** Sets the coalescing on every host's device, with a guard process that restores it when this one ends,
 * however it ends. Collective; all or nothing: 0, or -1 with why on rank 0. NULL: restores now. Fields that
 * `want` does not have are as found. On 0 `why` is "", or says what a driver made of the values. */
int vc_device_set(struct vc_measure_world *w, const struct vc_coalesce *want, char *why, size_t len);

/* ---- levels.c ---- */

/** Times round trips between the ranks of the first host, where each has a core of its own, and keeps what
 * groups they make. Collective over the world. */
void vc_search_levels(struct vc_search_job *j);

/* ---- fit.c ---- */

/** Measures the parameters of the cost model on the allocation, within about `seconds`. Collective over the
 * world; *m valid on all ranks. */
void vc_fit(struct vc_measure_world *w, double seconds, struct vc_model *m);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Searching by measuring: what `vcoll tune run`, `check` and `validate --measure` do. Choices are forced on
 * communicators (vcoll_comm_force()) and raced. World rank 0 decides what is done next and holds all results;
 * the other ranks serve. What `run` measures does not depend on tables, because every candidate is forced;
 * `check` and `validate --measure` look at what a table gives.
 *
 * What a tuned table holds besides rules (schema: tune/schema):
 * "provenance": {"vcoll", "mpi", "date" (ISO 8601), "command", "hosts": [...], "cpus", "seed", "objective",
 *   "budget_seconds", "took_seconds", "points_measured", "points_exhaustive", "samples": "file.csv", ...}
 * "measured": one object per point, in the order they were measured:
 *   {"collective", "bytes", "ranks", "nodes", "ppn", "crowded", "bulk_slots", "network", "platform",
 * "device", "operator": "commutative", "moderation": "name of a setting in \"moderation\"" (absent: as
 * found), "chosen": "two_level:leaders=1", "why": "words", "candidates": [{"choice": "native", "rounds": 12,
 * "dropped": false, "score": 1.9e-6, "start": {"median", "low", "high", "p99"}, "b2b": {"median", "low",
 * "high"}, "cpu": 3.1e-6 (CPU-seconds of all ranks per call), "predicted": 1.7e-6 (absent: no prediction),
 *      "ratio": {"median", "low", "high"} (native's time over this one's, paired by rounds)}]}
 * "moderation": [{"device": "rxe", "netdev": "eth1", "setting": "rx-usecs 250" | "as found", "found": true,
 *   "chosen": false, "points": [{"collective", "bytes", "choice", "median", "low", "high", "native"}]}]
 */
#ifndef VC_TUNE_SEARCH_SEARCH_H
#define VC_TUNE_SEARCH_SEARCH_H

#include "include/vcoll/vcoll.h"
#include "tune/measure/measure.h"
#include "tune/model/model.h"
#include "tune/search/points.h"

enum vc_search_mode { VC_SEARCH_RUN, VC_SEARCH_CHECK, VC_SEARCH_AGAIN };

struct vc_search_opts {
    struct vc_measure_opts m; /**< first: what all of measuring looks at */
    enum vc_search_mode mode;
    double budget; /**< seconds, --budget 10m */
    enum vc_objective objective;
    const char *table;   /**< -o for run; the table to look at for the others (NULL: the one in effect) */
    const char *samples; /**< --samples FILE.csv; default: the table's name with .samples.csv */
    bool resume;         /**< --resume: take over what the samples file holds */
    bool exhaustive;     /**< --exhaustive: every candidate to the end, for comparison */
    bool devices;        /**< --devices: coalescing may be changed while measuring (restored in the end) */
    const char *ranks;   /**< --ranks 2,4,7: sizes of communicators to measure; NULL: chosen */
    const char *waits;   /**< --wait poll,event,hybrid:50: policies to consider; NULL: chosen */
    bool force;          /**< --force: what is there is overwritten */
    bool dry_run;        /**< --dry-run: only the plan is printed */
    bool quick;          /**< --quick: few sizes, one communicator */
    bool native;         /**< check --native: the MPI underneath alone, for comparison */
    bool all;            /**< validate --measure --all: every candidate, not only those that came close */
    bool verbose;        /**< a line for each finished point */
    bool quiet;
};

/* ---- where is measured ---- */

/** A communicator that is measured: a subset of the world. Ranks outside it wait asleep. */
struct vc_search_comm {
    struct vc_measure_world w; /**< w.comm: what is measured; w.ctl: its own control communicator */
    bool member;
    int first;             /**< world rank of its rank 0 */
    struct vc_topo_key at; /**< what rows may ask of it; what they cannot is zeroed */
    bool set_up;           /**< vcoll is active on it */
    struct vc_hier hier;   /**< which ranks share a node, as vcoll sees it; on all members */
    int *hier_mem;         /**< what it points into */
};

#define VC_SEARCH_PLACES 24

/** A communicator of the run. World rank 0 is its rank 0. */
struct vc_search_place {
    int nodes, ppn, ranks; /**< asked for; nodes == 0: the world */
    bool open;             /**< it could be made, and vcoll is active on it; on all ranks */
    struct vc_search_comm c;
    char name[48]; /**< "4 ranks", "2 nodes x 3" */
};

/** "verbs" or "mpi": what messages between nodes go over. "native" or the like: the platform. Static storage.
 */
const char *vc_search_network(const struct vc_topo_key *at);
const char *vc_search_platform(const struct vc_topo_key *at);

/* ---- `run` ---- */

/** A point that was measured, in that order. */
struct vc_search_result {
    int place;
    struct vc_point p;
    int visits;       /**< how often it was measured */
    char setting[64]; /**< of the devices, "": as found */
};

#define VC_SEARCH_SWEEPS 2 /**< of the devices' settings, up and down */
#define VC_SEARCH_TRIALS 16

/** What the devices were set to in a trial, and what came of it. */
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

/* ---- `validate --measure` ---- */

#define VC_AGAIN_CANDS 5 /**< native, the choice, and three alternatives */

enum vc_again_fate {
    VC_AGAIN_WAITS,   /**< fits, and is still to be measured */
    VC_AGAIN_NO_ROOM, /**< no such communicator in this allocation */
    VC_AGAIN_OTHER,   /**< the communicator is of another kind here: why says which */
    VC_AGAIN_MEASURED,
    VC_AGAIN_SKIPPED, /**< time or memory ran out */
};

/** A measured point of a table. */
struct vc_again {
    struct vc_measured then;
    int place;                                   /**< index; -1: too many communicators */
    char choice[VC_AGAIN_CANDS][VC_CHOICE_TEXT]; /**< native, what was chosen then, what came close */
    int ncand;
    int rule;                     /**< row of the table that decides, from 0; -1: none */
    char subject[VC_CHOICE_TEXT]; /**< what the table gives the call */
    enum vc_again_fate fate;
    char why[128];
    struct vc_point p; /**< the last race; what the table gives is cand[p.best] */
    int rival;         /**< the candidate that it is furthest behind of; p.best: none */
    struct vc_measure_series over_rival, over_native; /**< its score over theirs */
    bool suspect;                                     /**< after the first race */
    bool lost, to_native, refused;                    /**< after the second one: why it no longer holds */
};

/** Part by which the best found is better, 0: it is the best. */
static inline double vc_again_loss(const struct vc_again *p)
{
    return p->over_rival.median - 1;
}
/** Whether the table's choice still holds. */
static inline bool vc_again_holds(const struct vc_again *p)
{
    return !p->lost && !p->to_native && !p->refused && !p->p.cand[p->p.best].wrong;
}

/* ---- `check`: performance guidelines (Traeff, Gropp, Thakur: Self-consistent MPI performance guidelines,
 * 2010) ---- */

#define VC_GUIDE_MARGIN 0.03 /**< a left side that is slower by less is not worth a word */

enum vc_guide {
    VC_GUIDE_NATIVE, /**< vcoll <= native */
    VC_GUIDE_ALLREDUCE,
    VC_GUIDE_BCAST,
    VC_GUIDE_BARRIER,
    VC_GUIDE_ALLGATHER,
    VC_GUIDE_REDUCE,
    VC_GUIDE_SIZE,  /**< t(n) <= t(2n) */
    VC_GUIDE_RANKS, /**< t(p) <= t(p') */
    VC_GUIDES
};
/** "allreduce <= reduce + bcast" */
const char *vc_guide_name(enum vc_guide guide);
/** What stands on the right, in words: "reduce + bcast". */
const char *vc_guide_right(enum vc_guide guide);

/** One comparison. */
struct vc_comparison {
    enum vc_guide guide;
    enum vc_coll coll;
    size_t bytes, right_bytes;
    const struct vc_search_place *on, *right_on;
    bool measured;
    char algorithm[64]; /**< of the left side */
    struct vc_measure_series left[VC_MEASURES], right[VC_MEASURES], ratio[VC_MEASURES];
    struct vc_measure_series both; /**< of the ratios of both measures, round by round */
    bool suspect;                  /**< in the first measurement */
    bool violated;                 /**< in all further ones, too */
};

/* ---- a run ---- */

struct vc_search_job {
    struct vc_measure_world *w;
    const struct vc_search_opts *o;
    enum vc_objective objective;
    uint64_t seed;
    struct vc_search_place place[VC_SEARCH_PLACES];
    int nplace;
    int most_sizes; /**< of a collective to begin with; 0: all */
    double begin;   /**< vc_measure_now() of the start */
    double took;    /**< when it was over */
    bool failed, interrupted, wrong;
    /* rank 0, of a run: */
    struct vc_model model; /**< on all ranks */
    struct vc_search_result *result;
    int nresult, capresult;
    struct vc_search_trial trial[VC_SEARCH_TRIALS];
    int ntrial;
    char setting[64];      /**< of the devices, now */
    int taken_over;        /**< points of an earlier run */
    int skipped;           /**< points that the time did not reach */
    double exhaustive;     /**< seconds that measuring all to the end would have taken, estimated */
    int points_exhaustive; /**< points (size and candidate) of that */
    int points_tried;      /**< of them measured, if only briefly */
    struct json_t *levels; /**< of the table; NULL: not measured */
    FILE *csv;
    char hosts[1024];
    /* rank 0, of the others: */
    struct vc_again *again;
    int nagain;
    struct vc_table_doc table; /**< that is measured again */
    struct vc_comparison *comparison;
    int ncomparison, capcomparison;
};

/** Before MPI_Init, on every rank that a launcher started: the process that puts device settings back
 * (--devices). */
void vc_guard_start(void);
/** SIGINT, SIGTERM, SIGHUP end the run in order. */
void vc_search_signals_catch(void);
/** The signal, or 0. The run's exit code is then 128 + this. */
int vc_search_signal(void);
/** Whether files are in the way of a run, or missing; then says so. */
bool vc_search_refuses(const struct vc_search_opts *o);

/** The same choice under another policy, such as "event" or "hybrid:50" (microseconds); "" in out where it
 * already names one. */
void vc_search_with_policy(const char *choice, const char *policy, char *out, size_t len);

/** Collective over the world, as all below. Also puts back what a run that was killed has left of device
 * settings. 0, or the exit code after a message. In either case vc_search_close(). */
int vc_search_open(struct vc_search_job *j, struct vc_measure_world *w, const struct vc_search_opts *o);
/** Measures. 0, or the exit code after a message on rank 0. Results are in the job on rank 0. */
int vc_search_run(struct vc_search_job *j);
void vc_search_close(struct vc_search_job *j);

/* Rank 0, not collective: */

/** The measured sizes of a collective at a place, ascending; their number. */
int vc_search_measured(const struct vc_search_job *j, int place, enum vc_coll coll,
                       struct vc_search_result *list[VC_MEASURE_SIZES]);
/** The last result of the list, from the first on, with the same choice. */
int vc_search_alike(struct vc_search_result *const *list, int n, int first);
/** What was chosen. */
static inline const struct vc_entrant *vc_search_chosen(const struct vc_search_result *r)
{
    return &r->p.cand[r->p.best];
}
/** Writes the table, and checks it. 0, or -1 after a message. */
int vc_search_write(struct vc_search_job *j);

/* For --dry-run: */

/** The sizes of a collective to begin with, ascending; their number. */
int vc_search_sizes(const struct vc_search_job *j, enum vc_coll coll, size_t sizes[VC_MEASURE_SIZES]);
/** Points to begin with. */
int vc_search_count_points(const struct vc_search_job *j);
/** All candidates that can run: algorithms with their parameters. Fills p; -1 without memory. Collective over
 * the communicator. */
int vc_search_candidates(const struct vc_search_comm *c, enum vc_coll coll, size_t bytes, struct vc_point *p);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcoll-tune: what `vcoll tune run`, `check` and `validate --measure` start under mpirun. It forces choices
 * on communicators (vcoll_comm_force()) and measures them against each other, interleaved. Shares the calls,
 * the clock and the statistics of vcoll-bench (bench.h). One file per concern:
 * - vc_search_main.c: the program; vc_search_opts.c: the command line of all three; vc_search_launch.c:
 * itself under mpirun; vc_search_sigs.c: signals; vc_search_progress.c
 * - vc_search_comm.c: communicators; vc_search_measure.c: blocks of one choice; vc_search_race.c: many
 * choices raced on one point; vc_search_judge.c: who wins
 * - vc_search_places.c: where is measured, and which sizes; vc_search_space.c: candidates; vc_search_point.c:
 * what all ranks do at rank 0's word; vc_search_run.c, vc_search_refine.c: which point next, second looks,
 * budget
 * - vc_search_state.c: raw samples (CSV); vc_search_resume.c: taking them over; vc_search_rules.c,
 * vc_search_write.c: the table; vc_search_sum.c: what is printed in the end
 * - vc_search_moderate.c: moderation as a dimension; vc_device_setting.c, vc_guard.c, vc_restore.c:
 * coalescing, set and always put back
 * - vc_fit*.c: the parameters of the cost model
 * - vc_search_check*.c: performance guidelines, by vc_search_sides.c; vc_search_remeasure*.c: validate
 * --measure All functions that measure are collective over the communicator, results are valid on world rank
 * 0. Decisions are rank 0's and broadcast (vc_measure_world.control). What `run` measures is independent of
 * tables, because every candidate is forced; `check` and `validate --measure` look at what a table gives.
 *
 * ---- what a tuned table holds besides rules (schema: tune/schema) ----
 * "provenance": {"vcoll", "mpi", "date" (ISO 8601), "command", "hosts": [...], "cpus", "seed", "objective",
 *   "budget_seconds", "took_seconds", "points_measured", "points_exhaustive", "samples": "file.csv", ...}
 * "measured": one object per point, in the order they were measured:
 *   {"collective", "bytes", "ranks", "nodes", "ppn", "crowded", "bulk_slots", "network", "platform",
 * "device", "operator": "commutative", "moderation": "name of a setting in \"moderation\"" (absent: as
 * found), "chosen": "two_level:leaders=1", "why": "words", "candidates": [{"choice": "native", "rounds": 12,
 * "dropped": false, "score": 1.9e-6, "start": {"median", "low", "high", "p99"}, "b2b": {"median", "low",
 * "high"}, "cpu": 3.1e-6 (CPU-seconds of all ranks per call), "predicted": 1.7e-6 (absent: no prediction),
 *        "ratio": {"median", "low", "high"} (native's time over this one's, paired by rounds)}]}
 * "moderation": [{"device": "rxe", "netdev": "eth1", "setting": "rx-usecs 250" | "as found", "found": true,
 *     "chosen": false, "points": [{"collective", "bytes", "choice", "median", "low", "high", "native"}]}]
 */
#ifndef VC_TUNE_SEARCH_SEARCH_H
#define VC_TUNE_SEARCH_SEARCH_H

#include "tune/measure/measure.h"
#include "tune/select/choice.h"
#include "tune/table/key_info.h"
#include "tune/table/table.h"

#include "include/vcoll/vcoll.h"

#define VC_SEARCH_MAX_CANDS 96 /* candidates of a point */
#define VC_SEARCH_STARTS    40 /* single calls in a block, at most */

enum vc_search_mode { VC_SEARCH_RUN, VC_SEARCH_CHECK, VC_SEARCH_REMEASURE };
enum vc_search_objective { VC_SEARCH_LATENCY, VC_SEARCH_TAIL, VC_SEARCH_CPU, VC_SEARCH_BALANCED };

struct vc_search_opts {
    enum vc_search_mode mode;
    struct vc_measure_opts m; /**< -n, collectives, sizes, seed, mpirun's words, progress: as `vcoll bench` */
    double budget;            /**< seconds, --budget 10m */
    enum vc_search_objective objective;
    const char *table;   /**< -o for run; the table to look at for the others (NULL: the one in effect) */
    const char *samples; /**< --samples FILE.csv; default: the table's name with .samples.csv */
    bool resume;         /**< --resume: take over what the samples file holds */
    bool exhaustive;     /**< --exhaustive: every candidate to the end, for comparison */
    bool devices;        /**< --devices: coalescing may be changed while measuring (restored in the end) */
    const char *ranks;   /**< --ranks 2,4,7: sizes of communicators to measure; NULL: chosen */
    const char *waits;   /**< --wait poll,event,hybrid:50: policies to consider; NULL: chosen */
    const char *json;    /**< --json: the summary for machines; NULL, "-" or a file */
    bool force;          /**< --force: what is there is overwritten */
    bool dry_run;        /**< --dry-run: only the plan is printed */
    bool quick;          /**< --quick: few sizes, one communicator */
    bool native;         /**< check --native: the MPI underneath alone, for comparison */
    bool all;            /**< validate --measure --all: every candidate, not only those that came close */
    bool verbose;        /**< a line for each finished point */
    bool quiet;
};

/** A communicator that is measured: a subset of the world. Ranks outside it wait asleep. */
struct vc_search_comm {
    struct vc_measure_world w; /**< w.comm: what is measured; w.ctl: its own control communicator */
    bool member;
    struct vcoll_comm_key key;
    struct vc_topo_key at; /**< the same; what rows cannot ask for is zeroed */
    bool set_up;           /**< vcoll is active on it */
    struct vc_hier hier;   /**< who shares a node with whom, as vcoll sees it; on all members */
    int *hier_mem;         /**< what it points into */
};

/** One candidate at one point, as it is measured. */
struct vc_search_cand {
    char choice[VC_CHOICE_TEXT];
    struct vc_measure_series start, b2b; /**< seconds */
    struct vc_measure_series
        ratio; /**< native over this one, paired by rounds; geometric mean of both measures */
    struct vc_measure_series gain; /**< the same, of the objective */
    double cpu;                    /**< CPU-seconds of all ranks per call; NAN: not known */
    double predicted;              /**< NAN: not known */
    double score;                  /**< of the objective, seconds; smaller is better */
    int rounds;
    int race;     /**< 1: it only took part in an earlier race of the point, under the default policy */
    bool dropped; /**< it lost clearly before the end */
    bool skip;    /**< set by the caller: not measured at all */
    bool wrong;   /**< its result was not right: never chosen */
    bool slower;  /**< clearly slower than native in one of the measures */
    double *raw[VC_MEASURES]; /**< [rounds] medians of blocks (start), means (b2b) */
    double *cpus;             /**< [rounds] CPU-seconds of all ranks per call */
    double *tail;             /**< [rounds] 99th percentile of the block's starts */
    double *sample;           /**< all times from a common start, round after round */
    int *upto;                /**< [rounds] how many of them there were after the round */
};

struct vc_search_point {
    enum vc_coll coll;
    size_t bytes;
    struct vc_search_cand *cand; /**< [0] is native */
    int ncand;
    int builtin;   /**< the candidate that the built-in rules take; it is left for clearly better ones only */
    int best;      /**< the choice: never one that is clearly slower than native in either measure */
    char why[320]; /**< in words */
    double seconds; /**< spent */
};

/** How far one race may go. */
struct vc_search_limits {
    double seconds;
    int rounds_min, rounds_max;
    bool drop; /**< losers are dropped when intervals separate */
    enum vc_search_objective objective;
};

/** Measures all candidates of the point against each other: rounds of one block each in shuffled order. A
 * candidate is forced before its blocks. 0, or -1 without memory (on all ranks). `stop` (may be NULL) is
 * asked by rank 0 between rounds: true ends the race with what there is. */
int vc_search_race(struct vc_search_comm *c, struct vc_search_point *p, const struct vc_search_limits *limits,
                   bool (*stop)(void *arg), void *arg);
void vc_search_point_free(struct vc_search_point *p);
/** Room for the rounds of a candidate. False without memory. */
bool vc_search_cand_alloc(struct vc_search_cand *k, int rounds);
/** Rank 0: the statistics of all candidates from their rounds, the score, and the choice in words. */
void vc_search_judge(struct vc_search_point *p, enum vc_search_objective objective, bool one_host,
                     uint64_t seed);
/** The objective's score of candidate a over that of b, paired by rounds. n is 0 when nothing pairs. */
void vc_search_compare(const struct vc_search_cand *a, const struct vc_search_cand *b,
                       enum vc_search_objective objective, bool one_host, uint64_t seed,
                       struct vc_measure_series *out);
/** "latency", "tail", "cpu", "balanced". Static storage. */
const char *vc_search_objective_name(enum vc_search_objective objective);

/** Has the collective run as `choice` from now on. Collective over the members; true when it does so on all
 * of them; otherwise `why` is filled in on those that refuse. */
bool vc_search_force(struct vc_search_comm *c, enum vc_coll coll, const char *choice, char *why, size_t len);

/** Opens the communicator of `nodes` nodes with `ppn` ranks of each, the first ones: collective over the
 * world. nodes == 0: the whole world. False, on all ranks alike, when it cannot be made. */
bool vc_search_comm_open(struct vc_measure_world *world, int nodes, int ppn, struct vc_search_comm *c);
void vc_search_comm_close(struct vc_search_comm *c);

/** All candidates that can run: algorithms with their parameters, under the policies given. Fills p->cand. */
int vc_search_candidates(const struct vc_search_comm *c, enum vc_coll coll, size_t bytes,
                         struct vc_search_point *p);

/* ---- the modes: exit codes ---- */
int vc_search_run(struct vc_measure_world *w, const struct vc_search_opts *o);
int vc_search_check(struct vc_measure_world *w, const struct vc_search_opts *o);
int vc_search_remeasure(struct vc_measure_world *w, const struct vc_search_opts *o);

/* ---- vc_device_setting.c, vc_guard.c, vc_restore.c ---- */

/** Starts the process that puts device settings back should this one be killed: before MPI_Init, by every
 * rank that a launcher started, when --devices was given. Never fails; without it nothing is changed. */
void vc_guard_start(void);
/** Puts back what a run that was killed has left behind, on every host; says so. Collective over the world.
 */
void vc_device_setting_recover(struct vc_measure_world *w);
/** The network device behind the RDMA device in use, on this host, or "". */
const char *vc_device_setting_netdev(void);
/** Sets the coalescing on every host's device, with a guard process that restores it when this one ends,
 * however it ends. Collective; all or nothing: 0, or -1 with why on rank 0. NULL: restores now. Fields that
 * `want` does not have are as found. On 0 `why` is "", or says what a driver made of the values. */
int vc_device_setting_set(struct vc_measure_world *w, const struct vc_coalesce *want, char *why, size_t len);

/* ---- vc_fit.c ---- */

/** Measures the parameters of the cost model on the allocation, within about `seconds`. Collective over the
 * world; *m valid on all ranks. */
void vc_fit(struct vc_measure_world *w, double seconds, struct vc_model *m);

/* ---- vc_search_sigs.c ---- */

/** SIGINT, SIGTERM, SIGHUP set a flag; asked by rank 0, which broadcasts. */
void vc_search_signals_catch(void);
bool vc_search_interrupted(void);
/** The signal, or 0. The run's exit code is then 128 + this. */
int vc_search_signal(void);

#endif

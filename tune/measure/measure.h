/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measuring collectives: the ranks that measure, the two implementations of a call, one clock for all ranks,
 * common starts, blocks of calls, and statistics. vcoll-bench and vcoll-tune are made of it;
 * docs/benchmarking.md says what is measured and why so.
 *
 * Functions with a world are collective over its communicator unless they say otherwise, and results are
 * valid on its rank 0. What rank 0 decides is broadcast by `control`.
 */
#ifndef VC_TUNE_MEASURE_MEASURE_H
#define VC_TUNE_MEASURE_MEASURE_H

#include "coll/coll.h"
#include "tune/params/params.h"
#include <jansson.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define VC_MEASURE_SIZES 64 /**< sizes of a collective */
#define VC_MEASURE_SETS  32 /**< settings, words for mpirun */

enum vc_impl { VC_IMPL_NATIVE, VC_IMPL_VCOLL, VC_IMPLS };
/** The time of single calls from a common start, and of calls without a pause. */
enum vc_measure { VC_MEASURE_START, VC_MEASURE_B2B, VC_MEASURES };

/** What a run was asked for, in the words that all its programs have in common. */
struct vc_measure_opts {
    const char *program;              /**< in messages: "vcoll bench" */
    int ranks;                        /**< -n, 0: not given */
    enum vc_coll coll[VC_COLL_COUNT]; /**< which, in the order asked for */
    int ncoll;
    size_t sizes[VC_MEASURE_SIZES]; /**< ascending */
    int nsizes;
    bool own_sizes; /**< --sizes was given */
    bool measure[VC_MEASURES];
    double seconds; /**< for a point */
    uint64_t seed;  /**< order of blocks, choice of buffers */
    int root;
    bool reuse;                       /**< the same buffers in each call */
    bool uneven;                      /**< blocks of the ranks differ, from none to twice the size */
    bool progress;                    /**< a terminal shows standard error */
    const char *json;                 /**< the results as JSON into this file; NULL, "-" or a file */
    const char *set[VC_MEASURE_SETS]; /**< NAME=VALUE for the environment, without VCOLL_ */
    int nset;
    const char *mpirun[VC_MEASURE_SETS]; /**< further words for mpirun */
    int nmpirun;
    int argc;
    char **argv;
};

/* ---- the ranks that measure ---- */

struct vc_measure_world {
    MPI_Comm comm; /**< of the measured calls */
    MPI_Comm ctl;  /**< of the program's own messages, which `control` carries */
    MPI_Comm host; /**< the ranks of this host, likewise */
    int rank, size;
    int local_rank, local_size; /**< of this host */
    int *leader, nleader;       /**< the first rank of each host, ascending */
    int cpus;                   /**< CPUs the ranks of this host may use together (least of all hosts) */
    bool one_host;
    bool oversubscribed;       /**< on some host more ranks than CPUs */
    struct vc_measure_fns *fn; /**< [VC_IMPLS] */
    /** What carries messages on ctl: native, or (vcoll-tune, between hosts) vcoll, whose waiting ranks leave
     * their CPUs to a device of software. */
    const struct vc_measure_fns *control;
    uint64_t rng;        /**< same on all ranks; shuffles the blocks */
    uint64_t rng_local;  /**< differs; picks buffers */
    double offset;       /**< seconds to add to this rank's clock to get rank 0's */
    double offset_error; /**< how far off that may be at most, on any rank */
    double lead;         /**< rank 0: seconds between announcing a start and the start */
    double tolerance;    /**< seconds: a rank with a CPU of its own that starts later was interrupted */
    const struct vc_measure_opts *opt;
};

/** Opens the world of MPI_COMM_WORLD: communicators, functions, random numbers, hosts and CPUs. `fn` has
 * VC_IMPLS. False, with a message on rank 0, when it cannot be. In either case vc_measure_close(). */
bool vc_measure_open(struct vc_measure_world *w, struct vc_measure_fns *fn,
                     const struct vc_measure_opts *opt);
void vc_measure_close(struct vc_measure_world *w);
/** Random numbers from the seed, for this rank. */
void vc_measure_seed(struct vc_measure_world *w, uint64_t seed, int rank);
/** Fills in what comm, ctl, rank and size do not say: which ranks share a host, and how many CPUs they have
 * together. False without memory, on all ranks. The caller frees w->host and w->leader. */
bool vc_measure_look_around(struct vc_measure_world *w);
/** True on all ranks when it is true on all. */
bool vc_measure_all_agree(struct vc_measure_world *w, bool ok);
/** Rank 0's word, on all ranks. */
int vc_measure_told(struct vc_measure_world *w, int word);
/** Rank 0, not collective: a line for a terminal; done == total takes it away. */
void vc_measure_progress(const struct vc_measure_world *w, int done, int total, const char *what);
/** "Open MPI v4.1.4": what the underlying MPI calls itself, up to the first comma. Static storage. */
const char *vc_measure_mpi_name(void);

/* ---- calls ---- */

/** A collective's function, of whatever type it has. */
typedef void vc_measure_fn(void);

struct vc_measure_fns {
    vc_measure_fn *measured[VC_COLL_COUNT]; /**< what vc_measure_call_run() calls */
    /* for the program's own messages, and calls that only pass through */
    int (*barrier)(MPI_Comm);
    int (*bcast)(void *, int, MPI_Datatype, int, MPI_Comm);
    int (*reduce)(const void *, void *, int, MPI_Datatype, MPI_Op, int, MPI_Comm);
    int (*allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    int (*allgather)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, MPI_Comm);
    int (*scan)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    int (*gatherv)(const void *, int, MPI_Datatype, void *, const int *, const int *, MPI_Datatype, int,
                   MPI_Comm);
    int (*scatterv)(const void *, const int *, const int *, MPI_Datatype, void *, int, MPI_Datatype, int,
                    MPI_Comm);
};

/** Fills both tables; false when the library cannot name the underlying functions. Not collective. */
bool vc_measure_fns_load(struct vc_measure_fns fn[VC_IMPLS]);

/** One collective at one size, with its buffers. */
struct vc_measure_call {
    enum vc_coll coll;
    size_t bytes;
    int root;
    int count; /**< of `type` */
    int *each; /**< that count for each rank */
    MPI_Datatype type;
    MPI_Op op;
    /** Collectives with a block for each rank: [ranks] of what this rank sends [0] and receives [1]. */
    int *counts[2], *displs[2];
    MPI_Datatype *types;       /**< [ranks] for both sides; NULL: no such collective */
    int ranks, *equal;         /**< [2 * ranks] counts and displacements of equal blocks, for a root */
    size_t send_len, recv_len; /**< what one call reads and writes on this rank */
    char *send, *recv;         /**< pools */
    size_t pool;               /**< bytes of each */
    uint32_t *offs;            /**< [noffs] pairs in cache lines: where the buffers of the i-th call begin */
    unsigned noffs, next;
};

/** Allocates and fills the pools; not collective. False when memory is short (on this rank). */
bool vc_measure_call_init(struct vc_measure_call *c, struct vc_measure_world *w, enum vc_coll coll,
                          size_t bytes);
void vc_measure_call_free(struct vc_measure_call *c);
/** Runs the next call. */
void vc_measure_call_run(struct vc_measure_call *c, const struct vc_measure_fns *f, MPI_Comm comm);
/** Runs it once with known data and checks all of the result; true when right on this rank. */
bool vc_measure_call_verify(struct vc_measure_call *c, struct vc_measure_world *w,
                            const struct vc_measure_fns *f, unsigned round);
/** Bytes that have to be written (or read, where that is more) over all ranks, for the floor. */
double vc_measure_call_moved(enum vc_coll coll, size_t bytes, int size);

/* ---- clock ---- */

/** Seconds of CLOCK_MONOTONIC. */
double vc_measure_now(void);
/** CPU-seconds that this host was busy since some instant, and those of them in interrupts. Busy is what was
 * not idle: the kernel knows idle time exactly, while busy time is counted in ticks, which virtual CPUs may
 * miss. Either is told in ticks, so what is between two readings must be long. */
void vc_measure_host_cpu(double *busy, double *irq);
/** Improves the estimate of this rank's clock offset to rank 0, within about `seconds` (nothing to do on one
 * host). */
void vc_measure_clock_sync(struct vc_measure_world *w, double seconds);
/** Sleeping: for ranks that must not disturb a measurement while others work. */
void vc_measure_quiet_barrier(struct vc_measure_world *w);

/* ---- blocks ---- */

/** Room for a block of single calls. */
struct vc_measure_starts {
    double *mine, *all; /**< [2 * block]: of each sample its time, and whether it counts */
    double block_time;  /**< what a block may take, seconds; rank 0's counts */
    long late, started; /**< rank 0: starts that did not count, and all */
};

/** Room for blocks of at most so many calls. False without memory (on this rank). */
bool vc_measure_starts_init(struct vc_measure_starts *s, long most);
void vc_measure_starts_free(struct vc_measure_starts *s);
/** From now on a start counts when ranks are late by little, given that a call takes so long. Rank 0's word
 * counts; returned on all ranks. */
double vc_measure_tolerate(struct vc_measure_world *w, double call);
/** n single calls from common starts. On rank 0 the number of usable ones, whose times are then s->all. */
int vc_measure_block_starts(struct vc_measure_world *w, struct vc_measure_call *c,
                            const struct vc_measure_fns *f, long n, struct vc_measure_starts *s);
/** n calls without a pause. On rank 0 the slowest rank's time per call; *cpu (may be NULL on all ranks alike)
 * the CPU-seconds of all ranks per call. */
double vc_measure_block_b2b(struct vc_measure_world *w, struct vc_measure_call *c,
                            const struct vc_measure_fns *f, long n, double *cpu);

/** Median, 95% interval of it, 99th percentile. */
struct vc_measure_series {
    double median, low, high, p99;
    int n;
};
/* ---- entrants: what is measured against each other ---- */

#define VC_ENTRANTS 96 /**< of a point */
#define VC_STARTS   40 /**< single calls in a block of the tuner, at most */

/** A way to run a call; one of those that are measured against each other, and, on rank 0, what came of it.
 */
struct vc_entrant {
    char choice[VC_CHOICE_TEXT]; /**< forced before its blocks; "" and "native": nothing is */
    struct vc_measure_world *on; /**< its communicator; NULL: this rank is not of it, and sleeps meanwhile */
    enum vc_coll coll;           /**< which of `fns` is called, */
    size_t bytes;                /**< and with how much */
    const struct vc_measure_fns *fns; /**< how it is done */
    struct vc_measure_call *buffers;
    double call, burnt;      /**< seconds of a call back to back, CPU-seconds of all ranks, roughly */
    long block[VC_MEASURES]; /**< calls in a block; on all ranks */
    bool dropped;            /**< not measured (any more): it lost clearly, or cannot run; on all ranks */
    bool skip;               /**< set by the caller: not measured at all */
    bool wrong;              /**< its result was not right: never chosen */
    int race;         /**< 1: it only took part in an earlier race of the point, under the default policy */
    double predicted; /**< seconds; NAN: not known */

    int rounds;
    double *raw[VC_MEASURES]; /**< [rounds] medians of blocks (start), means (b2b); NAN: nothing usable */
    double *cpus;             /**< [rounds] CPU-seconds of all ranks per call */
    double *tail;             /**< [rounds] 99th percentile of the block's starts */
    double *sample;           /**< all times from a common start, round after round */
    int *upto;                /**< [rounds] how many of them there were after the round */

    struct vc_measure_series time[VC_MEASURES]; /**< seconds, of blocks; p99 of all starts */
    struct vc_measure_series ratio; /**< native over this one, by rounds; geometric mean of both measures */
    struct vc_measure_series gain;  /**< the same, of the objective */
    double cpu;                     /**< CPU-seconds of all ranks per call; NAN: not known */
    double score;                   /**< of the objective, seconds; smaller is better */
    bool slower;                    /**< clearly slower than native in one of the measures */
};

/** Room for rounds of so many starts each. False without memory; then what there is is freed all the same. */
bool vc_entrant_alloc(struct vc_entrant *k, int rounds, long starts);
void vc_entrant_free(struct vc_entrant *k);

#define VC_ROUNDS_EXTRA 4

/** Rounds of one block of each entrant in each measure, in an order shuffled anew. What is not said is zero.
 */
struct vc_rounds {
    struct vc_measure_world
        *w; /**< of all that take part or sleep; rank 0 of it is rank 0 of all communicators */
    struct vc_entrant *entrant;
    int n;
    double seconds;             /**< for all of it, about */
    int rounds_min, rounds_max; /**< in whatever time, at most */
    int rounds_goal;            /**< so many are to fit into the time */
    long starts_max;            /**< single calls in a block */
    double block_max;           /**< seconds of a block; 0: as long as the time allows */
    long calls;         /**< calls in each block, whatever time that takes; 0: as many as the time allows */
    bool (*stop)(void); /**< rank 0 ends the rounds when it returns true; may be NULL */
    /** After each round, on rank 0: drops entrants, or sets `over`. May be NULL. */
    void (*judge)(struct vc_rounds *r, int rounds);
    /** Further blocks of each round, collective over w. */
    void (*extra)(struct vc_rounds *r, int which, int round);
    int nextra;
    void *arg;
    /* its own: */
    struct vc_measure_starts starts; /**< `late` and `started` tell of all rounds */
    double begin, block_time;
    bool subsets, over;
};

/** Buffers, room for samples, clocks. False without memory, on all ranks. In either case vc_rounds_close(),
 * which leaves the samples. */
bool vc_rounds_open(struct vc_rounds *r);
/** Warms an entrant up and times it roughly: its `call` and `burnt` on rank 0. */
void vc_rounds_enter(struct vc_rounds *r, int i);
/** All rounds of the entrants that are not dropped, each of which has entered. */
void vc_rounds_run(struct vc_rounds *r);
void vc_rounds_close(struct vc_rounds *r);
/** Seconds that are left. */
double vc_rounds_left(const struct vc_rounds *r);
/** Rank 0's word on which entrants are dropped, and whether it is over, for all ranks. */
void vc_rounds_agree(struct vc_rounds *r);

/* ---- judging, on rank 0: no MPI. Looks at rounds alone, so that samples read from a file give the same
 * verdict ---- */

enum vc_objective {
    VC_OBJECTIVE_LATENCY,
    VC_OBJECTIVE_TAIL,
    VC_OBJECTIVE_CPU,
    VC_OBJECTIVE_BALANCED,
    VC_OBJECTIVES
};
/** "latency", "tail", "cpu", "balanced". Static storage. */
const char *vc_objective_name(enum vc_objective objective);
/** Its number, or -1; *nearest (may be NULL) is then the name that is most alike. */
int vc_objective_by_name(const char *name, const char **nearest);

/** A call on a communicator, and the ways to run it that were raced. */
struct vc_point {
    enum vc_coll coll;
    size_t bytes;
    struct vc_entrant *cand; /**< [0] is native */
    int ncand;
    int builtin;   /**< the candidate that the built-in rules take; it is left for clearly better ones only */
    int best;      /**< the choice: never one that is clearly slower than native in either measure */
    char why[320]; /**< in words */
    double seconds; /**< spent */
};
void vc_point_free(struct vc_point *p);
/** The candidate of that choice, or -1. */
int vc_point_find(const struct vc_point *p, const char *choice);
/** The statistics of all candidates, the scores, and the choice in words: native (or that of the built-in
 * rules) in doubt. */
void vc_point_judge(struct vc_point *p, enum vc_objective objective, bool one_host, uint64_t seed);
/** The objective's score of a over that of b, paired by rounds. n is 0 when nothing pairs. */
void vc_entrant_compare(const struct vc_entrant *a, const struct vc_entrant *b, enum vc_objective objective,
                        bool one_host, uint64_t seed, struct vc_measure_series *out);
/** One measure's time of a over that of b, paired by rounds. */
void vc_entrant_ratio(const struct vc_entrant *a, const struct vc_entrant *b, enum vc_measure m,
                      uint64_t seed, struct vc_measure_series *out);
/** The statistics of the entrant alone: time, cpu. */
void vc_entrant_describe(struct vc_entrant *k, uint64_t seed);

/* ---- statistics: no MPI ---- */

uint64_t vc_measure_rand(uint64_t *state);
/** Quantile q of n values; reorders them. NAN when there are none. */
double vc_measure_quantile(double *v, int n, double q);
/** Bootstrap 95% interval of the median of v. NAN for fewer than three values. */
void vc_measure_interval(const double *v, int n, uint64_t seed, double *low, double *high);

/** Those of the n values that are numbers; reorders them. */
void vc_measure_summarize(double *v, int n, uint64_t seed, struct vc_measure_series *out);

/** A geometric mean: zeroed, then add. */
struct vc_measure_mean {
    double logs;
    int n;
};
void vc_measure_mean_add(struct vc_measure_mean *m, double v);
/** NAN: nothing was added. */
double vc_measure_mean(const struct vc_measure_mean *m);

/* ---- text: no MPI ---- */

/** "8", "16k", "1M" into buf. */
const char *vc_measure_size_text(size_t bytes, char buf[24]);
/** A number, or null for what is none. */
json_t *vc_measure_json_number(double v);
/** Writes to a file, or to standard output for "-". 0, or -1 after a message "`program`: cannot write ...".
 */
int vc_measure_json_save(const char *program, const json_t *o, const char *file);

#endif

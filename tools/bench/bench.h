/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcoll-bench: vcoll against the MPI underneath it, in one process, interleaved. docs/benchmarking.md tells
 * what is measured and how. One file per concern:
 * - bench.c: the run, points in order, exit code
 * - bench_opts.c: the command line, bench_args.c: words shared with vcoll-tune; bench_launch.c: starting
 * itself under mpirun; bench_world.c: ranks, hosts and CPUs
 * - bench_calls.c: the two implementations of a call, its data, the check of its result
 * - bench_clock.c: one clock for all ranks, the common start
 * - bench_block.c: blocks of calls; bench_measure.c: rounds, samples; bench_stats.c: medians, intervals,
 * averages
 * - bench_floor.c: what the hardware allows at best
 * - bench_verbs.c, bench_verbs_end.c: what a message costs on the RDMA device with nothing around it
 * - bench_cpu.c: --cpu, --cpu-per-op; bench_extra.c: --setup-cost, --overhead
 * - bench_report.c: the table; bench_json.c; bench_plot.c
 */
#ifndef VC_TOOLS_BENCH_BENCH_H
#define VC_TOOLS_BENCH_BENCH_H

#include "coll/coll.h"
#include <jansson.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_MAX_SIZES 64
#define BENCH_MAX_SETS  32

enum bench_impl { BENCH_NATIVE, BENCH_VCOLL, BENCH_IMPLS };
enum bench_measure { BENCH_START, BENCH_B2B, BENCH_MEASURES };

/* ---- options ---- */

struct bench_opts {
    const char *program;                    /**< in messages: "vcoll bench" */
    int ranks;                              /**< -n, 0: not given */
    enum vc_coll coll[VC_COLL_ACCELERATED]; /**< which, in the order asked for */
    int ncoll;
    size_t sizes[BENCH_MAX_SIZES];
    int nsizes;
    bool measure[BENCH_MEASURES];
    double seconds;  /**< per point */
    long iterations; /**< 0: as many as the time allows */
    uint64_t seed;
    int root;
    bool verify;
    bool reuse;       /**< the same buffers in each call */
    const char *json; /**< NULL, "-" or a file */
    const char *plot; /**< NULL or a file */
    bool floor, cpu, cpu_per_op, setup_cost, overhead;
    bool points;        /**< measure collectives at all (false when only extras were asked for) */
    double cpu_seconds; /**< how long --cpu computes */
    double op_seconds;  /**< how long --cpu-per-op runs each implementation */
    bool progress;      /**< a terminal is watching standard error */
    const char *set[BENCH_MAX_SETS]; /**< NAME=VALUE for the environment, without VCOLL_ */
    int nset;
    const char *mpirun[BENCH_MAX_SETS]; /**< further words for mpirun */
    int nmpirun;
    int argc;
    char **argv;
};

/** Parses the command line; on wrong words prints usage and exits with 2. */
void bench_parse(struct bench_opts *o, int argc, char **argv);
/** Puts the settings of --alg, --set and the like into the environment, before MPI_Init. */
void bench_setenv(const struct bench_opts *o);
/** True when a launcher started this process. */
bool bench_under_launcher(void);
/** Replaces this process by mpirun of itself; returns only on failure, with the exit code. */
int bench_launch(const struct bench_opts *o);

/* ---- the run's world ---- */

struct bench_world {
    MPI_Comm comm; /**< what the measured calls use */
    MPI_Comm ctl;  /**< for the program's own messages, by `control` */
    MPI_Comm host; /**< the ranks of this host, likewise */
    int rank, size;
    int local_rank, local_size; /**< of this host */
    int *leader, nleader;       /**< the first rank of each host, ascending */
    int cpus;                   /**< CPUs the ranks of this host may use together (least of all hosts) */
    bool one_host;
    bool oversubscribed;  /**< on some host more ranks than CPUs */
    struct bench_fns *fn; /**< [BENCH_IMPLS] */
    /** What carries messages on ctl: native, or (vcoll-tune, between hosts) vcoll, whose ranks do not burn
     * the CPUs that a device of software needs. */
    const struct bench_fns *control;
    uint64_t rng;        /**< same on all ranks; shuffles the blocks */
    uint64_t rng_local;  /**< differs; picks buffers */
    double offset;       /**< seconds to add to this rank's clock to get rank 0's */
    double offset_error; /**< how far off that may be at most, on any rank */
    double lead;         /**< rank 0: seconds between announcing a start and the start */
    double tolerance;    /**< seconds: a rank with a CPU of its own that starts later was interrupted */
    const struct bench_opts *opt;
};

uint64_t bench_rand(uint64_t *state);
/** Fills in all that w->comm, w->ctl, rank and size do not say: who shares a host with whom, and how many
 * CPUs they have together. Collective; false without memory, on all ranks. The caller frees w->host and
 * w->leader. */
bool bench_look_around(struct bench_world *w);
/** Collective: true on all ranks when it is true on all. */
bool bench_all_agree(struct bench_world *w, bool ok);

/* ---- calls ---- */

struct bench_fns {
    int (*barrier)(MPI_Comm);
    int (*bcast)(void *, int, MPI_Datatype, int, MPI_Comm);
    int (*reduce)(const void *, void *, int, MPI_Datatype, MPI_Op, int, MPI_Comm);
    int (*allreduce)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    int (*allgather)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, MPI_Comm);
    int (*alltoall)(const void *, int, MPI_Datatype, void *, int, MPI_Datatype, MPI_Comm);
    int (*scan)(const void *, void *, int, MPI_Datatype, MPI_Op, MPI_Comm);
    int (*gatherv)(const void *, int, MPI_Datatype, void *, const int *, const int *, MPI_Datatype, int,
                   MPI_Comm);
    int (*scatterv)(const void *, const int *, const int *, MPI_Datatype, void *, int, MPI_Datatype, int,
                    MPI_Comm);
};

/** Fills both tables; false when the library cannot name the underlying functions. */
bool bench_fns_load(struct bench_fns fn[BENCH_IMPLS]);

/** One collective at one size, with its buffers. */
struct bench_call {
    enum vc_coll coll;
    size_t bytes;
    int root;
    int count; /**< of `type` */
    MPI_Datatype type;
    MPI_Op op;
    size_t send_len, recv_len; /**< what one call reads and writes on this rank */
    char *send, *recv;         /**< pools */
    size_t pool;               /**< bytes of each */
    uint32_t *offs;            /**< [noffs] pairs in cache lines: where the buffers of the i-th call begin */
    unsigned noffs, next;
};

/** Allocates and fills the pools. False when memory is short (on this rank). */
bool bench_call_init(struct bench_call *c, struct bench_world *w, enum vc_coll coll, size_t bytes);
void bench_call_free(struct bench_call *c);
/** Runs the next call. */
void bench_call_run(struct bench_call *c, const struct bench_fns *f, MPI_Comm comm);
/** Runs it once with known data and checks all of the result; true when right on this rank. */
bool bench_call_verify(struct bench_call *c, struct bench_world *w, const struct bench_fns *f,
                       unsigned round);
/** Bytes that have to be written (or read, where that is more) over all ranks, for the floor. */
double bench_call_moved(enum vc_coll coll, size_t bytes, int size);

/* ---- clock ---- */

double bench_now(void);
/** "Open MPI v4.1.4": what the underlying MPI calls itself, up to the first comma. Static storage. */
const char *bench_mpi_name(void);
/** Collective: improves the estimate of this rank's clock offset to rank 0, within about `seconds` (nothing
 * to do on one host). */
void bench_clock_sync(struct bench_world *w, double seconds);
enum bench_begin {
    BENCH_ON_TIME,
    BENCH_INTERRUPTED, /**< this rank heard of the start in time and yet began late */
    BENCH_UNHEARD,     /**< this rank heard of the start when it was over */
    BENCH_STOP         /**< rank 0 announced, instead of a start, that there is none; on all ranks alike */
};
/** Collective: agrees on a start, in this rank's clock, and waits for it. Rank 0 passes stop to end the
 * block. */
enum bench_begin bench_clock_start(struct bench_world *w, bool stop, double *start);
/** Rank 0, after a batch: adapts the lead to the part of the samples whose announcement came too late. */
void bench_clock_adapt(struct bench_world *w, double unheard);
/** Collective, sleeping: for ranks that must not disturb a measurement while others work. */
void bench_quiet_barrier(struct bench_world *w);

/* ---- blocks ---- */

/** Room for a block of single calls. */
struct bench_starts {
    double *mine, *all; /**< [2 * block]: time and enum bench_begin of each sample */
    double block_time;  /**< what a block may take, seconds; rank 0's counts */
    long late, started; /**< rank 0: starts that did not count, and all */
};

/** Room for blocks of at most so many calls. False without memory (on this rank). */
bool bench_starts_init(struct bench_starts *s, long most);
void bench_starts_free(struct bench_starts *s);
/** Collective: from now on a start counts when ranks are late by little, given that a call takes so long.
 * Rank 0's word counts; returned on all ranks. */
double bench_tolerate(struct bench_world *w, double call);
/** Collective: n single calls from common starts. On rank 0 the number of usable ones, whose times are then
 * s->all. */
int bench_block_starts(struct bench_world *w, struct bench_call *c, const struct bench_fns *f, long n,
                       struct bench_starts *s);
/** Collective: n calls without a pause. On rank 0 the slowest rank's time per call; *cpu (may be NULL on all
 * ranks alike) the CPU-seconds of all ranks per call. */
double bench_block_b2b(struct bench_world *w, struct bench_call *c, const struct bench_fns *f, long n,
                       double *cpu);

/* ---- statistics ---- */

/** Quantile q of n values; reorders them. NAN when there are none. */
double bench_quantile(double *v, int n, double q);
/** Bootstrap 95% interval of the median of v. */
void bench_interval(const double *v, int n, uint64_t seed, double *low, double *high);

/* ---- measuring ---- */

struct bench_series {
    double *sample[BENCH_IMPLS]; /**< seconds; start: single calls; b2b: time per call of a block */
    int nsample[BENCH_IMPLS];
    double median[BENCH_IMPLS], p99[BENCH_IMPLS], min[BENCH_IMPLS];
    double ratio, low, high; /**< native / vcoll: median over rounds, and its 95% interval */
    int rounds;              /**< pairs of blocks behind the ratio */
    double late;             /**< part of the samples thrown away */
    long block;              /**< calls per block */
};

/**
 * What bench_verbs.c does: bounces a message, or exchanges two (both ends send, then both wait: what an
 * allreduce of two ranks cannot do without), polling or sleeping in ibv_get_cq_event().
 */
enum bench_pace { BENCH_POLLED, BENCH_EVENT, BENCH_EXCHANGE_POLLED, BENCH_EXCHANGE_EVENT, BENCH_PACES };
extern const char *const bench_pace_name[BENCH_PACES];        /**< for JSON */
extern const char *const bench_pace_description[BENCH_PACES]; /**< for people */

/** vcoll's time over that of raw verbs: median over rounds, and its 95% interval. */
struct bench_multiple {
    double ratio, low, high;
    int rounds;
};

struct bench_point {
    enum vc_coll coll;
    size_t bytes;
    char algorithm[64];
    double floor; /**< seconds, NAN: unknown */
    int bad;      /**< ranks on which the check of the results failed, -1: not checked */
    struct bench_series s[BENCH_MEASURES];
    bool has_over; /**< raw verbs were measured in between */
    struct bench_multiple over[BENCH_MEASURES][BENCH_PACES];
};

struct bench_verbs;
/** Collective. The statistics are valid on rank 0. Returns 0 or -1 (no memory; on all ranks). `v` may be
 * NULL.
 */
int bench_point_run(struct bench_world *w, struct bench_verbs *v, struct bench_point *p);
void bench_point_free(struct bench_point *p);

/* ---- floors and extras: collective; results valid on rank 0 ---- */

/** 8 bytes over raw verbs, seconds: one way, or a whole exchange. */
struct bench_wire {
    bool known; /**< measured; the rest is meaningless otherwise */
    char device[64];
    int peer; /**< the rank that answers rank 0 */
    double median[BENCH_PACES], p99[BENCH_PACES], min[BENCH_PACES];
    int samples[BENCH_PACES];
};

struct bench_floor {
    struct bench_wire wire;
    double line;                         /**< cache-line round trip between two CPUs, seconds; NAN: unknown */
    double memcpy_rate[BENCH_MAX_SIZES]; /**< bytes/s of one copying CPU while all others copy too, per
                                            opt->sizes */
};
/** `v` may be NULL. */
void bench_floor_run(struct bench_world *w, struct bench_verbs *v, struct bench_floor *f);
double bench_floor_of(const struct bench_world *w, const struct bench_floor *f, enum vc_coll coll,
                      int size_index);

struct bench_cpu {
    double compute;              /**< seconds the late rank computed */
    double wait[BENCH_IMPLS];    /**< CPU-seconds of all waiting ranks together */
    double percent[BENCH_IMPLS]; /**< the same as percent of one CPU */
    double worst[BENCH_IMPLS];   /**< CPU-seconds of the hottest waiting rank */
    double took[BENCH_IMPLS];    /**< wall time until the last rank was through */
};
void bench_cpu_run(struct bench_world *w, struct bench_cpu *c);

/** What an operation costs in CPU time; one for each implementation. */
struct bench_ops {
    int rounds;
    long calls;       /**< of a round */
    double time;      /**< seconds per operation, medians over the rounds, as all below */
    double ranks;     /**< CPU-seconds of all ranks per operation */
    double ranks_sys; /**< of them in the kernel */
    double hosts;     /**< CPU-seconds that all hosts together were busy with anything */
    double hosts_irq; /**< of them in interrupts */
};
void bench_ops_run(struct bench_world *w, struct bench_ops o[BENCH_IMPLS]);

struct bench_setup {
    int comms;
    double dup; /**< medians, seconds, slowest rank: MPI_Comm_dup itself */
    double first[BENCH_IMPLS],
        second[BENCH_IMPLS];      /**< first and second allreduce on the fresh communicator */
    int active;                   /**< communicators vcoll took over */
    double setup;                 /**< set-up time as vcoll reports it, slowest rank */
    double shm_bytes, heap_bytes; /**< of one communicator: shared per node; private, largest rank */
    int nodes;
    char why_not[160];
};
void bench_setup_run(struct bench_world *w, struct bench_setup *s);

#define BENCH_DOORS 3
struct bench_door {
    const char *name;
    double ns[BENCH_IMPLS]; /**< medians */
    double extra;           /**< median of the paired differences */
    double low, high;
};
void bench_door_run(struct bench_world *w, struct bench_door d[BENCH_DOORS]);

/* ---- reports, rank 0 ---- */

struct bench_report {
    struct bench_point *point;
    int npoint;
    bool has_floor;
    struct bench_floor floor;
    bool has_cpu, has_ops, has_setup, has_door;
    struct bench_cpu cpu;
    struct bench_ops ops[BENCH_IMPLS];
    struct bench_setup setup;
    struct bench_door door[BENCH_DOORS];
    FILE *table;
    double seconds; /**< the run took */
};

void bench_table_head(const struct bench_world *w, const struct bench_report *r);
/** One collective's rows begin. */
void bench_table_coll(const struct bench_world *w, const struct bench_report *r, enum vc_coll coll);
void bench_table_point(const struct bench_world *w, const struct bench_report *r,
                       const struct bench_point *p);
void bench_table_tail(const struct bench_world *w, const struct bench_report *r);
void bench_progress(const struct bench_world *w, int done, int total, const char *what);

#define BENCH_RANGES 3
struct bench_range {
    const char *name;
    size_t low, high;
};
extern const struct bench_range bench_ranges[BENCH_RANGES];
/** Averages of the ratios of one collective, or of the collectives' averages (coll < 0); NAN when there is no
 * point. */
void bench_average(const struct bench_report *r, int coll, enum bench_measure m,
                   const struct bench_range *range, double *geometric, double *arithmetic);

/** "8", "16k", "1M" into buf. */
const char *bench_size_text(size_t bytes, char buf[24]);
/** 0, or -1 after a message. */
int bench_json_write(const struct bench_world *w, const struct bench_report *r, const char *file);
int bench_plot_write(const struct bench_world *w, const struct bench_report *r, const char *file);

#endif

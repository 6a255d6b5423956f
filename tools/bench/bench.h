/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vcoll-bench: vcoll against the MPI underneath it, in one process, interleaved (tune/measure).
 * docs/benchmarking.md tells what is measured and how.
 */
#ifndef VC_TOOLS_BENCH_BENCH_H
#define VC_TOOLS_BENCH_BENCH_H

#include "tune/measure/measure.h"

/* ---- options ---- */

struct bench_opts {
    struct vc_measure_opts m; /**< first: what all of measuring looks at */
    long iterations;          /**< 0: as many as the time allows */
    bool verify;
    const char *plot; /**< NULL or a file */
    bool floor, cpu, cpu_per_op, setup_cost, overhead;
    enum { BENCH_NO_OVERLAP, BENCH_COMPUTING, BENCH_SLEEPING } overlap; /**< what a program does meanwhile */
    bool points;        /**< measure collectives at all (false when only extras were asked for) */
    double cpu_seconds; /**< how long --cpu computes */
    double op_seconds;  /**< how long --cpu-per-op runs each implementation */
};

/** The options of the run that the world belongs to. */
static inline const struct bench_opts *bench_opts_of(const struct vc_measure_world *w)
{
    return (const struct bench_opts *)w->opt;
}

/** Parses the command line; on wrong words prints usage and exits with 2. */
void bench_parse(struct bench_opts *o, int argc, char **argv);

/* ---- measuring ---- */

/** Single times. */
struct bench_stat {
    double median, p99, min; /**< seconds; NAN: none */
    int n;
};
/** Reorders v. */
struct bench_stat bench_stat(double *v, int n);

/**
 * What verbs.c does: bounces a message, or exchanges two (both ends send, then both wait: what an allreduce
 * of two ranks cannot do without), polling or sleeping in ibv_get_cq_event().
 */
enum bench_pace { BENCH_POLLED, BENCH_EVENT, BENCH_EXCHANGE_POLLED, BENCH_EXCHANGE_EVENT, BENCH_PACES };

/** Words for implementations, measures and paces: in JSON, for people. */
extern const char *const bench_impl_name[VC_IMPLS];
extern const char *const bench_measure_name[VC_MEASURES], *const bench_measure_words[VC_MEASURES];
extern const char *const bench_pace_name[BENCH_PACES], *const bench_pace_words[BENCH_PACES];

struct bench_point {
    enum vc_coll coll;
    size_t bytes;
    char algorithm[64];
    double floor;            /**< seconds, NAN: unknown */
    int bad;                 /**< ranks on which the check of the results failed, -1: not checked */
    long block[VC_MEASURES]; /**< calls per block */
    struct bench_stat time[VC_MEASURES][VC_IMPLS]; /**< start: of single calls; b2b: of blocks, per call */
    struct vc_measure_series ratio[VC_MEASURES];   /**< native / vcoll, by rounds */
    double late;                                   /**< part of the starts thrown away */
    bool has_over;                                 /**< raw verbs were measured in between: */
    struct vc_measure_series over[VC_MEASURES][BENCH_PACES]; /**< vcoll's time over theirs, by rounds */
    /** vcoll's time back to back over a barrier of flags and yields, by rounds; n 0: none was measured. */
    struct vc_measure_series over_yields;
};

struct bench_verbs;
struct bench_yields;
/** What is measured beside the implementations; each may be NULL. */
struct bench_beside {
    struct bench_verbs *verbs;
    struct bench_yields *yields;
};
/** Collective. Results are valid on rank 0. 0, or -1 (no memory; on all ranks). */
int bench_point_run(struct vc_measure_world *w, const struct bench_beside *beside, struct bench_point *p);

/* ---- floors and extras: collective; results valid on rank 0 ---- */

/** 8 bytes over raw verbs, seconds: one way, or a whole exchange. */
struct bench_wire {
    bool known; /**< measured; the rest is meaningless otherwise */
    char device[64];
    int peer; /**< the rank that answers rank 0 */
    struct bench_stat time[BENCH_PACES];
};

struct bench_floor {
    struct bench_wire wire;
    double line; /**< cache-line round trip between two CPUs, seconds; NAN: unknown */
    double
        yields; /**< barrier of flags and yields, seconds; NAN: ranks do not share CPUs, or several hosts */
    double memcpy_rate[VC_MEASURE_SIZES]; /**< bytes/s of one copying CPU while all others copy too, per
                                            opt->sizes */
};
void bench_floor_run(struct vc_measure_world *w, const struct bench_beside *beside, struct bench_floor *f);
double bench_floor_of(const struct vc_measure_world *w, const struct bench_floor *f, enum vc_coll coll,
                      int size_index);

struct bench_cpu {
    double compute;           /**< seconds the late rank computed */
    double wait[VC_IMPLS];    /**< CPU-seconds of all waiting ranks together */
    double percent[VC_IMPLS]; /**< the same as percent of one CPU */
    double worst[VC_IMPLS];   /**< CPU-seconds of the hottest waiting rank */
    double took[VC_IMPLS];    /**< wall time until the last rank was through */
};
void bench_cpu_run(struct vc_measure_world *w, struct bench_cpu *c);

/** Of an operation: seconds; CPU-seconds of all ranks, and of them in the kernel; CPU-seconds that all hosts
 * together were busy with anything, and of them in interrupts. */
enum { BENCH_OPS_TIME, BENCH_OPS_RANKS, BENCH_OPS_KERNEL, BENCH_OPS_HOSTS, BENCH_OPS_IRQ, BENCH_OPS };
/** What an operation costs in CPU time; one for each implementation. */
struct bench_ops {
    int rounds;
    long calls;          /**< of a round */
    double v[BENCH_OPS]; /**< medians over the rounds */
};
void bench_ops_run(struct vc_measure_world *w, struct bench_ops o[VC_IMPLS]);

struct bench_setup {
    int comms;
    double dup;                               /**< medians, seconds, slowest rank: MPI_Comm_dup itself */
    double first[VC_IMPLS], second[VC_IMPLS]; /**< first and second allreduce on the fresh communicator */
    int active;                               /**< communicators vcoll took over */
    double setup;                             /**< set-up time as vcoll reports it, slowest rank */
    double shm_bytes, heap_bytes; /**< of one communicator: shared per node; private, largest rank */
    int nodes;
    char why_not[160];
};
void bench_setup_run(struct vc_measure_world *w, struct bench_setup *s);

#define BENCH_DOORS 3
struct bench_door {
    const char *name;
    double ns[VC_IMPLS]; /**< medians */
    double extra;        /**< median of the paired differences */
    double low, high;
};
void bench_door_run(struct vc_measure_world *w, struct bench_door d[BENCH_DOORS]);

/** A nonblocking call, by implementation: seconds alone, of the computation, and of both; the overlap in per
 * cent, as the OSU benchmarks and as IMB-NBC define it; CPU-seconds of a rank beyond the computation. */
struct bench_overlap {
    enum vc_coll coll;
    size_t bytes;
    double alone[VC_IMPLS], computing[VC_IMPLS], both[VC_IMPLS], osu[VC_IMPLS], imb[VC_IMPLS], cpu[VC_IMPLS];
};
/** Fills the list, which has room for every collective and size; how many there are. */
int bench_overlap_run(struct vc_measure_world *w, struct bench_overlap *list);

/* ---- reports, rank 0 ---- */

struct bench_report {
    struct bench_point *point;
    int npoint;
    bool has_floor;
    struct bench_floor floor;
    struct bench_cpu cpu;
    struct bench_ops ops[VC_IMPLS];
    struct bench_setup setup;
    struct bench_door door[BENCH_DOORS];
    struct bench_overlap *overlap;
    int noverlap;
    FILE *table;
    double seconds; /**< the run took */
};

void bench_table_head(const struct vc_measure_world *w, const struct bench_report *r);
/** One collective's rows begin. */
void bench_table_coll(const struct vc_measure_world *w, const struct bench_report *r, enum vc_coll coll);
void bench_table_point(const struct vc_measure_world *w, const struct bench_report *r,
                       const struct bench_point *p);
void bench_table_tail(const struct vc_measure_world *w, const struct bench_report *r);

#define BENCH_RANGES 3
struct bench_range {
    const char *name;
    size_t low, high;
};
extern const struct bench_range bench_ranges[BENCH_RANGES];
/** Means of the ratios of one collective, or of the collectives' means (coll < 0); NAN when there is no
 * point. */
void bench_average(const struct bench_report *r, int coll, enum vc_measure m, const struct bench_range *range,
                   double *geometric, double *arithmetic);

/** 0, or -1 after a message. */
int bench_json_write(const struct vc_measure_world *w, const struct bench_report *r, const char *file);
int bench_plot_write(const struct vc_measure_world *w, const struct bench_report *r, const char *file);

#endif

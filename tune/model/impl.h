/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to the cost model. play.c makes predictions: it builds the plans of all ranks as one graph
 * (plans.c reads them, graph.c links) and plays it on the CPUs (cpu.c) and ways (share.c) with the parameters
 * (model.c) and the cost of node phases (node.c, node_work.c; over levels tiers.c, groups.c) and the detours
 * of noise.c.
 */
#ifndef VC_TUNE_MODEL_IMPL_H
#define VC_TUNE_MODEL_IMPL_H

#include "tune/model/model.h"

/** A node phase of a node of several ranks. */
struct vc_mphase {
    int first;   /**< of its steps in vc_mgraph.member, by local index */
    int awaited; /**< of the ranks that others wait for, how many have not come yet */
    double when; /**< when the last of them came */
};

/** A step, as far as its time is concerned. */
struct vc_mstep {
    unsigned char kind;       /**< enum vc_step_kind */
    unsigned char node;       /**< NODE: enum vc_node_phase */
    bool in_place;            /**< COPY, and NODE of a rank that is alone: there is nothing to be copied */
    int peer, parts;          /**< as in struct vc_step */
    int dep_first, dep_count; /**< range in vc_mgraph.dep */
    size_t len;               /**< of the message, copy, reduction or phase */
};

/** Which ranks a graph has. The others do the same, node by node. */
enum vc_mfold {
    VC_FOLD_NONE,  /**< all */
    VC_FOLD_SHIFT, /**< those of the first node; node i does with node i + d what it does with node d */
    VC_FOLD_XOR,   /**< the same with i ^ d */
};

/** Steps are numbered rank by rank. */
struct vc_mgraph {
    const struct vc_shape *shape;
    enum vc_mfold fold;
    int ranks;             /**< that it has: 0 to ranks - 1 */
    long most;             /**< steps at most */
    struct vc_mstep *step; /**< [nsteps] */
    int nsteps, cap_steps;
    int *dep, ndeps, cap_deps; /**< numbers of steps; while plans are read: within their rank */
    int *base;                 /**< [ranks + 1] number of a rank's first step */
    int *owner;                /**< [nsteps] rank */
    int *unmet; /**< [nsteps] dependencies, and one for the place in a chain; -1: receives that were posted */
    int *chained; /**< [nsteps] released when this one has started (messages) or is complete (phases); -1 */
    int *succ_first; /**< [nsteps + 1] range in succ */
    int *succ;
    int *match; /**< [nsteps] messages: the step at the other end; phases: which; -1 */
    int nphases;
    struct vc_mphase *phase;
    int *member; /**< [ranks of the phases' nodes] steps */
    bool cma;    /**< node phases go by single copy throughout */
    struct vc_model_use use;
};

static inline const struct vc_mstep *vc_mstep(const struct vc_mgraph *g, int s)
{
    return &g->step[s];
}

static inline bool vc_mrecv(unsigned char kind)
{
    return kind == VC_STEP_RECV || kind == VC_STEP_RECV_REDUCE;
}

/** Builds the plans of all ranks, or with `fold` of the first node's, and matches what belongs together.
 * False without memory, with more than `most` steps, when the plans do not fit each other, and when the
 * others do not do the same. vc_mgraph_free() in any case. */
bool vc_mgraph_build(struct vc_mgraph *g, const struct vc_alg *alg, const struct vc_shape *shape,
                     enum vc_mfold fold, long most);
void vc_mgraph_free(struct vc_mgraph *g);
/** The first part of it (plans.c): step, dep, base and use. */
bool vc_mgraph_read(struct vc_mgraph *g, const struct vc_alg *alg);

struct vc_mdetours;

/** The detours of all ranks in one play. */
struct vc_mnoise {
    const struct vc_model_noise *of;
    double rate; /**< of all kinds */
    struct vc_mdetours *rank;
};

/** False without memory; vc_mnoise_free() in any case. */
bool vc_mnoise_init(struct vc_mnoise *n, const struct vc_model_noise *of, int ranks, uint64_t seed);
void vc_mnoise_free(struct vc_mnoise *n);
/** When work is done that the rank begins at `begin`, or after the detour that it is in then. Calls for a
 * rank go forward in time. */
double vc_mnoise_end(struct vc_mnoise *n, int rank, double begin, double work);

/** A CPU of a crowded node. */
struct vc_mcpu {
    double free;
    int last; /**< rank that ran last; -1 */
};

/** When each rank and each CPU is busy. */
struct vc_mcpus {
    const struct vc_model *m;
    const struct vc_model_case *c;
    double *busy; /**< [ranks] end of a rank's last work */
    double *call; /**< [ranks] CPU time of the call itself, to be added to a rank's first work */
    int *first;   /**< [nodes + 1] range in cpu; empty: every rank has one of its own */
    struct vc_mcpu *cpu;
    double stretch;          /**< 1 / (1 - steal) */
    double spin[2];          /**< seconds of waiting before sleep: for shared memory, for a device */
    double yields;           /**< the least such seconds of ranks that share a CPU */
    struct vc_mnoise *noise; /**< NULL: none */
};

bool vc_mcpus_init(struct vc_mcpus *p, const struct vc_model *m, const struct vc_model_case *c);
void vc_mcpus_free(struct vc_mcpus *p);
/** At `t` the rank is told of work, by the device or through memory. Returns the time when it has done it.
 */
double vc_mcpus_work(struct vc_mcpus *p, int rank, double t, bool device, double work);

/* ---- node phases that are messages ---- */

/** What a rank has of one: CPU time before its messages are out, time until those of the others are there,
 * CPU time then. */
struct vc_mswap {
    double begin, wait, end;
};
/** Of local index l; the phase as of vc_model_node_seconds(), with its root or first rank. */
struct vc_mswap vc_mphase_messages(const struct vc_model_link *link, const struct vc_model_phase *p, int l,
                                   int root);

/* ---- messages that share ways ---- */

struct vc_mflow;

/** Messages that are under way. Each has of a way as large a part as the others there, and of its two ways
 * the smaller part. What one could have more, because others are held up at their other end, stays unused. */
struct vc_mshare {
    int *of;                /**< [nsteps] flow of a step; -1: none */
    struct vc_mflow *flow;  /**< [cap] */
    int cap, unused;        /**< the first of those that are free */
    int *first, *count;     /**< [2 * ports] flows on a way; out of a port, into it, by turns */
    int *changed, nchanged; /**< ways whose messages have other parts now */
    int again;              /**< where settling goes on among the last one's flows; -1: at the first */
    bool *is_changed;
};

/** When a message is to be looked at. */
struct vc_mdue {
    double t;
    int step;
};

/** False without memory; vc_mshare_free() in any case. */
bool vc_mshare_init(struct vc_mshare *x, int nsteps, int ports);
void vc_mshare_free(struct vc_mshare *x);
/** The message of `step` is on its way, which takes `alone` if it is the only one. False without memory. */
bool vc_mshare_begin(struct vc_mshare *x, int step, int out, int in, double t, double alone);
/** All that began or ended at `t` has: says when to look at which message. If the answer is `room`, there may
 * be more. */
int vc_mshare_settle(struct vc_mshare *x, double t, struct vc_mdue *due, int room);
/** At a time that vc_mshare_settle() or this has said: t if the message has ended, else when to look again;
 * INFINITY: never. */
double vc_mshare_look(struct vc_mshare *x, int step, double t);

/* ---- node phases over levels ---- */

/** A phase of which a phase is made: of the groups of a tier, or flat. */
struct vc_mpart {
    struct vc_model_phase phase; /**< without tiers */
    int tier;                    /**< -1: of all ranks */
};
#define VC_MPARTS (2 * VC_MODEL_TIERS)

/** The phases that it is made of, in their order; how many. Rooted ones over a tree have a leader of all
 * tiers as their root. */
int vc_mparts(const struct vc_model_phase *p, struct vc_mpart out[VC_MPARTS]);
/** Of all pairs of ranks, the part that is together in a group of tier t or below. */
double vc_mpairs(const struct vc_model_phase *p, int t);
/** Groups of a tier, of a phase over equal groups or levels. */
int vc_mgroups(const struct vc_model_phase *p, int t);
/** Lines that go between ranks of a part, by tier: vc_model_node_lines(); of single copies, too. */
void vc_mpart_lines(const struct vc_model_phase *p, const struct vc_mpart *part,
                    double lines[VC_MODEL_TIERS]);
/** Members of group g of a tier, of a phase with levels. */
int vc_mmembers(const struct vc_model_phase *p, int t, int g);
/** vc_model_node_seconds() by tiers. */
double vc_mtiers_seconds(const struct vc_model_node *n, const struct vc_model_phase *p);

#endif

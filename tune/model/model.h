/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cost model: LogGP (Alexandrov, Ionescu, Schauser, Scheiman 1995) per way that bytes take, with the
 * terms that virtualization adds. It predicts how long a plan takes by playing the plans of all ranks
 * against each other (critical path), ranks candidates, and tells the tuner what not to measure. Its
 * parameters are measured by `vcoll tune run` and stored in the table as "model". Pure: no MPI, no clock.
 * All times in seconds, sizes in bytes.
 */
#ifndef VC_TUNE_MODEL_MODEL_H
#define VC_TUNE_MODEL_MODEL_H

#include "coll/levels.h"
#include "coll/registry.h"
#include "transport/wait.h"

/** Ways that a message takes. */
enum vc_model_way {
    VC_WAY_SHM,      /**< ranks of one operating system, through rings */
    VC_WAY_RESIDENT, /**< between virtual machines of one host, over the network device */
    VC_WAY_WIRE,     /**< between hosts */
    VC_WAY_COUNT
};

/** Points of the curve of gap and bytes: time per message as a function of its size is piecewise linear. */
#define VC_MODEL_POINTS 12

/** Messages of one way that are under way at once. */
enum vc_model_sharing {
    VC_IN_TURN, /**< go one after another; in shared memory the ranks copy them */
    VC_EQUALLY, /**< have equal parts of it */
    VC_FREELY,  /**< have all of it, each */
};

struct vc_model_link {
    bool known;
    double latency;  /**< L: from the end of the sending to the beginning of the receiving, 8 bytes */
    double overhead; /**< o: CPU time of sender and of receiver, each, per message */
    /** Nodes 0 to near_nodes - 1, and so on, are at one switch, and have this latency between them. 0: all
     * have L. */
    double near_nodes, near_latency;
    enum vc_model_sharing sharing; /**< what messages do that are under way at once */
    /** From so many bytes on a message begins when its receiver has asked for it, its sender is through with
     * it when it has arrived, and it takes no CPU. 0: none does. */
    double rendezvous;
    int npoints; /**< at least 1 where known; ascending in bytes */
    /** A message of so many bytes occupies the way for so long; between points linear, after the last with
     * the last slope (G). */
    struct {
        double bytes, gap;
    } point[VC_MODEL_POINTS];
};

/**
 * Node phases of q ranks: flags and copies in shared memory.
 * T = base + flag * flags + copy * bytes copied + reduce * bytes reduced,
 * with the counts of vc_model_node_work().
 */
struct vc_model_node {
    bool known;
    double base, flag;
    double copy;     /**< seconds per byte copied by one rank while all copy */
    double reduce;   /**< seconds per byte reduced */
    double cma_base; /**< cross memory attach: seconds per call of it, besides the bytes */
    double cma_copy; /**< the same per byte; 0: not known, algorithms by single copy have no prediction */
    /** Phases are messages over the link VC_WAY_SHM, from each rank to each, and no parameter of these
     * counts. */
    bool messages;
    /** Flags between ranks that share a core, a last cache, a NUMA node, none of these; 0: as `flag`. All 0:
     * nothing is said of levels. Not of tables. */
    double line[VC_LEVEL_KINDS + 1];
    /** Of lines that go between those, by what they share: seconds that each occupies the ways there, which
     * all ranks have in common (inside each group); 0: no limit. */
    double carry[VC_LEVEL_KINDS + 1];
};

#define VC_MODEL_DETOURS 16

/** What takes a CPU away from its rank at random: the hypervisor, interrupts, other programs. Several kinds,
 * each independent of the others. */
struct vc_model_noise {
    int n; /**< 0: nothing is known */
    struct {
        double rate;    /**< detours a second of a CPU */
        double seconds; /**< that each takes */
    } detour[VC_MODEL_DETOURS];
};

struct vc_model {
    struct vc_model_link link[VC_WAY_COUNT];
    struct vc_model_node node;
    double wake;          /**< from a waker's write or an interrupt to the sleeper running */
    double wake_device;   /**< the same for a sleeper on a completion channel */
    double interrupt;     /**< CPU time of an interrupt */
    double moderation;    /**< delay that the device's moderation adds to an arriving message, at most */
    double steal;         /**< part of the time that the hypervisor takes away, 0..1 */
    double switch_cost;   /**< giving the CPU to another rank, where they outnumber the CPUs */
    double cpus_per_rank; /**< below 1: crowded */
    double cpus_per_node; /**< CPUs that the ranks of a node share; 0: cpus_per_rank times their number */
    double call;          /**< CPU time of a call besides its messages, where it runs a plan */
    /** The device's work is done by the CPU in interrupts (rxe, siw): moderation and interrupts then delay
     * ranks that poll, too, and auto does not spin for it. */
    bool device_needs_cpu;
    struct vc_model_noise noise; /**< only vc_model_disturb() looks at it */
};

/** What a prediction is for. */
struct vc_model_case {
    const struct vc_alg *alg; /**< not native */
    const struct vc_shape *shape;
    enum vc_wait_mode wait;
    double spin;             /**< seconds of spinning before sleeping (hybrid) */
    enum vc_model_way apart; /**< the way between nodes: RESIDENT or WIRE */
};

/**
 * Seconds until the last rank is through. NAN when the model lacks a way that the plan uses, or the algorithm
 * is the underlying MPI's. VC_ERR_NOMEM also gives NAN. Building plans of all ranks costs O(size * steps).
 */
double vc_model_predict(const struct vc_model *m, const struct vc_model_case *c);

/** The same for n cases. */
void vc_model_predict_all(const struct vc_model *m, const struct vc_model_case *c, int n, double *seconds);

/** Shapes of more ranks, and plans of more steps over all ranks, have no prediction. */
#define VC_MODEL_RANKS 4096
#define VC_MODEL_STEPS (2 << 20)

/** What a call takes besides time. Sums are over all ranks; messages within nodes and between them. */
struct vc_model_use {
    double messages[2], bytes[2];
    long steps;        /**< of the longest plan */
    size_t scratch;    /**< the most of a rank */
    size_t plan_bytes; /**< of the longest plan, as far as it is in memory at a time */
    int peers;         /**< of other nodes, of the rank that has most: its queue pairs */
    double all_peers;  /**< of all ranks together */
    bool folded;       /**< the first node's ranks stood for those of all nodes */
};

/**
 * vc_model_predict() for up to VC_MODEL_SIM_RANKS ranks, and what it takes. If all nodes do the same, seen
 * from where they are (rings, exchanges, recursive doubling), only the first one's ranks are played: their
 * plans are compared with those of a few other nodes, not of all. Otherwise at most VC_MODEL_SIM_STEPS steps,
 * some 700 MB.
 */
double vc_model_simulate(const struct vc_model *m, const struct vc_model_case *c, struct vc_model_use *use);
#define VC_MODEL_SIM_RANKS 65536
#define VC_MODEL_SIM_STEPS (8L << 20)

/**
 * Plays a case `runs` times with the noise of the model in place of `steal`, each time with other detours,
 * but the same for all algorithms: seconds [runs], ascending. False: there is no prediction, or the plans
 * have more than VC_MODEL_STEPS steps. Equal seeds give equal results.
 */
bool vc_model_disturb(const struct vc_model *m, const struct vc_model_case *c, uint64_t seed, int runs,
                      double *seconds);
/** The part of a CPU's time that noise takes. */
double vc_model_noise_share(const struct vc_model_noise *noise);

/** NULL, or what is wrong with the parameters (negative, not a number, descending), in words. Static storage.
 */
const char *vc_model_invalid(const struct vc_model *m);

/** The way between nodes that the model knows: WIRE where that was measured, otherwise RESIDENT. */
static inline enum vc_model_way vc_model_apart(const struct vc_model *m)
{
    return m->link[VC_WAY_WIRE].known || !m->link[VC_WAY_RESIDENT].known ? VC_WAY_WIRE : VC_WAY_RESIDENT;
}

/** How long a message occupies the way. The link is known. */
double vc_model_gap(const struct vc_model_link *l, double bytes);

/** What a rank does in a node phase. */
struct vc_model_work {
    double meetings;        /**< how often it waits for others */
    double flags;           /**< of how many others, in all */
    double copied, reduced; /**< bytes */
    double cma_calls, cma_copied;
};

/** Tiers of a tree, at most (coll/node/tree.h). */
#define VC_MODEL_TIERS (VC_LEVEL_KINDS + 1)

/** A node phase: `len` and `parts` as in enum vc_node_phase. */
struct vc_model_phase {
    enum vc_node_phase kind;
    int ranks, parts;
    size_t len;
    bool cma;     /**< by single copy: bcast, allreduce, allgather, alltoall */
    bool waits;   /**< the role: a rank that gets data (vc_phase_gets()), not one that only gives some */
    bool crowded; /**< ranks share CPUs */
    int tiers;    /**< of the node's tree; up to 1: it is flat */
    int group[VC_MODEL_TIERS]; /**< members of a group on each tier; of the largest one, if they differ */
    bool flat;                 /**< the tree is there, and not used */
    /** What the ranks share that meet on a tier: enum vc_level_kind, or VC_LEVEL_KINDS. */
    int near[VC_MODEL_TIERS];
    const struct vc_levels *levels; /**< of the ranks, for counting lines; NULL: groups are equal */
};
/** The tiers of a phase of n ranks over these levels. `top`: what all of them share. The levels outlive the
 * phase. */
void vc_model_phase_levels(struct vc_model_phase *phase, const struct vc_levels *levels, int n, int top);
struct vc_model_work vc_model_node_work(const struct vc_model_phase *phase);
/** Cache lines that go from one core to another, of all ranks together: on tier t those between ranks that
 * meet there. For a flat node with tiers: those between ranks that tier t brings together, if it has no order
 * in whom it reads. Single copy: none are counted. */
void vc_model_node_lines(const struct vc_model_phase *phase, double lines[VC_MODEL_TIERS]);
/** With tiers and lines that are known for some, tiers.c has the formula. */
double vc_model_node_seconds(const struct vc_model_node *node, const struct vc_model_phase *phase);

/** One measured phase, for vc_model_node_fit(). */
struct vc_model_sample {
    struct vc_model_phase phase;
    double seconds;
};

/** Parameters that explain the samples best: least squares of relative errors with no parameter below 0.
 * False, and *node unknown, when there are no samples without cma. */
bool vc_model_node_fit(const struct vc_model_sample *s, int n, struct vc_model_node *node);

#endif

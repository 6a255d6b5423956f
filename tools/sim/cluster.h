/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll sim cluster`: what the cost model says of the algorithms among many nodes, and what they take.
 * cluster_opts.c reads the words, cluster.c asks model and rules, cluster_show.c shows the answers,
 * cluster_noise.c disturbs it, cluster_tune.c makes rules of the answers.
 */
#ifndef VC_TOOLS_SIM_CLUSTER_H
#define VC_TOOLS_SIM_CLUSTER_H

#include "tools/sim/sim.h"
#include "tune/model/model.h"
#include "tune/params/choice.h"

enum { CLUSTER_SHAPES = 16, CLUSTER_CHOICES = 128 };

struct cluster_opts {
    struct sim_opts sim;                /**< collectives, sizes, table, figures, json, plot */
    int nodes[CLUSTER_SHAPES], nshapes; /**< ascending */
    int ppn;
    bool mpi; /**< messages between nodes are the MPI's */
    double latency, overhead,
        rate; /**< of the way between nodes: seconds, seconds, bytes a second; 0: not given */
    const char
        *noise; /**< kinds of detours, or "table"; NULL: none, or the table's if that was tuned for tails */
    int runs;   /**< with noise, of each way */
    uint64_t seed;
    bool tail; /**< ways are ordered, and rules made, by their tails */
    bool objective_given;
    const char *compare; /**< choices; NULL: all algorithms */
    bool parameters;     /**< of those also radices and segments; --tune does it */
    const char *tune;    /**< a table to be written; NULL: none */
    char command[512];
};

/** A way to run a call. */
struct cluster_way {
    struct vc_choice choice;
    bool taken;      /**< what the rules say */
    double seconds;  /**< NAN: native, refused, or too much to play */
    const char *why; /**< NULL, or why the shape refuses it */
    struct vc_model_use use;
    bool noisy; /**< the following is known */
    double median, mean, tail;
    double score; /**< what ways are ordered by; NAN as seconds */
};

/** A cell: a collective, a size, a number of nodes. */
struct cluster_cell {
    enum vc_coll coll;
    size_t bytes;
    int nodes;
    struct cluster_way way[CLUSTER_CHOICES];
    int nways; /**< fastest first, those without a prediction last */
};

struct cluster_report {
    struct cluster_opts *o;
    struct vc_table_doc table;
    struct vc_model model;
    enum sim_origin node_origin, link_origin;
    size_t peer_bytes, process_bytes; /**< of verbs: private memory for each rank that one has as a peer, and
                                         each of the communicator */
    struct cluster_cell *cell;
    int ncells;
};

/** `vcoll sim cluster`; returns the exit code. */
int sim_cluster_main(int argc, char **argv);

int cluster_predict(struct cluster_report *r);
/** The predicted fastest of those that were asked for; NULL: nothing was predicted. */
const struct cluster_way *cluster_best(const struct cluster_cell *c);
const struct cluster_way *cluster_taken(const struct cluster_cell *c);

void cluster_text(const struct cluster_report *r);
bool cluster_json(const struct cluster_report *r);
/** False: not written; errno. */
bool cluster_plot(const struct cluster_report *r, const char *file);
/** Of --noise: "RATE:US,..." or "table". VC_OK, or an error with its text. */
int cluster_noise_find(struct cluster_report *r);
/** Plays a way that has a prediction with the noise of the model, if that has any. */
void cluster_disturb(const struct cluster_report *r, const struct vc_model_case *at, struct cluster_way *w);
/** The way that noise delays least in the mean; NULL: none is known. */
const struct cluster_way *cluster_steadiest(const struct cluster_cell *c);

/** VC_OK, or an error with its text. */
int cluster_tune(const struct cluster_report *r, const char *file);

#endif

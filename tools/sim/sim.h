/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `vcoll sim node`: what the cost model says of the ways in which the ranks of one node can run a collective.
 * opts.c reads the words, topology.c says who shares what, figures.c what things cost, predict.c asks the
 * model, text.c, json.c and plot.c show the answers.
 */
#ifndef VC_TOOLS_SIM_SIM_H
#define VC_TOOLS_SIM_SIM_H

#include "coll/levels.h"
#include "coll/node/node.h"
#include "transport/calibrate/costs.h"
#include "tune/table/table.h"

enum { SIM_RANKS_MAX = 2048, SIM_SIZES = 32, SIM_KINDS = VC_LEVEL_KINDS + 1 };

/** What two ranks share: enum vc_level_kind, or VC_LEVEL_KINDS, nothing but the node. "core", "cache",
 * "numa", "node". */
const char *sim_kind_name(int kind);

enum sim_origin { SIM_BUILT_IN, SIM_PUBLISHED, SIM_ASSUMED, SIM_TABLE, SIM_MEASURED, SIM_GIVEN };

struct sim_opts {
    const char *topology; /**< NULL: not given */
    int ranks;            /**< 0: not given */
    enum vc_coll coll[VC_COLL_COUNT];
    int ncoll;
    size_t size[SIM_SIZES];
    int nsizes;
    const char *table;      /**< NULL: none */
    const char *const *set; /**< "NAME=VALUE" */
    int nset;
    double line[SIM_KINDS]; /**< seconds; 0: not given */
    double link[SIM_KINDS]; /**< bytes a second; 0: not given */
    bool json;
    const char *plot;
    struct vc_params params;
    const struct vc_costs *costs; /**< as programs measured on this machine at their start; NULL: none */
};

/** The node. */
struct sim_node {
    char words[160];    /**< the topology */
    const char *source; /**< of the topology, in words */
    int ranks, cpus;    /**< cpus: 0: each rank has one */
    bool crowded;
    bool made_up;           /**< of words that name units */
    struct vc_locality *at; /**< [ranks] */
    int *mem;
    struct vc_levels levels;
    int top; /**< what all ranks share */
};

/** What things cost. */
struct sim_figures {
    struct vc_model_node node;
    double turn; /**< until a rank on the same CPU runs */
    enum sim_origin origin, line_origin[SIM_KINDS], link_origin[SIM_KINDS];
    bool changed; /**< some are given by hand */
};

enum sim_way { SIM_FLAT, SIM_TREE, SIM_CMA, SIM_WAYS };

/** A way to run a call. */
struct sim_cost {
    bool there;
    double seconds; /**< NAN: not known */
    double meetings, flags;
    double lines[SIM_KINDS]; /**< by what the two ranks share; of single copies none are counted */
};

struct sim_point {
    enum vc_coll coll;
    size_t bytes;
    struct sim_cost way[SIM_WAYS];
    const char *algorithm; /**< that vcoll takes by its rules */
    int takes;             /**< enum sim_way, or -1: another algorithm */
};

struct sim_report {
    const struct sim_opts *o;
    struct sim_node node;
    struct sim_figures figures;
    struct vc_table_doc table;
    struct sim_point *point;
    int npoints;
};

struct argp_state;
/** Words of --sizes and --collective, ascending and each once. */
void sim_add_size(struct argp_state *st, struct sim_opts *o, const char *word);
void sim_add_collective(struct argp_state *st, struct sim_opts *o, const char *word);
void sim_each_word(struct argp_state *st, struct sim_opts *o, const char *list,
                   void (*add)(struct argp_state *st, struct sim_opts *o, const char *word));
/** What was not given: all collectives, five sizes. */
void sim_default_lists(struct sim_opts *o);

/** `vcoll sim node`; returns the exit code. */
int sim_node_main(int argc, char **argv);

/* VC_OK, or an error with its text. */
int sim_node_make(struct sim_node *n, const struct sim_opts *o, const struct vc_table *table);
void sim_node_free(struct sim_node *n);
/** The model as far as a node's ranks know it, by table, measured, or built in, and --set. */
int sim_model_find(struct vc_model *m, enum sim_origin *origin, const struct sim_opts *o,
                   const struct vc_table_doc *table);
int sim_figures_find(struct sim_figures *f, const struct sim_opts *o, const struct vc_table_doc *table,
                     const struct sim_node *n);
int sim_predict(struct sim_report *r);

/** "flat", "tree", "single copy". */
const char *sim_way_name(enum sim_way way);
/** Whether any two ranks share just this. */
bool sim_has_kind(const struct sim_node *n, int kind);
const char *sim_origin_text(enum sim_origin origin);
void sim_text(const struct sim_report *r);
bool sim_json(const struct sim_report *r);
/** False: not written; errno. */
bool sim_plot(const struct sim_report *r, const char *file);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info --cost`: connections and memory of the verbs channel, worked out from the plans themselves. */
#ifndef VC_TOOLS_VCOLL_INFO_COST_H
#define VC_TOOLS_VCOLL_INFO_COST_H

#include "transport/verbs/verbs.h"
#include "tune/params/params.h"

enum { COST_ROWS = 96, COST_RANKS_MAX = 16384 };

/** Calls of one collective whose size is in [from, to], and what runs them. */
struct cost_row {
    enum vc_coll coll;
    const struct vc_alg *alg;
    size_t from, to;     /**< bytes as in struct vc_shape; to SIZE_MAX: no end */
    bool noncommutative; /**< only for operators that do not commute */
    int queue_pairs;     /**< of the rank that needs most; -1: no messages of vcoll's (native) */
};

struct cost {
    int ranks, ppn, nodes;
    int sampled; /**< ranks whose plans were looked at */
    struct cost_row row[COST_ROWS];
    int nrows;
    /** Of one rank that uses all collectives, or all but alltoall, always with the same root. */
    int queue_pairs_all, queue_pairs_log;
    struct vc_verbs_need need;
    size_t private_bytes; /**< for queue_pairs_all connections */
};

/** VC_OK, or VC_ERR_NOMEM. */
int info_cost(const struct vc_params *params, int ranks, int ppn, struct cost *out);

/** A table; with several jobs, side by side. */
void info_cost_text(const struct cost *cost, int n);
/** False when it could not be written. */
bool info_cost_json(const struct cost *cost, int n);

/**
 * The whole of `vcoll info --cost`: ranks 0: some sizes side by side. Settings come from `params`. False,
 * with a message on standard error, when it could not be done or written.
 */
bool info_cost_run(const struct vc_params *params, int ranks, int ppn, bool json);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll info --cost`: connections and memory of the verbs channel, worked out from the plans themselves. */
#ifndef VC_TOOLS_INFO_COST_H
#define VC_TOOLS_INFO_COST_H

#include "transport/verbs/verbs.h"
#include "tune/params/params.h"

enum { COST_ROWS = 96 };

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
    int at_once; /**< of queue_pairs_all, those that VCOLL_VERBS_PEERS allows at once */
    struct vc_verbs_need need;
    size_t private_bytes; /**< for queue_pairs_all connections, of which at_once are open */
};

/** For people: a table; several jobs side by side. */
void cost_print_text(const struct cost *cost, int n);
/** False when it could not be written. */
bool cost_print_json(const struct cost *cost, int n);

#endif

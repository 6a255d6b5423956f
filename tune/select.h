/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selection: which algorithm runs a call. Built-in rules, first match wins, resolved once per communicator
 * into an array so that a call pays a short scan. Looks at nothing that could differ between ranks (Law 1).
 */
#ifndef VC_TUNE_SELECT_H
#define VC_TUNE_SELECT_H

#include "coll/registry.h"
#include "tune/params.h"

/** What the rules may look at besides the call. Equal on all ranks of the communicator. */
struct vc_topo_key {
    int size, nnodes, max_ppn;
    bool crowded;    /**< on some node, more ranks than CPUs; agreed at set-up */
    bool have_node;  /**< shared memory was agreed on all nodes */
    bool have_cma;   /**< single copy was agreed on all nodes */
    bool have_bulk;  /**< bulk slots exist */
    bool have_chan;  /**< a channel reaches every peer */
    bool have_verbs; /**< the one between nodes is verbs */
    bool reproducible;
    const struct vc_hier *hier;
};

#define VC_SELECT_RULES 8

/** One resolved rule: calls of at most max_bytes. */
struct vc_choice {
    size_t max_bytes;                  /**< of vc_shape.bytes; SIZE_MAX in the last */
    struct vc_alg_choice pick;         /**< for commutative operators and all non-reductions */
    struct vc_alg_choice pick_noncomm; /**< for the others */
};

struct vc_selection {
    struct vc_choice rule[VC_COLL_ACCELERATED][VC_SELECT_RULES];
    /** A plan that refuses no shape, for calls that what was picked refuses (too few elements); alg NULL:
     * native. */
    struct vc_alg_choice spare[VC_COLL_ACCELERATED];
};

/** Fills the selection from the built-in rules and the forced algorithms. Cannot fail: native is always
 * possible. */
void vc_select_init(struct vc_selection *sel, const struct vc_topo_key *key, const struct vc_params *params);

/** Whether every built-in rule names an algorithm and parameters that exist. For tests: text gets the first
 * that does not. */
bool vc_select_rules_valid(char *text, size_t len);

static inline const struct vc_alg_choice *vc_select(const struct vc_selection *sel, enum vc_coll coll,
                                                    size_t bytes, bool commutative)
{
    const struct vc_choice *c = sel->rule[coll];
    while (bytes > c->max_bytes)
        c++;
    return commutative ? &c->pick : &c->pick_noncomm;
}

#endif

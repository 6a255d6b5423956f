/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selection: which algorithm runs a call. The rules of the table, then the built-in ones, first match wins,
 * resolved once per communicator into an array so that a call pays a short scan. Looks at nothing that could
 * differ between ranks (Law 1).
 */
#ifndef VC_TUNE_SELECT_SELECT_H
#define VC_TUNE_SELECT_SELECT_H

#include "tune/table/table.h"

/** One resolved rule: calls of at most max_bytes. */
struct vc_select_range {
    size_t max_bytes;         /**< of vc_shape.bytes; SIZE_MAX in the last */
    struct vc_choice choice;  /**< for commutative operators and all non-reductions */
    struct vc_choice noncomm; /**< for the others */
};

struct vc_selection {
    struct vc_select_range *rule[VC_COLL_COUNT]; /**< all in one allocation, but for forced ones */
    void *mem, *forced[VC_COLL_COUNT];
    /** A plan that refuses no shape, for calls that what was chosen refuses (too few elements); alg NULL:
     * native. */
    struct vc_choice spare[VC_COLL_COUNT];
    /** Where what VCOLL_ALG forces is left to the rules because its plan would be too long: its steps. */
    long too_long[VC_COLL_COUNT];
};

/** Fills the selection from the forced algorithms (VCOLL_ALG), the table (NULL: none) and the built-in rules.
 * VC_OK or VC_ERR_NOMEM. `sel` is empty (zeroed, or after vc_select_free()). */
int vc_select_init(struct vc_selection *sel, const struct vc_topo_key *key, const struct vc_params *params,
                   const struct vc_table *table);
/** The same selection, without what is forced. As vc_select_init(). */
int vc_select_copy(struct vc_selection *to, const struct vc_selection *from);
/** Leaves an empty selection; may be called again. */
void vc_select_free(struct vc_selection *sel);

/** All sizes of a collective get this choice; NULL, or alg NULL: back to what vc_select_init() found. Where
 * it cannot run, nothing changes and the result is VC_ERR_INVAL with the reason. */
int vc_select_force(struct vc_selection *sel, const struct vc_topo_key *key, enum vc_coll coll,
                    const struct vc_choice *choice);

/** A call, as far as selection looks at it. */
struct vc_select_call {
    enum vc_coll coll;
    size_t bytes, esize;
    bool commutative;
};
/** NULL, or why the choice cannot run the call on this communicator. Valid until this thread asks again.
 * (What runs when a chosen algorithm refuses a call for its few elements is the `spare`.) */
const char *vc_select_refuses(const struct vc_topo_key *key, const struct vc_select_call *call,
                              const struct vc_choice *choice);

/** Where the built-in rules say `prior` and what things cost here (key->costs) says otherwise: true, and *out
 * is what runs. */
bool vc_select_model(const struct vc_topo_key *key, const struct vc_select_call *call,
                     const struct vc_choice *prior, struct vc_choice *out);

/** Walks the rows of the call's collective in order, of the table and then of the built-in rules, up to and
 * with the one that is taken: `row` gets each with why it does not hold (valid during the call; NULL: it is
 * taken). What VCOLL_ALG forces comes first, as a row with index -1 of a table without rows whose origin is
 * "VCOLL_ALG"; it stays until this thread asks again. What the model says in place of a built-in row comes
 * behind it, likewise, with the origin "model"; why the built-in row does not hold tells its times. A table's
 * "builtin" row that matches is passed over, too: the built-in rules follow it. */
void vc_select_explain(const struct vc_topo_key *key, const struct vc_params *params,
                       const struct vc_table *table, const struct vc_select_call *call,
                       void (*row)(void *arg, const struct vc_table *of, const struct vc_row *r,
                                   const char *why_not),
                       void *arg);

static inline const struct vc_choice *vc_select(const struct vc_selection *sel, enum vc_coll coll,
                                                size_t bytes, bool commutative)
{
    const struct vc_select_range *c = sel->rule[coll];
    while (bytes > c->max_bytes)
        c++;
    return commutative ? &c->choice : &c->noncomm;
}

#endif

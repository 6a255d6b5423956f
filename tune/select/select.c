/* SPDX-License-Identifier: BSD-3-Clause */
#include "tune/select/select.h"

#include "coll/info.h"
#include "coll/node/node.h"
#include "tune/model/defaults.h"
#include "tune/params/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A size at which no algorithm asks for more elements. */
#define VC_SELECT_SAMPLE ((size_t)1 << 40)

/* ---- what can run ---- */

/* NULL, or what the algorithm needs of the communicator and has not. */
static const char *lacks(const struct vc_topo_key *key, enum vc_coll coll, const struct vc_choice *c)
{
    if (c->alg->coll != coll)
        return "it is of another collective";
    if (c->alg->kind == VC_ALG_NODE && !(key->have_node && key->nnodes == 1))
        return "all ranks must share one node's memory";
    if (c->alg->kind == VC_ALG_NODE && c->alg->node_alg == VC_NODE_CMA && !key->have_cma)
        return "single copy is switched off, or not permitted between all ranks";
    int most = c->alg->kind == VC_ALG_NODE ? vc_phase_info[vc_coll_info[coll].node].most_ranks : 0;
    if (most && key->size > most)
        return "a node's memory does it for fewer ranks than these";
    if (c->alg->kind == VC_ALG_PLAN && !key->have_chan)
        return "no channel reaches all ranks";
    if (c->channel == VC_CHANNEL_VERBS && !key->have_verbs)
        return "there is no verbs channel between the nodes";
    if (c->channel == VC_CHANNEL_MPI && key->no_mpi)
        return "VCOLL_CHANNELS leaves out the channel over the underlying MPI";
    if (key->reproducible && vc_coll_reduces(coll) && !(c->alg->restrictions & VC_PLACEMENT_FREE))
        return "its result depends on placement, and VCOLL_REPRODUCIBLE is set";
    return NULL;
}

/* As vc_select_refuses(); *steps is how long the plan would be where that is why, else 0. */
static const char *refuses(const struct vc_topo_key *key, const struct vc_select_call *call,
                           const struct vc_choice *choice, long *steps)
{
    *steps = 0;
    const struct vc_hier even = {
        .nnodes = key->nnodes, .uniform = key->size == key->nnodes * key->max_ppn, .block = true};
    const struct vc_shape shape = {
        .coll = call->coll,
        .size = key->size,
        .bytes = call->bytes,
        .esize = call->esize ? call->esize : 1,
        .commutative = call->commutative,
        .radix = choice->radix,
        .segment = choice->segment,
        .leaders = choice->leaders,
        .hier = key->hier ? key->hier : &even,
    };
    if (!choice->alg)
        return "no algorithm is named";
    if (choice->alg->kind == VC_ALG_NATIVE)
        return NULL;
    const char *why = lacks(key, call->coll, choice);
    if (!why)
        why = vc_alg_refuses(choice->alg, &shape);
    if (why == VC_ALG_TOO_LONG)
        *steps = choice->alg->steps(&shape);
    return why;
}

const char *vc_select_refuses(const struct vc_topo_key *key, const struct vc_select_call *call,
                              const struct vc_choice *choice)
{
    static _Thread_local char text[96];
    long steps;
    const char *why = refuses(key, call, choice, &steps);
    if (!steps)
        return why;
    snprintf(text, sizeof text, "its plan would have %ld steps here, and none of more than %d is built",
             steps, VC_PLAN_STEPS);
    return text;
}

static struct vc_select_call any_size(enum vc_coll coll, bool commutative)
{
    return (struct vc_select_call){
        .coll = coll, .bytes = VC_SELECT_SAMPLE, .esize = 1, .commutative = commutative};
}

/* NULL, or why the algorithm cannot run on this communicator whatever the size of the call. */
static const char *unusable(const struct vc_topo_key *key, enum vc_coll coll, bool commutative,
                            const struct vc_choice *c)
{
    const struct vc_select_call call = any_size(coll, commutative);
    return vc_select_refuses(key, &call, c);
}

/* How long the plan of a forced algorithm would be where that keeps it from running; else 0. */
static long too_long(const struct vc_topo_key *key, enum vc_coll coll, const struct vc_choice *c)
{
    const struct vc_select_call call = any_size(coll, true);
    long steps = 0;
    refuses(key, &call, c, &steps);
    return steps;
}

/* ---- which rows hold ---- */

/* Reductions must not depend on where ranks are when VCOLL_REPRODUCIBLE is set. */
static bool hidden_by_reproducible(const struct vc_row *r, const struct vc_topo_key *key)
{
    return key->reproducible && vc_coll_reduces(r->coll) && r->placed;
}

static bool operator_holds(const struct vc_row *r, bool commutative)
{
    return r->commutative == VC_ANY || (r->commutative == VC_YES) == commutative;
}

/* The rows of a collective that hold for the communicator, in order: of the table, then built-in ones. */
struct rows {
    struct row {
        const struct vc_row *row;
        bool can[2]; /* run: operators that do not commute, that do */
    } * row;
    int n, builtin; /* where the built-in ones begin */
};

/* Returns whether the built-in rules may have a say: not when the last row takes everything and none has
 * handed calls to them. */
static bool collect(struct rows *rows, const struct vc_table *t, const struct vc_topo_key *key,
                    enum vc_coll coll)
{
    bool builtin = false;
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        struct row add = {.row = r};
        if (r->coll != coll || !vc_row_keys_match(&r->keys, key) || hidden_by_reproducible(r, key))
            continue;
        for (int c = 0; c < 2; c++)
            add.can[c] = operator_holds(r, c) && (r->builtin || !unusable(key, coll, c, &r->choice));
        if (!add.can[0] && !add.can[1])
            continue;
        rows->row[rows->n++] = add;
        builtin |= r->builtin;
        if (add.can[0] && add.can[1] && r->bytes.min == 0 && r->bytes.max == UINT64_MAX)
            return builtin;
    }
    return true;
}

/* *builtin: the choice is that of a built-in row. */
static const struct vc_choice *find_choice(const struct rows *rows, size_t bytes, bool commutative,
                                           bool *builtin)
{
    for (int i = 0; i < rows->n; i++) {
        const struct row *r = &rows->row[i];
        if (!r->can[commutative] || !vc_range_has(r->row->bytes, bytes))
            continue;
        *builtin = i >= rows->builtin;
        if (!r->row->builtin)
            return &r->row->choice;
        i = rows->builtin - 1;
    }
    return NULL;
}

/* ---- what things cost here ---- */

/* Whether the model has a say on this communicator. Where VCOLL_REPRODUCIBLE is set, reductions never look at
 * where ranks are. */
static bool asks_model(const struct vc_topo_key *key, enum vc_coll coll)
{
    return key->costs && key->nnodes == 1 && key->have_node && key->have_bulk && vc_coll_by_size(coll) &&
           !(key->reproducible && vc_coll_reduces(coll));
}

bool vc_select_model(const struct vc_topo_key *key, const struct vc_select_call *call,
                     const struct vc_choice *prior, struct vc_choice *out)
{
    const struct vc_default_case at = {.coll = call->coll,
                                       .ranks = key->size,
                                       .crowded = key->crowded,
                                       .cma = key->have_cma,
                                       .bytes = call->bytes};
    if (!asks_model(key, call->coll) || !prior->alg)
        return false;
    const struct vc_alg *alg = vc_default_choose(key->costs, &at, prior->alg);
    if (!alg)
        return false;
    *out = *prior;
    out->alg = alg;
    return !unusable(key, call->coll, call->commutative, out);
}

/* The last size up to which all sizes from `at` are answered alike. */
static size_t next_border(const struct rows *rows, size_t at)
{
    size_t end = SIZE_MAX;
    for (int i = 0; i < rows->n; i++) {
        struct vc_range b = rows->row[i].row->bytes;
        if (b.max >= at && b.max < end)
            end = (size_t)b.max;
        if (b.min > at && b.min - 1 < end)
            end = (size_t)b.min - 1;
    }
    return end;
}

/* ---- resolving ---- */

/* Resolved rules, while they are being found. */
struct block {
    struct vc_select_range *c;
    int n, room;
};

static bool same_range(const struct vc_select_range *a, const struct vc_select_range *b)
{
    return vc_choice_same(&a->choice, &b->choice) && vc_choice_same(&a->noncomm, &b->noncomm);
}

/* Appends, or extends the last one where that says the same; `first`: of the collective. */
static bool append_range(struct block *b, int first, const struct vc_select_range *c)
{
    if (b->n > first && same_range(&b->c[b->n - 1], c)) {
        b->c[b->n - 1].max_bytes = c->max_bytes;
        return true;
    }
    if (b->n == b->room) {
        int room = b->room ? 2 * b->room : 32;
        struct vc_select_range *bigger = realloc(b->c, (size_t)room * sizeof *bigger);
        if (!bigger)
            return false;
        b->c = bigger;
        b->room = room;
    }
    b->c[b->n++] = *c;
    return true;
}

/* What the rows say for a size, or in place of a built-in one the model. */
static void answer_size(const struct rows *rows, const struct vc_topo_key *key,
                        const struct vc_select_call *call, struct vc_choice *out)
{
    bool builtin = false;
    const struct vc_choice *c = find_choice(rows, call->bytes, call->commutative, &builtin);
    if (c && !(builtin && vc_select_model(key, call, c, out)))
        *out = *c;
}

static bool resolve(struct block *b, const struct rows *rows, const struct vc_topo_key *key,
                    enum vc_coll coll, const struct vc_choice *forced, const struct vc_choice *forced_noncomm)
{
    const struct vc_choice native = {.alg = vc_alg_find(coll, "native")};
    int first = b->n;
    for (size_t at = 0;;) {
        struct vc_select_range c = {.max_bytes = next_border(rows, at), .choice = native, .noncomm = native};
        if (asks_model(key, coll))
            c.max_bytes = vc_min_size(c.max_bytes, vc_default_step(at));
        struct vc_select_call call = {.coll = coll, .bytes = at, .commutative = true};
        if (forced)
            c.choice = *forced;
        else
            answer_size(rows, key, &call, &c.choice);
        call.commutative = false;
        if (forced_noncomm)
            c.noncomm = *forced_noncomm;
        else
            answer_size(rows, key, &call, &c.noncomm);
        if (!append_range(b, first, &c))
            return false;
        if (c.max_bytes == SIZE_MAX)
            return true;
        at = c.max_bytes + 1;
    }
}

static bool find_spare(struct vc_choice *spare, const struct vc_table *t, const struct vc_topo_key *key,
                       enum vc_coll coll)
{
    for (int i = 0; t && i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        if (r->coll == coll && !r->placed && r->choice.alg && r->choice.alg->kind == VC_ALG_PLAN &&
            !(r->choice.alg->restrictions & ~(unsigned)VC_PLACEMENT_FREE) &&
            vc_row_keys_match(&r->keys, key) && !unusable(key, coll, false, &r->choice)) {
            *spare = r->choice;
            return true;
        }
    }
    return false;
}

static bool resolve_coll(struct vc_selection *sel, struct block *b, struct rows *rows,
                         const struct vc_topo_key *key, const struct vc_params *params,
                         const struct vc_table *table, enum vc_coll coll)
{
    const struct vc_choice *forced = params->alg[coll].alg ? &params->alg[coll] : NULL;
    const char *why = forced ? unusable(key, coll, true, forced) : NULL;
    bool noncomm = forced && !unusable(key, coll, false, forced);
    if (why && (sel->too_long[coll] = too_long(key, coll, forced)) == 0)
        vc_log(VC_LOG_INFO, "VCOLL_ALG: %s=%s cannot run on a communicator of %d ranks on %d nodes (%s)",
               vc_coll_name(coll), forced->alg->name, key->size, key->nnodes, why);
    if (!find_spare(&sel->spare[coll], table, key, coll))
        find_spare(&sel->spare[coll], vc_table_builtin(), key, coll);
    rows->n = 0;
    bool more = !table || collect(rows, table, key, coll);
    rows->builtin = rows->n;
    if (more)
        collect(rows, vc_table_builtin(), key, coll);
    return resolve(b, rows, key, coll, why ? NULL : forced, noncomm ? forced : NULL);
}

int vc_select_init(struct vc_selection *sel, const struct vc_topo_key *key, const struct vc_params *params,
                   const struct vc_table *table)
{
    struct block b = {.c = NULL};
    struct rows rows = {.n = 0};
    int first[VC_COLL_COUNT] = {0};
    int builtin = vc_table_builtin()->nrows;
    size_t most = (size_t)(table ? table->nrows : 0) + (size_t)builtin + 1;
    memset(sel, 0, sizeof *sel);
    rows.row = malloc(most * sizeof *rows.row);
    /* Without the built-in rules this rank would choose otherwise than the others. */
    bool good = rows.row != NULL && builtin > 0;
    for (int c = 0; good && c < VC_COLL_COUNT; c++) {
        first[c] = b.n;
        good = resolve_coll(sel, &b, &rows, key, params, table, (enum vc_coll)c);
    }
    free(rows.row);
    if (!good) {
        free(b.c);
        return vc_fail(VC_ERR_NOMEM, "out of memory for the rules of a communicator");
    }
    struct vc_select_range *fits = realloc(b.c, (size_t)b.n * sizeof *fits);
    sel->mem = fits ? fits : b.c;
    for (int c = 0; c < VC_COLL_COUNT; c++)
        sel->rule[c] = (struct vc_select_range *)sel->mem + first[c];
    return VC_OK;
}

int vc_select_copy(struct vc_selection *to, const struct vc_selection *from)
{
    size_t n = 0;
    const struct vc_select_range *at = from->mem;
    for (int ends = 0; ends < VC_COLL_COUNT; n++)
        ends += at[n].max_bytes == SIZE_MAX;
    *to = *from;
    memset(to->forced, 0, sizeof to->forced);
    to->mem = malloc(n * sizeof *at);
    if (!to->mem) {
        memset(to, 0, sizeof *to);
        return vc_fail(VC_ERR_NOMEM, "out of memory for the rules of a communicator");
    }
    memcpy(to->mem, at, n * sizeof *at);
    struct vc_select_range *next = to->mem;
    for (int c = 0; c < VC_COLL_COUNT; c++) {
        to->rule[c] = next;
        while (next++->max_bytes != SIZE_MAX)
            ;
    }
    return VC_OK;
}

void vc_select_free(struct vc_selection *sel)
{
    for (int c = 0; c < VC_COLL_COUNT; c++)
        free(sel->forced[c]);
    free(sel->mem);
    memset(sel, 0, sizeof *sel);
}

/* ---- forcing ---- */

/* Where the resolved rules of a collective begin: each one's end with an open size. */
static struct vc_select_range *resolved(const struct vc_selection *sel, enum vc_coll coll)
{
    struct vc_select_range *c = sel->mem;
    for (unsigned i = 0; i < (unsigned)coll; c++)
        i += c->max_bytes == SIZE_MAX;
    return c;
}

int vc_select_force(struct vc_selection *sel, const struct vc_topo_key *key, enum vc_coll coll,
                    const struct vc_choice *choice)
{
    if (!sel->mem)
        return vc_fail(VC_ERR_INVAL, "nothing has been selected for this communicator yet");
    struct vc_select_range *found = resolved(sel, coll), *forced = NULL;
    if (choice && choice->alg) {
        const char *why = unusable(key, coll, true, choice);
        bool noncomm = !unusable(key, coll, false, choice);
        if (why)
            return vc_fail(VC_ERR_INVAL, "%s=%s cannot run on %d ranks of %d nodes: %s", vc_coll_name(coll),
                           choice->alg->name, key->size, key->nnodes, why);
        struct block b = {.c = NULL};
        for (const struct vc_select_range *f = found;; f++) {
            struct vc_select_range c = {
                .max_bytes = f->max_bytes, .choice = *choice, .noncomm = noncomm ? *choice : f->noncomm};
            if (!append_range(&b, 0, &c)) {
                free(b.c);
                return vc_fail(VC_ERR_NOMEM, "out of memory for a forced algorithm");
            }
            if (f->max_bytes == SIZE_MAX)
                break;
        }
        forced = b.c;
    }
    free(sel->forced[coll]);
    sel->forced[coll] = forced;
    sel->rule[coll] = forced ? forced : found;
    return VC_OK;
}

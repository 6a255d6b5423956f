/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a call gets what it gets: the same walk as select.c's, for one call and with words. */
#include "coll/info.h"
#include "tune/model/defaults.h"
#include "tune/params/params.h"
#include "tune/select/select.h"
#include "tune/table/table.h"

#include <stdio.h>
#include <string.h>

enum { WHY = 200 };

static const char handed_on[] = "the row hands the call to the built-in rules";

/* A call, and who is told of each row. */
struct asking {
    const struct vc_topo_key *key;
    const struct vc_select_call *call;
    void (*row)(void *arg, const struct vc_table *of, const struct vc_row *r, const char *why_not);
    void *arg;
};

static const char *why_not(const struct asking *a, const struct vc_row *r, char *buf)
{
    const struct vc_topo_key *key = a->key;
    bool reduces = vc_coll_reduces(r->coll);
    const char *why = vc_row_keys_differ(&r->keys, key, buf, WHY);
    if (why)
        return why;
    if (a->call->bytes < r->bytes.min || a->call->bytes > r->bytes.max) {
        char lo[24], hi[24];
        vc_format_bytes((size_t)r->bytes.min, lo, sizeof lo);
        vc_format_bytes((size_t)r->bytes.max, hi, sizeof hi);
        snprintf(buf, WHY, "%zu bytes, the row wants %s%s%s", a->call->bytes, lo,
                 r->bytes.max == UINT64_MAX ? " or more" : "..", r->bytes.max == UINT64_MAX ? "" : hi);
        return buf;
    }
    if (r->commutative != VC_ANY && (r->commutative == VC_YES) != a->call->commutative)
        return a->call->commutative ? "the operator is commutative" : "the operator is not commutative";
    if (key->reproducible && reduces && r->placed)
        return "the row looks at where ranks are, and VCOLL_REPRODUCIBLE is set";
    if (r->builtin)
        return handed_on;
    /* As select.c does: what a single call lacks in elements is not looked at. */
    struct vc_select_call any_size = *a->call;
    any_size.bytes = (size_t)1 << 40;
    any_size.esize = 1;
    return vc_select_refuses(key, &any_size, &r->choice);
}

/* The built-in row would be taken: true where the model says otherwise, which is told with its reasons. */
static bool told_of_model(const struct asking *a, const struct vc_table *t, const struct vc_row *prior)
{
    static const struct vc_table model = {.origin = "model"};
    static _Thread_local struct vc_row r; /* callers keep rows */
    struct vc_choice out;
    if (t != vc_table_builtin() || !vc_select_model(a->key, a->call, &prior->choice, &out))
        return false;
    const struct vc_default_case at = {.coll = a->call->coll,
                                       .ranks = a->key->size,
                                       .crowded = a->key->crowded,
                                       .cma = a->key->have_cma,
                                       .bytes = a->call->bytes};
    char why[WHY];
    snprintf(why, sizeof why, "by this node's figures ");
    vc_default_text(a->key->costs, &at, why + strlen(why), sizeof why - strlen(why));
    r = (struct vc_row){.coll = a->call->coll, .bytes = prior->bytes, .choice = out, .index = -1};
    vc_row_keys_any(&r.keys);
    a->row(a->arg, t, prior, why);
    a->row(a->arg, &model, &r, NULL);
    return true;
}

/* True when a row was taken. */
static bool walk_rows(const struct asking *a, const struct vc_table *t)
{
    char buf[WHY];
    for (int i = 0; i < t->nrows; i++) {
        if (t->row[i].coll != a->call->coll)
            continue;
        const char *why = why_not(a, &t->row[i], buf);
        if (!why && told_of_model(a, t, &t->row[i]))
            return true;
        a->row(a->arg, t, &t->row[i], why);
        if (!why || why == handed_on)
            return !why;
    }
    return false;
}

void vc_select_explain(const struct vc_topo_key *key, const struct vc_params *params,
                       const struct vc_table *table, const struct vc_select_call *call,
                       void (*row)(void *arg, const struct vc_table *of, const struct vc_row *r,
                                   const char *why_not),
                       void *arg)
{
    static const struct vc_table forced_by = {.origin = "VCOLL_ALG"};
    static _Thread_local struct vc_row r; /* callers keep rows */
    const struct asking a = {key, call, row, arg};
    const struct vc_choice *forced = &params->alg[call->coll];
    if (forced->alg) {
        char buf[WHY];
        r = (struct vc_row){.coll = call->coll, .bytes = {0, UINT64_MAX}, .choice = *forced, .index = -1};
        vc_row_keys_any(&r.keys);
        const char *why = why_not(&a, &r, buf);
        row(arg, &forced_by, &r, why);
        if (!why)
            return;
    }
    if (!table || !walk_rows(&a, table))
        walk_rows(&a, vc_table_builtin());
}

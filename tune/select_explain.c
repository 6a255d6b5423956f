/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a call gets what it gets: the same walk as select.c's, for one call and with words. */
#include "coll/info.h"
#include "tune/params_internal.h"
#include "tune/select.h"

#include <stdio.h>
#include <string.h>

enum { WHY = 200 };

static const char handed_on[] = "the row hands the call to the built-in rules";

/* An asker, and the call it asks for. */
struct asking {
    const struct vc_topo_key *key;
    const struct vc_select_call *call;
    void (*row)(void *arg, const struct vc_table *of, const struct vc_row *r, const char *why_not);
    void *arg;
};

static const char *say_range(char *buf, const char *what, int is, struct vc_range r)
{
    if (r.max == UINT64_MAX)
        snprintf(buf, WHY, "%s is %d, the row wants %llu or more", what, is, (unsigned long long)r.min);
    else if (r.min == r.max)
        snprintf(buf, WHY, "%s is %d, the row wants %llu", what, is, (unsigned long long)r.min);
    else
        snprintf(buf, WHY, "%s is %d, the row wants %llu..%llu", what, is, (unsigned long long)r.min,
                 (unsigned long long)r.max);
    return buf;
}

/* Why the communicator does not match, or NULL. */
static const char *keys_differ(const struct vc_row_keys *k, const struct vc_topo_key *key, char *buf)
{
    const struct {
        const char *what;
        int is;
        struct vc_range range;
    } ranges[] = {
        {"ranks", key->size, k->ranks}, {"nodes", key->nnodes, k->nodes}, {"ppn", key->max_ppn, k->ppn}};
    if (vc_row_keys_match(k, key))
        return NULL;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        uint64_t is = (uint64_t)ranges[i].is;
        if (is < ranges[i].range.min || is > ranges[i].range.max)
            return say_range(buf, ranges[i].what, ranges[i].is, ranges[i].range);
    }
    if (k->platforms && (key->platform < 0 || !(k->platforms >> key->platform & 1)))
        snprintf(buf, WHY, "platform is %s",
                 key->platform < 0 ? "mixed" : vc_platform_class_name((enum vc_platform_class)key->platform));
    else if (k->device[0] && !vc_device_same(k->device, key->device))
        snprintf(buf, WHY, "device is \"%s\"", key->device);
    else if (k->network && (k->network == VC_CHANNEL_VERBS) != key->have_verbs)
        snprintf(buf, WHY, "network is %s", key->have_verbs ? "verbs" : "mpi");
    else if (k->crowded && (k->crowded == VC_YES) != key->crowded)
        snprintf(buf, WHY, "crowded is %s", key->crowded ? "true" : "false");
    else
        snprintf(buf, WHY, "bulk_slots is %s", key->have_bulk ? "true" : "false");
    return buf;
}

static const char *why_not(const struct asking *a, const struct vc_row *r, char *buf)
{
    const struct vc_topo_key *key = a->key;
    bool reduces = vc_coll_reduces(r->coll);
    const char *why = keys_differ(&r->keys, key, buf);
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

/* True when a row was taken. */
static bool walk(const struct asking *a, const struct vc_table *t)
{
    char buf[WHY];
    for (int i = 0; i < t->nrows; i++) {
        if (t->row[i].coll != a->call->coll)
            continue;
        const char *why = why_not(a, &t->row[i], buf);
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
    static _Thread_local struct vc_row r; /* askers keep rows */
    const struct asking a = {key, call, row, arg};
    const struct vc_alg_choice *forced = &params->alg[call->coll];
    if (forced->alg) {
        char buf[WHY];
        r = (struct vc_row){.coll = call->coll, .bytes = {0, UINT64_MAX}, .choice = *forced, .index = -1};
        r.keys.ranks = r.keys.nodes = r.keys.ppn = (struct vc_range){1, UINT64_MAX};
        const char *why = why_not(&a, &r, buf);
        row(arg, &forced_by, &r, why);
        if (!why)
            return;
    }
    if (!table || !walk(&a, table))
        walk(&a, vc_table_builtin());
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tuning tables. Beyond not crashing: what is refused says where and why; what is taken gives the same rows
 * after stripping, the same checksum after being made canonical, and selections that can run and that
 * vc_select_explain() explains.
 */
#include "tune/params/params.h"
#include "tune/select/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "not true: %s\n", #cond);                                                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static void same_keys(const struct vc_row_keys *a, const struct vc_row_keys *b)
{
    MUST(vc_row_keys_same(a, b) && vc_row_keys_order(a, b) == 0);
    MUST(strcmp(a->device, b->device) == 0 && memcmp(a->bits, b->bits, sizeof a->bits) == 0);
}

static void same_rows(const struct vc_table *a, const struct vc_table *b)
{
    MUST(a->nrows == b->nrows && a->ndevices == b->ndevices);
    for (int i = 0; i < a->nrows; i++) {
        const struct vc_row *x = &a->row[i], *y = &b->row[i];
        same_keys(&x->keys, &y->keys);
        MUST(x->coll == y->coll && x->bytes.min == y->bytes.min && x->bytes.max == y->bytes.max);
        MUST(x->commutative == y->commutative && x->builtin == y->builtin && x->index == y->index);
        MUST(x->placed == y->placed && vc_choice_same(&x->choice, &y->choice));
        MUST(x->builtin == !x->choice.alg);
    }
    for (int i = 0; i < a->ndevices; i++) {
        const struct vc_device_row *x = &a->device[i], *y = &b->device[i];
        same_keys(&x->keys, &y->keys);
        MUST(memcmp(&x->coalesce, &y->coalesce, sizeof x->coalesce) == 0 && x->cq.given == y->cq.given);
        MUST(x->cq.latency.count == y->cq.latency.count && x->cq.latency.period == y->cq.latency.period);
        MUST(x->cq.bulk.count == y->cq.bulk.count && x->cq.bulk.period == y->cq.bulk.period);
    }
}

/* ---- selection ---- */

struct told {
    const struct vc_row *taken;
};

static void tell(void *arg, const struct vc_table *of, const struct vc_row *r, const char *why_not)
{
    struct told *t = arg;
    MUST(of && !t->taken && (!why_not || why_not[0]));
    if (!why_not)
        t->taken = r;
}

static void ask(const struct vc_topo_key *key, const struct vc_table *t, const struct vc_selection *sel,
                const struct vc_params *params, size_t bytes)
{
    for (int i = 0; i < 2 * VC_COLL_COUNT; i++) {
        struct told told = {NULL};
        struct vc_select_call call = {
            .coll = (enum vc_coll)(i / 2), .bytes = bytes, .esize = 1, .commutative = i % 2};
        const struct vc_choice *c = vc_select(sel, call.coll, bytes, call.commutative);
        MUST(c->alg && c->alg->coll == call.coll);
        vc_select_explain(key, params, t, &call, tell, &told);
        MUST(told.taken && vc_choice_same(&told.taken->choice, c));
        call.bytes = (size_t)1 << 40;
        MUST(!vc_select_refuses(key, &call, c));
    }
}

static void select_by(const struct vc_table *t, unsigned seed)
{
    static struct vc_params params;
    struct vc_selection sel;
    int ppn = 1 + (int)(seed & 3), nodes = 1 + (int)(seed >> 2 & 3);
    struct vc_topo_key key = {
        .size = ppn * nodes - (int)(ppn > 1 && (seed >> 4 & 1) && nodes > 1),
        .nnodes = nodes,
        .max_ppn = ppn,
        .crowded = seed >> 5 & 1,
        .have_node = ppn > 1,
        .have_cma = seed >> 6 & 1,
        .have_bulk = seed >> 7 & 1,
        .have_chan = seed >> 8 & 1,
        .have_verbs = seed >> 9 & 1,
        .reproducible = seed >> 10 & 1,
        .platform = (int)(seed >> 11 & 3) - (int)(seed >> 13 & 1),
    };
    if (seed >> 14 & 1)
        memcpy(key.device, "rxe", 4);
    MUST(vc_select_init(&sel, &key, &params, t) == VC_OK);
    ask(&key, t, &sel, &params, 0);
    ask(&key, t, &sel, &params, SIZE_MAX);
    for (int i = 0; i < t->nrows && i < 8; i++) {
        ask(&key, t, &sel, &params, (size_t)t->row[i].bytes.min);
        ask(&key, t, &sel, &params, (size_t)t->row[i].bytes.max);
    }
    vc_table_device(t, &key);
    vc_select_free(&sel);
}

/* ---- the table ---- */

static void refused(int err)
{
    int line = 0, column = 0, n = 0;
    MUST(err == VC_ERR_INVAL);
    MUST(sscanf(vc_error_text(), "x:%d:%d: %n", &line, &column, &n) == 2);
    MUST(line > 0 && column > 0 && vc_error_text()[n] != '\0');
}

static void taken(const struct vc_table *t, const char *text, size_t len)
{
    struct vc_table *again = NULL;
    char *stripped = vc_table_strip(text, len), *canonical = vc_table_canonical(text, len);
    MUST(stripped && canonical && vc_table_checksum(canonical) == t->checksum);
    MUST(vc_table_parse(stripped, strlen(stripped), "s", &again) == VC_OK);
    same_rows(t, again);
    vc_table_free(again);
    char *twice = vc_table_canonical(canonical, strlen(canonical));
    MUST(twice && strcmp(canonical, twice) == 0);
    free(twice);
    MUST(vc_table_parse(canonical, strlen(canonical), "c", &again) == VC_OK &&
         again->checksum == t->checksum);
    same_rows(t, again);
    vc_table_free(again);
    free(stripped);
    free(canonical);
    unsigned seed = (unsigned)(t->checksum ^ t->checksum >> 32);
    for (int i = 0; i < 3; i++, seed = seed * 1103515245u + 12345u)
        select_by(t, seed >> 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vc_table *t = NULL;
    char *text = malloc(size ? size : 1); /* exactly as long as the text, so that a step too far is seen */
    if (!text)
        return 0;
    memcpy(text, data, size);
    int err = vc_table_parse(text, size, "x", &t);
    MUST((err == VC_OK) == (t != NULL));
    if (err == VC_OK) {
        taken(t, text, size);
    } else {
        refused(err);
        free(vc_table_strip(text, size));
    }
    vc_table_free(t);
    free(text);
    return 0;
}

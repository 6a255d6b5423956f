/* SPDX-License-Identifier: BSD-3-Clause */
/* What was found, collected and written as a table. */
#include "tune/online/online.h"

#include "coll/info.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct vc_online_row {
    struct vc_row_keys keys;
    enum vc_coll coll;
    bool commutative;
    size_t min, max;
    struct vc_choice choice;
    double gain;
    long trials;
};

/* ---- collecting ---- */

/* By keys: 0 for rows that would hold for the same calls. */
static int compare(const void *a, const void *b)
{
    const struct vc_online_row *x = a, *y = b;
    if (x->coll != y->coll)
        return x->coll < y->coll ? -1 : 1;
    int order = vc_row_keys_order(&x->keys, &y->keys);
    if (order != 0)
        return order;
    if (x->commutative != y->commutative)
        return x->commutative < y->commutative ? -1 : 1;
    return x->min < y->min ? -1 : x->min > y->min;
}

static bool grow(struct vc_online_book *b)
{
    if (b->n < b->cap)
        return true;
    int cap = b->cap ? 2 * b->cap : 64;
    if (cap > VC_ONLINE_ROWS)
        return false;
    struct vc_online_row *more = realloc(b->row, (size_t)cap * sizeof *more);
    if (!more)
        return false;
    b->row = more;
    b->cap = cap;
    return true;
}

struct adding {
    struct vc_online_book *book;
    const struct vc_topo_key *key;
};

static void add_row(void *arg, enum vc_coll coll, size_t bytes_min, size_t bytes_max, bool commutative,
                    const struct vc_choice *choice, double gain, long trials)
{
    const struct adding *to = arg;
    struct vc_online_book *b = to->book;
    struct vc_online_row row = {
        .coll = coll,
        .commutative = commutative,
        .min = bytes_min,
        .max = bytes_max,
        .choice = *choice,
        .gain = gain,
        .trials = trials,
    };
    vc_row_keys_exactly(&row.keys, to->key);
    for (int i = 0; i < b->n; i++)
        if (compare(&b->row[i], &row) == 0) {
            if (row.trials > b->row[i].trials)
                b->row[i] = row;
            return;
        }
    if (grow(b))
        b->row[b->n++] = row;
}

void vc_online_book_add(struct vc_online_book *b, const struct vc_topo_key *key, const struct vc_online *o)
{
    struct adding to = {b, key};
    vc_online_each(o, add_row, &to);
}

void vc_online_book_free(struct vc_online_book *b)
{
    free(b->row);
    memset(b, 0, sizeof *b);
}

/* ---- as text ---- */

static json_t *row_json(const struct vc_online_row *r)
{
    json_t *o = json_pack("{s:s}", "collective", vc_coll_name(r->coll));
    if (!o)
        return NULL;
    vc_row_keys_to_json(&r->keys, o);
    if (vc_coll_by_size(r->coll))
        json_object_set_new(o, "bytes", json_pack("[I, I]", (json_int_t)r->min, (json_int_t)r->max));
    if (vc_coll_reduces(r->coll))
        json_object_set_new(o, "operator", json_string(r->commutative ? "commutative" : "other"));
    vc_choice_to_json(&r->choice, o);
    json_object_set_new(o, "measured",
                        json_pack("{s:f, s:I}", "gain", r->gain, "trials", (json_int_t)r->trials));
    return o;
}

static json_t *provenance(void)
{
    char date[32], host[256] = "";
    gethostname(host, sizeof host - 1);
    return json_pack("{s:s, s:s, s:s, s:[s]}", "vcoll", VC_VERSION, "date", vc_table_date(date), "command",
                     "VCOLL_TUNE=online", "hosts", host);
}

char *vc_online_book_text(const struct vc_online_book *b)
{
    json_t *rules = json_array();
    if (b->n > 0)
        qsort(b->row, (size_t)b->n, sizeof *b->row, compare);
    for (int i = 0; i < b->n; i++)
        json_array_append_new(rules, row_json(&b->row[i]));
    json_array_append_new(rules, json_pack("{s:s}", "algorithm", "builtin"));
    json_t *table = json_pack("{s:i, s:o, s:o}", "vcoll_table", VC_TABLE_VERSION, "provenance", provenance(),
                              "rules", rules);
    char *text = vc_table_text(table);
    json_decref(table);
    return text;
}

int vc_online_book_write(const struct vc_online_book *b, const char *path)
{
    char *text = vc_online_book_text(b);
    int err = text ? vc_table_save(text, path, true)
                   : vc_fail(VC_ERR_NOMEM, "out of memory for a table of %d rows", b->n);
    free(text);
    return err;
}

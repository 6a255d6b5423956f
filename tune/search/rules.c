/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules out of points. */
#include "coll/info.h"
#include "tune/search/points.h"

#include "tune/table/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rules reach so many times further, in ranks and nodes, than what was measured. */
#define BEYOND 2

/* ---- points ---- */

int vc_measured_order(const struct vc_topo_key *a, const struct vc_topo_key *b, bool numbers)
{
    const struct vc_key_info *i;
    struct vc_topo_key x = *a;
    if ((a->nnodes == 1) != (b->nnodes == 1))
        return a->nnodes == 1 ? -1 : 1;
    for (int k = 0; (i = vc_key_next(&k));)
        if (vc_key_matters(i, a))
            continue;
        else if (i->kind == VC_KEY_TEXT)
            memcpy(vc_topo_at(&x, i), vc_topo_of(b, i), VC_TABLE_DEVICE);
        else
            vc_topo_put(&x, i, vc_topo_value(b, i));
    return vc_topo_order(&x, b, numbers);
}

/* Whether they are on equal communicators, or on such that differ in numbers of ranks and nodes alone. */
static bool same_place(const struct vc_topo_key *a, const struct vc_topo_key *b, bool numbers)
{
    return vc_measured_order(a, b, numbers) == 0;
}

bool vc_measured_same(const struct vc_measured *a, const struct vc_measured *b)
{
    return a->coll == b->coll && a->bytes == b->bytes && vc_topo_order(&a->at, &b->at, true) == 0;
}

/* ---- rules ---- */

static size_t middle(size_t a, size_t b)
{
    return (size_t)sqrt((double)a * (double)b);
}

/* The range of a key that belongs to a point's communicator: halfway to those before and behind it. */
static json_t *range(const struct vc_measured *all, int n, const struct vc_measured *p, const char *key,
                     int least)
{
    const struct vc_key_info *i = vc_key_find(key);
    int mine = vc_topo_value(&p->at, i), below = 0, above = 0;
    for (int k = 0; k < n; k++) {
        if (all[k].coll != p->coll || !same_place(&p->at, &all[k].at, false))
            continue;
        int v = vc_topo_value(&all[k].at, i);
        if (v < mine && v > below)
            below = v;
        if (v > mine && (above == 0 || v < above))
            above = v;
    }
    int lo = below ? (int)middle((size_t)below, (size_t)mine) + 1 : (mine + BEYOND - 1) / BEYOND;
    int hi = above ? (int)middle((size_t)mine, (size_t)above) : BEYOND * mine;
    return json_pack("[ii]", lo < least ? least : lo, hi);
}

/* Whether others of as many nodes, with as many ranks on the fullest, have more or fewer ranks. */
static bool only_ranks_differ(const struct vc_measured *all, int n, const struct vc_measured *p)
{
    for (int k = 0; k < n; k++)
        if (all[k].coll == p->coll && same_place(&p->at, &all[k].at, false) &&
            p->at.nnodes == all[k].at.nnodes && p->at.max_ppn == all[k].at.max_ppn &&
            p->at.size != all[k].at.size)
            return true;
    return false;
}

/* What a row asks of the communicator. */
static json_t *keys_of(const struct vc_measured *all, int n, const struct vc_measured *p)
{
    const struct vc_key_info *i;
    json_t *row = json_pack("{s:s}", "collective", vc_coll_name(p->coll));
    bool one_node = p->at.nnodes == 1;
    if (one_node) {
        json_object_set_new(row, "nodes", json_integer(1));
        json_object_set_new(row, "ranks", range(all, n, p, "ranks", 2));
    } else {
        json_object_set_new(row, "nodes", range(all, n, p, "nodes", 2));
        json_object_set_new(row, "ppn", range(all, n, p, "ppn", 1));
        if (only_ranks_differ(all, n, p))
            json_object_set_new(row, "ranks", json_integer(p->at.size));
    }
    for (int k = 0; (i = vc_key_next(&k));) {
        if (!vc_key_matters(i, &p->at))
            continue;
        if (i->kind == VC_KEY_TEXT && *(const char *)vc_topo_of(&p->at, i))
            json_object_set_new(row, i->name, json_string(vc_topo_of(&p->at, i)));
        else if (i->kind == VC_KEY_FLAG && !i->words)
            json_object_set_new(row, i->name, json_boolean(vc_topo_value(&p->at, i)));
        else if (i->kind == VC_KEY_FLAG || (i->kind == VC_KEY_WORDS && vc_topo_value(&p->at, i) >= 0))
            json_object_set_new(row, i->name, json_string(vc_key_word(i, vc_topo_value(&p->at, i))));
    }
    return row;
}

/* The points of one collective on one communicator, sizes ascending. */
struct list {
    const struct vc_measured **point;
    int n;
};

static bool sized(const struct list *l, int first, int last, json_t *row)
{
    const struct vc_measured *const *p = l->point;
    size_t from = first > 0 ? middle(p[first - 1]->bytes, p[first]->bytes) + 1 : 0;
    json_t *to =
        last + 1 < l->n ? json_integer((json_int_t)middle(p[last]->bytes, p[last + 1]->bytes)) : json_null();
    return json_object_set_new(row, "bytes", json_pack("[Io]", (json_int_t)from, to)) == 0;
}

/* One row for the points [first, last], which have the same choice. */
static json_t *make_row(const struct vc_measured *all, int n, const struct list *l, int first, int last)
{
    const struct vc_measured *head = l->point[first];
    struct vc_choice c;
    json_t *row = keys_of(all, n, head), *points = json_array();
    double logs = 0, low = INFINITY;
    int rounds = 0;
    if (vc_coll_by_size(head->coll))
        sized(l, first, last, row);
    if (vc_coll_reduces(head->coll))
        json_object_set_new(row, "operator", json_string("commutative"));
    if (vc_choice_parse(head->coll, head->choice, &c) == VC_OK && c.alg)
        vc_choice_to_json(&c, row);
    for (int i = first; i <= last; i++) {
        const struct vc_measured *p = l->point[i];
        bool native = strcmp(p->choice, "native") == 0;
        logs += log(native ? 1 : p->ratio);
        low = fmin(low, native ? 1 : p->ratio_low);
        rounds += p->rounds;
        json_array_append_new(points, json_integer((json_int_t)p->bytes));
    }
    double mean = exp(logs / (last - first + 1));
    json_t *measured = json_pack("{s:o, s:i, s:s}", "points", points, "rounds", rounds, "why", head->why);
    if (isfinite(mean) && isfinite(low)) {
        json_object_set_new(measured, "ratio", json_real(mean));
        json_object_set_new(measured, "ratio_low", json_real(low));
    }
    json_object_set_new(row, "measured", measured);
    return row;
}

static void add_rows(const struct vc_measured *all, int n, const struct list *l, json_t *rules)
{
    for (int first = 0, last; first < l->n; first = last + 1) {
        for (last = first;
             last + 1 < l->n && strcmp(l->point[last + 1]->choice, l->point[first]->choice) == 0;)
            last++;
        json_array_append_new(rules, make_row(all, n, l, first, last));
    }
}

/* All points from the first one's communicator and collective on. */
static void gather(const struct vc_measured *all, int n, const struct vc_measured *first, struct list *l)
{
    l->n = 0;
    for (const struct vc_measured *p = first; p < all + n; p++) {
        if (p->coll != first->coll || !same_place(&p->at, &first->at, true))
            continue;
        int at = l->n;
        while (at > 0 && l->point[at - 1]->bytes > p->bytes)
            at--;
        if (at > 0 && l->point[at - 1]->bytes == p->bytes) {
            l->point[at - 1] = p;
            continue;
        }
        memmove(l->point + at + 1, l->point + at, (size_t)(l->n - at) * sizeof *l->point);
        l->point[at] = p;
        l->n++;
    }
}

json_t *vc_rules_of_points(const struct vc_measured *p, int n)
{
    struct list l = {.point = calloc((size_t)n + 1, sizeof *l.point)};
    json_t *rules = l.point ? json_array() : NULL;
    for (int c = 0; c < VC_COLL_COUNT && rules; c++)
        for (int i = 0; i < n; i++) {
            bool first = p[i].coll == (enum vc_coll)c;
            for (int k = 0; k < i && first; k++)
                first = p[k].coll != p[i].coll || !same_place(&p[k].at, &p[i].at, true);
            if (!first)
                continue;
            gather(p, n, &p[i], &l);
            add_rows(p, n, &l, rules);
        }
    if (rules)
        json_array_append_new(rules, json_pack("{s:s}", "algorithm", "builtin"));
    free(l.point);
    return rules;
}

/* ---- what rules say ---- */

/* The first row that holds for the point. */
static const struct vc_row *row_of(const struct vc_table *t, const struct vc_measured *p)
{
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        if (r->coll == p->coll && p->bytes >= r->bytes.min && p->bytes <= r->bytes.max &&
            r->commutative != VC_NO && vc_row_keys_match(&r->keys, &p->at))
            return r;
    }
    return NULL;
}

const char *vc_rules_choice(const struct vc_table *t, const struct vc_measured *p, char *buf, size_t len)
{
    const struct vc_row *row = row_of(t, p);
    if (row && !row->builtin)
        return vc_choice_format(&row->choice, buf, len);
    snprintf(buf, len, row ? "builtin" : "nothing");
    return buf;
}

bool vc_rules_obey(const struct vc_table *t, const struct vc_measured *p)
{
    const struct vc_row *row = row_of(t, p);
    struct vc_choice want;
    return row && !row->builtin && vc_choice_parse(p->coll, p->choice, &want) == VC_OK &&
           vc_choice_same(&row->choice, &want);
}

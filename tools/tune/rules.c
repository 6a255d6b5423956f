/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules out of points: sizes with the same choice become one row, borders lie halfway (geometrically) between
 * neighbours; so do those of ranks and nodes. */
#include "coll/info.h"
#include "tools/tune/job.h"

#include "transport/topology/platform.h"
#include "tune/table/key_info.h"
#include "tune/params/params.h"
#include "tune/table/json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rules reach so many times further, in ranks and nodes, than what was measured. */
#define BEYOND 2

static size_t middle(size_t a, size_t b)
{
    return (size_t)sqrt((double)a * (double)b);
}

void tune_topo_key(const struct tune_place *p, struct vc_topo_key *key)
{
    *key = p->c.at;
    key->have_chan = true;
    key->hier = &p->c.hier;
}

/* Whether rules tell two places apart by numbers of ranks and nodes alone. */
static bool same_kind(const struct tune_place *p, const struct tune_place *q)
{
    const struct vc_key_info *i;
    struct vc_topo_key a, b;
    tune_topo_key(p, &a);
    tune_topo_key(q, &b);
    for (int n = 0; (i = vc_key_next(&n));)
        if (i->kind != VC_KEY_RANGE && !vc_topo_same(&a, &b, i))
            return false;
    return (a.nnodes == 1) == (b.nnodes == 1);
}

enum axis { RANKS, NODES, PPN };

static int along(const struct vcoll_comm_key *k, enum axis axis)
{
    return axis == RANKS ? k->ranks : axis == NODES ? k->nodes : k->ppn;
}

/* The range of an axis that belongs to a place: halfway to the places before and behind. */
static json_t *range(const struct tune_job *j, const struct tune_place *p, enum vc_coll coll, enum axis axis)
{
    int mine = along(&p->c.key, axis), below = 0, above = 0, least = axis == PPN ? 1 : 2;
    for (int i = 0; i < j->nplace; i++) {
        const struct tune_place *q = &j->place[i];
        struct tune_result *any[BENCH_MAX_SIZES];
        if (!q->open || !same_kind(p, q) || tune_measured(j, i, coll, any) == 0)
            continue;
        int v = along(&q->c.key, axis);
        if (v < mine && v > below)
            below = v;
        if (v > mine && (above == 0 || v < above))
            above = v;
    }
    int lo = below ? (int)middle((size_t)below, (size_t)mine) + 1 : (mine + BEYOND - 1) / BEYOND;
    int hi = above ? (int)middle((size_t)mine, (size_t)above) : BEYOND * mine;
    return json_pack("[ii]", lo < least ? least : lo, hi);
}

static void put_choice(json_t *row, enum vc_coll coll, const char *text)
{
    struct vc_alg_choice c;
    if (vc_choice_parse(coll, text, &c) == VC_OK && c.alg)
        vc_choice_to_json(&c, row);
}

/* What the communicator is asked for. */
static json_t *keys_of(const struct tune_job *j, const struct tune_place *p, enum vc_coll coll)
{
    const struct vcoll_comm_key *k = &p->c.key;
    const struct vc_key_info *i;
    struct vc_topo_key key;
    json_t *row = json_pack("{s:s}", "collective", vc_coll_name(coll));
    if (k->nodes == 1) {
        json_object_set_new(row, "nodes", json_integer(1));
        json_object_set_new(row, "ranks", range(j, p, coll, RANKS));
    } else {
        json_object_set_new(row, "nodes", range(j, p, coll, NODES));
        json_object_set_new(row, "ppn", range(j, p, coll, PPN));
        json_object_set_new(row, "network", json_string(k->network));
        if (k->device[0])
            json_object_set_new(row, "device", json_string(k->device));
    }
    tune_topo_key(p, &key);
    for (int n = 0; (i = vc_key_next(&n));)
        if (i->kind == VC_KEY_FLAG && !i->words)
            json_object_set_new(row, i->name, json_boolean(vc_topo_value(&key, i)));
    if (strcmp(k->platform, "mixed") != 0)
        json_object_set_new(row, "platform", json_string(k->platform));
    return row;
}

static const struct tune_cand *chosen(const struct tune_result *r)
{
    return &r->p.cand[r->p.best];
}

/* One row for the results [first, last] of the list, which have the same choice. */
static json_t *make_row(const struct tune_job *j, const struct tune_place *p, struct tune_result *const *list,
                        int n, int first, int last)
{
    enum vc_coll coll = list[first]->p.coll;
    json_t *row = keys_of(j, p, coll), *bytes = json_array();
    double logs = 0, low = INFINITY;
    int rounds = 0;
    size_t from = first > 0 ? middle(list[first - 1]->p.bytes, list[first]->p.bytes) + 1 : 0;
    json_array_append_new(bytes, json_integer((json_int_t)from));
    json_array_append_new(
        bytes, last + 1 < n ? json_integer((json_int_t)middle(list[last]->p.bytes, list[last + 1]->p.bytes))
                            : json_null());
    if (vc_coll_sized(coll))
        json_object_set(row, "bytes", bytes);
    json_decref(bytes);
    if (vc_coll_reduces(coll))
        json_object_set_new(row, "operator", json_string("commutative"));
    put_choice(row, coll, chosen(list[first])->choice);
    json_t *points = json_array();
    for (int i = first; i <= last; i++) {
        const struct tune_cand *k = chosen(list[i]);
        logs += log(list[i]->p.best ? k->ratio.median : 1);
        low = fmin(low, list[i]->p.best ? k->ratio.low : 1);
        rounds += k->rounds;
        json_array_append_new(points, json_integer((json_int_t)list[i]->p.bytes));
    }
    double mean = exp(logs / (last - first + 1));
    json_t *measured =
        json_pack("{s:o, s:i, s:s}", "points", points, "rounds", rounds, "why", list[first]->p.why);
    if (isfinite(mean) && isfinite(low)) {
        json_object_set_new(measured, "ratio", json_real(mean));
        json_object_set_new(measured, "ratio_low", json_real(low));
    }
    json_object_set_new(row, "measured", measured);
    return row;
}

static void add_place(const struct tune_job *j, int place, enum vc_coll coll, json_t *rules)
{
    struct tune_result *list[BENCH_MAX_SIZES];
    int n = tune_measured(j, place, coll, list);
    for (int first = 0; first < n;) {
        int last = first;
        while (last + 1 < n && strcmp(chosen(list[last + 1])->choice, chosen(list[first])->choice) == 0)
            last++;
        json_array_append_new(rules, make_row(j, &j->place[place], list, n, first, last));
        first = last + 1;
    }
}

json_t *tune_rules(const struct tune_job *j)
{
    json_t *rules = json_array();
    for (int c = 0; c < VC_COLL_ACCELERATED; c++)
        for (int i = 0; i < j->nplace; i++)
            if (j->place[i].open)
                add_place(j, i, (enum vc_coll)c, rules);
    json_array_append_new(rules, json_pack("{s:s}", "algorithm", "builtin"));
    return rules;
}

/* The first row that holds for the point. */
static const struct vc_row *row_of(const struct vc_table *t, const struct vc_topo_key *key,
                                   const struct tune_point *p)
{
    for (int i = 0; i < t->nrows; i++) {
        const struct vc_row *r = &t->row[i];
        if (r->coll == p->coll && p->bytes >= r->bytes.min && p->bytes <= r->bytes.max &&
            r->commutative != VC_NO && vc_row_keys_match(&r->keys, key))
            return r;
    }
    return NULL;
}

bool tune_obeyed(const struct tune_job *j, const struct vc_table *t)
{
    bool ok = true;
    for (int i = 0; i < j->nresult; i++) {
        const struct tune_result *r = &j->result[i];
        struct vc_topo_key key;
        struct vc_alg_choice want;
        char got[VC_CHOICE_TEXT] = "nothing";
        tune_topo_key(&j->place[r->place], &key);
        const struct vc_row *row = row_of(t, &key, &r->p);
        if (row && row->builtin)
            snprintf(got, sizeof got, "builtin");
        else if (row)
            vc_choice_format(&row->choice, got, sizeof got);
        if (vc_choice_parse(r->p.coll, chosen(r)->choice, &want) == VC_OK && row && !row->builtin &&
            vc_choice_same(&row->choice, &want))
            continue;
        fprintf(
            stderr,
            "vcoll tune: the table says %s for %s %zu B on %s, but %s was chosen: a mistake of the tuner\n",
            got, vc_coll_name(r->p.coll), r->p.bytes, j->place[r->place].name, chosen(r)->choice);
        ok = false;
    }
    return ok;
}

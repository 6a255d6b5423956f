/* SPDX-License-Identifier: BSD-3-Clause */
/* What a table's "measured" says about a call and about a choice. */
#include "tools/table/tool.h"

#include "tune/table/table.h"
#include <math.h>
#include <string.h>

double table_number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

bool table_point_key(const json_t *point, struct vc_topo_key *key)
{
    return vc_topo_from_json(point, TABLE_RANKS_MAX, key);
}

bool table_point_call(const json_t *point, enum vc_coll *coll, size_t *bytes)
{
    const char *name = json_string_value(json_object_get(point, "collective"));
    const json_t *size = json_object_get(point, "bytes");
    int c = name ? vc_coll_by_name(name) : -1;
    if (c < 0 || c >= VC_COLL_ACCELERATED || !json_is_integer(size) || json_integer_value(size) < 0)
        return false;
    *coll = (enum vc_coll)c;
    *bytes = (size_t)json_integer_value(size);
    return true;
}

const json_t *table_candidate(const json_t *point, enum vc_coll coll, const struct vc_alg_choice *choice)
{
    size_t i;
    const json_t *c;
    json_array_foreach(json_object_get(point, "candidates"), i, c)
    {
        const char *text = json_string_value(json_object_get(c, "choice"));
        struct vc_alg_choice other;
        memset(&other, 0, sizeof other);
        if (text && vc_choice_parse(coll, text, &other) == VC_OK && vc_choice_same(&other, choice))
            return c;
    }
    return NULL;
}

static double doublings(double a, double b)
{
    return fabs(log2((a + 1) / (b + 1)));
}

/* How far apart: kinds of communicators first, then their size, then bytes. One node says nothing about
 * several. */
static double distance(const struct vc_topo_key *a, const struct vc_topo_key *b, size_t bytes, size_t at)
{
    const struct vc_key_info *i;
    double d = (a->nnodes > 1) != (b->nnodes > 1) ? INFINITY : 0;
    for (int n = 0; (i = vc_key_next(&n));) {
        if (i->kind == VC_KEY_RANGE)
            d += i->far * doublings(vc_topo_value(a, i), vc_topo_value(b, i));
        else
            d += vc_topo_same(a, b, i) ? 0 : i->far;
    }
    return d + doublings((double)bytes, (double)at);
}

bool table_usual(const json_t *table, const json_t *point)
{
    const char *under = json_string_value(json_object_get(point, "moderation"));
    size_t i;
    const json_t *setting;
    if (!under)
        return true;
    json_array_foreach(json_object_get(table, "moderation"), i, setting)
    {
        const char *name = json_string_value(json_object_get(setting, "setting"));
        if (name && strcmp(name, under) == 0 && json_is_true(json_object_get(setting, "chosen")))
            return true;
    }
    return false;
}

const json_t *table_nearest(const json_t *table, const struct vc_topo_key *key, enum vc_coll coll,
                            size_t bytes)
{
    size_t i;
    const json_t *p, *best = NULL;
    double least = INFINITY;
    json_array_foreach(json_object_get(table, "measured"), i, p)
    {
        struct vc_topo_key at;
        enum vc_coll c;
        size_t size;
        if (!table_point_call(p, &c, &size) || c != coll || !table_point_key(p, &at))
            continue;
        /* Of equal points the later one, which was measured again. */
        double d = distance(key, &at, bytes, size) + (table_usual(table, p) ? 0 : 1e3);
        if (isfinite(d) && d <= least) {
            least = d;
            best = p;
        }
    }
    return best;
}

struct table_evidence table_evidence(const json_t *table, enum vc_coll coll, const struct vc_row_keys *keys,
                                     struct vc_range bytes, const struct vc_alg_choice *choice)
{
    struct table_evidence best = {.median = NAN};
    size_t i;
    const json_t *p;
    json_array_foreach(json_object_get(table, "measured"), i, p)
    {
        struct vc_topo_key at;
        enum vc_coll c;
        size_t size;
        if (!table_point_call(p, &c, &size) || c != coll || size < bytes.min || size > bytes.max ||
            !table_point_key(p, &at) || !vc_row_keys_match(keys, &at) || !table_usual(table, p))
            continue;
        const json_t *cand = table_candidate(p, coll, choice);
        long rounds = (long)json_integer_value(json_object_get(cand, "rounds"));
        if (cand && rounds > best.rounds)
            best =
                (struct table_evidence){rounds, size, table_number(json_object_get(cand, "start"), "median")};
    }
    return best;
}

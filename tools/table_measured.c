/* SPDX-License-Identifier: BSD-3-Clause */
/* What a table's "measured" says about a call and about a choice. */
#include "tools/table_tool.h"

#include "transport/topology/platform.h"
#include <math.h>
#include <string.h>

double table_number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int whole(const json_t *o, const char *key, int lo)
{
    const json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    return json_is_integer(v) && n >= lo && n <= TABLE_RANKS_MAX ? (int)n : -1;
}

static int platform_of(const char *name)
{
    for (int i = 0; name && i <= VC_PLATFORM_SRIOV_VF; i++)
        if (strcmp(name, vc_platform_class_name((enum vc_platform_class)i)) == 0)
            return i;
    return -1;
}

bool table_point_key(const json_t *point, struct vc_topo_key *key)
{
    const char *network = json_string_value(json_object_get(point, "network"));
    const char *device = json_string_value(json_object_get(point, "device"));
    memset(key, 0, sizeof *key);
    key->size = whole(point, "ranks", 2);
    key->nnodes = whole(point, "nodes", 1);
    key->max_ppn = whole(point, "ppn", 1);
    key->crowded = json_is_true(json_object_get(point, "crowded"));
    key->have_bulk = json_is_true(json_object_get(point, "bulk_slots"));
    key->have_verbs = network && strcmp(network, "verbs") == 0;
    key->platform = platform_of(json_string_value(json_object_get(point, "platform")));
    snprintf(key->device, sizeof key->device, "%s", device ? device : "");
    return key->size > 0 && key->nnodes > 0 && key->max_ppn > 0;
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
    double d = 0;
    d += (a->nnodes > 1) != (b->nnodes > 1) ? INFINITY : 0;
    d += a->have_verbs != b->have_verbs ? 5e4 : 0;
    d += a->platform != b->platform ? 2e4 : 0;
    d += !vc_device_same(a->device, b->device) ? 1e4 : 0;
    d += a->crowded != b->crowded ? 1e4 : 0;
    d += a->have_bulk != b->have_bulk ? 5e3 : 0;
    d += 100 * (doublings(a->size, b->size) + doublings(a->nnodes, b->nnodes));
    d += 100 * doublings(a->max_ppn, b->max_ppn);
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

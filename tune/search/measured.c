/* SPDX-License-Identifier: BSD-3-Clause */
/* Points out of tables: what "measured" says about a call and about a choice. */
#include "coll/info.h"
#include "tune/search/points.h"

#include "tune/table/table.h"
#include <math.h>
#include <string.h>

double vc_measured_number(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

bool vc_measured_from_json(const json_t *o, struct vc_measured *p)
{
    const char *name = json_string_value(json_object_get(o, "collective"));
    const char *choice = json_string_value(json_object_get(o, "chosen"));
    const char *why = json_string_value(json_object_get(o, "why"));
    const json_t *bytes = json_object_get(o, "bytes"), *cand;
    int coll = name ? vc_coll_by_name(name) : -1;
    size_t i;
    *p = (struct vc_measured){.ratio = NAN, .ratio_low = NAN};
    if (coll < 0 || coll >= VC_COLL_COUNT || !json_is_integer(bytes) || json_integer_value(bytes) < 0 ||
        !vc_topo_from_json(o, VC_MEASURED_RANKS_MAX, &p->at) || !choice || strlen(choice) >= sizeof p->choice)
        return false;
    p->coll = (enum vc_coll)coll;
    p->bytes = (size_t)json_integer_value(bytes);
    memcpy(p->choice, choice, strlen(choice) + 1);
    snprintf(p->why, sizeof p->why, "%s", why ? why : "");
    json_array_foreach(json_object_get(o, "candidates"), i, cand)
    {
        const char *text = json_string_value(json_object_get(cand, "choice"));
        if (!text || strcmp(text, choice) != 0)
            continue;
        p->rounds = (int)json_integer_value(json_object_get(cand, "rounds"));
        p->ratio = vc_measured_number(json_object_get(cand, "ratio"), "median");
        p->ratio_low = vc_measured_number(json_object_get(cand, "ratio"), "low");
        break;
    }
    return true;
}

const json_t *vc_measured_candidate(const json_t *point, enum vc_coll coll, const struct vc_choice *choice)
{
    size_t i;
    const json_t *c;
    json_array_foreach(json_object_get(point, "candidates"), i, c)
    {
        const char *text = json_string_value(json_object_get(c, "choice"));
        struct vc_choice other;
        memset(&other, 0, sizeof other);
        if (text && vc_choice_parse(coll, text, &other) == VC_OK && vc_choice_same(&other, choice))
            return c;
    }
    return NULL;
}

bool vc_measured_usual(const json_t *table, const json_t *point)
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

static double doublings(double a, double b)
{
    return fabs(log2((a + 1) / (b + 1)));
}

/* How far apart two calls of a collective are: kinds of communicators weigh most, then their sizes, then
 * bytes. What was measured on one node says nothing about several. */
static double distance(const struct vc_topo_key *a, size_t bytes, const struct vc_measured *p)
{
    const struct vc_key_info *i;
    double d = (a->nnodes > 1) != (p->at.nnodes > 1) ? INFINITY : 0;
    for (int n = 0; (i = vc_key_next(&n));) {
        if (i->kind == VC_KEY_RANGE)
            d += i->far * doublings(vc_topo_value(a, i), vc_topo_value(&p->at, i));
        else
            d += vc_topo_same(a, &p->at, i) ? 0 : i->far;
    }
    return d + doublings((double)bytes, (double)p->bytes);
}

const json_t *vc_measured_nearest(const json_t *table, const struct vc_topo_key *key, enum vc_coll coll,
                                  size_t bytes)
{
    size_t i;
    const json_t *o, *best = NULL;
    double least = INFINITY;
    json_array_foreach(json_object_get(table, "measured"), i, o)
    {
        struct vc_measured p;
        if (!vc_measured_from_json(o, &p) || p.coll != coll)
            continue;
        /* Of equal points the later one, which was measured again. */
        double d = distance(key, bytes, &p) + (vc_measured_usual(table, o) ? 0 : 1e3);
        if (isfinite(d) && d <= least) {
            least = d;
            best = o;
        }
    }
    return best;
}

struct vc_evidence vc_measured_evidence(const json_t *table, enum vc_coll coll,
                                        const struct vc_row_keys *keys, struct vc_range bytes,
                                        const struct vc_choice *choice)
{
    struct vc_evidence best = {.median = NAN};
    size_t i;
    const json_t *o;
    json_array_foreach(json_object_get(table, "measured"), i, o)
    {
        struct vc_measured p;
        if (!vc_measured_from_json(o, &p) || p.coll != coll || !vc_range_has(bytes, p.bytes) ||
            !vc_row_keys_match(keys, &p.at) || !vc_measured_usual(table, o))
            continue;
        const json_t *cand = vc_measured_candidate(o, coll, choice);
        long rounds = (long)json_integer_value(json_object_get(cand, "rounds"));
        if (cand && rounds > best.rounds)
            best = (struct vc_evidence){rounds, p.bytes,
                                        vc_measured_number(json_object_get(cand, "start"), "median")};
    }
    return best;
}

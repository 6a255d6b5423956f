/* SPDX-License-Identifier: BSD-3-Clause */
/* The measured points of several tables, united: each call keeps the point that was measured best. */
#include "tools/table/merge.h"

#include "transport/base.h"
#include <stdlib.h>
#include <string.h>

struct point {
    struct vc_measured m;
    const json_t *json;
    const char *under;  /* the moderation it was measured under; "": as found */
    const char *origin; /* the table's path, */
    const char *date;   /* and its date; "": not known */
    bool usual;         /* it tells about the choice; others about the device */
};

const char *merge_text(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : "";
}

/* When the table was measured: of one that was merged, its newest source. */
static const char *date_of(const json_t *table)
{
    const json_t *origin = json_object_get(table, "provenance"), *s;
    const char *newest = "";
    size_t i;
    json_array_foreach(json_object_get(origin, "sources"), i, s)
    {
        const char *date = merge_text(json_object_get(s, "provenance"), "date");
        newest = strcmp(date, newest) > 0 ? date : newest;
    }
    return *newest ? newest : merge_text(origin, "date");
}

/* The points of all tables; *n is their number. Entries that are no points are kept as they are. */
static struct point *collect(const struct vc_table_doc *file, int nfiles, json_t *others, int *n)
{
    size_t most = 1, i;
    json_t *o;
    for (int f = 0; f < nfiles; f++)
        most += json_array_size(json_object_get(file[f].json, "measured"));
    struct point *all = calloc(most, sizeof *all);
    *n = 0;
    for (int f = 0; f < nfiles && all; f++)
        json_array_foreach(json_object_get(file[f].json, "measured"), i, o)
        {
            struct point *p = &all[*n];
            struct vc_choice choice;
            *p = (struct point){.json = o,
                                .under = merge_text(o, "moderation"),
                                .origin = file[f].path,
                                .date = date_of(file[f].json),
                                .usual = vc_measured_usual(file[f].json, o)};
            if (vc_measured_from_json(o, &p->m) && vc_choice_parse(p->m.coll, p->m.choice, &choice) == VC_OK)
                ++*n;
            else
                json_array_append(others, o);
        }
    return all;
}

/* ---- order ---- */

/* How many keys the communicator has nothing for: it is not known, or its ranks differ. */
static int unknown(const struct vc_topo_key *key)
{
    const struct vc_key_info *i;
    int n = 0;
    for (int k = 0; (i = vc_key_next(&k));)
        n += vc_key_matters(i, key) && ((i->kind == VC_KEY_TEXT && !*(const char *)vc_topo_of(key, i)) ||
                                        (i->kind == VC_KEY_WORDS && vc_topo_value(key, i) < 0));
    return n;
}

static int by_call(const struct point *a, const struct point *b)
{
    int order = (int)a->m.coll - (int)b->m.coll;
    if (order == 0)
        order = unknown(&a->m.at) - unknown(&b->m.at);
    if (order == 0)
        order = vc_measured_order(&a->m.at, &b->m.at, true);
    return order ? order : (a->m.bytes > b->m.bytes) - (a->m.bytes < b->m.bytes);
}

/* Calls; of points of one call, those that count more first. */
static int by_call_and_weight(const void *x, const void *y)
{
    const struct point *a = x, *b = y;
    int order = by_call(a, b);
    if (order == 0)
        order = (a->m.rounds < b->m.rounds) - (a->m.rounds > b->m.rounds);
    if (order == 0)
        order = strcmp(b->date, a->date);
    return order ? order : strcmp(a->m.choice, b->m.choice);
}

/* ---- uniting ---- */

static void print_side(const struct point *p)
{
    struct vc_choice choice;
    char time[32];
    vc_choice_parse(p->m.coll, p->m.choice, &choice);
    const json_t *c = vc_measured_candidate(p->json, p->m.coll, &choice);
    double median = vc_measured_number(json_object_get(c, "start"), "median");
    printf("%s says %s (%s, %d rounds)", p->origin, p->m.choice, table_time_text(median, time, sizeof time),
           p->m.rounds);
}

static void tell_conflict(struct merge_points *out, const struct point *kept, const struct point *other)
{
    char place[96], size[32];
    const struct vc_topo_key *at = &kept->m.at;
    if (strcmp(kept->m.choice, other->m.choice) == 0)
        return;
    out->conflicts++;
    printf("conflict: %s, %s, %s: ", vc_coll_name(kept->m.coll),
           table_place_text(at->size, at->nnodes, at->max_ppn, place, sizeof place),
           table_size_text(kept->m.bytes, size, sizeof size));
    print_side(other);
    printf(", ");
    print_side(kept);
    printf("; kept %s, %s\n", kept->origin,
           kept->m.rounds != other->m.rounds      ? "measured with more rounds"
           : strcmp(kept->date, other->date) != 0 ? "the newer table"
                                                  : "as good as the other");
}

/* Measured on the same kind of communicator, under the same moderation. */
static bool measured_alike(const struct point *a, const struct point *b)
{
    return vc_measured_same(&a->m, &b->m) && strcmp(a->under, b->under) == 0;
}

/* Points of one call for which one rule must do. */
static bool ruled_alike(const struct point *a, const struct point *b)
{
    return a->usual && b->usual;
}

/* The first point of a call that is like the one at `at`, or itself. */
static const struct point *first_like(const struct point *call, int at,
                                      bool (*alike)(const struct point *a, const struct point *b))
{
    for (int i = 0; i < at; i++)
        if (alike(&call[i], &call[at]))
            return &call[i];
    return &call[at];
}

static void unite(const struct point *all, int n, struct merge_points *out)
{
    for (int from = 0, to; from < n; from = to) {
        for (to = from; to < n && by_call(&all[from], &all[to]) == 0; to++) {
            const struct point *p = &all[to], *kept = first_like(all + from, to - from, measured_alike);
            const struct point *chosen = first_like(all + from, to - from, ruled_alike);
            if (kept == p)
                json_array_append(out->measured, (json_t *)p->json);
            if (chosen == p && p->usual)
                out->chosen[out->n++] = p->m;
            if (kept != p || chosen != p)
                tell_conflict(out, kept != p ? kept : chosen, p);
        }
    }
}

int merge_points(const struct vc_table_doc *file, int nfiles, struct merge_points *out)
{
    int n = 0;
    json_t *others = json_array();
    struct point *all = collect(file, nfiles, others, &n);
    *out =
        (struct merge_points){.measured = json_array(), .chosen = calloc((size_t)n + 1, sizeof *out->chosen)};
    bool good = all && out->measured && out->chosen;
    if (good) {
        qsort(all, (size_t)n, sizeof *all, by_call_and_weight);
        unite(all, n, out);
        json_array_extend(out->measured, others);
    }
    json_decref(others);
    free(all);
    return good ? VC_OK : vc_fail(VC_ERR_NOMEM, "out of memory for the measured points of %d tables", nfiles);
}

void merge_points_free(struct merge_points *p)
{
    json_decref(p->measured);
    free(p->chosen);
}

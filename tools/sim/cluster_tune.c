/* SPDX-License-Identifier: BSD-3-Clause */
/* --tune: rules for shapes that were not measured. */
#include "coll/info.h"
#include "tools/sim/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** So many ways of a cell are kept for the report. */
#define POINT_WAYS 6

/* Predictions are often so far off: what the rules say, which somebody made who had measured or simulated,
 * stays where no more is to be gained. */
#define WORTH_CHANGING 1.25

/* The choice for a cell that the rules do not make, or NULL: they stay, and so do native and what nobody can
 * predict. */
static const struct vc_choice *new_choice(const struct cluster_cell *c)
{
    const struct cluster_way *best = cluster_best(c), *taken = cluster_taken(c);
    if (!best || taken->choice.alg->kind == VC_ALG_NATIVE || taken->score <= best->score * WORTH_CHANGING)
        return NULL;
    return &best->choice;
}

/* A rule ends half way, in factors, to the next size, which has another choice; behind the last size where
 * that ends. */
static size_t end_of(const struct cluster_report *r, const struct cluster_cell *last)
{
    const struct cluster_cell *next = last + 1;
    bool more = next < r->cell + r->ncells && next->coll == last->coll && next->nodes == last->nodes;
    return more ? (size_t)sqrt((double)last->bytes * (double)next->bytes) : last->bytes;
}

/* "nodes": from the next smaller number of nodes on. */
static json_t *rule_of(const struct cluster_report *r, const struct cluster_cell *first,
                       const struct cluster_cell *last, size_t from)
{
    const struct cluster_opts *o = r->o;
    int least = first->nodes;
    for (int i = 0; i < o->nshapes; i++)
        if (o->nodes[i] < first->nodes)
            least = o->nodes[i] + 1;
    json_t *row = json_pack("{s:s, s:[ii], s:i, s:s}", "collective", vc_coll_name(first->coll), "nodes",
                            least, first->nodes, "ppn", o->ppn, "network", o->mpi ? "mpi" : "verbs");
    if (row && vc_coll_by_size(first->coll))
        json_object_set_new(row, "bytes", json_pack("[II]", (json_int_t)from, (json_int_t)end_of(r, last)));
    const struct vc_choice *choice = new_choice(first);
    if (row && choice)
        vc_choice_to_json(choice, row);
    return row;
}

/* Cells that follow each other with one choice make one rule. Where the rules' own choices stay there is
 * none: they may change between two sizes. */
static void add_rules(const struct cluster_report *r, json_t *rules)
{
    for (int i = 0, end; i < r->ncells; i = end) {
        const struct cluster_cell *c = &r->cell[i];
        const struct vc_choice *choice = new_choice(c);
        bool begins = i == 0 || r->cell[i - 1].coll != c->coll || r->cell[i - 1].nodes != c->nodes;
        for (end = i + 1; end < r->ncells; end++) {
            const struct cluster_cell *next = &r->cell[end];
            const struct vc_choice *other = new_choice(next);
            if (next->coll != c->coll || next->nodes != c->nodes || !choice || !other ||
                !vc_choice_same(choice, other))
                break;
        }
        if (choice && (vc_coll_by_size(c->coll) || begins))
            json_array_append_new(rules, rule_of(r, c, &r->cell[end - 1], begins ? 0 : end_of(r, c - 1) + 1));
    }
}

/* For pictures: the fastest ways of each cell, and which one the table takes. */
static json_t *describe_points(const struct cluster_report *r)
{
    json_t *points = json_array();
    for (int i = 0; i < r->ncells; i++) {
        const struct cluster_cell *c = &r->cell[i];
        const struct vc_choice *other = new_choice(c), *choice = other ? other : &cluster_taken(c)->choice;
        char name[VC_CHOICE_TEXT];
        json_t *ways = json_array();
        for (int w = 0; w < c->nways && w < POINT_WAYS; w++)
            if (!isnan(c->way[w].seconds))
                json_array_append_new(ways, json_pack("{s:s, s:f}", "choice",
                                                      vc_choice_format(&c->way[w].choice, name, sizeof name),
                                                      "us", c->way[w].seconds * 1e6));
        json_array_append_new(points,
                              json_pack("{s:s, s:I, s:i, s:i, s:s, s:o}", "collective", vc_coll_name(c->coll),
                                        "bytes", (json_int_t)c->bytes, "nodes", c->nodes, "ppn", r->o->ppn,
                                        "chosen", vc_choice_format(choice, name, sizeof name), "ways", ways));
    }
    return points;
}

static json_t *make_table(const struct cluster_report *r)
{
    json_t *out = r->table.json ? json_deep_copy(r->table.json) : json_object(), *rules = json_array();
    json_t *old = json_object_get(out, "rules"), *last = NULL, *row;
    size_t i, n = json_array_size(old);
    json_array_foreach(old, i, row)
    {
        if (i + 1 < n)
            json_array_append(rules, row);
        else
            last = row;
    }
    size_t first = json_array_size(rules);
    add_rules(r, rules);
    json_t *span = json_array_size(rules) > first
                       ? json_pack("[II]", (json_int_t)first, (json_int_t)json_array_size(rules) - 1)
                       : json_array();
    json_t *simulated = json_pack("{s:o, s:s, s:s, s:o, s:o}", "rules", span, "command", r->o->command,
                                  "objective", r->o->tail ? "tail" : "latency", "model",
                                  vc_model_to_json(&r->model), "points", describe_points(r));
    json_t *provenance = json_object_get(out, "provenance");
    if (!provenance) {
        json_object_set_new(out, "provenance", json_object());
        provenance = json_object_get(out, "provenance");
    }
    json_object_set_new(provenance, "simulated", simulated);
    if (last)
        json_array_append(rules, last);
    else
        json_array_append_new(rules, json_pack("{s:s}", "algorithm", "builtin"));
    json_object_set_new(out, "rules", rules);
    json_object_set_new(out, "vcoll_table", json_integer(VC_TABLE_VERSION));
    return out;
}

/* Sets the checksum over the rest. */
static bool seal(json_t *table)
{
    char sum[40];
    json_object_del(table, "checksum");
    char *text = json_dumps(table, JSON_COMPACT),
         *canonical = text ? vc_table_canonical(text, strlen(text)) : NULL;
    if (canonical) {
        snprintf(sum, sizeof sum, "fnv1a64:%016" PRIx64, vc_table_checksum(canonical));
        json_object_set_new(table, "checksum", json_string(sum));
    }
    free(text);
    free(canonical);
    return canonical != NULL;
}

int cluster_tune(const struct cluster_report *r, const char *file)
{
    json_t *table = make_table(r);
    bool made = table && seal(table);
    FILE *f = made ? fopen(file, "we") : NULL;
    bool written = f && json_dumpf(table, f, JSON_INDENT(1)) == 0 && fputc('\n', f) != EOF;
    if (f && fclose(f) != 0)
        written = false;
    int code = errno;
    json_decref(table);
    if (!made)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table");
    return written ? VC_OK : vc_fail(VC_ERR_SYS, "cannot write %s: %s", file, strerror(code));
}

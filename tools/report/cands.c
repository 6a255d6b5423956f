/* SPDX-License-Identifier: BSD-3-Clause */
/* The candidates of a point. */
#include "tools/report/report.h"

#include <stdlib.h>
#include <string.h>

static struct rep_cand cand_of(const json_t *entry)
{
    const json_t *rounds = json_object_get(entry, "rounds");
    return (struct rep_cand){
        .choice = rep_string(entry, "choice"),
        .start = rep_series_of(json_object_get(entry, "start")),
        .b2b = rep_series_of(json_object_get(entry, "b2b")),
        .ratio = rep_series_of(json_object_get(entry, "ratio")),
        .cpu = rep_number(entry, "cpu"),
        .predicted = rep_number(entry, "predicted"),
        .rounds = json_is_integer(rounds) ? (int)json_integer_value(rounds) : -1,
        .dropped = json_is_true(json_object_get(entry, "dropped")),
    };
}

/* A choice that stands there twice, as in tables of several runs, is taken the first time. */
static int place_of(const struct rep_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->cand[i].choice, choice) == 0)
            return i;
    return -1;
}

bool rep_load_cands(struct rep_data *d, const json_t *entry, struct rep_point *p)
{
    const json_t *list = json_object_get(entry, "candidates");
    size_t n = json_array_size(list);
    if (n == 0)
        return rep_bad(d, "a point of %s at %.0f bytes has no candidates", p->where.coll, p->bytes);
    p->cand = calloc(n, sizeof *p->cand);
    if (!p->cand)
        return rep_bad(d, "there was no memory for %zu candidates", n);
    p->ncand = 0;
    for (size_t i = 0; i < n; i++) {
        struct rep_cand c = cand_of(json_array_get(list, i));
        if (c.choice[0] && place_of(p, c.choice) < 0)
            p->cand[p->ncand++] = c;
    }
    p->native = place_of(p, "native");
    p->chosen = place_of(p, rep_string(entry, "chosen"));
    if (p->chosen >= 0)
        return true;
    free(p->cand);
    p->cand = NULL;
    return rep_bad(d, "what was chosen for %s at %.0f bytes, \"%.60s\", is not among its candidates",
                   p->where.coll, p->bytes, rep_string(entry, "chosen"));
}

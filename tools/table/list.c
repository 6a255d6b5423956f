/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of one or several tables as a list that can be cut and written as rules of one table. */
#include "coll/info.h"
#include "tools/table/tool.h"

#include "transport/base.h"
#include <stdlib.h>
#include <string.h>

bool table_same_choice(const struct vc_row *a, const struct vc_row *b)
{
    return a->builtin == b->builtin && (a->builtin || vc_choice_same(&a->choice, &b->choice));
}

static int append_rule(struct table_rules *list, const struct table_rule *r)
{
    if (list->n == list->cap) {
        int cap = list->cap ? 2 * list->cap : 64;
        struct table_rule *more = realloc(list->rule, (size_t)cap * sizeof *more);
        if (!more)
            return vc_fail(VC_ERR_NOMEM, "out of memory for %d rules", cap);
        list->rule = more;
        list->cap = cap;
    }
    list->rule[list->n++] = *r;
    return VC_OK;
}

void table_rules_free(struct table_rules *list)
{
    free(list->rule);
    memset(list, 0, sizeof *list);
}

int table_rules_add(struct table_rules *list, const struct vc_table_doc *d, const bool *skip)
{
    const json_t *rules = json_object_get(d->json, "rules");
    int last = (int)json_array_size(rules) - 1, err = VC_OK;
    for (int i = 0; err == VC_OK && i < d->rows->nrows; i++) {
        const struct vc_row *row = &d->rows->row[i];
        const struct table_rule r = {
            .row = *row, .json = json_array_get(rules, (size_t)row->index), .origin = d->path};
        if (row->index != last && !(skip && skip[i]))
            err = append_rule(list, &r);
    }
    return err;
}

/* ---- cutting ---- */

/* The two halves of rule j, at the border that an earlier rule has inside it. */
static int split(struct table_rules *list, int j, struct vc_range by)
{
    struct table_rule half = list->rule[j];
    bool below = by.min <= half.row.bytes.min; /* the part in common is the lower one */
    uint64_t border = below ? by.max : by.min - 1;
    int err = append_rule(list, &half);
    if (err != VC_OK)
        return err;
    memmove(&list->rule[j + 1], &list->rule[j], (size_t)(list->n - 1 - j) * sizeof *list->rule);
    list->rule[j].row.bytes.max = border;
    list->rule[j + 1].row.bytes.min = border + 1;
    list->rule[j].cut = list->rule[j + 1].cut = true;
    return VC_OK;
}

int table_rules_split(struct table_rules *list)
{
    int err = VC_OK;
    for (int j = 0; j < list->n; j++)
        for (int i = 0; i < j && err == VC_OK; i++)
            if (vc_row_overlaps(&list->rule[i].row, &list->rule[j].row))
                err = split(list, j, list->rule[i].row.bytes);
    return err;
}

void table_rules_prune(struct table_rules *list,
                       void (*tell)(void *arg, const struct table_rule *dropped, const struct table_rule *by),
                       void *arg)
{
    int n = 0;
    for (int j = 0; j < list->n; j++) {
        const struct table_rule *r = &list->rule[j], *by = NULL;
        for (int i = 0; i < n && !by; i++)
            if (vc_row_hides(&list->rule[i].row, &r->row))
                by = &list->rule[i];
        if (by && tell)
            tell(arg, r, by);
        /* What was cut may be left with sizes that its algorithm refuses. */
        if (!by && !(r->cut && vc_row_impossible(&r->row)))
            list->rule[n++] = *r;
    }
    list->n = n;
}

/* ---- writing ---- */

static json_t *size_json(uint64_t n)
{
    char text[32];
    if (n == UINT64_MAX)
        return json_null();
    if (n == 0 || n % 1024)
        return json_integer((json_int_t)n);
    snprintf(text, sizeof text, n % (1 << 20) ? "%lluk" : "%lluM",
             (unsigned long long)(n % (1 << 20) ? n >> 10 : n >> 20));
    return json_string(text);
}

/* The rule without its collective. */
static json_t *body(const struct table_rule *r, bool measured)
{
    json_t *o = json_deep_copy(r->json);
    if (!o)
        return NULL;
    json_object_del(o, "collective");
    if (!measured)
        json_object_del(o, "measured");
    if (r->cut)
        json_object_set_new(o, "bytes",
                            json_pack("[o, o]", size_json(r->row.bytes.min), size_json(r->row.bytes.max)));
    return o;
}

/* Keys in the order in which people look for them. */
static json_t *rule_json(json_t *rest, json_t *colls)
{
    json_t *o = json_object();
    if (json_array_size(colls) == 1)
        json_object_set(o, "collective", json_array_get(colls, 0));
    else if (json_array_size(colls) < VC_COLL_COUNT)
        json_object_set(o, "collective", colls);
    json_object_update(o, rest);
    json_decref(rest);
    json_decref(colls);
    return o;
}

json_t *table_rules_json(const struct table_rules *list, bool measured)
{
    json_t *all = json_array(), *open = NULL, *colls = NULL;
    bool good = all != NULL;
    for (int i = 0; good && i < list->n; i++) {
        const struct table_rule *r = &list->rule[i];
        json_t *o = body(r, measured);
        if (!o) {
            good = false;
            break;
        }
        if (open && json_equal(o, open) && r->row.coll > list->rule[i - 1].row.coll) {
            json_decref(o);
        } else {
            if (open)
                json_array_append_new(all, rule_json(open, colls));
            open = o;
            colls = json_array();
        }
        json_array_append_new(colls, json_string(vc_coll_name(r->row.coll)));
    }
    if (open)
        json_array_append_new(all, rule_json(open, colls));
    if (good)
        return all;
    json_decref(all);
    return NULL;
}

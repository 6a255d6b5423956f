/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table into what the page is made of. The loader of the library decides whether it is one; "measured" and
 * "moderation", which calls do not look at, are read here, and an entry that makes no sense costs that entry
 * and a warning in the page, not the page.
 */
#include "tools/report/report.h"
#include "tune/search/points.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

double rep_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    double x = json_is_number(v) ? json_number_value(v) : NAN;
    return x > 0 && isfinite(x) ? x : NAN;
}

const char *rep_string(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

struct rep_series rep_series_of(const json_t *object)
{
    struct rep_series s = {rep_number(object, "median"), rep_number(object, "low"),
                           rep_number(object, "high"), rep_number(object, "p99")};
    /* An interval without its median, or half of one, cannot be drawn. */
    if (!(s.low <= s.median && s.median <= s.high))
        s.low = s.high = NAN;
    return s;
}

bool rep_bad(struct rep_data *d, const char *fmt, ...)
{
    if (d->nbad++ == 0) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(d->bad, sizeof d->bad, fmt, ap);
        va_end(ap);
    }
    return false;
}

static int whole(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    json_int_t x = json_is_integer(v) ? json_integer_value(v) : -1;
    return x >= 0 && x < 1 << 30 ? (int)x : -1;
}

static int yes_no(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : -1;
}

bool rep_load_where(const json_t *entry, struct rep_where *w, double *bytes)
{
    *w = (struct rep_where){
        .coll = rep_string(entry, "collective"),
        .op = rep_string(entry, "operator"),
        .moderation = rep_string(entry, "moderation"),
    };
    for (int n = 0; n < vc_key_count; n++) {
        const struct vc_key_info *i = &vc_key_info[n];
        w->key[n] = (struct rep_key){-1, ""};
        if (i->kind == VC_KEY_RANGE)
            w->key[n].number = whole(entry, i->name);
        else if (i->kind == VC_KEY_FLAG && !i->words)
            w->key[n].number = yes_no(entry, i->name);
        else if (i->kind != VC_KEY_CALL)
            w->key[n].text = rep_string(entry, i->name);
    }
    const json_t *b = json_object_get(entry, "bytes");
    *bytes = json_is_number(b)                               ? json_number_value(b)
             : w->coll[0] && strcmp(w->coll, "barrier") == 0 ? 0
                                                             : -1;
    return w->coll[0] && *bytes >= 0 && isfinite(*bytes);
}

int rep_coll_rank(const char *name)
{
    int c = vc_coll_by_name(name);
    return c < 0 ? VC_COLL_COUNT : c;
}

static int first_of(const int *differences, int n)
{
    for (int i = 0; i < n; i++)
        if (differences[i] != 0)
            return differences[i];
    return 0;
}

const struct rep_key *rep_where_key(const struct rep_where *w, const char *key)
{
    return &w->key[vc_key_find(key) - vc_key_info];
}

int rep_where_compare(const struct rep_where *a, const struct rep_where *b)
{
    const int d[] = {rep_coll_rank(a->coll) - rep_coll_rank(b->coll), strcmp(a->coll, b->coll),
                     rep_where_key(a, "nodes")->number - rep_where_key(b, "nodes")->number};
    const int last[] = {strcmp(a->moderation, b->moderation), strcmp(a->op, b->op)};
    int order = first_of(d, sizeof d / sizeof d[0]);
    for (int n = 0; order == 0 && n < vc_key_count; n++)
        order = a->key[n].number - b->key[n].number;
    for (int n = 0; order == 0 && n < vc_key_count; n++)
        order = strcmp(a->key[n].text, b->key[n].text);
    return order ? order : first_of(last, sizeof last / sizeof last[0]);
}

static int compare_points(const void *a, const void *b)
{
    const struct rep_point *x = a, *y = b;
    const int d[] = {rep_where_compare(&x->where, &y->where), (x->bytes > y->bytes) - (x->bytes < y->bytes),
                     x->order - y->order};
    return first_of(d, sizeof d / sizeof d[0]);
}

/* Of the same point, the one that was measured last. */
static void drop_repeated(struct rep_data *d)
{
    int n = 0;
    for (int i = 0; i < d->npoint; i++) {
        const struct rep_point *p = &d->point[i];
        if (i + 1 < d->npoint && p[1].bytes == p->bytes && rep_where_compare(&p[1].where, &p->where) == 0)
            free(p->cand);
        else
            d->point[n++] = *p;
    }
    d->npoint = n;
    for (int i = 0; i < n; i++)
        d->nusual += d->point[i].usual;
}

static void make_groups(struct rep_data *d)
{
    for (int i = 0; i < d->npoint; i++) {
        struct rep_group *g = d->ngroup ? &d->group[d->ngroup - 1] : NULL;
        if (!g || rep_where_compare(&g->where, &d->point[i].where) != 0) {
            g = &d->group[d->ngroup++];
            *g = (struct rep_group){.where = d->point[i].where, .point = &d->point[i]};
        }
        g->npoint++;
    }
}

static int load_measured(struct rep_data *d, const json_t *list)
{
    size_t n = json_array_size(list);
    d->point = calloc(n + 1, sizeof *d->point);
    d->group = calloc(n + 1, sizeof *d->group);
    if (!d->point || !d->group)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        struct rep_point *p = &d->point[d->npoint];
        if (!rep_load_where(entry, &p->where, &p->bytes)) {
            rep_bad(d, "entry %zu of \"measured\" names no collective, or no size", i);
            continue;
        }
        p->why = rep_string(entry, "why");
        p->order = (int)i;
        p->usual = vc_measured_usual(d->root, entry);
        if (rep_load_cands(d, entry, p))
            d->npoint++;
    }
    qsort(d->point, (size_t)d->npoint, sizeof *d->point, compare_points);
    drop_repeated(d);
    make_groups(d);
    return 0;
}

/* What is said of a bad table is the library's word for it. */
static int parse_table(struct rep_data *d, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    int rc = vc_table_read(path, &text, &len);
    if (rc == VC_OK)
        rc = vc_table_parse(text, len, path, &d->table);
    if (rc != VC_OK) {
        fprintf(stderr, "vcoll report: %s\n", vc_error_text());
        free(text);
        return -1;
    }
    json_error_t error;
    d->root = json_loadb(text, len, 0, &error);
    free(text);
    if (!d->root)
        fprintf(stderr, "vcoll report: %s:%d:%d: %s\n", path, error.line, error.column, error.text);
    return d->root ? 0 : -1;
}

int rep_load(struct rep_data *d, const char *path)
{
    d->origin = path;
    if (parse_table(d, path) != 0)
        return -1;
    d->provenance = json_object_get(d->root, "provenance");
    if (load_measured(d, json_object_get(d->root, "measured")) != 0 ||
        rep_load_moderation(d, json_object_get(d->root, "moderation")) != 0) {
        fprintf(stderr, "vcoll report: no memory for what %s holds\n", path);
        return -1;
    }
    return 0;
}

void rep_free(struct rep_data *d)
{
    for (int i = 0; i < d->npoint; i++)
        free(d->point[i].cand);
    for (int i = 0; i < d->nsetting; i++)
        free(d->setting[i].point);
    free(d->point);
    free(d->group);
    free(d->setting);
    json_decref(d->root);
    vc_table_free(d->table);
    *d = (struct rep_data){0};
}

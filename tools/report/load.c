/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table into what the page is made of. The loader of the library decides whether it is one; "measured" and
 * "moderation", which calls do not look at, are read here, and an entry that makes no sense costs that entry
 * and a warning in the page, not the page.
 */
#include "tools/report/report.h"
#include "tune/search/points.h"

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

static struct rep_series series_of(const json_t *object)
{
    struct rep_series s = {rep_number(object, "median"), rep_number(object, "low"),
                           rep_number(object, "high"), rep_number(object, "p99")};
    /* An interval without its median, or half of one, cannot be drawn. */
    if (!(s.low <= s.median && s.median <= s.high))
        s.low = s.high = NAN;
    return s;
}

/* Counts an entry that could not be read, keeps the first reason. */
static bool skip(struct rep_data *d, struct text why)
{
    if (d->nbad++ == 0)
        d->bad = why;
    return false;
}

/* ---- where ---- */

static int whole(const json_t *v)
{
    json_int_t x = json_is_integer(v) ? json_integer_value(v) : -1;
    return x >= 0 && x < 1 << 30 ? (int)x : -1;
}

static bool load_where(const json_t *entry, struct rep_where *w, double *bytes)
{
    *w = (struct rep_where){rep_string(entry, "collective"),
                            rep_string(entry, "operator"),
                            rep_string(entry, "moderation"),
                            {{0}}};
    for (int n = 0; n < vc_key_count; n++) {
        const struct vc_key_info *i = &vc_key_info[n];
        const json_t *v = json_object_get(entry, i->name);
        w->key[n] = (struct rep_key){-1, ""};
        if (i->kind == VC_KEY_RANGE)
            w->key[n].number = whole(v);
        else if (i->kind == VC_KEY_FLAG && !i->words)
            w->key[n].number = json_is_boolean(v) ? json_is_true(v) : -1;
        else if (i->kind != VC_KEY_CALL)
            w->key[n].text = rep_string(entry, i->name);
    }
    const json_t *b = json_object_get(entry, "bytes");
    *bytes = json_is_number(b) ? json_number_value(b) : strcmp(w->coll, "barrier") == 0 ? 0 : -1;
    return w->coll[0] && *bytes >= 0 && isfinite(*bytes);
}

static const struct rep_key *key_of(const struct rep_where *w, const char *key)
{
    return &w->key[vc_key_find(key) - vc_key_info];
}

int rep_where_number(const struct rep_where *w, const char *key)
{
    return key_of(w, key)->number;
}

/* Names that are no collective's come last. */
static int coll_rank(const char *name)
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

int rep_where_compare(const struct rep_where *a, const struct rep_where *b)
{
    const int d[] = {coll_rank(a->coll) - coll_rank(b->coll), strcmp(a->coll, b->coll),
                     rep_where_number(a, "nodes") - rep_where_number(b, "nodes")};
    const int last[] = {strcmp(a->moderation, b->moderation), strcmp(a->op, b->op)};
    int order = first_of(d, sizeof d / sizeof d[0]);
    for (int n = 0; order == 0 && n < vc_key_count; n++)
        order = a->key[n].number - b->key[n].number;
    for (int n = 0; order == 0 && n < vc_key_count; n++)
        order = strcmp(a->key[n].text, b->key[n].text);
    return order ? order : first_of(last, sizeof last / sizeof last[0]);
}

struct text rep_where_text(const struct rep_where *w)
{
    int ranks = rep_where_number(w, "ranks"), nodes = rep_where_number(w, "nodes"),
        ppn = rep_where_number(w, "ppn");
    const char *network = key_of(w, "network")->text;
    struct text t = text_format("%.40s", w->coll);
    if (ranks >= 0)
        t = text_format("%s, %d ranks", t.s, ranks);
    if (nodes >= 0)
        t = text_format("%s on %d node%s", t.s, nodes, nodes == 1 ? "" : "s");
    if (ppn >= 0 && nodes != 1)
        t = text_format("%s (%d per node)", t.s, ppn);
    for (int n = 0; n < vc_key_count; n++)
        if (vc_key_info[n].kind == VC_KEY_FLAG && w->key[n].number == !vc_key_info[n].usual)
            t = text_format("%s, %s", t.s, vc_key_info[n].said[!vc_key_info[n].usual]);
    if (network[0] && nodes != 1)
        t = text_format("%s, over %.20s", t.s, network);
    if (strcmp(w->op, "other") == 0)
        t = text_format("%s, operator not commutative", t.s);
    return w->moderation[0] ? text_format("%s, moderation %.50s", t.s, w->moderation) : t;
}

struct text rep_call_text(const struct rep_where *w, double bytes)
{
    return text_format("%s, %s", rep_where_text(w).s, text_bytes(bytes).s);
}

/* ---- "measured" ---- */

/* A choice that stands there twice, as in tables of several runs, is taken the first time. */
static int place_of(const struct rep_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->cand[i].choice, choice) == 0)
            return i;
    return -1;
}

static bool load_cands(struct rep_data *d, const json_t *entry, struct rep_point *p)
{
    const json_t *list = json_object_get(entry, "candidates"), *e;
    const char *chosen = rep_string(entry, "chosen");
    size_t n = json_array_size(list), i;
    p->cand = calloc(n + 1, sizeof *p->cand);
    if (!p->cand)
        return skip(d, text_format("there was no memory for %zu candidates", n));
    p->ncand = 0;
    json_array_foreach(list, i, e)
    {
        const char *choice = rep_string(e, "choice");
        if (choice[0] && place_of(p, choice) < 0)
            p->cand[p->ncand++] = (struct rep_cand){
                .choice = choice,
                .start = series_of(json_object_get(e, "start")),
                .b2b = series_of(json_object_get(e, "b2b")),
                .ratio = series_of(json_object_get(e, "ratio")),
                .cpu = rep_number(e, "cpu"),
                .predicted = rep_number(e, "predicted"),
                .rounds = whole(json_object_get(e, "rounds")),
                .dropped = json_is_true(json_object_get(e, "dropped")),
            };
    }
    p->native = place_of(p, "native");
    p->chosen = place_of(p, chosen);
    if (p->chosen >= 0)
        return true;
    free(p->cand);
    p->cand = NULL;
    return skip(
        d, n == 0 ? text_format("a point of %.40s at %.0f bytes has no candidates", p->where.coll, p->bytes)
                  : text_format(
                        "what was chosen for %.40s at %.0f bytes, \"%.60s\", is not among its candidates",
                        p->where.coll, p->bytes, chosen));
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

static bool load_measured(struct rep_data *d)
{
    const json_t *list = json_object_get(d->root, "measured"), *e;
    size_t n = json_array_size(list), i;
    d->point = calloc(n + 1, sizeof *d->point);
    d->group = calloc(n + 1, sizeof *d->group);
    if (!d->point || !d->group)
        return false;
    json_array_foreach(list, i, e)
    {
        struct rep_point *p = &d->point[d->npoint];
        p->why = rep_string(e, "why");
        p->order = (int)i;
        p->usual = vc_measured_usual(d->root, e);
        if (!load_where(e, &p->where, &p->bytes))
            skip(d, text_format("entry %zu of \"measured\" names no collective, or no size", i));
        else if (load_cands(d, e, p))
            d->npoint++;
    }
    qsort(d->point, (size_t)d->npoint, sizeof *d->point, compare_points);
    drop_repeated(d);
    make_groups(d);
    return true;
}

/* ---- "moderation" ---- */

static bool load_setting(struct rep_data *d, const json_t *entry, struct rep_setting *s)
{
    const json_t *list = json_object_get(entry, "points"), *e;
    size_t i;
    *s = (struct rep_setting){rep_string(entry, "device"),
                              rep_string(entry, "netdev"),
                              rep_string(entry, "setting"),
                              json_is_true(json_object_get(entry, "found")),
                              json_is_true(json_object_get(entry, "chosen")),
                              calloc(json_array_size(list) + 1, sizeof *s->point),
                              0};
    if (!s->point)
        return false;
    json_array_foreach(list, i, e)
    {
        struct rep_modpoint *p = &s->point[s->npoint];
        const json_t *native = json_object_get(e, "native");
        p->choice = rep_string(e, "choice");
        p->time = series_of(e);
        /* Written with its interval, or as a bare median. */
        p->native = json_is_object(native) ? series_of(native)
                                           : (struct rep_series){rep_number(e, "native"), NAN, NAN, NAN};
        if (load_where(e, &p->where, &p->bytes) && isfinite(p->time.median))
            s->npoint++;
        else
            skip(d, text_format("point %zu of moderation \"%.60s\" has no collective, size or median", i,
                                s->name));
    }
    return true;
}

static bool load_moderation(struct rep_data *d)
{
    const json_t *list = json_object_get(d->root, "moderation"), *e;
    size_t i;
    d->setting = calloc(json_array_size(list) + 1, sizeof *d->setting);
    if (!d->setting)
        return false;
    json_array_foreach(list, i, e) if (!load_setting(d, e, &d->setting[d->nsetting++])) return false;
    return true;
}

/* ---- a table ---- */

/* What is said of a bad table is the library's word for it. */
static int parse_table(struct rep_data *d, const char *path)
{
    char *text = NULL;
    size_t len = 0;
    json_error_t error;
    int rc = vc_table_read(path, &text, &len);
    if (rc == VC_OK)
        rc = vc_table_parse(text, len, path, &d->table);
    if (rc != VC_OK)
        fprintf(stderr, "vcoll report: %s\n", vc_error_text());
    else if (!(d->root = json_loadb(text, len, 0, &error)))
        fprintf(stderr, "vcoll report: %s:%d:%d: %s\n", path, error.line, error.column, error.text);
    free(text);
    return d->root ? 0 : -1;
}

int rep_load(struct rep_data *d, const char *path)
{
    d->origin = path;
    if (parse_table(d, path) != 0)
        return -1;
    d->provenance = json_object_get(d->root, "provenance");
    if (load_measured(d) && load_moderation(d))
        return 0;
    fprintf(stderr, "vcoll report: no memory for what %s holds\n", path);
    return -1;
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

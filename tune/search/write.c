/* SPDX-License-Identifier: BSD-3-Clause */
/* The table as a file: rules, what was measured, where and with what. It is parsed, and every point looked up
 * in it, before it takes its name. */
#include "coll/info.h"
#include "tune/search/internal.h"

#include "tune/table/table.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set_real(json_t *o, const char *key, double v)
{
    if (isfinite(v))
        json_object_set_new(o, key, json_real(v));
}

static json_t *series(const struct vc_measure_series *s, bool tail)
{
    json_t *o = json_object();
    set_real(o, "median", s->median);
    set_real(o, "low", s->low);
    set_real(o, "high", s->high);
    if (tail)
        set_real(o, "p99", s->p99);
    return o;
}

static json_t *candidate(const struct vc_entrant *k)
{
    json_t *o = json_pack("{s:s, s:i, s:b}", "choice", k->choice, "rounds", k->rounds, "dropped",
                          k->dropped || k->skip || k->rounds == 0);
    set_real(o, "score", k->score);
    if (k->time[VC_MEASURE_START].n > 0)
        json_object_set_new(o, "start", series(&k->time[VC_MEASURE_START], true));
    if (k->time[VC_MEASURE_B2B].n > 0)
        json_object_set_new(o, "b2b", series(&k->time[VC_MEASURE_B2B], false));
    set_real(o, "cpu", k->rounds > 0 ? k->cpu : NAN);
    set_real(o, "predicted", k->predicted);
    if (k->ratio.n > 0)
        json_object_set_new(o, "ratio", series(&k->ratio, false));
    if (k->wrong)
        json_object_set_new(o, "wrong", json_true());
    return o;
}

static json_t *point(const struct vc_search_job *j, const struct vc_search_result *r)
{
    const struct vc_point *p = &r->p;
    json_t *o = json_pack("{s:s, s:I}", "collective", vc_coll_name(p->coll), "bytes", (json_int_t)p->bytes);
    vc_topo_to_json(&j->place[r->place].c.at, o);
    json_object_set_new(o, "chosen", json_string(vc_search_chosen(r)->choice));
    json_object_set_new(o, "why", json_string(p->why));
    json_t *list = json_array();
    if (vc_coll_reduces(p->coll))
        json_object_set_new(o, "operator", json_string("commutative"));
    if (r->setting[0])
        json_object_set_new(o, "moderation", json_string(r->setting));
    for (int i = 0; i < p->ncand; i++)
        json_array_append_new(list, candidate(&p->cand[i]));
    json_object_set_new(o, "candidates", list);
    return o;
}

static json_t *trial(const struct vc_search_job *j, const struct vc_search_trial *t)
{
    json_t *points = json_array();
    for (int i = 0; i < t->npoint; i++) {
        json_t *o = series(&t->point[i].s, false);
        json_object_set_new(o, "collective", json_string(vc_coll_name(t->point[i].coll)));
        json_object_set_new(o, "bytes", json_integer((json_int_t)t->point[i].bytes));
        json_object_set_new(o, "choice", json_string(t->point[i].choice));
        set_real(o, "native", t->point[i].native);
        json_array_append_new(points, o);
    }
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o}", "device", j->place[0].c.at.device, "netdev",
                     vc_device_netdev(), "setting", t->setting, "found", t->found, "chosen", t->chosen,
                     "points", points);
}

static void set_pair(json_t *o, const char *key, const struct vc_param_cq_mod *m)
{
    json_object_set_new(o, key, json_pack("[ii]", m->count, m->period));
}

/* What was chosen for the devices; NULL: nothing but what was found. */
static json_t *devices(const struct vc_search_job *j)
{
    const struct vc_search_trial *t = NULL;
    for (int i = 0; i < j->ntrial; i++)
        if (j->trial[i].chosen && !j->trial[i].found)
            t = &j->trial[i];
    if (!t)
        return NULL;
    const struct vc_topo_key *k = &j->place[0].c.at;
    json_t *row = json_object(), *what = json_object();
    if (k->device[0])
        json_object_set_new(row, "device", json_string(k->device));
    json_object_set_new(row, "crowded", json_boolean(k->crowded));
    for (int f = 0; f < VC_COALESCE_FIELDS && t->has_coalesce; f++)
        if (vc_coalesce_has(&t->coalesce, (enum vc_coalesce_field)f))
            json_object_set_new(what, vc_coalesce_name((enum vc_coalesce_field)f),
                                vc_coalesce_is_switch((enum vc_coalesce_field)f)
                                    ? json_boolean(t->coalesce.value[f] != 0)
                                    : json_integer(t->coalesce.value[f]));
    if (t->has_coalesce)
        json_object_set(row, "coalescing", what);
    json_decref(what);
    struct vc_param_moderation m = {0};
    if (vc_search_cq_parse(t->cq, &m)) {
        json_t *cq = json_object();
        set_pair(cq, "latency", &m.latency);
        set_pair(cq, "bulk", &m.bulk);
        json_object_set_new(row, "cq_moderation", cq);
    }
    return json_pack("[o]", row);
}

static json_t *words(const struct vc_search_job *j)
{
    const struct vc_measure_opts *b = &j->o->m;
    json_t *list = json_array();
    json_array_append_new(list, json_string("vcoll"));
    json_array_append_new(list, json_string("tune"));
    for (int i = 1; i < b->argc; i++)
        if (strcmp(b->argv[i], "--progress") != 0)
            json_array_append_new(list, json_string(b->argv[i]));
    return list;
}

static json_t *provenance(const struct vc_search_job *j)
{
    char date[32], hosts[sizeof j->hosts];
    json_t *list = json_array();
    snprintf(hosts, sizeof hosts, "%s", j->hosts);
    char *save = NULL;
    for (char *h = strtok_r(hosts, ",", &save); h; h = strtok_r(NULL, ",", &save))
        json_array_append_new(list, json_string(h));
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:i, s:I, s:s, s:f, s:f, s:i, s:i, s:i, s:s, s:b}", "vcoll",
        vcoll_version(), "mpi", vc_measure_mpi_name(), "date", vc_table_date(date), "command", words(j),
        "hosts", list, "cpus", j->w->cpus, "seed", (json_int_t)j->o->m.seed, "objective",
        vc_objective_name(j->objective), "budget_seconds", j->o->budget, "took_seconds", j->took,
        "points_measured", j->points_tried, "points_exhaustive", j->points_exhaustive, "points_taken_over",
        j->taken_over, "samples", j->o->samples, "partial", j->interrupted || j->skipped > 0);
    json_object_set_new(o, "exhaustive_seconds", json_real(j->exhaustive));
    json_object_set_new(o, "points_skipped", json_integer(j->skipped));
    json_object_set_new(o, "ranks", json_integer(j->w->size));
    return o;
}

/* The results, place by place; *n of them. NULL without memory. */
static struct vc_measured *points_of(const struct vc_search_job *j, int *n)
{
    struct vc_measured *list = calloc((size_t)j->nresult + 1, sizeof *list);
    *n = 0;
    for (int place = 0; place < j->nplace && list; place++)
        for (int i = 0; i < j->nresult; i++) {
            const struct vc_point *p = &j->result[i].p;
            const struct vc_entrant *k = vc_search_chosen(&j->result[i]);
            if (j->result[i].place != place)
                continue;
            struct vc_measured *m = &list[(*n)++];
            *m = (struct vc_measured){.at = j->place[place].c.at,
                                      .coll = p->coll,
                                      .bytes = p->bytes,
                                      .ratio = k->ratio.median,
                                      .ratio_low = k->ratio.low,
                                      .rounds = k->rounds};
            memcpy(m->choice, k->choice, sizeof m->choice);
            memcpy(m->why, p->why, sizeof m->why);
        }
    return list;
}

static json_t *build(const struct vc_search_job *j, const struct vc_measured *points, int n)
{
    json_t *t = json_object(), *list = json_array(), *trials = json_array(),
           *model = vc_model_to_json(&j->model), *rows = devices(j);
    for (int i = 0; i < j->nresult; i++)
        json_array_append_new(list, point(j, &j->result[i]));
    for (int i = 0; i < j->ntrial; i++)
        if (!j->trial[i].refused && j->trial[i].npoint > 0)
            json_array_append_new(trials, trial(j, &j->trial[i]));
    json_object_set_new(t, "vcoll_table", json_integer(VC_TABLE_VERSION));
    json_object_set_new(t, "provenance", provenance(j));
    if (model)
        json_object_set_new(t, "model", model);
    if (j->levels)
        json_object_set(t, "levels", j->levels);
    json_object_set_new(t, "rules", vc_rules_of_points(points, n));
    if (rows)
        json_object_set_new(t, "devices", rows);
    json_object_set_new(t, "measured", list);
    json_object_set_new(t, "moderation", trials);
    return t;
}

/* What is written must be what will be read: a table, in which each point finds its choice. */
static bool check(const char *text, const char *name, const struct vc_measured *p, int n)
{
    struct vc_table *t = NULL;
    bool ok = vc_table_parse(text, strlen(text), name, &t) == VC_OK;
    if (!ok)
        fprintf(stderr, "vcoll tune: the table that was made is not valid, and is not written: %s\n",
                vc_error_text());
    for (int i = 0; i < n && t; i++) {
        char got[VC_CHOICE_TEXT];
        if (vc_rules_obey(t, &p[i]))
            continue;
        fprintf(stderr,
                "vcoll tune: the table says %s for %s %zu B on %d ranks, but %s was chosen: a mistake of the "
                "tuner\n",
                vc_rules_choice(t, &p[i], got, sizeof got), vc_coll_name(p[i].coll), p[i].bytes, p[i].at.size,
                p[i].choice);
        ok = false;
    }
    vc_table_free(t);
    return ok;
}

int vc_search_write(struct vc_search_job *j)
{
    int n = 0, rc = -1;
    struct vc_measured *points = points_of(j, &n);
    json_t *t = points ? build(j, points, n) : NULL;
    char *text = vc_table_text(t);
    json_decref(t);
    if (!text)
        fprintf(stderr, "vcoll tune: out of memory for the table\n");
    else if (check(text, j->o->table, points, n)) {
        rc = vc_table_save(text, j->o->table, true) == VC_OK ? 0 : -1;
        if (rc != 0)
            fprintf(stderr, "vcoll tune: %s\n", vc_error_text());
    }
    free(points);
    free(text);
    return rc;
}

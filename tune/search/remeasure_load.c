/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a table that can be measured again, and what the table gives their calls. */
#include "coll/info.h"
#include "tune/search/remeasure.h"

#include "transport/base.h"
#include "tune/table/key_info.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool asked_for(const struct vc_again_run *r, const struct vc_again_point *p)
{
    const struct vc_measure_opts *o = &r->o->m;
    bool coll = false, size = !r->o->m.own_sizes || !vc_coll_sized(p->coll), ranks = !r->o->ranks;
    for (int i = 0; i < o->ncoll; i++)
        coll = coll || o->coll[i] == p->coll;
    for (int i = 0; i < o->nsizes; i++)
        size = size || o->sizes[i] == p->bytes;
    for (const char *s = r->o->ranks; s && *s;) {
        char *end;
        long one = strtol(s, &end, 10);
        ranks = ranks || one == p->ranks;
        s = *end == ',' ? end + 1 : end + strlen(end);
    }
    return coll && size && ranks;
}

static double score_of(const json_t *cand)
{
    double v = table_number(cand, "score");
    return json_integer_value(json_object_get(cand, "rounds")) > 0 && v > 0 ? v : INFINITY;
}

static bool listed(const struct vc_again_point *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->choice[i], choice) == 0)
            return true;
    return false;
}

static void add_choice(struct vc_again_point *p, const char *choice)
{
    if (p->ncand < VC_AGAIN_CANDS && choice && strlen(choice) < VC_CHOICE_TEXT && !listed(p, choice))
        snprintf(p->choice[p->ncand++], VC_CHOICE_TEXT, "%s", choice);
}

/* Native, the choice, and who came closest then. */
static void take_candidates(struct vc_again_point *p, const json_t *point)
{
    const json_t *cands = json_object_get(point, "candidates");
    add_choice(p, "native");
    add_choice(p, json_string_value(json_object_get(point, "chosen")));
    for (double above = 0; p->ncand < VC_AGAIN_CANDS;) {
        const char *best = NULL;
        double least = INFINITY;
        size_t i;
        const json_t *c;
        json_array_foreach(cands, i, c)
        {
            const char *text = json_string_value(json_object_get(c, "choice"));
            double s = score_of(c);
            if (text && s < least && s >= above && !listed(p, text)) {
                least = s;
                best = text;
            }
        }
        if (!best)
            return;
        add_choice(p, best);
        above = least;
    }
}

static bool take_point(struct vc_again_run *r, const json_t *point, struct vc_again_point *p)
{
    const char *op = json_string_value(json_object_get(point, "operator"));
    *p = (struct vc_again_point){.place = -1, .rule = -1, .fate = VC_AGAIN_WAITS};
    if (!table_point_call(point, &p->coll, &p->bytes) || !table_point_key(point, &p->key) ||
        (op && strcmp(op, "commutative") != 0))
        return false;
    p->ranks = p->key.size;
    p->nodes = p->key.nnodes;
    p->ppn = p->key.max_ppn;
    p->crowded = p->key.crowded;
    take_candidates(p, point);
    return asked_for(r, p);
}

static bool same_point(const struct vc_again_point *a, const struct vc_again_point *b)
{
    const struct vc_key_info *i;
    for (int n = 0; (i = vc_key_next(&n));)
        if (!vc_topo_same(&a->key, &b->key, i))
            return false;
    return a->coll == b->coll && a->bytes == b->bytes;
}

/* Of equal points the later one, which was measured again, or under the moderation that was chosen. */
static void keep_point(struct vc_again_run *r, const struct vc_again_point *p)
{
    for (int i = 0; i < r->n; i++) {
        if (!same_point(&r->point[i], p))
            continue;
        r->point[i] = *p;
        return;
    }
    r->point[r->n++] = *p;
}

static enum vc_search_objective objective_of(const struct vc_again_run *r, const json_t *provenance)
{
    const char *name = json_string_value(json_object_get(provenance, "objective"));
    for (int i = VC_SEARCH_LATENCY; name && i <= VC_SEARCH_BALANCED; i++)
        if (strcmp(name, vc_search_objective_name((enum vc_search_objective)i)) == 0)
            return (enum vc_search_objective)i;
    return r->o->objective;
}

static int read_table(struct vc_again_run *r)
{
    if (table_open(r->o->table, &r->file) != VC_OK) {
        fprintf(stderr, "vcoll tune: %s\n", vc_error_text());
        return -1;
    }
    const json_t *measured = json_object_get(r->file.json, "measured"), *point;
    const json_t *provenance = json_object_get(r->file.json, "provenance");
    size_t i;
    if (json_array_size(measured) == 0) {
        fprintf(stderr,
                "vcoll tune: %s has no measured points: it was not made by `vcoll tune run', and there is "
                "nothing to measure again\n",
                r->o->table);
        return -1;
    }
    r->objective = objective_of(r, provenance);
    /* The same order of blocks and the same buffers would be no independent measurement. */
    uint64_t state = r->o->m.seed ^ ((uint64_t)json_integer_value(json_object_get(provenance, "seed")) << 32);
    r->seed = vc_measure_rand(&state) >> 12;
    r->point = calloc(json_array_size(measured), sizeof *r->point);
    if (!r->point) {
        fprintf(stderr, "vcoll tune: out of memory\n");
        return -1;
    }
    json_array_foreach(measured, i, point)
    {
        struct vc_again_point p;
        if (take_point(r, point, &p))
            keep_point(r, &p);
    }
    if (r->n > 0)
        return 0;
    fprintf(stderr, "vcoll tune: no measured point of %s is what was asked for\n", r->o->table);
    return -1;
}

static int place_of(struct vc_again_run *r, const struct vc_again_point *p)
{
    for (int i = 0; i < r->nplace; i++)
        if (r->place[i].ranks == p->ranks && r->place[i].nodes == p->nodes && r->place[i].ppn == p->ppn)
            return i;
    if (r->nplace == VC_SEARCH_PLACES)
        return -1;
    struct vc_search_place *n = &r->place[r->nplace];
    *n = (struct vc_search_place){.nodes = p->nodes, .ppn = p->ppn, .ranks = p->ranks};
    if (p->nodes > 1)
        snprintf(n->name, sizeof n->name, "%d nodes, %d ranks", p->nodes, p->ranks);
    else
        snprintf(n->name, sizeof n->name, "%d ranks", p->ranks);
    return r->nplace++;
}

int vc_again_load(struct vc_again_run *r)
{
    MPI_Comm ctl = r->w->ctl;
    const struct vc_measure_fns *f = &r->w->fn[VC_IMPL_NATIVE];
    int words[2] = {0, 0};
    if (r->w->rank == 0) {
        words[0] = read_table(r) == 0 ? r->n : -1;
        words[1] = (int)r->objective;
    }
    f->bcast(words, 2, MPI_INT, 0, ctl);
    f->bcast(&r->seed, 1, MPI_UINT64_T, 0, ctl);
    if (words[0] < 0)
        return -1;
    r->n = words[0];
    r->objective = (enum vc_search_objective)words[1];
    if (r->w->rank != 0)
        r->point = calloc((size_t)r->n, sizeof *r->point);
    if (!vc_measure_all_agree(r->w, r->point != NULL)) {
        if (r->w->rank == 0)
            fprintf(stderr, "vcoll tune: out of memory\n");
        return -1;
    }
    for (int i = 0; i < r->n; i++) {
        f->bcast(&r->point[i], sizeof r->point[i], MPI_BYTE, 0, ctl);
        r->point[i].place = place_of(r, &r->point[i]);
    }
    return 0;
}

/* ---- what the table gives a call ---- */

static void note_row(void *arg, const struct vc_table *of, const struct vc_row *row, const char *why_not)
{
    struct vc_again_point *p = arg;
    if (why_not)
        return;
    /* A row that hands the call to the built-in rules is followed by the one that takes it there. */
    if (of && of != vc_table_builtin())
        p->rule = row->index;
    if (!row->builtin && row->choice.alg)
        vc_choice_format(&row->choice, p->subject, sizeof p->subject);
}

void vc_again_subject(struct vc_again_run *r, struct vc_again_point *p)
{
    struct vc_params params;
    struct vc_param_report report;
    struct vc_topo_key key;
    struct vc_select_call call = {.coll = p->coll,
                                  .bytes = p->bytes,
                                  .esize = p->bytes % sizeof(double) ? 1 : sizeof(double),
                                  .commutative = true};
    vc_params_load(&params, NULL, &report);
    vc_search_topo_key(&r->place[p->place], &key);
    /* A row that needs what set-up did not grant is found out when it is forced. */
    key.have_node = key.max_ppn > 1 && (params.channels & VC_CHAN_SHM);
    key.have_cma = key.have_node && params.cma;
    p->rule = -1;
    snprintf(p->subject, sizeof p->subject, "native");
    vc_select_explain(&key, &params, r->file.rows, &call, note_row, p);
}

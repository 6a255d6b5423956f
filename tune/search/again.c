/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a table, measured again: what the table gives each call against native and what came close
 * when the table was made. What seems lost is raced once more, and that decides. */
#include "coll/info.h"
#include "tune/search/internal.h"

#include "transport/base.h"
#include "transport/calibrate/cache.h"
#include "transport/shm/segment.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINT_MOST 3.0  /* seconds that a point is given at most, on one host */
#define FAR_MOST   40.0 /* and on several */
#define SECOND     1.5  /* times as long in a second race */
#define ALL        8.0  /* times as long with --all, at least */
#define FIRST      0.65 /* of the budget; the rest is for second races */
#define ROUNDS     3    /* fewer prove nothing */
#define BETTER     1.05 /* an alternative that is better by less is no reason to tune anew */
#define TO_NATIVE  1.01 /* native has to be better by that with its whole interval */

/* ---- points out of the table ---- */

static bool asked_for(const struct vc_search_job *j, const struct vc_measured *p)
{
    const struct vc_measure_opts *o = &j->o->m;
    bool coll = false, size = !o->own_sizes || !vc_coll_sized(p->coll), ranks = !j->o->ranks;
    for (int i = 0; i < o->ncoll; i++)
        coll = coll || o->coll[i] == p->coll;
    for (int i = 0; i < o->nsizes; i++)
        size = size || o->sizes[i] == p->bytes;
    for (const char *s = j->o->ranks; s && *s;) {
        char *end;
        long one = strtol(s, &end, 10);
        ranks = ranks || one == p->at.size;
        s = *end == ',' ? end + 1 : end + strlen(end);
    }
    return coll && size && ranks;
}

static bool listed(const struct vc_again *p, const char *choice)
{
    for (int i = 0; i < p->ncand; i++)
        if (strcmp(p->choice[i], choice) == 0)
            return true;
    return false;
}

static void add_choice(struct vc_again *p, const char *choice)
{
    if (p->ncand < VC_AGAIN_CANDS && strlen(choice) < VC_CHOICE_TEXT && !listed(p, choice))
        snprintf(p->choice[p->ncand++], VC_CHOICE_TEXT, "%s", choice);
}

/* Native, the choice, and those that came closest then. */
static void list_candidates(struct vc_again *p, const json_t *point)
{
    add_choice(p, "native");
    add_choice(p, p->then.choice);
    while (p->ncand < VC_AGAIN_CANDS) {
        const char *best = NULL;
        double least = INFINITY;
        size_t i;
        const json_t *c;
        json_array_foreach(json_object_get(point, "candidates"), i, c)
        {
            const char *text = json_string_value(json_object_get(c, "choice"));
            double s = json_number_value(json_object_get(c, "score"));
            if (text && strlen(text) < VC_CHOICE_TEXT && s > 0 && s < least && !listed(p, text) &&
                json_integer_value(json_object_get(c, "rounds")) > 0) {
                least = s;
                best = text;
            }
        }
        if (!best)
            return;
        add_choice(p, best);
    }
}

static void read_point(struct vc_search_job *j, const json_t *point)
{
    const char *op = json_string_value(json_object_get(point, "operator"));
    struct vc_again p = {.place = -1, .rule = -1};
    if (!vc_measured_from_json(point, &p.then) || (op && strcmp(op, "commutative") != 0) ||
        !asked_for(j, &p.then))
        return;
    list_candidates(&p, point);
    int i = 0;
    /* Of equal points the later one, which was measured again, or under the moderation that was chosen. */
    while (i < j->nagain && !vc_measured_same(&j->again[i].then, &p.then))
        i++;
    j->nagain += i == j->nagain;
    j->again[i] = p;
}

/* The communicator of a point; one of nodes with unequal numbers of ranks can only be the world. */
static void find_place(struct vc_search_job *j, struct vc_again *p)
{
    const struct vc_topo_key *at = &p->then.at;
    p->fate = VC_AGAIN_NO_ROOM;
    if (at->size == j->w->size)
        p->place = vc_search_add_place(j, 0, 0, at->size, at->nnodes);
    else if (at->nnodes * at->max_ppn == at->size)
        p->place = vc_search_add_place(j, at->nnodes, at->max_ppn, at->size, at->nnodes);
    else
        return;
    p->fate = p->place < 0 ? VC_AGAIN_SKIPPED : VC_AGAIN_WAITS;
}

int vc_again_load(struct vc_search_job *j)
{
    const json_t *measured, *provenance, *point;
    size_t i;
    if (vc_table_doc_open(j->o->table, &j->table) != VC_OK) {
        fprintf(stderr, "vcoll tune: %s\n", vc_error_text());
        return -1;
    }
    measured = json_object_get(j->table.json, "measured");
    provenance = json_object_get(j->table.json, "provenance");
    const char *objective = json_string_value(json_object_get(provenance, "objective"));
    if (objective && vc_objective_by_name(objective, NULL) >= 0)
        j->objective = (enum vc_objective)vc_objective_by_name(objective, NULL);
    /* The same order of blocks and the same buffers would be no independent measurement. */
    uint64_t state = j->o->m.seed ^ ((uint64_t)json_integer_value(json_object_get(provenance, "seed")) << 32);
    j->seed = vc_measure_rand(&state) >> 12;
    j->again = calloc(json_array_size(measured) + 1, sizeof *j->again);
    json_array_foreach(measured, i, point)
    {
        if (j->again)
            read_point(j, point);
    }
    for (int k = 0; k < j->nagain; k++)
        find_place(j, &j->again[k]);
    if (json_array_size(measured) == 0)
        fprintf(stderr,
                "vcoll tune: %s has no measured points: it was not made by `vcoll tune run', and there is "
                "nothing to "
                "measure again\n",
                j->o->table);
    else if (j->nagain == 0)
        fprintf(stderr, "vcoll tune: no measured point of %s is what was asked for\n", j->o->table);
    return j->nagain > 0 ? 0 : -1;
}

/* ---- whether they can be measured here ---- */

/* Whether the communicator is what the table measured, as far as rows may look. */
static bool same_kind(const struct vc_topo_key *then, const struct vc_topo_key *here, char why[128])
{
    const struct vc_key_info *i;
    why[0] = '\0';
    if (here->nnodes != then->nnodes || here->max_ppn != then->max_ppn)
        snprintf(why, 128, "%d nodes of up to %d ranks here", here->nnodes, here->max_ppn);
    else if (here->crowded != then->crowded)
        snprintf(why, 128, "%s ranks than CPUs here", here->crowded ? "more" : "not more");
    for (int n = 0; !why[0] && (i = vc_key_next(&n));) {
        /* What messages between nodes go over does not matter to one. */
        if (vc_topo_same(then, here, i) || (i->kind == VC_KEY_FLAG && i->words && then->nnodes == 1))
            continue;
        if (i->kind == VC_KEY_TEXT)
            snprintf(why, 128, "the %s is \"%s\" here, \"%s\" then", i->name,
                     (const char *)vc_topo_of(here, i), (const char *)vc_topo_of(then, i));
        else if (i->kind == VC_KEY_FLAG && !i->words)
            snprintf(why, 128, "%s here", i->said[vc_topo_value(here, i)]);
        else
            snprintf(why, 128, "the %s is %s here, %s then", i->name, vc_key_word(i, vc_topo_value(here, i)),
                     vc_key_word(i, vc_topo_value(then, i)));
    }
    return !why[0];
}

static void note_row(void *arg, const struct vc_table *of, const struct vc_row *row, const char *why_not)
{
    struct vc_again *p = arg;
    if (why_not)
        return;
    /* A row that hands the call to the built-in rules is followed by the one that takes it there. */
    if (of && of != vc_table_builtin())
        p->rule = row->index;
    if (!row->builtin && row->choice.alg)
        vc_choice_format(&row->choice, p->subject, sizeof p->subject);
}

/* The figures that the library decides by where the table has no row: those that it kept when this program
 * started. */
static bool find_costs(const struct vc_params *params, struct vc_costs_file *out)
{
    struct vc_os_id os;
    char dir[256];
    vc_os_id_get(&os);
    vc_costs_dir(dir, sizeof dir);
    return params->calibrate != VC_CALIBRATE_OFF && vc_costs_newest(dir, os.boot_id, out);
}

/* What the table gives the call on the communicator. */
static void find_subject(const struct vc_search_job *j, const struct vc_params *params,
                         const struct vc_costs *costs, struct vc_again *p)
{
    struct vc_topo_key key;
    size_t bytes = p->then.bytes;
    struct vc_select_call call = {.coll = p->then.coll,
                                  .bytes = bytes,
                                  .esize = bytes % sizeof(double) ? 1 : sizeof(double),
                                  .commutative = true};
    vc_search_topo_key(&j->place[p->place], &key);
    key.costs = costs;
    /* A row that needs what set-up did not grant is found out when it is forced. */
    key.have_node = key.max_ppn > 1 && (params->channels & VC_CHAN_SHM);
    key.have_cma = key.have_node && params->cma;
    snprintf(p->subject, sizeof p->subject, "native");
    vc_select_explain(&key, params, j->table.rows, &call, note_row, p);
}

static void sort_out(struct vc_search_job *j)
{
    struct vc_params params;
    struct vc_param_report report;
    struct vc_costs_file costs;
    vc_params_load(&params, NULL, &report);
    bool known = find_costs(&params, &costs);
    for (int i = 0; i < j->nagain; i++) {
        struct vc_again *p = &j->again[i];
        if (p->fate != VC_AGAIN_WAITS)
            continue;
        if (!j->place[p->place].open)
            p->fate = VC_AGAIN_NO_ROOM;
        else if (!same_kind(&p->then.at, &j->place[p->place].c.at, p->why))
            p->fate = VC_AGAIN_OTHER;
        else
            find_subject(j, &params, known ? &costs.costs : NULL, p);
    }
}

/* ---- the verdict ---- */

static bool counts(const struct vc_entrant *k)
{
    return !k->wrong && k->rounds >= ROUNDS;
}

/* Of all candidates the one that the table's is furthest behind of. */
static void judge(struct vc_search_job *j, struct vc_again *p)
{
    const struct vc_point *t = &p->p;
    const struct vc_entrant *k = &t->cand[t->best];
    p->rival = t->best;
    p->over_native = p->over_rival = (struct vc_measure_series){1, 1, 1, 1, k->rounds};
    for (int i = 0; i < t->ncand; i++) {
        struct vc_measure_series over;
        if (i == t->best || !counts(&t->cand[i]))
            continue;
        vc_entrant_compare(k, &t->cand[i], j->objective, j->place[p->place].c.w.one_host, j->seed, &over);
        if (i == 0)
            p->over_native = over;
        if (over.n >= ROUNDS && over.median > p->over_rival.median) {
            p->over_rival = over;
            p->rival = i;
        }
    }
    /* Dropped before it had rounds, among all candidates: it is far behind, and looked at again. */
    for (int i = 0; i < t->ncand && !counts(k) && !k->wrong; i++)
        if (counts(&t->cand[i]) && (p->rival == t->best || t->cand[i].score < t->cand[p->rival].score))
            p->rival = i;
}

static void conclude(struct vc_search_job *j, struct vc_again *p, bool second)
{
    const struct vc_entrant *k = &p->p.cand[p->p.best];
    judge(j, p);
    p->fate = VC_AGAIN_MEASURED;
    bool behind_native = p->over_native.n >= ROUNDS && p->over_native.low > TO_NATIVE;
    if (!second) {
        /* Proof or not: of several candidates one is ahead by chance, and by how much tells a new race. */
        p->suspect = p->over_rival.median > BETTER || behind_native || k->wrong || k->rounds == 0;
        return;
    }
    /* Nothing drops it now but that it cannot run. */
    p->refused = k->rounds == 0 && !k->wrong && !vc_search_interrupted();
    p->lost = p->over_rival.n >= ROUNDS && p->over_rival.median > BETTER && p->over_rival.low > 1;
    p->to_native = behind_native;
}

/* ---- measuring ---- */

/* The second time against native and the one that seemed better alone. */
static int measure(struct vc_search_job *j, struct vc_again *p, double seconds, bool second)
{
    struct vc_search_command c = {.kind = VC_SEARCH_GIVEN,
                                  .place = p->place,
                                  .coll = p->then.coll,
                                  .bytes = p->then.bytes,
                                  .seconds = seconds,
                                  .all = j->o->all && !second};
    struct vc_point t = {.ncand = 0};
    char why[256];
    bool ok = vc_search_add(&t, "native", NAN) && vc_search_add(&t, p->subject, NAN);
    for (int i = 0; i < p->ncand && ok && !second; i++)
        ok = vc_search_add(&t, p->choice[i], NAN);
    if (second)
        ok = ok && vc_search_add(&t, p->p.cand[p->rival].choice, NAN);
    /* It takes part even where time is short. */
    t.builtin = ok ? vc_point_find(&t, p->subject) : 0;
    vc_search_progress_call(j, p->then.coll, p->then.bytes, p->place);
    ok = ok && vc_search_do(j, &c, &t, why, sizeof why) == 0;
    if (!ok) {
        fprintf(stderr, "vcoll tune: out of memory for the buffers; try smaller --sizes\n");
        vc_point_free(&t);
        return -1;
    }
    vc_point_free(&p->p);
    p->p = t;
    p->p.best = vc_point_find(&t, p->subject);
    conclude(j, p, second);
    return 0;
}

static double least_of(const struct vc_search_job *j)
{
    return vc_search_least(j->w, VC_AGAIN_CANDS) * (j->o->all ? ALL : 1);
}

/* Seconds for each of the points that fit. Where that is too little, a part of them drawn by lot is measured
 * soundly instead of all of them badly. */
static double share_time(struct vc_search_job *j)
{
    double time = FIRST * vc_search_left(j), least = least_of(j);
    int fitting = 0;
    for (int i = 0; i < j->nagain; i++)
        fitting += j->again[i].fate == VC_AGAIN_WAITS;
    int most = (int)fmax(time / least, 1), left = fitting, keep = fitting < most ? fitting : most;
    double seconds = fmax(time / fmax(keep, 1), least);
    uint64_t lot = j->seed;
    for (int i = 0; i < j->nagain; i++) {
        struct vc_again *p = &j->again[i];
        if (p->fate != VC_AGAIN_WAITS)
            continue;
        if (vc_measure_rand(&lot) % (unsigned)left < (unsigned)keep)
            keep--;
        else
            p->fate = VC_AGAIN_SKIPPED;
        left--;
    }
    return fmin(seconds, (j->w->one_host ? POINT_MOST : FAR_MOST) * (j->o->all ? ALL : 1));
}

/* Of many points some seem lost by chance. Those are raced anew, within what is left of the budget, and that
 * is what counts: they were not chosen for being bad. */
static int confirm(struct vc_search_job *j, double first)
{
    int suspects = 0;
    for (int i = 0; i < j->nagain; i++)
        suspects += j->again[i].suspect;
    double seconds = fmin(fmax(vc_search_left(j) / fmax(suspects, 1), least_of(j)), SECOND * first);
    for (int i = 0; i < j->nagain; i++)
        if (j->again[i].suspect && !vc_search_interrupted() && measure(j, &j->again[i], seconds, true) != 0)
            return -1;
    return 0;
}

int vc_again_run(struct vc_search_job *j)
{
    sort_out(j);
    double seconds = share_time(j);
    for (int i = 0; i < j->nagain; i++) {
        struct vc_again *p = &j->again[i];
        if (p->fate != VC_AGAIN_WAITS)
            continue;
        if (vc_search_interrupted() || vc_search_left(j) < 0)
            p->fate = VC_AGAIN_SKIPPED;
        else if (measure(j, p, seconds, false) != 0)
            return -1;
    }
    return confirm(j, seconds);
}

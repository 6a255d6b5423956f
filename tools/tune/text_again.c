/* SPDX-License-Identifier: BSD-3-Clause */
/* What came of measuring a table again, for people and as JSON. */
#include "tools/tune/tune.h"

#include <math.h>

struct sum {
    int fitting, measured, lost, to_native, fate[VC_AGAIN_SKIPPED + 1];
    double average, worst; /* of the losses; average: geometric mean of the ratios to the best, less 1 */
    const struct vc_again *worst_at;
};

static void count(const struct vc_search_job *j, struct sum *s)
{
    struct vc_measure_mean mean = {0};
    *s = (struct sum){.worst = -1};
    for (int i = 0; i < j->nagain; i++) {
        const struct vc_again *p = &j->again[i];
        s->fate[p->fate]++;
        if (p->fate != VC_AGAIN_MEASURED)
            continue;
        s->lost += !vc_again_holds(p);
        s->to_native += p->to_native;
        vc_measure_mean_add(&mean, 1 + vc_again_loss(p));
        if (vc_again_loss(p) > s->worst) {
            s->worst = vc_again_loss(p);
            s->worst_at = p;
        }
    }
    s->measured = s->fate[VC_AGAIN_MEASURED];
    s->fitting = s->measured + s->fate[VC_AGAIN_WAITS] + s->fate[VC_AGAIN_SKIPPED];
    /* Rounding may carry the mean of equal losses past them. */
    s->average = s->measured ? fmin(vc_measure_mean(&mean) - 1, s->worst) : NAN;
    s->worst = s->measured ? s->worst : NAN;
}

static void print_call(FILE *f, const struct vc_search_job *j, const struct vc_again *p)
{
    tune_print_call(f, p->then.coll, p->then.bytes, &j->place[p->place]);
}

static void print_over(FILE *f, const struct vc_entrant *than, const struct vc_measure_series *over)
{
    fprintf(f, "    %-44s %10.2f us, %.2f [%.2f, %.2f] times as good\n", than->choice, than->score * 1e6,
            over->median, over->low, over->high);
}

static void print_lost(FILE *f, const struct vc_search_job *j, const struct vc_again *p)
{
    const struct vc_entrant *cand = p->p.cand, *k = &cand[p->p.best];
    if (p->rule >= 0)
        fprintf(f, "NO LONGER HOLDS rule %d: ", p->rule);
    else
        fprintf(f, "NO LONGER HOLDS (no rule of the table; built-in): ");
    print_call(f, j, p);
    fputc('\n', f);
    if (k->wrong || p->refused) {
        fprintf(f, "    %s %s\n", k->choice, k->wrong ? "gives a wrong result" : "cannot run here");
        return;
    }
    fprintf(f, "    %-44s %10.2f us\n", k->choice, k->score * 1e6);
    print_over(f, &cand[p->rival], &p->over_rival);
    if (p->rival != 0 && p->to_native)
        print_over(f, &cand[0], &p->over_native);
}

static void print_left_out(FILE *f, const struct vc_search_job *j, const struct sum *s)
{
    const struct vc_again *p = j->again;
    int other = s->fate[VC_AGAIN_OTHER], late = s->fate[VC_AGAIN_SKIPPED];
    if (s->fate[VC_AGAIN_NO_ROOM] > 0)
        fprintf(f, "%d points are of communicators that this allocation of %d ranks does not have\n",
                s->fate[VC_AGAIN_NO_ROOM], j->w->size);
    while (other > 0 && p->fate != VC_AGAIN_OTHER)
        p++;
    if (other > 0)
        fprintf(f, "%d points are of another kind of place: %s\n", other, p->why);
    if (late > 0)
        fprintf(f, "%d points were not reached%s\n", late,
                vc_search_signal() ? ": interrupted" : " in time; a longer --budget reaches them");
}

static void print_all(FILE *f, const struct vc_search_job *j, const struct sum *s)
{
    fprintf(f, "%s: %d measured points, %d fit this allocation, %d measured again (%s, seed %llu)\n",
            j->o->table, j->nagain, s->fitting, s->measured, vc_objective_name(j->objective),
            (unsigned long long)j->seed);
    for (int i = 0; i < j->nagain; i++)
        if (j->again[i].fate == VC_AGAIN_MEASURED && !vc_again_holds(&j->again[i]))
            print_lost(f, j, &j->again[i]);
    print_left_out(f, j, s);
    if (s->measured > 0) {
        fprintf(f, "behind the best candidate found: %.1f %% on average, %.1f %% at worst (",
                100 * s->average, 100 * s->worst);
        print_call(f, j, s->worst_at);
        fprintf(f, ")\nslower than native beyond noise: %d points\n", s->to_native);
    }
    fprintf(f, "choices that no longer hold: %d, took %.1f s\n", s->lost, j->took);
    if (s->lost > 0)
        fprintf(f, "`vcoll tune run' measures a new table\n");
    fflush(f);
}

/* ---- JSON ---- */

static json_t *over(const struct vc_entrant *k, const struct vc_measure_series *s)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:i}", "choice", k->choice, "score",
                     vc_measure_json_number(k->score), "ratio", vc_measure_json_number(s->median),
                     "ratio_low", vc_measure_json_number(s->low), "ratio_high",
                     vc_measure_json_number(s->high), "rounds", s->n);
}

static json_t *candidate(const struct vc_entrant *k)
{
    return json_pack("{s:s, s:i, s:b, s:o, s:o, s:o}", "choice", k->choice, "rounds", k->rounds, "dropped",
                     k->dropped, "score", vc_measure_json_number(k->score), "start",
                     vc_measure_json_number(k->time[VC_MEASURE_START].median), "b2b",
                     vc_measure_json_number(k->time[VC_MEASURE_B2B].median));
}

static json_t *one(const struct vc_again *p)
{
    const struct vc_topo_key *at = &p->then.at;
    const struct vc_entrant *cand = p->p.cand, *k = &cand[p->p.best];
    json_t *list = json_array();
    for (int i = 0; i < p->p.ncand; i++)
        if (cand[i].rounds > 0)
            json_array_append_new(list, candidate(&cand[i]));
    return json_pack("{s:s, s:I, s:i, s:i, s:i, s:o, s:s, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o}",
                     "collective", vc_coll_name(p->then.coll), "bytes", (json_int_t)p->then.bytes, "ranks",
                     at->size, "nodes", at->nnodes, "ppn", at->max_ppn, "rule",
                     p->rule >= 0 ? json_integer(p->rule) : json_null(), "choice", k->choice, "score",
                     vc_measure_json_number(k->score), "holds", vc_again_holds(p), "wrong", k->wrong,
                     "refused", p->refused, "loses_to_native", p->to_native, "loss",
                     vc_measure_json_number(vc_again_loss(p)), "best", over(&cand[p->rival], &p->over_rival),
                     "native", over(&cand[0], &p->over_native), "candidates", list);
}

static int write_json(const struct vc_search_job *j, const struct sum *s)
{
    json_t *o = tune_json_head(j), *list = json_array();
    for (int i = 0; i < j->nagain; i++)
        if (j->again[i].fate == VC_AGAIN_MEASURED)
            json_array_append_new(list, one(&j->again[i]));
    json_object_update_new(o, json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:i, s:i, s:f, s:o}",
                                        "table", j->o->table, "objective", vc_objective_name(j->objective),
                                        "points", j->nagain, "fitting", s->fitting, "measured", s->measured,
                                        "not_reached", s->fitting - s->measured, "loss_average",
                                        vc_measure_json_number(s->average), "loss_worst",
                                        vc_measure_json_number(s->worst), "loses_to_native", s->to_native,
                                        "no_longer_hold", s->lost, "seconds", j->took, "results", list));
    int rc = vc_measure_json_save("vcoll tune", o, j->o->m.json);
    json_decref(o);
    return rc;
}

static int nothing_fits(const struct vc_search_job *j)
{
    const struct vc_again *p = &j->again[0];
    const struct vc_topo_key *at = &p->then.at;
    fprintf(stderr, "vcoll tune: none of the %d measured points of %s fits this allocation of %d ranks",
            j->nagain, j->o->table, j->w->size);
    if (p->fate == VC_AGAIN_OTHER)
        fprintf(stderr, ": %s\n", p->why);
    else
        fprintf(stderr, "; the first one is of %d ranks on %d node%s\n", at->size, at->nnodes,
                at->nnodes == 1 ? "" : "s");
    return 1;
}

int tune_tell_again(struct vc_search_job *j)
{
    struct sum s;
    count(j, &s);
    if (s.fitting == 0)
        return nothing_fits(j);
    if (!j->o->quiet || s.lost > 0)
        print_all(tune_output(j), j, &s);
    if (j->o->m.json && write_json(j, &s) != 0)
        return 1;
    return vc_search_signal() ? 128 + vc_search_signal() : s.measured == 0 || s.lost > 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What came of measuring a table again, for people and as JSON. */
#include "coll/info.h"
#include "tune/search/check.h"
#include "tune/search/remeasure.h"

#include <math.h>
#include <string.h>

void vc_again_count(const struct vc_again_run *r, struct vc_again_sum *s)
{
    double logs = 0;
    *s = (struct vc_again_sum){.worst = -1};
    for (int i = 0; i < r->n; i++) {
        const struct vc_again_point *p = &r->point[i];
        s->fitting +=
            p->fate == VC_AGAIN_MEASURED || p->fate == VC_AGAIN_WAITS || p->fate == VC_AGAIN_SKIPPED;
        if (p->fate != VC_AGAIN_MEASURED)
            continue;
        s->measured++;
        s->lost += p->lost || p->to_native || p->wrong || p->refused;
        s->to_native += p->to_native;
        s->wrong += p->wrong;
        s->refused += p->refused;
        logs += log1p(p->loss);
        if (p->loss > s->worst) {
            s->worst = p->loss;
            s->worst_at = p;
        }
    }
    /* Rounding may carry the mean of equal losses past them. */
    s->average = s->measured ? fmin(expm1(logs / s->measured), s->worst) : NAN;
}

/* "allreduce of 8 bytes on 4 ranks" */
static void print_call(FILE *f, const struct vc_again_run *r, const struct vc_again_point *p)
{
    char size[24];
    fprintf(f, "%s", vc_coll_name(p->coll));
    if (vc_coll_sized(p->coll))
        fprintf(f, " of %s bytes", vc_measure_size_text(p->bytes, size));
    fprintf(f, " on %s", r->place[p->place].name);
}

static void print_over(FILE *f, const char *than, double score, const struct vc_measure_series *over)
{
    fprintf(f, "    %-44s %10.2f us, %.2f [%.2f, %.2f] times as good\n", than, score * 1e6, over->median,
            over->low, over->high);
}

static void print_lost(FILE *f, const struct vc_again_run *r, const struct vc_again_point *p)
{
    if (p->rule >= 0)
        fprintf(f, "NO LONGER HOLDS rule %d: ", p->rule);
    else
        fprintf(f, "NO LONGER HOLDS (no rule of the table; built-in): ");
    print_call(f, r, p);
    fputc('\n', f);
    if (p->wrong || p->refused) {
        fprintf(f, "    %s %s\n", p->subject, p->wrong ? "gives a wrong result" : "cannot run here");
        return;
    }
    fprintf(f, "    %-44s %10.2f us\n", p->subject, p->score * 1e6);
    print_over(f, p->best, p->best_score, &p->over_best);
    if (strcmp(p->best, "native") != 0 && p->to_native)
        print_over(f, "native", p->native_score, &p->over_native);
}

static int count_fate(const struct vc_again_run *r, enum vc_again_fate fate)
{
    int n = 0;
    for (int i = 0; i < r->n; i++)
        n += r->point[i].fate == fate;
    return n;
}

static void print_left_out(FILE *f, const struct vc_again_run *r)
{
    int room = count_fate(r, VC_AGAIN_NO_ROOM), other = count_fate(r, VC_AGAIN_OTHER),
        late = count_fate(r, VC_AGAIN_SKIPPED);
    const struct vc_again_point *p = r->point;
    if (room > 0)
        fprintf(f, "%d points are of communicators that this allocation of %d ranks does not have\n", room,
                r->w->size);
    while (other > 0 && p->fate != VC_AGAIN_OTHER)
        p++;
    if (other > 0)
        fprintf(f, "%d points are of another kind of place: %s\n", other, p->why);
    if (late > 0)
        fprintf(f, "%d points were not reached%s\n", late,
                r->signal ? ": interrupted" : " in time; a longer --budget reaches them");
}

void re_print(FILE *f, const struct vc_again_run *r)
{
    struct vc_again_sum s;
    vc_again_count(r, &s);
    fprintf(f, "%s: %d measured points, %d fit this allocation, %d measured again (%s, seed %llu)\n",
            r->o->table, r->n, s.fitting, s.measured, vc_search_objective_name(r->objective),
            (unsigned long long)r->seed);
    for (int i = 0; i < r->n; i++) {
        const struct vc_again_point *p = &r->point[i];
        if (p->fate == VC_AGAIN_MEASURED && (p->lost || p->to_native || p->wrong || p->refused))
            print_lost(f, r, p);
    }
    print_left_out(f, r);
    if (s.measured > 0) {
        fprintf(f, "behind the best candidate found: %.1f %% on average, %.1f %% at worst (", 100 * s.average,
                100 * s.worst);
        print_call(f, r, s.worst_at);
        fprintf(f, ")\nslower than native beyond noise: %d points\n", s.to_native);
    }
    fprintf(f, "choices that no longer hold: %d, took %.1f s\n", s.lost, r->took);
    if (s.lost > 0)
        fprintf(f, "`vcoll tune run' measures a new table\n");
    fflush(f);
}

/* ---- JSON ---- */

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *over(const char *choice, double score, const struct vc_measure_series *s)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:i}", "choice", choice, "score", number(score), "ratio",
                     number(s->median), "ratio_low", number(s->low), "ratio_high", number(s->high), "rounds",
                     s->n);
}

static json_t *one(const struct vc_again_point *p)
{
    json_t *o = json_pack("{s:s, s:I, s:i, s:i, s:i}", "collective", vc_coll_name(p->coll), "bytes",
                          (json_int_t)p->bytes, "ranks", p->ranks, "nodes", p->nodes, "ppn", p->ppn);
    bool holds = !p->lost && !p->to_native && !p->wrong && !p->refused;
    json_object_set_new(o, "rule", p->rule >= 0 ? json_integer(p->rule) : json_null());
    json_object_set_new(o, "choice", json_string(p->subject));
    json_object_set_new(o, "score", number(p->score));
    json_object_set_new(o, "holds", json_boolean(holds));
    json_object_set_new(o, "wrong", json_boolean(p->wrong));
    json_object_set_new(o, "refused", json_boolean(p->refused));
    json_object_set_new(o, "loses_to_native", json_boolean(p->to_native));
    json_object_set_new(o, "loss", number(p->loss));
    json_object_set_new(o, "best", over(p->best, p->best_score, &p->over_best));
    json_object_set_new(o, "native", over("native", p->native_score, &p->over_native));
    json_object_set(o, "candidates", p->cands);
    return o;
}

int re_write_json(const struct vc_again_run *r, const char *file)
{
    struct vc_again_sum s;
    json_t *o = json_object(), *list = json_array();
    vc_again_count(r, &s);
    for (int i = 0; i < r->n; i++)
        if (r->point[i].fate == VC_AGAIN_MEASURED)
            json_array_append_new(list, one(&r->point[i]));
    json_object_set_new(o, "format", json_integer(1));
    json_object_set_new(o, "vcoll", json_string(vcoll_version()));
    json_object_set_new(o, "table", json_string(r->o->table));
    json_object_set_new(o, "objective", json_string(vc_search_objective_name(r->objective)));
    json_object_set_new(o, "seed", json_integer((json_int_t)r->seed));
    json_object_set_new(o, "ranks", json_integer(r->w->size));
    json_object_set_new(o, "points", json_integer(r->n));
    json_object_set_new(o, "fitting", json_integer(s.fitting));
    json_object_set_new(o, "measured", json_integer(s.measured));
    json_object_set_new(o, "not_reached", json_integer(s.fitting - s.measured));
    json_object_set_new(o, "loss_average", number(s.average));
    json_object_set_new(o, "loss_worst", s.measured ? number(s.worst) : json_null());
    json_object_set_new(o, "loses_to_native", json_integer(s.to_native));
    json_object_set_new(o, "no_longer_hold", json_integer(s.lost));
    json_object_set_new(o, "seconds", number(r->took));
    json_object_set_new(o, "results", list);
    int rc = vc_measure_json_save("vcoll tune", o, file);
    json_decref(o);
    return rc;
}

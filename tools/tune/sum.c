/* SPDX-License-Identifier: BSD-3-Clause */
/* What is printed: the plan beforehand, the choices in the end. */
#include "tools/tune/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void size_range(size_t from, size_t to, char *buf, size_t len)
{
    char a[24], b[24];
    if (to == 0)
        snprintf(buf, len, "-");
    else if (from == to)
        snprintf(buf, len, "%s", vc_measure_size_text(from, a));
    else
        snprintf(buf, len, "%s .. %s", vc_measure_size_text(from, a), vc_measure_size_text(to, b));
}

/* Geometric mean over points [first, last] of the speed-up, and the widest interval. */
static void gain_of(struct vc_search_result *const *list, int first, int last, struct vc_measure_series *s)
{
    double logs = 0;
    *s = (struct vc_measure_series){.low = INFINITY, .high = 0};
    for (int i = first; i <= last; i++) {
        const struct vc_search_point *p = &list[i]->p;
        const struct vc_measure_series *r = &p->cand[p->best].ratio;
        logs += log(p->best ? r->median : 1);
        s->low = fmin(s->low, p->best ? r->low : 1);
        s->high = fmax(s->high, p->best ? r->high : 1);
    }
    s->median = exp(logs / (last - first + 1));
}

static void print_coll(const struct vc_search_job *j, int place, enum vc_coll coll)
{
    struct vc_search_result *list[VC_MEASURE_SIZES];
    int n = vc_search_measured(j, place, coll, list);
    for (int first = 0; first < n;) {
        int last = first;
        const char *choice = list[first]->p.cand[list[first]->p.best].choice;
        while (last + 1 < n && strcmp(list[last + 1]->p.cand[list[last + 1]->p.best].choice, choice) == 0)
            last++;
        struct vc_measure_series s;
        char range[64];
        size_range(list[first]->p.bytes, list[last]->p.bytes, range, sizeof range);
        gain_of(list, first, last, &s);
        printf("%-16s %-10s %-14s %-38s", j->place[place].name, vc_coll_name(coll), range, choice);
        if (list[first]->p.best)
            printf(" %6.2f [%.2f, %.2f]\n", s.median, s.low, s.high);
        else
            printf("\n");
        first = last + 1;
    }
}

void vc_search_summary(const struct vc_search_job *j)
{
    FILE *out = stdout;
    if (j->o->json && strcmp(j->o->json, "-") == 0)
        return;
    fprintf(out, "%-16s %-10s %-14s %-38s %s\n", "where", "collective", "bytes", "choice", "native / it");
    for (int i = 0; i < j->nplace; i++)
        for (int c = 0; j->place[i].open && c < VC_COLL_ACCELERATED; c++)
            print_coll(j, i, (enum vc_coll)c);
    for (int i = 0; i < j->ntrial; i++)
        if (j->trial[i].chosen)
            fprintf(out, "moderation of the devices: %s\n", j->trial[i].setting);
    double took = vc_measure_now() - j->begin;
    fprintf(out, "\n%d points", j->nresult);
    if (j->taken_over)
        fprintf(out, " (%d of them taken over)", j->taken_over);
    if (j->skipped)
        fprintf(out, ", %d not reached within the budget", j->skipped);
    fprintf(out, "; %d of %d candidates measured, %.0f s", j->points_tried, j->points_exhaustive, took);
    if (j->exhaustive > took)
        fprintf(out, " instead of at least %.0f s for all of them to the end", j->exhaustive);
    fprintf(out, "\nThe table is %s%s; samples are in %s.\nUse it:  VCOLL_TABLE=%s vcoll run -n %d ./app\n",
            j->o->table, j->interrupted ? " (not complete)" : "", j->o->samples, j->o->table, j->w->size);
    fflush(out);
}

static json_t *summary_point(const struct vc_search_job *j, const struct vc_search_result *r)
{
    const struct vc_search_point *p = &r->p;
    const struct vc_search_cand *k = &p->cand[p->best];
    json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:i}", "where", j->place[r->place].name, "collective",
                          vc_coll_name(p->coll), "bytes", (json_int_t)p->bytes, "chosen", k->choice, "why",
                          p->why, "candidates", p->ncand);
    if (isfinite(k->ratio.median) && isfinite(k->ratio.low))
        json_object_set_new(o, "ratio",
                            json_pack("{s:f, s:f, s:f}", "median", k->ratio.median, "low", k->ratio.low,
                                      "high", k->ratio.high));
    return o;
}

int vc_search_summary_json(const struct vc_search_job *j, const char *file)
{
    json_t *points = json_array();
    for (int i = 0; i < j->nresult; i++)
        json_array_append_new(points, summary_point(j, &j->result[i]));
    json_t *o =
        json_pack("{s:s, s:s, s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:b, s:o}", "table", j->o->table, "samples",
                  j->o->samples, "budget_seconds", j->budget, "took_seconds", vc_measure_now() - j->begin,
                  "exhaustive_seconds", j->exhaustive, "candidates_measured", j->points_tried,
                  "candidates_exhaustive", j->points_exhaustive, "points_taken_over", j->taken_over,
                  "points_skipped", j->skipped, "interrupted", j->interrupted, "points", points);
    int rc = strcmp(file, "-") == 0 ? json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6))
                                    : json_dump_file(o, file, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    if (rc != 0)
        fprintf(stderr, "vcoll tune: cannot write %s\n", file);
    else if (strcmp(file, "-") == 0)
        printf("\n");
    json_decref(o);
    return rc;
}

static void plan_place(struct vc_search_job *j, int i)
{
    struct vc_search_place *p = &j->place[i];
    const struct vc_measure_opts *b = &j->o->m;
    for (int c = 0; c < b->ncoll && p->c.member; c++) {
        size_t sizes[VC_MEASURE_SIZES];
        int n = vc_search_sizes(j, b->coll[c], sizes);
        struct vc_search_point small = {.ncand = 0}, large = {.ncand = 0};
        char range[64];
        if (vc_search_candidates(&p->c, b->coll[c], sizes[0], &small) == 0 &&
            vc_search_candidates(&p->c, b->coll[c], sizes[n - 1], &large) == 0 && j->w->rank == 0) {
            size_range(sizes[0], sizes[n - 1], range, sizeof range);
            printf("  %-10s %2d size%s %-14s %d to %d candidates\n", vc_coll_name(b->coll[c]), n,
                   n == 1 ? " " : "s", range, small.ncand < large.ncand ? small.ncand : large.ncand,
                   small.ncand < large.ncand ? large.ncand : small.ncand);
        }
        vc_search_point_free(&small);
        vc_search_point_free(&large);
    }
}

void vc_search_print_plan(struct vc_search_job *j)
{
    int points = 0;
    for (int i = 0; i < j->nplace; i++) {
        struct vc_search_place *p = &j->place[i];
        if (!p->open)
            continue;
        if (j->w->rank == 0)
            printf("%s: %d node%s, %s, %s, platform %s%s%s\n", p->name, p->c.key.nodes,
                   p->c.key.nodes == 1 ? "" : "s",
                   p->c.key.crowded ? "more ranks than CPUs" : "a CPU for each rank",
                   p->c.key.nodes > 1 ? p->c.key.network : "shared memory", p->c.key.platform,
                   p->c.key.device[0] ? ", device " : "", p->c.key.device);
        plan_place(j, i);
        vc_measure_quiet_barrier(j->w);
        points += vc_search_count_points(j) / j->nplace;
    }
    if (j->w->rank != 0)
        return;
    printf("%d points to begin with, more where neighbours disagree; objective %s; %.0f s in all%s.\n"
           "The table would be %s, the samples %s.\n",
           points, vc_search_objective_name(j->o->objective), j->budget,
           j->o->devices ? ", part of it for the moderation of devices" : "", j->o->table, j->o->samples);
    fflush(stdout);
}

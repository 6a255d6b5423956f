/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run prints: the plan beforehand, the choices in the end. */
#include "coll/info.h"
#include "tools/tune/tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

FILE *tune_output(const struct vc_search_job *j)
{
    return j->o->m.json && strcmp(j->o->m.json, "-") == 0 ? stderr : stdout;
}

void tune_print_call(FILE *f, enum vc_coll coll, size_t bytes, const struct vc_search_place *on)
{
    char size[24];
    fprintf(f, "%s", vc_coll_name(coll));
    if (vc_coll_sized(coll))
        fprintf(f, " of %s bytes", vc_measure_size_text(bytes, size));
    fprintf(f, " on %s", on->name);
}

json_t *tune_json_head(const struct vc_search_job *j)
{
    return json_pack("{s:i, s:s, s:I, s:i}", "format", 1, "vcoll", vcoll_version(), "seed",
                     (json_int_t)j->seed, "ranks", j->w->size);
}

/* Where only some ranks know a size no rule may have one: what was measured at one of them holds for all. */
static void size_range(enum vc_coll coll, size_t from, size_t to, char *buf, size_t len)
{
    char a[24], b[24];
    if (to == 0)
        snprintf(buf, len, "-");
    else if (!vc_coll_by_size(coll))
        snprintf(buf, len, "all (by %s)", vc_measure_size_text(from, a));
    else if (from == to)
        snprintf(buf, len, "%s", vc_measure_size_text(from, a));
    else
        snprintf(buf, len, "%s .. %s", vc_measure_size_text(from, a), vc_measure_size_text(to, b));
}

/* Of points [first, last], which have the same choice: the geometric mean of the speed-up, and the widest
 * interval. */
static void print_choice(const struct vc_search_job *j, struct vc_search_result *const *list, int first,
                         int last)
{
    const struct vc_search_result *head = list[first];
    struct vc_measure_mean mean = {0};
    double low = INFINITY, high = 0;
    char range[64];
    for (int i = first; i <= last; i++) {
        const struct vc_measure_series *r = &vc_search_chosen(list[i])->ratio;
        vc_measure_mean_add(&mean, r->median);
        low = fmin(low, r->low);
        high = fmax(high, r->high);
    }
    size_range(head->p.coll, head->p.bytes, list[last]->p.bytes, range, sizeof range);
    printf("%-16s %-20s %-14s %-38s", j->place[head->place].name, vc_coll_name(head->p.coll), range,
           vc_search_chosen(head)->choice);
    if (head->p.best)
        printf(" %6.2f [%.2f, %.2f]\n", vc_measure_mean(&mean), low, high);
    else
        printf("\n");
}

static void print_summary(const struct vc_search_job *j)
{
    printf("%-16s %-20s %-14s %-38s %s\n", "where", "collective", "bytes", "choice", "native / it");
    for (int i = 0; i < j->nplace; i++)
        for (int c = 0; j->place[i].open && c < VC_COLL_COUNT; c++) {
            struct vc_search_result *list[VC_MEASURE_SIZES];
            int n = vc_search_measured(j, i, (enum vc_coll)c, list);
            for (int first = 0, last; first < n; first = last + 1) {
                last = vc_search_alike(list, n, first);
                print_choice(j, list, first, last);
            }
        }
    for (int i = 0; i < j->ntrial; i++)
        if (j->trial[i].chosen)
            printf("moderation of the devices: %s\n", j->trial[i].setting);
    printf("\n%d points", j->nresult);
    if (j->taken_over)
        printf(" (%d of them taken over)", j->taken_over);
    if (j->skipped)
        printf(", %d not reached within the budget", j->skipped);
    printf("; %d of %d candidates measured, %.0f s", j->points_tried, j->points_exhaustive, j->took);
    if (j->exhaustive > j->took)
        printf(" instead of at least %.0f s for all of them to the end", j->exhaustive);
    printf("\nThe table is %s%s; samples are in %s.\nUse it:  VCOLL_TABLE=%s vcoll run -n %d ./app\n",
           j->o->table, j->interrupted ? " (not complete)" : "", j->o->samples, j->o->table, j->w->size);
    fflush(stdout);
}

static json_t *point(const struct vc_search_job *j, const struct vc_search_result *r)
{
    const struct vc_entrant *k = vc_search_chosen(r);
    json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:i}", "where", j->place[r->place].name, "collective",
                          vc_coll_name(r->p.coll), "bytes", (json_int_t)r->p.bytes, "chosen", k->choice,
                          "why", r->p.why, "candidates", r->p.ncand);
    if (isfinite(k->ratio.median) && isfinite(k->ratio.low))
        json_object_set_new(o, "ratio",
                            json_pack("{s:f, s:f, s:f}", "median", k->ratio.median, "low", k->ratio.low,
                                      "high", k->ratio.high));
    return o;
}

static int write_json(const struct vc_search_job *j)
{
    json_t *points = json_array();
    for (int i = 0; i < j->nresult; i++)
        json_array_append_new(points, point(j, &j->result[i]));
    json_t *o = json_pack("{s:s, s:s, s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:b, s:o}", "table", j->o->table,
                          "samples", j->o->samples, "budget_seconds", j->o->budget, "took_seconds", j->took,
                          "exhaustive_seconds", j->exhaustive, "candidates_measured", j->points_tried,
                          "candidates_exhaustive", j->points_exhaustive, "points_taken_over", j->taken_over,
                          "points_skipped", j->skipped, "interrupted", j->interrupted, "points", points);
    int rc = vc_measure_json_save("vcoll tune", o, j->o->m.json);
    json_decref(o);
    return rc;
}

int tune_tell_run(struct vc_search_job *j)
{
    if (j->nresult > 0 && vc_search_write(j) != 0)
        return 1;
    if (j->nresult > 0 && !j->o->quiet && tune_output(j) == stdout)
        print_summary(j);
    if (j->nresult > 0 && j->o->m.json && write_json(j) != 0)
        return 1;
    if (!j->interrupted)
        return j->failed || j->wrong;
    fprintf(stderr, "vcoll tune: interrupted after %d points; go on with the same words and --resume\n",
            j->nresult);
    return 128 + vc_search_signal();
}

/* ---- the plan ---- */

static void plan_place(struct vc_search_job *j, const struct vc_search_place *p)
{
    const struct vc_measure_opts *b = &j->o->m;
    for (int c = 0; c < b->ncoll && p->c.member; c++) {
        size_t sizes[VC_MEASURE_SIZES];
        int n = vc_search_sizes(j, b->coll[c], sizes);
        struct vc_point small = {.ncand = 0}, large = {.ncand = 0};
        char range[64];
        if (vc_search_candidates(&p->c, b->coll[c], sizes[0], &small) == 0 &&
            vc_search_candidates(&p->c, b->coll[c], sizes[n - 1], &large) == 0 && j->w->rank == 0) {
            size_range(b->coll[c], sizes[0], sizes[n - 1], range, sizeof range);
            printf("  %-20s %2d size%s %-14s %d to %d candidates\n", vc_coll_name(b->coll[c]), n,
                   n == 1 ? " " : "s", range, small.ncand < large.ncand ? small.ncand : large.ncand,
                   small.ncand < large.ncand ? large.ncand : small.ncand);
        }
        vc_point_free(&small);
        vc_point_free(&large);
    }
}

void tune_print_plan(struct vc_search_job *j)
{
    int points = 0;
    if (j->w->rank == 0)
        printf("The plan of `vcoll tune run':\n");
    for (int i = 0; i < j->nplace; i++) {
        const struct vc_search_place *p = &j->place[i];
        const struct vc_topo_key *at = &p->c.at;
        if (!p->open)
            continue;
        if (j->w->rank == 0)
            printf("%s: %d node%s, %s, %s, platform %s%s%s\n", p->name, at->nnodes,
                   at->nnodes == 1 ? "" : "s", at->crowded ? "more ranks than CPUs" : "a CPU for each rank",
                   at->nnodes > 1 ? vc_search_network(at) : "shared memory", vc_search_platform(at),
                   at->device[0] ? ", device " : "", at->device);
        plan_place(j, p);
        vc_measure_quiet_barrier(j->w);
        points += vc_search_count_points(j) / j->nplace;
    }
    if (j->w->rank != 0)
        return;
    printf("%d points to begin with, more where neighbours disagree; objective %s; %.0f s in all%s.\n"
           "The table would be %s, the samples %s.\n",
           points, vc_objective_name(j->objective), j->o->budget,
           j->o->devices ? ", part of it for the moderation of devices" : "", j->o->table, j->o->samples);
    fflush(stdout);
}

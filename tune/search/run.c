/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of any mode: rank 0 drives, all others serve. Of `run`: which point next, within the budget. */
#include "tune/search/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIT_PART    0.06 /* of the budget is for the cost model */
#define FIT_MOST    20   /* seconds */
#define MODER_PART  0.4  /* and, with --devices, for their moderation */
#define REFINE_PART 0.5  /* of what is left is for second looks and sizes in between */

/* ---- `run` ---- */

/* The points to begin with: each gets an equal part of what is left of its share of the time. */
static void coarse(struct vc_search_job *j)
{
    int todo = 0;
    size_t sizes[VC_MEASURE_SIZES];
    const struct vc_measure_opts *b = &j->o->m;
    for (int i = 0; i < j->nplace; i++)
        todo += j->place[i].open;
    todo *= vc_search_count_points(j) / (j->nplace > 0 ? j->nplace : 1);
    double keep = REFINE_PART * vc_search_left(j);
    for (int i = 0; i < j->nplace; i++)
        for (int c = 0; j->place[i].open && c < b->ncoll; c++) {
            int n = vc_search_sizes(j, b->coll[c], sizes);
            for (int s = 0; s < n; s++, todo--) {
                if (vc_search_find(j, i, b->coll[c], sizes[s]))
                    continue;
                if (vc_search_left(j) <= 0) {
                    j->skipped++;
                    continue;
                }
                double left = fmax(vc_search_left(j) - keep, 0.1 * vc_search_left(j));
                if (!vc_search_visit(j, i, b->coll[c], sizes[s], left / todo))
                    return;
            }
        }
}

/* By what the budget was used up: seconds since the beginning, at the ends of its parts. */
static void say_nothing_measured(const struct vc_search_job *j, double started, double moderated)
{
    char moderation[64] = "";
    if (j->o->devices)
        snprintf(moderation, sizeof moderation, ", trying interrupt moderation %.1f s", moderated - started);
    fprintf(
        stderr,
        "vcoll tune: nothing was measured: of a budget of %g s starting took %.1f s%s, and calls that proved "
        "nothing %.1f s (%d sizes left out); give it more --budget\n",
        j->o->budget, started, moderation, vc_measure_now() - j->begin - moderated, j->skipped);
}

static int drive(struct vc_search_job *j)
{
    double started = vc_measure_now() - j->begin;
    if (vc_search_state_open(j) != 0)
        return -1;
    if (j->o->devices && !vc_search_interrupted())
        vc_search_moderate(j, MODER_PART * vc_search_left(j));
    double moderated = vc_measure_now() - j->begin;
    coarse(j);
    if (!j->failed && !j->interrupted)
        vc_search_refine(j);
    vc_search_state_close(j);
    if (j->nresult > 0 || j->interrupted)
        return 0;
    say_nothing_measured(j, started, moderated);
    return -1;
}

/* Rank 0, at the end of all modes. */
static void finish(struct vc_search_job *j)
{
    struct vc_search_command restore = {.kind = VC_SEARCH_DEVICE, .restore = true},
                             stop = {.kind = VC_SEARCH_STOP};
    char why[256];
    vc_search_progress(j, NULL);
    if (j->o->devices && vc_search_do(j, &restore, NULL, why, sizeof why) != 0) {
        fprintf(stderr, "vcoll tune: the devices could not be put back: %s\n", why);
        j->failed = true;
    }
    vc_search_do(j, &stop, NULL, why, sizeof why);
    j->took = vc_measure_now() - j->begin;
}

/* ---- all modes ---- */

/* Says why vcoll is not there to be tuned. */
static int inactive(struct vc_search_job *j)
{
    struct vcoll_comm_info info;
    const char *why = "";
    if (vcoll_comm_describe(&j->w->comm, &info) == 0 && info.why_not)
        why = info.why_not;
    if (j->w->rank == 0)
        fprintf(stderr,
                j->w->size < 2
                    ? "vcoll tune: one rank has nobody to talk to; use -n 2 or more\n"
                    : "vcoll tune: vcoll is not active on any of the communicators (%s); `vcoll info' and "
                      "VCOLL_LOG=info tell more\n",
                why);
    return 1;
}

static void name_hosts(struct vc_search_job *j)
{
    char mine[64] = "";
    char *all = calloc((size_t)j->w->size, sizeof mine);
    if (vc_measure_all_agree(j->w, all != NULL)) {
        gethostname(mine, sizeof mine - 1);
        j->w->control->allgather(mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, j->w->ctl);
        size_t n = 0;
        for (int i = 0; i < j->w->nleader && n < sizeof j->hosts; i++)
            n += (size_t)snprintf(j->hosts + n, sizeof j->hosts - n, "%s%s", i ? "," : "",
                                  all + (size_t)j->w->leader[i] * sizeof mine);
    }
    free(all);
}

/* The places of a table's points: rank 0 knows them. */
static int load_places(struct vc_search_job *j)
{
    int rc = j->w->rank == 0 ? vc_again_load(j) : 0, objective = (int)j->objective;
    if (vc_measure_told(j->w, rc) != 0)
        return -1;
    j->objective = (enum vc_objective)vc_measure_told(j->w, objective);
    j->nplace = vc_measure_told(j->w, j->nplace);
    j->w->control->bcast(&j->seed, sizeof j->seed, MPI_BYTE, 0, j->w->ctl);
    j->w->control->bcast(j->place, sizeof j->place, MPI_BYTE, 0, j->w->ctl);
    return 0;
}

int vc_search_open(struct vc_search_job *j, struct vc_measure_world *w, const struct vc_search_opts *o)
{
    struct vc_search_nodes nodes;
    *j = (struct vc_search_job){
        .w = w, .o = o, .objective = o->objective, .seed = o->m.seed, .begin = vc_measure_now()};
    vc_device_recover(w);
    if (!vc_search_nodes(w, &nodes))
        return 1;
    bool ok = o->mode != VC_SEARCH_AGAIN || load_places(j) == 0, any = false;
    if (ok && o->mode != VC_SEARCH_AGAIN)
        vc_search_places(j, &nodes);
    if (ok && o->mode == VC_SEARCH_RUN)
        vc_search_thin(j);
    if (ok)
        any = vc_search_open_places(j, &nodes);
    vc_search_nodes_free(&nodes);
    name_hosts(j);
    for (int i = 0; i < j->nplace && ok; i++)
        if (j->place[i].open && j->place[i].c.member)
            vc_measure_seed(&j->place[i].c.w, j->seed, w->rank);
    if (!ok)
        return 1;
    /* Without any the others tell what there is instead. */
    return any || o->mode != VC_SEARCH_RUN ? 0 : inactive(j);
}

int vc_search_run(struct vc_search_job *j)
{
    static int (*const lead[])(struct vc_search_job *) = {
        [VC_SEARCH_RUN] = drive, [VC_SEARCH_CHECK] = vc_guide_run, [VC_SEARCH_AGAIN] = vc_again_run};
    int rc = 0;
    if (j->o->mode == VC_SEARCH_RUN) {
        vc_search_levels(j);
        vc_search_progress(j, "parameters of the cost model");
        vc_fit(j->w, fmin(FIT_PART * j->o->budget, FIT_MOST), &j->model);
    }
    if (j->w->rank == 0) {
        rc = lead[j->o->mode](j) != 0;
        finish(j);
    } else {
        vc_search_serve(j);
    }
    return vc_measure_told(j->w, rc);
}

void vc_search_close(struct vc_search_job *j)
{
    for (int i = 0; i < j->nresult; i++)
        vc_point_free(&j->result[i].p);
    free(j->result);
    for (int i = 0; i < j->nagain; i++)
        vc_point_free(&j->again[i].p);
    free(j->again);
    json_decref(j->levels);
    vc_table_doc_close(&j->table);
    free(j->comparison);
    for (int i = 0; i < j->nplace; i++)
        if (j->place[i].open)
            vc_search_comm_close(&j->place[i].c);
}

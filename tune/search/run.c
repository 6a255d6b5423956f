/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune run`: rank 0 drives (which point next, within the budget), all others serve. */
#include "tune/search/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VC_FIT_PART 0.06 /* of the budget is for the cost model */
#define VC_FIT_MOST 20   /* seconds */
#define MODER_PART  0.4  /* and, with --devices, for their moderation */
#define REFINE_PART 0.5  /* of what is left is for second looks and sizes in between */
#define POINT_MOST  30   /* seconds: more proves nothing more */
#define POINT_LEAST 0.02
#define ROUNDS      3 /* fewer prove nothing */

double vc_search_left(const struct vc_search_job *j)
{
    return j->budget - (vc_measure_now() - j->begin);
}

struct vc_search_result *vc_search_find(const struct vc_search_job *j, int place, enum vc_coll coll,
                                        size_t bytes)
{
    for (int i = 0; i < j->nresult; i++) {
        struct vc_search_result *r = &j->result[i];
        if (r->place == place && r->p.coll == coll && r->p.bytes == bytes)
            return r;
    }
    return NULL;
}

static struct vc_search_result *add(struct vc_search_job *j)
{
    if (j->nresult == j->capresult) {
        int cap = j->capresult ? 2 * j->capresult : 64;
        struct vc_search_result *more = realloc(j->result, (size_t)cap * sizeof *more);
        if (!more)
            return NULL;
        j->result = more;
        j->capresult = cap;
    }
    struct vc_search_result *r = &j->result[j->nresult++];
    memset(r, 0, sizeof *r);
    return r;
}

struct vc_search_result *vc_search_keep(struct vc_search_job *j, int place, const struct vc_search_point *p)
{
    struct vc_search_result *r = vc_search_find(j, place, p->coll, p->bytes);
    if (r)
        vc_search_point_free(&r->p);
    else
        r = add(j);
    if (r) {
        r->place = place;
        r->p = *p;
        r->visits++;
    }
    return r;
}

int vc_search_measured(const struct vc_search_job *j, int place, enum vc_coll coll,
                       struct vc_search_result *list[VC_MEASURE_SIZES])
{
    int n = 0;
    for (int i = 0; i < j->nresult && n < VC_MEASURE_SIZES; i++) {
        struct vc_search_result *r = &j->result[i];
        if (r->place != place || r->p.coll != coll)
            continue;
        int at = n++;
        for (; at > 0 && list[at - 1]->p.bytes > r->p.bytes; at--)
            list[at] = list[at - 1];
        list[at] = r;
    }
    return n;
}

/* What racing every candidate for as many rounds as the winner had would have taken; an estimate from below,
 * as those who are dropped are the slow ones. */
static void count(struct vc_search_job *j, const struct vc_search_point *p)
{
    long rounds = 0, most = 0;
    int all = 0;
    for (int i = 0; i < p->ncand; i++) {
        const struct vc_search_cand *k = &p->cand[i];
        rounds += k->rounds;
        most = k->rounds > most ? k->rounds : most;
        j->points_tried += k->rounds > 0;
        all++;
    }
    j->points_exhaustive += all;
    if (rounds > 0)
        j->exhaustive += p->seconds / (double)rounds * (double)most * all;
}

/* A point at which time ran out before anything could be compared is none: its neighbours say more. */
static bool proved_something(const struct vc_search_point *p)
{
    bool other = p->ncand == 1;
    for (int i = 1; i < p->ncand; i++)
        other = other || p->cand[i].rounds >= ROUNDS;
    return p->ncand > 0 && p->cand[0].rounds >= ROUNDS && other;
}

/* Who took no part in a later visit stays with what the earlier one said; it decides nothing any more. */
static void keep_losers(struct vc_search_point *p, struct vc_search_point *old)
{
    int n = 0;
    for (int i = 0; i < p->ncand; i++) {
        struct vc_search_cand *k = &p->cand[i];
        if (i > 0 && i != p->builtin && k->skip && k->rounds == 0) {
            struct vc_search_point one = {.cand = calloc(1, sizeof *k), .ncand = 1};
            if (one.cand)
                one.cand[0] = *k;
            vc_search_point_free(&one);
            continue;
        }
        p->best = p->best == i ? n : p->best;
        p->builtin = p->builtin == i ? n : p->builtin;
        p->cand[n++] = *k;
    }
    p->ncand = n;
    double seconds = p->seconds;
    if (!vc_search_merge(p, old))
        return;
    p->seconds = seconds;
}

bool vc_search_visit(struct vc_search_job *j, int place, enum vc_coll coll, size_t bytes, double seconds)
{
    struct vc_search_command c = {.kind = VC_SEARCH_POINT, .place = place, .coll = coll, .bytes = bytes};
    struct vc_search_point p = {.ncand = 0};
    char why[256], what[128], size[24];
    c.seconds = fmin(fmax(seconds, POINT_LEAST), POINT_MOST);
    c.again = vc_search_find(j, place, coll, bytes) != NULL;
    snprintf(what, sizeof what, "%s %s, %s", vc_coll_name(coll),
             bytes ? vc_measure_size_text(bytes, size) : "", j->place[place].name);
    vc_search_progress(j, what);
    int rc = vc_search_do(j, &c, &p, why, sizeof why);
    if (rc != 0) {
        fprintf(stderr, "vcoll tune: out of memory at %s; try smaller --sizes or fewer ranks\n", what);
        j->failed = true;
    } else if (vc_search_interrupted()) {
        j->interrupted = true;
    } else if (proved_something(&p)) {
        struct vc_search_result *r = vc_search_find(j, place, coll, bytes);
        if (r)
            keep_losers(&p, &r->p);
        r = vc_search_keep(j, place, &p);
        if (!r) {
            j->failed = true;
        } else {
            snprintf(r->setting, sizeof r->setting, "%s", j->setting);
            vc_search_state_add(j, r);
            count(j, &p);
            for (int i = 0; i < p.ncand; i++)
                j->wrong = j->wrong || p.cand[i].wrong;
            j->measured++;
            vc_search_point_line(j, r);
            return true;
        }
    } else {
        j->skipped++;
        if (j->o->verbose)
            fprintf(stderr, "%s: %.2f s were too short to prove anything\n", what, p.seconds);
    }
    vc_search_point_free(&p);
    return !j->failed && !j->interrupted;
}

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

static void drive(struct vc_search_job *j)
{
    if (j->o->devices && !vc_search_interrupted())
        vc_search_moderate(j, MODER_PART * vc_search_left(j));
    coarse(j);
    if (!j->failed && !j->interrupted)
        vc_search_refine(j);
    vc_search_progress(j, NULL);
}

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

static bool open_places(struct vc_search_job *j)
{
    bool any = false;
    for (int i = 0; i < j->nplace; i++) {
        struct vc_search_place *p = &j->place[i];
        p->open = vc_search_comm_open(j->w, p->nodes, p->ppn, &p->c);
        any = any || p->open;
    }
    return any;
}

static void finish(struct vc_search_job *j)
{
    struct vc_search_command restore = {.kind = VC_SEARCH_DEVICE, .restore = true},
                             stop = {.kind = VC_SEARCH_STOP};
    struct vc_search_point none;
    char why[256];
    if (j->o->devices && vc_search_do(j, &restore, &none, why, sizeof why) != 0) {
        fprintf(stderr, "vcoll tune: the devices could not be put back: %s\n", why);
        j->failed = true;
    }
    vc_search_do(j, &stop, &none, why, sizeof why);
}

/* Rank 0's part. The exit code. */
static int lead(struct vc_search_job *j)
{
    if (vc_search_state_open(j) != 0) {
        finish(j);
        return 1;
    }
    drive(j);
    finish(j);
    vc_search_state_close(j);
    if (j->nresult == 0 && !j->interrupted) {
        fprintf(stderr, "vcoll tune: nothing was measured; give it more --budget\n");
        return 1;
    }
    if (j->nresult > 0 && vc_search_write(j) != 0)
        return 1;
    if (j->nresult > 0 && !j->o->quiet)
        vc_search_summary(j);
    if (j->nresult > 0 && j->o->json && vc_search_summary_json(j, j->o->json) != 0)
        return 1;
    if (j->interrupted) {
        fprintf(stderr, "vcoll tune: interrupted after %d points; go on with the same words and --resume\n",
                j->nresult);
        return 128 + vc_search_signal();
    }
    return j->failed || j->wrong;
}

static void name_hosts(struct vc_search_job *j)
{
    char mine[64] = "";
    char *all = calloc((size_t)j->w->size, sizeof mine);
    if (!vc_measure_all_agree(j->w, all != NULL)) {
        free(all);
        return;
    }
    gethostname(mine, sizeof mine - 1);
    j->w->control->allgather(mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, j->w->ctl);
    size_t n = 0;
    for (int i = 0; i < j->w->nleader && n < sizeof j->hosts; i++)
        n += (size_t)snprintf(j->hosts + n, sizeof j->hosts - n, "%s%s", i ? "," : "",
                              all + (size_t)j->w->leader[i] * sizeof mine);
    free(all);
}

static void free_job(struct vc_search_job *j)
{
    for (int i = 0; i < j->nresult; i++)
        vc_search_point_free(&j->result[i].p);
    free(j->result);
    for (int i = 0; i < j->nplace; i++)
        if (j->place[i].open)
            vc_search_comm_close(&j->place[i].c);
}

int vc_search_run(struct vc_measure_world *w, const struct vc_search_opts *o)
{
    static struct vc_search_job job;
    struct vc_search_job *j = &job;
    struct vc_search_nodes nodes;
    *j = (struct vc_search_job){.w = w, .o = o, .begin = vc_measure_now(), .budget = o->budget};
    if (!vc_search_nodes(w, &nodes))
        return 1;
    vc_search_places(j, &nodes);
    vc_search_nodes_free(&nodes);
    vc_search_thin(j);
    name_hosts(j);
    if (w->rank == 0 && o->dry_run)
        fprintf(stdout, "The plan of `vcoll tune run':\n");
    if (!open_places(j)) {
        free_job(j);
        return inactive(j);
    }
    int rc = 0;
    if (o->dry_run) {
        vc_search_print_plan(j);
    } else {
        vc_search_progress(j, "parameters of the cost model");
        vc_fit(w, fmin(VC_FIT_PART * o->budget, VC_FIT_MOST), &j->model);
        if (w->rank == 0)
            rc = lead(j);
        else
            vc_search_serve(j);
    }
    w->control->bcast(&rc, 1, MPI_INT, 0, w->ctl);
    free_job(j);
    return rc;
}

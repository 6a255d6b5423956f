/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll tune run`: rank 0 drives (which point next, within the budget), all others serve. */
#include "tools/tune/job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIT_PART    0.06 /* of the budget is for the cost model */
#define FIT_MOST    20   /* seconds */
#define MODER_PART  0.4  /* and, with --devices, for their moderation */
#define REFINE_PART 0.5  /* of what is left is for second looks and sizes in between */
#define POINT_MOST  30   /* seconds: more proves nothing more */
#define POINT_LEAST 0.02
#define ROUNDS      3 /* fewer prove nothing */

double tune_left(const struct tune_job *j)
{
    return j->budget - (bench_now() - j->begin);
}

struct tune_result *tune_find(const struct tune_job *j, int place, enum vc_coll coll, size_t bytes)
{
    for (int i = 0; i < j->nresult; i++) {
        struct tune_result *r = &j->result[i];
        if (r->place == place && r->p.coll == coll && r->p.bytes == bytes)
            return r;
    }
    return NULL;
}

static struct tune_result *add(struct tune_job *j)
{
    if (j->nresult == j->capresult) {
        int cap = j->capresult ? 2 * j->capresult : 64;
        struct tune_result *more = realloc(j->result, (size_t)cap * sizeof *more);
        if (!more)
            return NULL;
        j->result = more;
        j->capresult = cap;
    }
    struct tune_result *r = &j->result[j->nresult++];
    memset(r, 0, sizeof *r);
    return r;
}

struct tune_result *tune_keep(struct tune_job *j, int place, const struct tune_point *p)
{
    struct tune_result *r = tune_find(j, place, p->coll, p->bytes);
    if (r)
        tune_point_free(&r->p);
    else
        r = add(j);
    if (r) {
        r->place = place;
        r->p = *p;
        r->visits++;
    }
    return r;
}

int tune_measured(const struct tune_job *j, int place, enum vc_coll coll,
                  struct tune_result *list[BENCH_MAX_SIZES])
{
    int n = 0;
    for (int i = 0; i < j->nresult && n < BENCH_MAX_SIZES; i++) {
        struct tune_result *r = &j->result[i];
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
static void count(struct tune_job *j, const struct tune_point *p)
{
    long rounds = 0, most = 0;
    int all = 0;
    for (int i = 0; i < p->ncand; i++) {
        const struct tune_cand *k = &p->cand[i];
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
static bool proved_something(const struct tune_point *p)
{
    bool other = p->ncand == 1;
    for (int i = 1; i < p->ncand; i++)
        other = other || p->cand[i].rounds >= ROUNDS;
    return p->ncand > 0 && p->cand[0].rounds >= ROUNDS && other;
}

/* Who took no part in a later visit stays with what the earlier one said; it decides nothing any more. */
static void keep_losers(struct tune_point *p, struct tune_point *old)
{
    int n = 0;
    for (int i = 0; i < p->ncand; i++) {
        struct tune_cand *k = &p->cand[i];
        if (i > 0 && i != p->builtin && k->skip && k->rounds == 0) {
            struct tune_point one = {.cand = calloc(1, sizeof *k), .ncand = 1};
            if (one.cand)
                one.cand[0] = *k;
            tune_point_free(&one);
            continue;
        }
        p->best = p->best == i ? n : p->best;
        p->builtin = p->builtin == i ? n : p->builtin;
        p->cand[n++] = *k;
    }
    p->ncand = n;
    double seconds = p->seconds;
    if (!tune_merge(p, old))
        return;
    p->seconds = seconds;
}

bool tune_visit(struct tune_job *j, int place, enum vc_coll coll, size_t bytes, double seconds)
{
    struct tune_command c = {.kind = TUNE_POINT, .place = place, .coll = coll, .bytes = bytes};
    struct tune_point p = {.ncand = 0};
    char why[256], what[128], size[24];
    c.seconds = fmin(fmax(seconds, POINT_LEAST), POINT_MOST);
    c.again = tune_find(j, place, coll, bytes) != NULL;
    snprintf(what, sizeof what, "%s %s, %s", vc_coll_name(coll), bytes ? bench_size_text(bytes, size) : "",
             j->place[place].name);
    tune_progress(j, what);
    int rc = tune_do(j, &c, &p, why, sizeof why);
    if (rc != 0) {
        fprintf(stderr, "vcoll tune: out of memory at %s; try smaller --sizes or fewer ranks\n", what);
        j->failed = true;
    } else if (tune_interrupted()) {
        j->interrupted = true;
    } else if (proved_something(&p)) {
        struct tune_result *r = tune_find(j, place, coll, bytes);
        if (r)
            keep_losers(&p, &r->p);
        r = tune_keep(j, place, &p);
        if (!r) {
            j->failed = true;
        } else {
            snprintf(r->setting, sizeof r->setting, "%s", j->setting);
            tune_state_add(j, r);
            count(j, &p);
            for (int i = 0; i < p.ncand; i++)
                j->wrong = j->wrong || p.cand[i].wrong;
            j->measured++;
            tune_point_line(j, r);
            return true;
        }
    } else {
        j->skipped++;
        if (j->o->verbose)
            fprintf(stderr, "%s: %.2f s were too short to prove anything\n", what, p.seconds);
    }
    tune_point_free(&p);
    return !j->failed && !j->interrupted;
}

/* The points to begin with: each gets an equal part of what is left of its share of the time. */
static void coarse(struct tune_job *j)
{
    int todo = 0;
    size_t sizes[BENCH_MAX_SIZES];
    const struct bench_opts *b = &j->o->bench;
    for (int i = 0; i < j->nplace; i++)
        todo += j->place[i].open;
    todo *= tune_count_points(j) / (j->nplace > 0 ? j->nplace : 1);
    double keep = REFINE_PART * tune_left(j);
    for (int i = 0; i < j->nplace; i++)
        for (int c = 0; j->place[i].open && c < b->ncoll; c++) {
            int n = tune_sizes(j, b->coll[c], sizes);
            for (int s = 0; s < n; s++, todo--) {
                if (tune_find(j, i, b->coll[c], sizes[s]))
                    continue;
                if (tune_left(j) <= 0) {
                    j->skipped++;
                    continue;
                }
                double left = fmax(tune_left(j) - keep, 0.1 * tune_left(j));
                if (!tune_visit(j, i, b->coll[c], sizes[s], left / todo))
                    return;
            }
        }
}

static void drive(struct tune_job *j)
{
    if (j->o->devices && !tune_interrupted())
        tune_moderate(j, MODER_PART * tune_left(j));
    coarse(j);
    if (!j->failed && !j->interrupted)
        tune_refine(j);
    tune_progress(j, NULL);
}

/* Says why vcoll is not there to be tuned. */
static int inactive(struct tune_job *j)
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

static bool open_places(struct tune_job *j)
{
    bool any = false;
    for (int i = 0; i < j->nplace; i++) {
        struct tune_place *p = &j->place[i];
        p->open = tune_comm_open(j->w, p->nodes, p->ppn, &p->c);
        any = any || p->open;
    }
    return any;
}

static void finish(struct tune_job *j)
{
    struct tune_command restore = {.kind = TUNE_DEVICE, .restore = true}, stop = {.kind = TUNE_STOP};
    struct tune_point none;
    char why[256];
    if (j->o->devices && tune_do(j, &restore, &none, why, sizeof why) != 0) {
        fprintf(stderr, "vcoll tune: the devices could not be put back: %s\n", why);
        j->failed = true;
    }
    tune_do(j, &stop, &none, why, sizeof why);
}

/* Rank 0's part. The exit code. */
static int lead(struct tune_job *j)
{
    if (tune_state_open(j) != 0) {
        finish(j);
        return 1;
    }
    drive(j);
    finish(j);
    tune_state_close(j);
    if (j->nresult == 0 && !j->interrupted) {
        fprintf(stderr, "vcoll tune: nothing was measured; give it more --budget\n");
        return 1;
    }
    if (j->nresult > 0 && tune_write(j) != 0)
        return 1;
    if (j->nresult > 0 && !j->o->quiet)
        tune_summary(j);
    if (j->nresult > 0 && j->o->json && tune_summary_json(j, j->o->json) != 0)
        return 1;
    if (j->interrupted) {
        fprintf(stderr, "vcoll tune: interrupted after %d points; go on with the same words and --resume\n",
                j->nresult);
        return 128 + tune_signal();
    }
    return j->failed || j->wrong;
}

static void name_hosts(struct tune_job *j)
{
    char mine[64] = "";
    char *all = calloc((size_t)j->w->size, sizeof mine);
    if (!bench_all_agree(j->w, all != NULL)) {
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

static void free_job(struct tune_job *j)
{
    for (int i = 0; i < j->nresult; i++)
        tune_point_free(&j->result[i].p);
    free(j->result);
    for (int i = 0; i < j->nplace; i++)
        if (j->place[i].open)
            tune_comm_close(&j->place[i].c);
}

int tune_run(struct bench_world *w, const struct tune_opts *o)
{
    static struct tune_job job;
    struct tune_job *j = &job;
    struct tune_nodes nodes;
    *j = (struct tune_job){.w = w, .o = o, .begin = bench_now(), .budget = o->budget};
    if (!tune_nodes(w, &nodes))
        return 1;
    tune_places(j, &nodes);
    tune_nodes_free(&nodes);
    tune_thin(j);
    name_hosts(j);
    if (w->rank == 0 && o->dry_run)
        fprintf(stdout, "The plan of `vcoll tune run':\n");
    if (!open_places(j)) {
        free_job(j);
        return inactive(j);
    }
    int rc = 0;
    if (o->dry_run) {
        tune_print_plan(j);
    } else {
        tune_progress(j, "parameters of the cost model");
        tune_fit(w, fmin(FIT_PART * o->budget, FIT_MOST), &j->model);
        if (w->rank == 0)
            rc = lead(j);
        else
            tune_serve(j);
    }
    w->control->bcast(&rc, 1, MPI_INT, 0, w->ctl);
    free_job(j);
    return rc;
}

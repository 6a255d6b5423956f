/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of any mode: rank 0 drives, all others serve. Of `run`: which point next, within the budget. */
#include "tune/search/internal.h"

#include <math.h>
#include <signal.h>
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

/* ---- signals ---- */

static volatile sig_atomic_t caught;

static void note(int sig)
{
    /* SIGUSR1 is what the launching process asks with (tools/tune/launch.c): that it was interrupted itself.
     */
    caught = sig == SIGUSR1 ? SIGINT : sig;
}

void vc_search_signals_catch(void)
{
    static const int sigs[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    /* Nothing of MPI's must fail because a person is impatient. */
    struct sigaction act = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
        sigaction(sigs[i], &act, NULL);
}

bool vc_search_interrupted(void)
{
    return caught != 0;
}

int vc_search_signal(void)
{
    return caught;
}

/* ---- what a terminal shows ---- */

void vc_search_progress(const struct vc_search_job *j, const char *what)
{
    double left = fmax(vc_search_left(j), 0);
    char text[128];
    if (j->w->rank != 0 || j->o->quiet)
        return;
    snprintf(text, sizeof text, "%d:%02d left, %-36.36s", (int)left / 60, (int)left % 60, what ? what : "");
    vc_measure_progress(j->w, what ? (int)(1000 * (1 - left / j->o->budget)) : 1001, 1001, text);
}

void vc_search_progress_call(const struct vc_search_job *j, enum vc_coll coll, size_t bytes, int place)
{
    char what[128], size[24];
    snprintf(what, sizeof what, "%s %s, %s", vc_coll_name(coll),
             bytes ? vc_measure_size_text(bytes, size) : "", j->place[place].name);
    vc_search_progress(j, what);
}

/* ---- results ---- */

double vc_search_left(const struct vc_search_job *j)
{
    return j->o->budget - (vc_measure_now() - j->begin);
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

struct vc_search_result *vc_search_keep(struct vc_search_job *j, int place, const struct vc_point *p)
{
    struct vc_search_result *r = vc_search_find(j, place, p->coll, p->bytes);
    if (r)
        vc_point_free(&r->p);
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

int vc_search_alike(struct vc_search_result *const *list, int n, int first)
{
    int last = first;
    while (last + 1 < n &&
           strcmp(vc_search_chosen(list[last + 1])->choice, vc_search_chosen(list[first])->choice) == 0)
        last++;
    return last;
}

/* ---- a point ---- */

/* What racing every candidate for as many rounds as the winner had would have taken; an estimate from below,
 * as those who are dropped are the slow ones. */
static void count(struct vc_search_job *j, const struct vc_point *p)
{
    long rounds = 0, most = 0;
    for (int i = 0; i < p->ncand; i++) {
        const struct vc_entrant *k = &p->cand[i];
        rounds += k->rounds;
        most = k->rounds > most ? k->rounds : most;
        j->points_tried += k->rounds > 0;
        j->wrong = j->wrong || k->wrong;
    }
    j->points_exhaustive += p->ncand;
    if (rounds > 0)
        j->exhaustive += p->seconds / (double)rounds * (double)most * p->ncand;
}

/* A point at which time ran out before anything could be compared is none: its neighbours say more. */
static bool proved_something(const struct vc_point *p)
{
    bool other = p->ncand == 1;
    for (int i = 1; i < p->ncand; i++)
        other = other || p->cand[i].rounds >= ROUNDS;
    return p->ncand > 0 && p->cand[0].rounds >= ROUNDS && other;
}

/* Candidates that took no part in a later visit keep their samples of the earlier one, which decide nothing
 * any more. */
static void keep_losers(struct vc_point *p, struct vc_point *old)
{
    int n = 0;
    for (int i = 0; i < p->ncand; i++) {
        struct vc_entrant *k = &p->cand[i];
        if (i > 0 && i != p->builtin && k->skip && k->rounds == 0) {
            vc_entrant_free(k);
            continue;
        }
        p->best = p->best == i ? n : p->best;
        p->builtin = p->builtin == i ? n : p->builtin;
        p->cand[n++] = *k;
    }
    p->ncand = n;
    double seconds = p->seconds;
    if (vc_search_merge(p, old))
        p->seconds = seconds;
}

static void point_line(const struct vc_search_job *j, const struct vc_search_result *r)
{
    char size[24];
    if (!j->o->verbose)
        return;
    vc_search_progress(j, NULL);
    fprintf(stderr, "%-14s %-9s %8s  %-40s %s (%.2f s)\n", j->place[r->place].name, vc_coll_name(r->p.coll),
            r->p.bytes ? vc_measure_size_text(r->p.bytes, size) : "", vc_search_chosen(r)->choice, r->p.why,
            r->p.seconds);
}

/* Takes the point over. */
static void take_over(struct vc_search_job *j, int place, struct vc_point *p)
{
    struct vc_search_result *r = vc_search_find(j, place, p->coll, p->bytes);
    if (r)
        keep_losers(p, &r->p);
    r = vc_search_keep(j, place, p);
    if (!r) {
        j->failed = true;
        vc_point_free(p);
        return;
    }
    snprintf(r->setting, sizeof r->setting, "%s", j->setting);
    vc_search_state_add(j, r);
    count(j, p);
    point_line(j, r);
}

bool vc_search_visit(struct vc_search_job *j, int place, enum vc_coll coll, size_t bytes, double seconds)
{
    bool again = vc_search_find(j, place, coll, bytes) != NULL;
    struct vc_search_command c = {.kind = again && !j->o->exhaustive ? VC_SEARCH_FINAL : VC_SEARCH_POINT,
                                  .place = place,
                                  .coll = coll,
                                  .bytes = bytes,
                                  .seconds = fmin(fmax(seconds, POINT_LEAST), POINT_MOST)};
    struct vc_point p = {.ncand = 0};
    char why[256];
    vc_search_progress_call(j, coll, bytes, place);
    if (vc_search_do(j, &c, &p, why, sizeof why) != 0) {
        fprintf(stderr, "vcoll tune: out of memory at %s %zu B, %s; try smaller --sizes or fewer ranks\n",
                vc_coll_name(coll), bytes, j->place[place].name);
        j->failed = true;
    } else if (vc_search_interrupted()) {
        j->interrupted = true;
    } else if (proved_something(&p)) {
        take_over(j, place, &p);
        return !j->failed;
    } else {
        j->skipped++;
        if (j->o->verbose)
            fprintf(stderr, "%s %zu B, %s: %.2f s were too short to prove anything\n", vc_coll_name(coll),
                    bytes, j->place[place].name, p.seconds);
    }
    vc_point_free(&p);
    return !j->failed && !j->interrupted;
}

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

static int drive(struct vc_search_job *j)
{
    if (vc_search_state_open(j) != 0)
        return -1;
    if (j->o->devices && !vc_search_interrupted())
        vc_search_moderate(j, MODER_PART * vc_search_left(j));
    coarse(j);
    if (!j->failed && !j->interrupted)
        vc_search_refine(j);
    vc_search_state_close(j);
    if (j->nresult > 0 || j->interrupted)
        return 0;
    fprintf(stderr, "vcoll tune: nothing was measured; give it more --budget\n");
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
    vc_table_doc_close(&j->table);
    free(j->comparison);
    for (int i = 0; i < j->nplace; i++)
        if (j->place[i].open)
            vc_search_comm_close(&j->place[i].c);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* One point: measured, judged whether it proves something, and kept. */
#include "tune/search/internal.h"

#include <math.h>
#include <string.h>

#define POINT_MOST  30 /* seconds: more proves nothing more */
#define POINT_LEAST 0.02
#define ROUNDS      3 /* fewer prove nothing */

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

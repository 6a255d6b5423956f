/* SPDX-License-Identifier: BSD-3-Clause */
/* Second looks: at points whose choice is in doubt, at neighbours that disagree, and then at the size between
 * those, until they are close, or it makes no difference. */
#include "tune/search/internal.h"

#include <math.h>
#include <string.h>

#define CLOSE  2.0  /* neighbours of less than this factor are close enough */
#define DOUBT  1.05 /* a candidate that seems better by this, without proof, is worth another look, */
#define LONGER 2    /* for so many times the time, */
#define VISITS 3    /* and so many looks in all */
#define DIFFER 1.05 /* a wrong border that costs less than this is not looked for */

/* How many times longer the point would take with the other's choice; NAN when that was not measured to an
 * end. */
static double cost_of(const struct vc_point *p, const char *choice)
{
    int i = vc_point_find(p, choice);
    return i >= 0 && p->cand[i].rounds > 0 ? p->cand[i].score / p->cand[p->best].score : NAN;
}

/* What is at stake between two neighbours; 0: nothing. */
static double stake(const struct vc_search_result *a, const struct vc_search_result *b)
{
    const char *x = vc_search_chosen(a)->choice, *y = vc_search_chosen(b)->choice;
    if (strcmp(x, y) == 0 || (double)b->p.bytes < CLOSE * (double)a->p.bytes)
        return 0;
    double wrong_a = cost_of(&a->p, y), wrong_b = cost_of(&b->p, x);
    /* A candidate that was dropped early is far behind; how far is not known. */
    double most = fmax(isnan(wrong_a) ? 2 : wrong_a, isnan(wrong_b) ? 2 : wrong_b);
    return most < DIFFER ? 0 : log(most) * log((double)b->p.bytes / (double)a->p.bytes);
}

static size_t between(size_t a, size_t b)
{
    size_t m = (size_t)sqrt((double)a * (double)b);
    /* Whole doubles, as most programs send. */
    return m > 16 ? m / 8 * 8 : m;
}

struct gap {
    int place;
    enum vc_coll coll;
    size_t bytes;
    double stake;
};

/* The gap with the most at stake; false: there is none. */
static bool widest(struct vc_search_job *j, struct gap *g)
{
    const struct vc_measure_opts *b = &j->o->m;
    *g = (struct gap){.stake = 0};
    for (int i = 0; i < j->nplace; i++)
        for (int c = 0; c < b->ncoll; c++) {
            struct vc_search_result *list[VC_MEASURE_SIZES];
            int n = vc_search_measured(j, i, b->coll[c], list);
            for (int k = 0; k + 1 < n && n < VC_MEASURE_SIZES; k++) {
                double s = stake(list[k], list[k + 1]);
                size_t bytes = between(list[k]->p.bytes, list[k + 1]->p.bytes);
                if (s > g->stake && bytes > list[k]->p.bytes && bytes < list[k + 1]->p.bytes)
                    *g = (struct gap){i, b->coll[c], bytes, s};
            }
        }
    return g->stake > 0;
}

/* As long as the points took on average. */
static double usual_time(const struct vc_search_job *j)
{
    double spent = 0;
    for (int i = 0; i < j->nresult; i++)
        spent += j->result[i].p.seconds;
    return j->nresult > 0 ? spent / j->nresult : 0;
}

/* How much may be lost by staying with the choice. */
static double doubt(const struct vc_search_result *r)
{
    const struct vc_point *p = &r->p;
    double most = 1;
    for (int i = 1; i < p->ncand && r->visits < VISITS; i++) {
        const struct vc_entrant *k = &p->cand[i];
        if (i != p->best && !k->wrong && !k->dropped && k->race == 0 && k->rounds > 0)
            most = fmax(most, p->cand[p->best].score / k->score);
    }
    return most > DOUBT ? most : 0;
}

static struct vc_search_result *most_doubtful(struct vc_search_job *j)
{
    struct vc_search_result *r = NULL;
    for (int i = 0; i < j->nresult; i++)
        if (doubt(&j->result[i]) > (r ? doubt(r) : 0))
            r = &j->result[i];
    return r;
}

/* Of two neighbours that disagree the one that was only measured once: whatever disturbed it then is over. */
static struct vc_search_result *unconfirmed(const struct vc_search_job *j, const struct gap *g)
{
    struct vc_search_result *list[VC_MEASURE_SIZES];
    int n = vc_search_measured(j, g->place, g->coll, list);
    for (int k = 0; k + 1 < n; k++)
        if (list[k]->p.bytes < g->bytes && g->bytes < list[k + 1]->p.bytes)
            return list[k]->visits < 2 ? list[k] : list[k + 1]->visits < 2 ? list[k + 1] : NULL;
    return NULL;
}

void vc_search_refine(struct vc_search_job *j)
{
    struct gap g;
    double each = usual_time(j);
    while (vc_search_left(j) > each) {
        struct vc_search_result *r = most_doubtful(j);
        bool gap = !r && widest(j, &g);
        if (gap)
            r = unconfirmed(j, &g);
        if (!r && !gap)
            return;
        if (r) {
            int visits = r->visits, at = (int)(r - j->result);
            if (!vc_search_visit(j, r->place, r->p.coll, r->p.bytes, fmin(LONGER * each, vc_search_left(j))))
                return;
            /* It proved nothing: nor would the next attempt. */
            r = &j->result[at];
            r->visits = r->visits == visits ? VISITS : r->visits;
            continue;
        }
        int before = j->nresult;
        if (!vc_search_visit(j, g.place, g.coll, g.bytes, fmin(each, vc_search_left(j))) ||
            j->nresult == before)
            return;
    }
}

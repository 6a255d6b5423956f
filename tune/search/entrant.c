/* SPDX-License-Identifier: BSD-3-Clause */
/* One candidate: brought in, warmed up, timed roughly, and then measured block by block. */
#include "tune/search/race.h"

#include <math.h>
#include <string.h>

#define WARM     2      /* calls after the first, which makes plans and connections, and the checked one */
#define HOPELESS 20     /* times the best: out after a single call, */
#define LONG     5e-3   /* when that took so long: shorter ones may have met an interrupt */
#define SCREEN   3      /* times the best: out after a few calls */
#define ROUGH    0.4e-3 /* seconds of a block that tells roughly */
#define ROUGHS   3

bool vc_search_force(struct vc_search_comm *c, enum vc_coll coll, const char *choice, char *why, size_t len)
{
    struct vc_measure_world *w = &c->w;
    why[0] = '\0';
    bool ok = vcoll_comm_force(&w->comm, vc_coll_name(coll), choice, why, len) == 0;
    if (vc_measure_all_agree(w, ok))
        return true;
    /* Some ranks may have taken it. */
    char ignored[16];
    vcoll_comm_force(&w->comm, vc_coll_name(coll), "auto", ignored, sizeof ignored);
    return false;
}

const struct vc_measure_fns *vc_search_fns(const struct vc_search_race_state *r, int i)
{
    /* What the user has without vcoll is what is to be beaten. */
    bool native = strcmp(r->p->cand[i].choice, "native") == 0;
    return &r->c->w.fn[native ? VC_IMPL_NATIVE : VC_IMPL_VCOLL];
}

static void force(struct vc_search_race_state *r, int i)
{
    const char *choice = r->p->cand[i].choice;
    if (strcmp(choice, "native") != 0)
        vcoll_comm_force(&r->c->w.comm, vc_coll_name(r->p->coll), choice, NULL, 0);
}

/* Rank 0's word for everybody. */
static bool told(struct vc_measure_world *w, bool yes)
{
    int word = yes;
    w->control->bcast(&word, 1, MPI_INT, 0, w->ctl);
    return word;
}

static bool check(struct vc_search_race_state *r, int i)
{
    struct vc_measure_world *w = &r->c->w;
    int bad = !vc_measure_call_verify(&r->call, w, vc_search_fns(r, i), (unsigned)i), all = 0;
    w->control->allreduce(&bad, &all, 1, MPI_INT, MPI_SUM, w->ctl);
    if (all > 0 && w->rank == 0)
        fprintf(stderr,
                "vcoll tune: WRONG RESULT of %s %zu B as %s on %d of %d ranks: it will not be chosen; "
                "please report this\n",
                vc_coll_name(r->p->coll), r->p->bytes, r->p->cand[i].choice, all, w->size);
    return all == 0;
}

/* The objective's score, from a few calls back to back. */
static double rough_score(const struct vc_search_entrant *e, enum vc_search_objective objective)
{
    return objective == VC_SEARCH_CPU        ? e->cpu
           : objective == VC_SEARCH_BALANCED ? sqrt(e->cpu * e->call)
                                             : e->call;
}

/* A few blocks, long enough that the clock does not decide; the best of them. */
static void time_roughly(struct vc_search_race_state *r, int i)
{
    struct vc_measure_world *w = &r->c->w;
    struct vc_search_entrant *e = &r->entrant[i];
    long n = 1;
    e->call = e->cpu = INFINITY;
    for (int k = 0; k < ROUGHS;) {
        double cpu = 0, t = vc_measure_block_b2b(w, &r->call, vc_search_fns(r, i), n, &cpu);
        bool brief = t * (double)n < ROUGH && n < 256;
        if (w->rank == 0 && t < e->call) {
            e->call = t;
            e->cpu = fmax(cpu, 1e-9);
        }
        k++;
        if (told(w, w->rank == 0 && brief)) {
            n *= 4;
            k = k > 1 ? k - 1 : k;
        } else if (told(w, w->rank == 0 && t > LONG)) {
            break;
        }
    }
}

double vc_search_enter(struct vc_search_race_state *r, int i, double best)
{
    struct vc_measure_world *w = &r->c->w;
    struct vc_search_entrant *e = &r->entrant[i];
    struct vc_search_cand *k = &r->p->cand[i];
    char why[256];
    const struct vc_measure_fns *f = vc_search_fns(r, i);
    e->out = true;
    if (f == &w->fn[VC_IMPL_VCOLL] && !vc_search_force(r->c, r->p->coll, k->choice, why, sizeof why)) {
        k->dropped = true;
        return INFINITY;
    }
    if (!check(r, i)) {
        k->wrong = k->dropped = true;
        return INFINITY;
    }
    double once = vc_measure_block_b2b(w, &r->call, f, 1, NULL);
    if (told(w, r->limits->drop && once > HOPELESS * best && once > LONG)) {
        k->dropped = true;
        return INFINITY;
    }
    for (int n = 0; n < WARM; n++)
        vc_measure_call_run(&r->call, f, w->comm);
    time_roughly(r, i);
    double score = w->rank == 0 ? rough_score(e, r->limits->objective) : NAN;
    /* The first time is the noisiest: what the built-in rules take gets another chance. */
    e->out = told(w, i > 0 && i != r->p->builtin && r->limits->drop && score > SCREEN * best);
    k->dropped = e->out;
    return e->out ? INFINITY : score;
}

static void append_starts(struct vc_search_race_state *r, int i)
{
    struct vc_search_cand *k = &r->p->cand[i];
    double *all = r->starts.all;
    int before = k->rounds > 0 ? k->upto[k->rounds - 1] : 0;
    int n = vc_measure_block_starts(&r->c->w, &r->call, vc_search_fns(r, i),
                                    r->entrant[i].block[VC_MEASURE_START], &r->starts);
    if (r->c->w.rank != 0)
        return;
    memcpy(k->sample + before, all, (size_t)n * sizeof *all);
    k->upto[k->rounds] = before + n;
    k->raw[VC_MEASURE_START][k->rounds] = vc_measure_quantile(all, n, 0.5);
    k->tail[k->rounds] = vc_measure_quantile(all, n, 0.99);
}

void vc_search_round(struct vc_search_race_state *r, int i, bool b2b_first)
{
    struct vc_search_cand *k = &r->p->cand[i];
    struct vc_measure_world *w = &r->c->w;
    force(r, i);
    for (int half = 0; half < VC_MEASURES; half++) {
        /* The first call after another candidate's block finds its own memory cold. */
        vc_measure_call_run(&r->call, vc_search_fns(r, i), w->comm);
        if ((half == 0) != b2b_first) {
            append_starts(r, i);
            continue;
        }
        double cpu = 0, t = vc_measure_block_b2b(w, &r->call, vc_search_fns(r, i),
                                                 r->entrant[i].block[VC_MEASURE_B2B], &cpu);
        if (w->rank == 0) {
            k->raw[VC_MEASURE_B2B][k->rounds] = t;
            /* What is too short to be counted is not nothing. */
            k->cpus[k->rounds] = fmax(cpu, 1e-9);
        }
    }
    k->rounds++;
}

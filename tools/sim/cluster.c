/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks the model for each shape, collective, size and algorithm, and the library's own rules which one is
 * taken. */
#include "tools/sim/cluster.h"
#include "coll/info.h"
#include "transport/verbs/verbs.h"
#include "tune/select/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the order of what 100 Gbit/s InfiniBand does: neither measured nor published. */
#define LATENCY  1.2e-6
#define OVERHEAD 0.3e-6
#define RATE     12.5e9
/* Through shared memory: a message is copied twice, and told by a flag. */
#define SHM_LATENCY  0.15e-6
#define SHM_OVERHEAD 0.15e-6

/* ---- figures ---- */

static void straight(struct vc_model_link *l, double latency, double overhead, double byte)
{
    *l = (struct vc_model_link){.known = true, .latency = latency, .overhead = overhead, .npoints = 2};
    l->point[0].bytes = 0;
    l->point[0].gap = overhead;
    l->point[1].bytes = 1 << 20;
    l->point[1].gap = overhead + byte * (1 << 20);
}

static int find_model(struct cluster_report *r)
{
    const struct cluster_opts *o = r->o;
    struct vc_model *m = &r->model;
    int err = sim_model_find(m, &r->node_origin, &o->sim, &r->table);
    if (err != VC_OK)
        return err;
    struct vc_model_link *wire = &m->link[VC_WAY_WIRE], *near = &m->link[VC_WAY_SHM];
    if (!wire->known && m->link[VC_WAY_RESIDENT].known)
        *wire = m->link[VC_WAY_RESIDENT];
    r->link_origin = wire->known ? SIM_TABLE : SIM_ASSUMED;
    if (!wire->known)
        straight(wire, LATENCY, OVERHEAD, 1 / RATE);
    if (o->latency > 0)
        wire->latency = o->latency;
    if (o->overhead > 0)
        wire->overhead = o->overhead;
    if (o->rate > 0)
        straight(wire, wire->latency, wire->overhead, 1 / o->rate);
    if (o->latency > 0 || o->overhead > 0 || o->rate > 0)
        r->link_origin = SIM_GIVEN;
    if (!near->known)
        straight(near, SHM_LATENCY, SHM_OVERHEAD, m->node.copy);
    m->cpus_per_node = m->cpus_per_rank = 0; /* each rank has one */
    return cluster_noise_find(r);
}

/* ---- a shape ---- */

static struct vc_shape shape_of(const struct vc_hier *h, const struct cluster_cell *c,
                                const struct vc_choice *choice)
{
    return (struct vc_shape){.coll = c->coll,
                             .size = h->first[h->nnodes],
                             .bytes = c->bytes,
                             .esize = vc_coll_reduces(c->coll) ? 8 : 1,
                             .commutative = true,
                             .radix = choice->radix,
                             .segment = choice->segment,
                             .leaders = choice->leaders,
                             .hier = h};
}

/* ---- ways ---- */

/* Its score: NAN, where that is not known. */
static double add_way(const struct cluster_report *r, const struct vc_hier *h, struct cluster_cell *c,
                      const struct vc_choice *choice, bool taken)
{
    for (int i = 0; i < c->nways; i++)
        if (vc_choice_same(&c->way[i].choice, choice)) {
            c->way[i].taken |= taken;
            return c->way[i].score;
        }
    if (c->nways == CLUSTER_CHOICES)
        return NAN;
    struct cluster_way *w = &c->way[c->nways++];
    struct vc_shape s = shape_of(h, c, choice);
    *w = (struct cluster_way){.choice = *choice, .taken = taken, .seconds = NAN, .score = NAN};
    if (choice->alg->kind == VC_ALG_NATIVE) {
        w->why = "the underlying MPI's own algorithms have no prediction";
        return NAN;
    }
    w->why = vc_alg_refuses(choice->alg, &s);
    struct vc_model_case at = {.alg = choice->alg, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    if (!w->why)
        w->seconds = vc_model_simulate(&r->model, &at, &w->use);
    if (!w->why && isnan(w->seconds))
        w->why = "too many steps to be played";
    if (isnan(w->seconds))
        return NAN;
    cluster_disturb(r, &at, w);
    w->score = !r->o->tail ? w->seconds : w->noisy ? w->tail : NAN;
    return w->score;
}

static int compare_ways(const void *x, const void *y)
{
    const struct cluster_way *a = x, *b = y;
    if (isnan(a->score) != isnan(b->score))
        return isnan(a->score) ? 1 : -1;
    return isnan(a->score) || a->score == b->score ? 0 : a->score < b->score ? -1 : 1;
}

/* The choices of --compare that this collective has. */
static int add_compared(const struct cluster_report *r, const struct vc_hier *h, struct cluster_cell *c)
{
    char *copy = strdup(r->o->compare), *save = NULL, why[256] = "";
    bool any = false;
    if (!copy)
        return vc_fail(VC_ERR_NOMEM, "out of memory");
    for (char *word = strtok_r(copy, ", ", &save); word; word = strtok_r(NULL, ", ", &save)) {
        struct vc_choice choice = {.alg = NULL};
        if (vc_choice_parse(c->coll, word, &choice) != VC_OK || !choice.alg) {
            vc_append(why, sizeof why, "%s%s", why[0] ? "; " : "", choice.alg ? "" : vc_error_text());
            continue;
        }
        any = true;
        add_way(r, h, c, &choice, false);
    }
    free(copy);
    return any ? VC_OK : vc_fail(VC_ERR_INVAL, "--compare: %s", why[0] ? why : "no choices");
}

static void add_all(const struct cluster_report *r, const struct vc_hier *h, struct cluster_cell *c)
{
    for (const struct vc_alg *const *a = vc_alg_list(c->coll); *a; a++) {
        struct vc_choice choice = {.alg = *a};
        struct vc_shape s = shape_of(h, c, &choice);
        if ((*a)->kind == VC_ALG_PLAN && !vc_alg_refuses(*a, &s))
            add_way(r, h, c, &choice, false);
    }
}

/* Of a choice that is predicted to take `score`: the best radix, then the best segment with that one. */
static void vary(const struct cluster_report *r, const struct vc_hier *h, struct cluster_cell *c,
                 struct vc_choice choice, double score)
{
    static const int radix[] = {3, 4, 8, 16};
    static const size_t segment[] = {2 << 10, 4 << 10, 6 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10};
    struct vc_choice other = choice;
    for (size_t i = 0; choice.alg->params & VC_PARAM_RADIX && i < sizeof radix / sizeof *radix; i++) {
        other.radix = radix[i];
        double one = add_way(r, h, c, &other, false);
        if (one < score) {
            score = one;
            choice.radix = other.radix;
        }
    }
    for (size_t i = 0; choice.alg->params & VC_PARAM_SEGMENT && i < sizeof segment / sizeof *segment; i++) {
        other = choice;
        other.segment = segment[i];
        if (segment[i] < c->bytes)
            add_way(r, h, c, &other, false);
    }
}

/* Parameters make up for no more than this. */
#define WORTH_VARYING 3.0

static void add_parameters(const struct cluster_report *r, const struct vc_hier *h, struct cluster_cell *c)
{
    int n = c->nways;
    double best = INFINITY;
    for (int i = 0; i < n; i++)
        best = fmin(best, c->way[i].score); /* of a number and NAN, fmin() returns the number */
    for (int i = 0; i < n; i++) {
        const struct cluster_way *w = &c->way[i];
        if (!w->choice.radix && !w->choice.segment && w->score < WORTH_VARYING * best)
            vary(r, h, c, w->choice, w->score);
    }
}

static int fill_cell(const struct cluster_report *r, const struct vc_hier *h, const struct vc_selection *sel,
                     struct cluster_cell *c)
{
    int err = VC_OK;
    add_way(r, h, c, vc_select(sel, c->coll, c->bytes, true), true);
    if (r->o->compare)
        err = add_compared(r, h, c);
    else
        add_all(r, h, c);
    if (r->o->parameters)
        add_parameters(r, h, c);
    qsort(c->way, (size_t)c->nways, sizeof *c->way, compare_ways);
    return err;
}

const struct cluster_way *cluster_best(const struct cluster_cell *c)
{
    return c->nways > 0 && !isnan(c->way[0].score) ? &c->way[0] : NULL;
}

const struct cluster_way *cluster_taken(const struct cluster_cell *c)
{
    int i = 0;
    while (!c->way[i].taken)
        i++;
    return &c->way[i];
}

/* ---- all of it ---- */

static int predict_shape(struct cluster_report *r, int nodes)
{
    const struct cluster_opts *o = r->o;
    struct vc_hier h;
    struct vc_selection sel = {0};
    int *mem = vc_hier_blocks(&h, nodes * o->ppn, o->ppn), err;
    if (!mem)
        return vc_fail(VC_ERR_NOMEM, "out of memory for %d nodes", nodes);
    struct vc_topo_key key = {
        .size = nodes * o->ppn,
        .nnodes = nodes,
        .max_ppn = o->ppn,
        .have_node = o->ppn > 1,
        .have_cma = o->sim.params.cma,
        .have_bulk = o->sim.params.shm_bulk > 0,
        .have_chan = true,
        .have_verbs = !o->mpi,
        .reproducible = o->sim.params.reproducible,
        .platform = 0,
        .hier = &h,
    };
    err = vc_select_init(&sel, &key, &o->sim.params, r->table.rows);
    for (int c = 0; err == VC_OK && c < o->sim.ncoll; c++) {
        enum vc_coll coll = o->sim.coll[c];
        for (int i = 0; err == VC_OK && i < (vc_coll_sized(coll) ? o->sim.nsizes : 1); i++) {
            struct cluster_cell *cell = &r->cell[r->ncells++];
            *cell = (struct cluster_cell){
                .coll = coll, .bytes = vc_coll_sized(coll) ? o->sim.size[i] : 0, .nodes = nodes};
            err = fill_cell(r, &h, &sel, cell);
        }
    }
    vc_select_free(&sel);
    free(mem);
    return err;
}

int cluster_predict(struct cluster_report *r)
{
    const struct cluster_opts *o = r->o;
    struct vc_verbs_cfg cfg;
    struct vc_verbs_need need;
    vc_params_verbs_cfg(&o->sim.params, &cfg);
    cfg.peers = o->nodes[o->nshapes - 1] * o->ppn;
    vc_verbs_need(&cfg, &need);
    r->peer_bytes = need.per_peer;
    r->process_bytes = need.per_process;
    r->cell = calloc((size_t)o->nshapes * (size_t)o->sim.ncoll * (size_t)o->sim.nsizes, sizeof *r->cell);
    int err = r->cell ? find_model(r) : vc_fail(VC_ERR_NOMEM, "out of memory");
    for (int i = 0; err == VC_OK && i < o->nshapes; i++)
        err = predict_shape(r, o->nodes[i]);
    return err;
}

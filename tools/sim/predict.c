/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks the model for each collective, size and way, and the library's own rules which one is taken. */
#include "coll/info.h"
#include "tools/sim/sim.h"
#include "transport/topology/platform.h"
#include "tune/select/select.h"

#include <math.h>
#include <stdlib.h>

const char *sim_way_name(enum sim_way way)
{
    static const char *const name[] = {"flat", "tree", "single copy"};
    return name[way];
}

static struct vc_model_phase phase_of(const struct sim_node *n, enum vc_coll coll, size_t bytes,
                                      enum sim_way way)
{
    struct vc_model_phase p = {
        .kind = vc_coll_info[coll].node,
        .parts = 1,
        .len = bytes,
        .cma = way == SIM_CMA,
        .flat = way != SIM_TREE,
        .waits = true,
        .crowded = n->crowded,
    };
    vc_model_phase_levels(&p, &n->levels, n->ranks, n->top);
    return p;
}

/* How the library would run it over these levels, if ranks may use single copy. */
static int way_of(const struct sim_report *r, enum vc_coll coll, size_t bytes, enum vc_node_alg alg,
                  const struct vc_levels *levels)
{
    static const pid_t agreed = 1;
    const struct vc_params *params = &r->o->params;
    struct vc_redop sum;
    vc_redop_init(&sum, VC_OP_SUM, VC_T_DOUBLE);
    struct vc_node_cfg cfg = {
        .n = r->node.ranks,
        .own_cpus = !r->node.crowded,
        .cma_pids = params->cma ? &agreed : NULL,
        .cma_min = params->cma_min,
        .levels = levels,
        .reproducible = params->reproducible,
    };
    struct vc_node_call call = {
        .kind = vc_coll_info[coll].node, .alg = alg, .len = bytes, .op = vc_coll_reduces(coll) ? &sum : NULL};
    return vc_node_way(&cfg, &call);
}

static void fill_cost(const struct sim_report *r, enum vc_coll coll, size_t bytes, enum sim_way way,
                      struct sim_cost *out)
{
    struct vc_model_phase p = phase_of(&r->node, coll, bytes, way);
    struct vc_model_work w = vc_model_node_work(&p);
    double lines[VC_MODEL_TIERS];
    vc_model_node_lines(&p, lines);
    *out = (struct sim_cost){.there = true,
                             .seconds = vc_model_node_seconds(&r->figures.node, &p),
                             .meetings = w.meetings,
                             .flags = w.flags};
    for (int t = 0; t < p.tiers; t++)
        out->lines[p.near[t]] += lines[t];
}

static void fill_choice(const struct sim_report *r, const struct vc_selection *sel, struct sim_point *p)
{
    static const int ways[] = {
        [VC_NODE_WAY_FLAT] = SIM_FLAT, [VC_NODE_WAY_TREE] = SIM_TREE, [VC_NODE_WAY_CMA] = SIM_CMA};
    const struct vc_alg *alg = vc_select(sel, p->coll, p->bytes, true)->alg;
    p->algorithm = alg->name;
    p->takes = -1;
    if (alg->kind != VC_ALG_NODE)
        return;
    /* A topology in words stands for a machine that has it; a setting asks for its levels. */
    bool asked = !r->o->topology && r->o->params.topology.mode == VC_TOPOLOGY_SYNTHETIC;
    const struct vc_levels *levels = vc_node_levels(&r->node.levels, r->node.ranks, !r->node.crowded, asked);
    int way = way_of(r, p->coll, p->bytes, (enum vc_node_alg)alg->node_alg, levels);
    if (way >= 0)
        p->takes = ways[way];
}

static void fill_point(const struct sim_report *r, const struct vc_selection *sel, struct sim_point *p)
{
    fill_cost(r, p->coll, p->bytes, SIM_FLAT, &p->way[SIM_FLAT]);
    if (way_of(r, p->coll, p->bytes, VC_NODE_SLOTS, &r->node.levels) == VC_NODE_WAY_TREE)
        fill_cost(r, p->coll, p->bytes, SIM_TREE, &p->way[SIM_TREE]);
    if (vc_coll_info[p->coll].single_copy)
        fill_cost(r, p->coll, p->bytes, SIM_CMA, &p->way[SIM_CMA]);
    fill_choice(r, sel, p);
}

int sim_predict(struct sim_report *r)
{
    const struct sim_opts *o = r->o;
    struct vc_platform platform;
    struct vc_selection sel = {0};
    vc_platform_detect(NULL, NULL, &platform);
    struct vc_topo_key key = {
        .size = r->node.ranks,
        .nnodes = 1,
        .max_ppn = r->node.ranks,
        .crowded = r->node.crowded,
        .have_node = true,
        .have_cma = o->params.cma,
        .have_bulk = o->params.shm_bulk > 0,
        .have_chan = true,
        .reproducible = o->params.reproducible,
        .platform = (int)platform.class,
    };
    int err = vc_select_init(&sel, &key, &o->params, r->table.rows);
    if (err != VC_OK)
        return err;
    r->point = calloc((size_t)o->ncoll * (size_t)o->nsizes, sizeof *r->point);
    if (!r->point) {
        vc_select_free(&sel);
        return vc_fail(VC_ERR_NOMEM, "out of memory");
    }
    for (int c = 0; c < o->ncoll; c++)
        for (int i = 0; i < (vc_coll_sized(o->coll[c]) ? o->nsizes : 1); i++) {
            struct sim_point *p = &r->point[r->npoints++];
            p->coll = o->coll[c];
            p->bytes = vc_coll_sized(p->coll) ? o->size[i] : 0;
            fill_point(r, &sel, p);
        }
    vc_select_free(&sel);
    return VC_OK;
}

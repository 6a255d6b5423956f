/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer for programs. Keys are stable: docs/sim.md. */
#include "coll/info.h"
#include "tools/print/terminal.h"
#include "tools/sim/sim.h"

#include <math.h>

static json_t *number_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* Three decimals. */
static double rounded(double v)
{
    return round(v * 1e3) / 1e3;
}

static json_t *describe_levels(const struct sim_node *n)
{
    json_t *all = json_array();
    for (int t = 0; t < n->levels.depth; t++)
        json_array_append_new(all, json_pack("{s:s, s:i}", "level", vc_level_name(n->levels.level[t].kind),
                                             "groups", n->levels.level[t].ngroups));
    return all;
}

static json_t *describe_figures(const struct sim_report *r)
{
    const struct sim_figures *f = &r->figures;
    const struct vc_model_node *n = &f->node;
    json_t *lines = json_object();
    for (int k = 0; k < SIM_KINDS; k++)
        if (sim_has_kind(&r->node, k))
            json_object_set_new(lines, sim_kind_name(k),
                                json_pack("{s:f, s:s, s:o, s:s}", "ns", rounded(n->line[k] * 1e9), "source",
                                          sim_origin_text(f->line_origin[k]), "gb_per_s",
                                          n->carry[k] > 0
                                              ? json_real(rounded(VC_CACHELINE * 1e-9 / n->carry[k]))
                                              : json_null(),
                                          "link_source", sim_origin_text(f->link_origin[k])));
    return json_pack("{s:s, s:b, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "source",
                     sim_origin_text(f->origin), "changed", f->changed, "base", n->base, "flag", n->flag,
                     "copy", n->copy, "reduce", n->reduce, "cma_base", n->cma_base, "cma_copy", n->cma_copy,
                     "switch_cost", f->turn, "lines", lines);
}

static json_t *describe_cost(const struct sim_report *r, const struct sim_cost *c, enum sim_way way)
{
    json_t *o =
        json_pack("{s:o, s:f, s:f, s:o}", "us", number_or_null(c->seconds * 1e6), "meetings", c->meetings,
                  "flags", c->flags, "lines", way == SIM_CMA ? json_null() : json_object());
    for (int k = 0; k < SIM_KINDS; k++)
        if (sim_has_kind(&r->node, k) && way != SIM_CMA)
            json_object_set_new(json_object_get(o, "lines"), sim_kind_name(k), json_real(c->lines[k]));
    return o;
}

static json_t *describe_point(const struct sim_report *r, const struct sim_point *p)
{
    static const char *const key[SIM_WAYS] = {"flat", "tree", "single_copy"};
    json_t *ways = json_object();
    for (int way = 0; way < SIM_WAYS; way++)
        json_object_set_new(ways, key[way],
                            p->way[way].there ? describe_cost(r, &p->way[way], (enum sim_way)way)
                                              : json_null());
    return json_pack("{s:s, s:I, s:s, s:o, s:o}", "collective", vc_coll_name(p->coll), "bytes",
                     (json_int_t)p->bytes, "algorithm", p->algorithm, "takes",
                     p->takes < 0 ? json_null() : json_string(key[p->takes]), "ways", ways);
}

bool sim_json(const struct sim_report *r)
{
    const struct sim_node *n = &r->node;
    json_t *points = json_array();
    for (int i = 0; i < r->npoints; i++)
        json_array_append_new(points, describe_point(r, &r->point[i]));
    return json_print(json_pack("{s:i, s:s, s:s, s:s, s:i, s:o, s:b, s:o, s:o, s:o}", "vcoll_sim", 1, "form",
                                "node", "topology", n->words, "topology_source", n->source, "ranks", n->ranks,
                                "cpus", n->cpus ? json_integer(n->cpus) : json_null(), "crowded", n->crowded,
                                "levels", describe_levels(n), "figures", describe_figures(r), "points",
                                points));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What things cost: by the table, as measured here at the start of programs, by hand, or else built in. */
#include "tools/sim/sim.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As `vcoll tune run -n 2` measured on two virtual CPUs of an AMD EPYC. */
static const struct vc_model_node built_in = {
    .known = true,
    .base = 0.154e-6,
    .flag = 0.154e-6,
    .copy = 0.0304e-9,
    .reduce = 0.0900e-9,
    .cma_base = 1.81e-6,
    .cma_copy = 0.105e-9,
};
#define BUILT_IN_TURN 1.12e-6

/* Of an AMD EPYC 7R13 (48 cores, 8 to a cache, two sockets), one way:
 * github.com/nviennot/core-to-core-latency.
 */
static const double published[SIM_KINDS] = {9.8e-9, 23e-9, 107e-9, 197e-9};

/* Bytes a second; inside each NUMA node, and between all of them. Of the order of what such processors do:
 * neither measured nor published. */
static const double assumed_link[SIM_KINDS] = {0, 0, 400e9, 100e9};

const char *sim_origin_text(enum sim_origin origin)
{
    static const char *const text[] = {
        [SIM_BUILT_IN] = "built-in", [SIM_PUBLISHED] = "published", [SIM_ASSUMED] = "assumed",
        [SIM_TABLE] = "table",       [SIM_MEASURED] = "measured",   [SIM_GIVEN] = "given",
    };
    return text[origin];
}

/* "levels" of a table has, for each level from the finest on, the round trips within its groups and to the
 * nearest others. */
static void read_lines(struct sim_figures *f, const struct vc_table_doc *table)
{
    json_t *steps =
        json_object_get(json_object_get(json_object_get(table->json, "levels"), "measured"), "steps");
    size_t n = json_array_size(steps);
    /* As in vc_clusters_locate(). */
    size_t finest = n == VC_LEVEL_KINDS ? VC_LEVEL_CPU : VC_LEVEL_CACHE;
    for (size_t i = 0; i < n && finest + i + 1 < SIM_KINDS; i++) {
        json_t *step = json_array_get(steps, i);
        double within = json_number_value(json_object_get(step, "within_ns")),
               next = json_number_value(json_object_get(step, "next_ns"));
        if (i == 0 && within > 0) {
            f->node.line[finest] = within / 2 * 1e-9;
            f->line_origin[finest] = SIM_TABLE;
        }
        if (next > 0) {
            f->node.line[finest + i + 1] = next / 2 * 1e-9;
            f->line_origin[finest + i + 1] = SIM_TABLE;
        }
    }
}

/* What programs measured at their start says of the model. A byte costs the mean of filling a slot and of
 * reading another rank's, as in tune/model/defaults.c. */
static bool read_costs(struct vc_model *m, const struct vc_costs *c)
{
    if (!c || !c->line_ns || !c->copy_far_ps || !c->copy_across_ps || !c->copy_warm_ps || !c->reduce_ps)
        return false;
    uint64_t more = c->copy_far_ps > c->copy_warm_ps ? c->copy_far_ps - c->copy_warm_ps : 0;
    uint64_t cma = c->cma_ps > c->cma_far_ps ? c->cma_ps : c->cma_far_ps;
    m->node.flag = (double)c->line_ns * 1e-9;
    m->node.copy = (double)(c->copy_far_ps + c->copy_across_ps + more) / 2 * 1e-12;
    m->node.reduce = (double)(c->copy_across_ps + c->reduce_ps) * 1e-12;
    m->node.cma_base = c->cma_call_ns ? (double)c->cma_call_ns * 1e-9 : m->node.cma_base;
    m->node.cma_copy = cma ? (double)cma * 1e-12 : m->node.cma_copy;
    m->switch_cost = c->yield_ns ? (double)c->yield_ns * 1e-9 : m->switch_cost;
    return true;
}

/* "NAME=VALUE" */
static int set_figure(struct vc_model *m, const char *word)
{
    char name[64], why[256], *end;
    const char *eq = strchr(word, '=');
    if (!eq || (size_t)(eq - word) >= sizeof name)
        return vc_fail(VC_ERR_INVAL, "--set: '%s' is not NAME=VALUE, as in node.copy=4e-11", word);
    snprintf(name, sizeof name, "%.*s", (int)(eq - word), word);
    double v = strtod(eq + 1, &end);
    if (end == eq + 1 || *end)
        return vc_fail(VC_ERR_INVAL, "--set: '%s' is not a number, as in node.copy=4e-11", eq + 1);
    if (vc_model_set(m, name, v) == VC_OK)
        return VC_OK;
    snprintf(why, sizeof why, "%s", vc_error_text());
    return vc_fail(VC_ERR_INVAL, "--set: %s", why);
}

int sim_model_find(struct vc_model *m, enum sim_origin *origin, const struct sim_opts *o,
                   const struct vc_table_doc *table)
{
    *m = (struct vc_model){.node = built_in, .switch_cost = BUILT_IN_TURN};
    *origin = SIM_BUILT_IN;
    if (read_costs(m, o->costs))
        *origin = SIM_MEASURED;
    if (table->rows && table->rows->has_model && table->rows->model.node.known) {
        *m = table->rows->model;
        *origin = SIM_TABLE;
    }
    if (table->rows && table->rows->has_model)
        m->noise = table->rows->model.noise;
    for (int i = 0; i < o->nset; i++) {
        int err = set_figure(m, o->set[i]);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

int sim_figures_find(struct sim_figures *f, const struct sim_opts *o, const struct vc_table_doc *table,
                     const struct sim_node *n)
{
    struct vc_model m;
    int err = sim_model_find(&m, &f->origin, o, table);
    if (err != VC_OK)
        return err;
    f->changed = o->nset > 0;
    f->node = m.node;
    f->turn = m.switch_cost > 0 ? m.switch_cost : BUILT_IN_TURN;
    for (int k = 0; k < SIM_KINDS; k++) {
        f->node.line[k] = published[k];
        f->line_origin[k] = SIM_PUBLISHED;
        double link = o->link[k] > 0 ? o->link[k] : assumed_link[k];
        f->node.carry[k] = link > 0 ? VC_CACHELINE / link : 0;
        f->link_origin[k] = o->link[k] > 0 ? SIM_GIVEN : SIM_ASSUMED;
    }
    if (!n->made_up && n->levels.depth == 0 &&
        f->node.flag > 0) { /* nothing tells ranks apart, as where it was measured */
        f->node.line[n->top] = f->node.flag;
        f->line_origin[n->top] = f->origin;
    }
    if (table->json)
        read_lines(f, table);
    if (n->crowded) { /* they share a CPU */
        f->node.line[VC_LEVEL_CPU] = f->turn;
        f->line_origin[VC_LEVEL_CPU] = f->origin;
    }
    for (int k = 0; k < SIM_KINDS; k++)
        if (o->line[k] > 0) {
            f->node.line[k] = o->line[k];
            f->line_origin[k] = SIM_GIVEN;
        }
    return VC_OK;
}

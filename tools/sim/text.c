/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer for people. */
#include "coll/info.h"
#include "tools/sim/sim.h"

#include <math.h>
#include <stdio.h>

static const char *shared_by(int kind)
{
    static const char *const text[] = {"share a core", "share a cache", "share a NUMA node",
                                       "share the node alone"};
    return text[kind];
}

static void print_figures(const struct sim_report *r)
{
    const struct sim_figures *f = &r->figures;
    const struct vc_model_node *n = &f->node;
    printf("Figures (%s%s): %.3f us a call, %.4f ns a byte copied, %.4f reduced", sim_origin_text(f->origin),
           f->changed ? ", some given" : "", n->base * 1e6, n->copy * 1e9, n->reduce * 1e9);
    if (n->cma_copy > 0)
        printf(";\n  single copy %.3f us and %.4f ns a byte", n->cma_base * 1e6, n->cma_copy * 1e9);
    printf("\nA line between ranks that\n");
    for (int k = 0; k < SIM_KINDS; k++) {
        if (!sim_has_kind(&r->node, k))
            continue;
        printf("  %-21s %6.1f ns (%s)%s", shared_by(k), n->line[k] * 1e9, sim_origin_text(f->line_origin[k]),
               k == VC_LEVEL_CPU && r->node.crowded ? ": a turn, they share a CPU" : "");
        if (n->carry[k] > 0)
            printf("; %.0f GB/s in all (%s)", VC_CACHELINE * 1e-9 / n->carry[k],
                   sim_origin_text(f->link_origin[k]));
        printf("\n");
    }
    if (f->origin == SIM_MEASURED)
        printf("Measured figures are those that the defaults of programs on this machine are made of (vcoll "
               "info); a "
               "call is built in.\n");
    if (f->origin == SIM_BUILT_IN)
        printf("Built-in figures are those of two virtual CPUs of another machine: they were not measured "
               "here.\n`vcoll tune run -n 2 -o table.json' measures, and --table takes them.\n");
    for (int k = 0; k < SIM_KINDS; k++)
        if (sim_has_kind(&r->node, k) && f->line_origin[k] == SIM_PUBLISHED) {
            printf(
                "Published lines are those of an AMD EPYC 7R13 (github.com/nviennot/core-to-core-latency); "
                "--line\nand --link set others.\n");
            break;
        }
}

static void print_cell(double v)
{
    if (v >= 1e7)
        printf(" %9.3g", v);
    else
        printf(" %9.0f", v);
}

static void print_head(const struct sim_report *r, enum vc_coll coll)
{
    printf("\n%s\n%9s  %-12s %10s %8s %6s", vc_coll_name(coll), vc_coll_sized(coll) ? "bytes" : "", "way",
           "us", "meetings", "flags");
    for (int k = 0; k < SIM_KINDS; k++)
        if (sim_has_kind(&r->node, k))
            printf(" %9s", sim_kind_name(k));
    printf("\n");
}

static void print_cost(const struct sim_report *r, const struct sim_point *p, enum sim_way way, bool first)
{
    const struct sim_cost *c = &p->way[way];
    char bytes[32] = "";
    if (first && vc_coll_sized(p->coll))
        vc_format_bytes(p->bytes, bytes, sizeof bytes);
    printf("%9s  %-11s%s", bytes, sim_way_name(way), p->takes == (int)way ? "*" : " ");
    if (isnan(c->seconds))
        printf(" %10s", "?");
    else
        printf(" %10.*f", c->seconds < 1e-4 ? 2 : 0, c->seconds * 1e6);
    printf(" %8.0f %6.0f", c->meetings, c->flags);
    for (int k = 0; k < SIM_KINDS; k++)
        if (sim_has_kind(&r->node, k) && way != SIM_CMA)
            print_cell(c->lines[k]);
    printf("\n");
}

void sim_text(const struct sim_report *r)
{
    char text[160];
    const struct sim_node *n = &r->node;
    printf("%s (%s)\n%s", n->words, n->source, vc_levels_text(&n->levels, n->ranks, text, sizeof text));
    if (n->crowded)
        printf("; on %d CPUs they take turns", n->cpus);
    printf("\n");
    print_figures(r);
    printf(
        "Predicted, nothing is measured. * is what vcoll takes. Meetings and flags are those of the busiest "
        "rank;\nbehind them are the lines that move between ranks of which that is all they share.\n");
    for (int i = 0; i < r->npoints; i++) {
        const struct sim_point *p = &r->point[i];
        bool first = true;
        if (i == 0 || r->point[i - 1].coll != p->coll)
            print_head(r, p->coll);
        for (int way = 0; way < SIM_WAYS; way++)
            if (p->way[way].there) {
                print_cost(r, p, (enum sim_way)way, first);
                first = false;
            }
        if (p->takes < 0)
            printf("%9s  vcoll takes %s here\n", "", p->algorithm);
    }
}

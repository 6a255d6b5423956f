/* SPDX-License-Identifier: BSD-3-Clause */
/* The node that is simulated: where each rank stands. */
#include "tools/sim/sim.h"
#include "transport/topology/cpus.h"
#include "transport/topology/sysfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vc_param_def *topology_setting(void)
{
    int n;
    const struct vc_param_def *def = vc_param_defs(&n);
    while (strcmp(def->name, "TOPOLOGY") != 0)
        def++;
    return def;
}

/* CPUs of a mask, ascending; how many. */
static int list_cpus(const uint64_t mask[VC_MASK_WORDS], int cpu[VC_LEVELS_CPUS])
{
    int n = 0;
    for (int c = 0; c < VC_LEVELS_CPUS; c++)
        if (vc_cpu_has(mask, c))
            cpu[n++] = c;
    return n;
}

/* The CPUs that the ranks are put on, one after the other: of the table, or of this machine. */
static int find_cpus(const struct vc_table *table, int cpu[VC_LEVELS_CPUS])
{
    char text[8192];
    uint64_t mask[VC_MASK_WORDS];
    if (table && table->levels)
        return list_cpus(table->levels->map.over, cpu);
    if (vc_sys_read(NULL, text, sizeof text, "/sys/devices/system/cpu/online") &&
        vc_cpu_list_parse(text, mask))
        return list_cpus(mask, cpu);
    return 0;
}

static void place_on_machine(struct sim_node *n, const struct vc_table *table, const int *cpu, int ncpus)
{
    for (int i = 0; i < n->ranks; i++) {
        uint64_t one[VC_MASK_WORDS] = {0};
        int c = cpu[i % ncpus];
        one[c / 64] = UINT64_C(1) << c % 64;
        if (table && table->levels)
            vc_locality_map(&table->levels->map, one, &n->at[i]);
        else
            vc_locality_read(NULL, one, &n->at[i]);
    }
}

/* What all ranks share. Where nothing is said of NUMA nodes there is one. */
static int common_kind(const struct vc_locality *at, int n)
{
    bool unknown = true;
    for (int k = 0; k < VC_UNITS; k++) {
        bool same = at[0].unit[k] >= 0;
        for (int i = 1; i < n; i++) {
            same &= at[i].unit[k] == at[0].unit[k];
            unknown &= k != VC_UNIT_NUMA || at[i].unit[k] < 0;
        }
        if (same)
            return k;
    }
    return unknown ? VC_LEVEL_NUMA : VC_LEVEL_KINDS;
}

/* How many ranks it has if that is not given, and CPUs. */
static int count_ranks(struct sim_node *n, const struct sim_opts *o, const struct vc_param_topology *t,
                       int ncpus)
{
    long long cores = 1;
    for (int k = 0; k < VC_UNITS; k++)
        cores *= t->synthetic.count[k] ? t->synthetic.count[k] : 1;
    n->ranks = o->ranks;
    switch (t->mode) {
    case VC_TOPOLOGY_SYNTHETIC:
        if (!t->synthetic.count[VC_UNIT_CORE] && !o->ranks)
            return vc_fail(VC_ERR_INVAL, "how many ranks? The topology names no cores: give --ranks");
        n->cpus = t->synthetic.count[VC_UNIT_CORE] && cores <= VC_LEVELS_CPUS ? (int)cores : 0;
        break;
    case VC_TOPOLOGY_FLAT:
        n->cpus = 0;
        break;
    default:
        n->cpus = ncpus;
    }
    if (!n->ranks)
        n->ranks = n->cpus ? n->cpus : ncpus;
    if (n->ranks < 2)
        n->ranks = 2;
    n->ranks = n->ranks > SIM_RANKS_MAX ? SIM_RANKS_MAX : n->ranks;
    n->crowded = n->cpus && n->ranks > n->cpus;
    return VC_OK;
}

int sim_node_make(struct sim_node *n, const struct sim_opts *o, const struct vc_table *table)
{
    struct vc_params params = o->params;
    int cpu[VC_LEVELS_CPUS], ncpus = find_cpus(table, cpu);
    const struct vc_param_topology *t = &params.topology;
    if (o->topology && topology_setting()->parse(&params, o->topology) != VC_OK) {
        char why[400];
        snprintf(why, sizeof why, "%s", vc_error_text());
        return vc_fail(VC_ERR_INVAL, "--topology: %s", why);
    }
    if (t->mode == VC_TOPOLOGY_MEASURE)
        return vc_fail(VC_ERR_INVAL,
                       "--topology: nothing is measured here. Valid: auto, flat, or a topology");
    int err = count_ranks(n, o, t, ncpus);
    if (err != VC_OK)
        return err;
    n->at = calloc((size_t)n->ranks, sizeof *n->at);
    n->mem = malloc(vc_levels_ints(n->ranks) * sizeof *n->mem);
    if (!n->at || !n->mem)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", n->ranks);
    for (int i = 0; i < n->ranks; i++)
        if (t->mode == VC_TOPOLOGY_SYNTHETIC)
            vc_locality_deal(&t->synthetic, i, n->ranks, &n->at[i]);
        else
            vc_locality_none(&n->at[i]);
    n->source = o->topology ? "--topology" : "VCOLL_TOPOLOGY";
    topology_setting()->format(&params, n->words, sizeof n->words);
    if (t->mode == VC_TOPOLOGY_AUTO) {
        if (ncpus > 0)
            place_on_machine(n, table, cpu, ncpus);
        n->source = table && table->levels ? "the table's levels" : "this machine, by its kernel";
    }
    vc_levels_build(n->at, n->ranks, n->mem, &n->levels);
    n->top = common_kind(n->at, n->ranks);
    return VC_OK;
}

void sim_node_free(struct sim_node *n)
{
    free(n->at);
    free(n->mem);
}

bool sim_has_kind(const struct sim_node *n, int kind)
{
    if (n->top == kind)
        return true;
    for (int t = 0; t < n->levels.depth; t++)
        if ((int)n->levels.level[t].kind == kind)
            return true;
    return false;
}

const char *sim_kind_name(int kind)
{
    return kind < VC_LEVEL_KINDS ? vc_level_name((enum vc_level_kind)kind) : "node";
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmpi/localities.h"

#include "pmpi/devices.h"
#include "pmpi/table.h"

#include <stdio.h>
#include <stdlib.h>

/* Where they come from, for the line that tells. */
static const char *source;

/* Whether what the table has measured holds for all ranks of this operating system. */
static bool is_measured(const struct vc_table_levels *l)
{
    const struct vc_world *w = &vc_world;
    if (!l || l->platform != vc_devices.platform)
        return false;
    uint64_t machine = vc_levels_machine(l->processor, l->cpus);
    for (int i = 0; i < w->nkin; i++)
        if (w->kin[i].machine != machine || !vc_cpu_map_covers(&l->map, w->kin[i].mask))
            return false;
    return true;
}

static void take_table(const struct vc_table_levels *l)
{
    for (int i = 0; i < vc_world.nkin; i++)
        vc_locality_map(&l->map, vc_world.kin[i].mask, &vc_world.kin[i].locality);
    source = "the tuning table";
}

static void take_setting(void)
{
    const struct vc_param_topology *t = &vc_params.topology;
    for (int i = 0; i < vc_world.nkin; i++) {
        if (t->mode == VC_TOPOLOGY_SYNTHETIC)
            vc_locality_deal(&t->synthetic, i, vc_world.nkin, &vc_world.kin[i].locality);
        else
            vc_locality_none(&vc_world.kin[i].locality);
    }
    source = "VCOLL_TOPOLOGY";
}

/* One line a job, by rank 0, of its own node. */
static void tell(void)
{
    char text[160];
    struct vc_levels l;
    const struct vc_world *w = &vc_world;
    if (w->rank != 0 || vc_params.log < VC_LOG_INFO)
        return;
    struct vc_locality *of = malloc((size_t)w->nkin * sizeof *of);
    int *mem = malloc(vc_levels_ints(w->nkin) * sizeof *mem);
    for (int i = 0; of && mem && i < w->nkin; i++)
        of[i] = w->kin[i].locality;
    if (of && mem) {
        vc_levels_build(of, w->nkin, mem, &l);
        vc_log(VC_LOG_INFO, "levels of rank 0's node: %s (by %s)",
               vc_levels_text(&l, w->nkin, text, sizeof text), source);
    }
    free(of);
    free(mem);
}

int vc_localities_init(void)
{
    const struct vc_table_levels *l = vc_world_table ? vc_world_table->levels : NULL;
    const char *why = NULL;
    int err = VC_OK;
    source = "the kernel";
    switch (vc_params.topology.mode) {
    case VC_TOPOLOGY_SYNTHETIC:
    case VC_TOPOLOGY_FLAT:
        take_setting();
        break;
    case VC_TOPOLOGY_MEASURE:
        if (vc_localities_measure(&why, &err))
            source = "measured times";
        else if (err == VC_OK && vc_world.kin[0].rank == vc_world.rank)
            vc_log(VC_LOG_WARN,
                   "VCOLL_TOPOLOGY=measure: nothing is measured, what the kernel says is taken: %s", why);
        break;
    default:
        if (is_measured(l))
            take_table(l);
    }
    if (err == VC_OK)
        tell();
    return err;
}

/* The group of each rank, level by level, as in "core 0,1,0 numa 0,0,0". */
static void tell_team(const struct vc_team *t)
{
    char text[400] = "";
    for (int k = 0; k < t->levels.depth; k++) {
        vc_append(text, sizeof text, " %s", vc_level_name(t->levels.level[k].kind));
        for (int i = 0; i < t->nlocal; i++)
            vc_append(text, sizeof text, "%c%d", i ? ',' : ' ', t->levels.level[k].group_of[i]);
    }
    vc_log(VC_LOG_DEBUG, "levels of %d ranks:%s", t->nlocal, text[0] ? text : " flat");
}

int vc_localities_group(struct vc_team *t)
{
    struct vc_locality *of = malloc((size_t)t->nlocal * sizeof *of);
    t->levels_mem = malloc(vc_levels_ints(t->nlocal) * sizeof *t->levels_mem);
    for (int i = 0; of && t->levels_mem && i < t->nlocal; i++) {
        const struct vc_kin *kin = vc_world_kin(t->world[t->ranks[i]]);
        vc_locality_none(&of[i]);
        if (kin)
            of[i] = kin->locality;
    }
    if (of && t->levels_mem) {
        vc_levels_build(of, t->nlocal, t->levels_mem, &t->levels);
        if (vc_params.log >= VC_LOG_DEBUG)
            tell_team(t);
    }
    free(of);
    return of && t->levels_mem ? VC_OK
                               : vc_fail(VC_ERR_NOMEM, "out of memory for a node of %d ranks", t->nlocal);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What ranks on this machine can share, and by whose word: VCOLL_TOPOLOGY, the tuning table, the kernel. */
#include "tools/info/info.h"

#include "coll/levels.h"
#include "tools/print/terminal.h"
#include "transport/shm/segment.h"
#include "transport/topology/sysfile.h"
#include "tune/table/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* This machine as the kernel says, in the form that tables have. */
static void describe_kernel(enum vc_platform_class platform, struct vc_table_levels *out)
{
    static struct vc_locality at[VC_LEVELS_CPUS];
    char online[8192];
    vc_processor(NULL, out->processor, sizeof out->processor, &out->cpus);
    out->platform = (int)platform;
    vc_cpu_map_none(&out->map);
    if (!vc_sys_read(NULL, online, sizeof online, "/sys/devices/system/cpu/online") ||
        !vc_cpu_list_parse(online, out->map.over))
        return;
    for (int cpu = 0; cpu < VC_LEVELS_CPUS; cpu++) {
        uint64_t one[VC_MASK_WORDS] = {0};
        one[cpu / 64] = out->map.over[cpu / 64] & UINT64_C(1) << cpu % 64;
        vc_locality_read(NULL, one, &at[cpu]);
    }
    for (int k = 0; k < VC_UNITS; k++)
        for (int cpu = 0, units = 0; cpu < VC_LEVELS_CPUS; cpu++) {
            int first = 0;
            while (at[first].unit[k] != at[cpu].unit[k])
                first++;
            if (at[cpu].unit[k] >= 0)
                out->map.unit[k][cpu] = first < cpu ? out->map.unit[k][first] : (int16_t)units++;
        }
}

/* What the table that a job would use has measured, if that is about this machine. */
static bool load_table(const struct vc_params *params, const struct vc_table_levels *here,
                       struct vc_table_levels *out)
{
    char path[sizeof((struct vc_table *)0)->origin];
    struct vc_table_doc doc;
    bool holds = false;
    if (vc_table_locate(params->table, path, sizeof path) != VC_OK || !path[0] ||
        vc_table_doc_open(path, &doc) != VC_OK)
        return false;
    const struct vc_table_levels *l = doc.rows->levels;
    if (l && l->platform == here->platform &&
        vc_levels_machine(l->processor, l->cpus) == vc_levels_machine(here->processor, here->cpus)) {
        *out = *l;
        holds = true;
    }
    vc_table_doc_close(&doc);
    return holds;
}

static int number_of(const char *variable)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : 0;
}

static json_t *unit_or_null(int unit)
{
    return unit < 0 ? json_null() : json_integer(unit);
}

/* Under VCOLL_TOPOLOGY the ranks of a job are dealt by their number on the machine. */
static void deal_ranks(const struct vc_synthetic *s, int n, json_t *to)
{
    char text[160];
    struct vc_levels l;
    struct vc_locality *of = malloc((size_t)n * sizeof *of);
    int *mem = malloc(vc_levels_ints(n) * sizeof *mem);
    for (int i = 0; of && i < n; i++)
        vc_locality_deal(s, i, n, &of[i]);
    if (of && mem) {
        vc_levels_build(of, n, mem, &l);
        json_object_set_new(to, "ranks", json_string(vc_levels_text(&l, n, text, sizeof text)));
    }
    free(of);
    free(mem);
}

/* Above the node: by what ranks of one operating system, and machines of one host, are told. */
static json_t *above_json(const struct vc_params *params)
{
    struct vc_os_id os;
    char boot[2 * sizeof os.boot_id + 1], shm[24];
    vc_os_id_get(&os);
    for (size_t i = 0; i < sizeof os.boot_id; i++)
        snprintf(boot + 2 * i, 3, "%02x", os.boot_id[i]);
    snprintf(shm, sizeof shm, "%llx", (unsigned long long)os.shm_dev);
    return json_pack("{s:s, s:s, s:o}", "boot_id", boot, "shm", shm, "host_id",
                     json_text_or_null(params->host_id));
}

void info_levels(json_t *to, const struct vc_params *params, enum vc_platform_class platform)
{
    static const char *const source[] = {
        [VC_TOPOLOGY_AUTO] = "kernel",
        [VC_TOPOLOGY_FLAT] = "setting",
        [VC_TOPOLOGY_MEASURE] = "measurement",
        [VC_TOPOLOGY_SYNTHETIC] = "setting",
    };
    static struct vc_table_levels here, measured;
    const struct vc_param_topology *t = &params->topology;
    enum { LOCAL_RANKS_MAX = 4096 };
    int n = number_of("OMPI_COMM_WORLD_LOCAL_SIZE");
    uint64_t mask[VC_MASK_WORDS];
    struct vc_locality at;
    describe_kernel(platform, &here);
    bool from_table = t->mode == VC_TOPOLOGY_AUTO && load_table(params, &here, &measured);
    const struct vc_table_levels *shown = from_table ? &measured : &here;
    json_t *all = vc_levels_to_json(shown);
    vc_cpus_mask(mask);
    vc_locality_none(&at);
    if (from_table && vc_cpu_map_covers(&measured.map, mask))
        vc_locality_map(&measured.map, mask, &at);
    else if (!from_table && t->mode != VC_TOPOLOGY_FLAT)
        vc_locality_read(NULL, mask, &at);
    json_object_set_new(all, "source", json_string(from_table ? "table" : source[t->mode]));
    json_object_set_new(all, "ranks", json_null());
    json_object_set_new(all, "above", above_json(params));
    if (t->mode == VC_TOPOLOGY_SYNTHETIC) {
        if (n > 0 && n <= LOCAL_RANKS_MAX) {
            vc_locality_deal(&t->synthetic, number_of("OMPI_COMM_WORLD_LOCAL_RANK"), n, &at);
            deal_ranks(&t->synthetic, n, all);
        } else {
            vc_locality_none(&at);
        }
    }
    json_t *count = json_object();
    for (int k = 0; k < VC_UNITS; k++) {
        const char *name = vc_level_name((enum vc_level_kind)k);
        json_object_set_new(count, name,
                            json_integer((json_int_t)json_array_size(json_object_get(all, name))));
    }
    json_object_set_new(all, "count", count);
    json_object_set_new(all, "process",
                        json_pack("{s:o, s:o, s:o}", "core", unit_or_null(at.unit[VC_UNIT_CORE]), "cache",
                                  unit_or_null(at.unit[VC_UNIT_CACHE]), "numa",
                                  unit_or_null(at.unit[VC_UNIT_NUMA])));
    json_object_set_new(to, "levels", all);
}

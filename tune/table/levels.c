/* SPDX-License-Identifier: BSD-3-Clause */
/* "levels": which CPUs share what on a machine, read and written. */
#include "tune/table/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By enum vc_unit. */
static const char *const unit_keys[VC_UNITS] = {"core", "cache", "numa"};

/* A text with CPUs, of the value that is looked at: some of those of `over` (NULL: any). */
static int read_cpus(struct vc_tab *t, const json_t *v, const uint64_t *over, uint64_t mask[VC_MASK_WORDS])
{
    const char *text = json_string_value(v);
    if (!text)
        return vc_tab_fail(t, "%s: CPUs are expected, as in \"0-3,8\"", vc_tab_type(v));
    if (!vc_cpu_list_parse(text, mask))
        return vc_tab_fail(t, "\"%.40s\" is no list of CPUs of 0..%d: as in \"0-3,8\"", text,
                           VC_LEVELS_CPUS - 1);
    if (vc_cpu_lowest(mask) < 0)
        return vc_tab_fail(t, "no CPU is named: a list is expected, as in \"0-3,8\"");
    for (int i = 0; over && i < VC_MASK_WORDS; i++)
        if (mask[i] & ~over[i])
            return vc_tab_fail(t, "\"%.40s\" has CPUs that \"over\" has not", text);
    return VC_OK;
}

static int read_units(struct vc_tab *t, json_t *obj, const char *key, const uint64_t *over,
                      int16_t unit[VC_LEVELS_CPUS])
{
    json_t *list, *v;
    size_t i;
    int err = vc_tab_member(t, obj, key, JSON_ARRAY, false, &list);
    if (err != VC_OK || !list)
        return err;
    vc_tab_into(t, key);
    json_array_foreach(list, i, v)
    {
        uint64_t mask[VC_MASK_WORDS];
        vc_tab_into_element(t, i);
        if ((err = read_cpus(t, v, over, mask)) != VC_OK)
            return err;
        for (int cpu = 0; cpu < VC_LEVELS_CPUS; cpu++) {
            if (!vc_cpu_has(mask, cpu))
                continue;
            if (unit[cpu] >= 0)
                return vc_tab_fail(t, "CPU %d is in two elements of \"%s\"", cpu, key);
            unit[cpu] = (int16_t)i;
        }
        vc_tab_out(t);
    }
    vc_tab_out(t);
    return VC_OK;
}

static int read_members(struct vc_tab *t, json_t *obj, struct vc_table_levels *out)
{
    static const char *const keys[] = {"processor", "cpus", "platform", "over", "core",
                                       "cache",     "numa", "measured", NULL};
    json_t *v;
    json_int_t cpus = 0;
    int err = vc_tab_keys(t, obj, "\"levels\"", keys);
    if (err != VC_OK || (err = vc_tab_member(t, obj, "processor", JSON_STRING, true, &v)) != VC_OK)
        return err;
    snprintf(out->processor, sizeof out->processor, "%s", json_string_value(v));
    if ((err = vc_tab_member(t, obj, "cpus", JSON_INTEGER, true, &v)) != VC_OK ||
        (err = vc_tab_int(t, obj, "cpus", 1, VC_LEVELS_CPUS, &cpus)) != VC_OK ||
        (err = vc_tab_member(t, obj, "platform", JSON_STRING, true, &v)) != VC_OK ||
        (err = vc_tab_word(t, obj, "platform", vc_platform_words, &out->platform)) != VC_OK ||
        (err = vc_tab_member(t, obj, "measured", JSON_OBJECT, false, &v)) != VC_OK ||
        (err = vc_tab_member(t, obj, "over", JSON_STRING, true, &v)) != VC_OK)
        return err;
    out->cpus = (int)cpus;
    vc_tab_into(t, "over");
    if ((err = read_cpus(t, v, NULL, out->map.over)) != VC_OK)
        return err;
    vc_tab_out(t);
    for (int k = 0; k < VC_UNITS; k++)
        if ((err = read_units(t, obj, unit_keys[k], out->map.over, out->map.unit[k])) != VC_OK)
            return err;
    return VC_OK;
}

int vc_tab_levels(struct vc_tab *t, json_t *levels, struct vc_table *out)
{
    out->levels = calloc(1, sizeof *out->levels);
    if (!out->levels)
        return vc_fail(VC_ERR_NOMEM, "out of memory for a table");
    vc_cpu_map_none(&out->levels->map);
    vc_tab_into(t, "levels");
    int err = read_members(t, levels, out->levels);
    if (err == VC_OK)
        vc_tab_out(t);
    return err;
}

json_t *vc_levels_to_json(const struct vc_table_levels *l)
{
    char text[8192];
    json_t *o =
        json_pack("{s:s, s:i, s:s, s:s}", "processor", l->processor, "cpus", l->cpus, "platform",
                  vc_platform_words[l->platform], "over", vc_cpu_list_text(l->map.over, text, sizeof text));
    for (int k = 0; k < VC_UNITS && o; k++) {
        json_t *list = json_array();
        for (int unit = 0;; unit++) {
            uint64_t mask[VC_MASK_WORDS] = {0};
            for (int cpu = 0; cpu < VC_LEVELS_CPUS; cpu++)
                if (l->map.unit[k][cpu] == unit)
                    mask[cpu / 64] |= UINT64_C(1) << cpu % 64;
            if (vc_cpu_lowest(mask) < 0)
                break;
            json_array_append_new(list, json_string(vc_cpu_list_text(mask, text, sizeof text)));
        }
        if (json_array_size(list) > 0)
            json_object_set(o, unit_keys[k], list);
        json_decref(list);
    }
    return o;
}

uint64_t vc_levels_machine(const char *processor, int cpus)
{
    uint64_t h = vc_hash(VC_HASH_START, processor, strlen(processor));
    return vc_hash(h, &cpus, sizeof cpus);
}

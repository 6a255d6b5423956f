/* SPDX-License-Identifier: BSD-3-Clause */
/* "devices": completion queue moderation and interrupt coalescing by device. */
#include "tune/table/parts.h"

#include <stdlib.h>

static const char *const row_values[] = {"cq_moderation", "coalescing", "measured", NULL};

/* [count, microseconds] */
static int read_pair(struct vc_tab *t, json_t *obj, const char *key, struct vc_param_cq_mod *out)
{
    json_t *pair;
    json_int_t v[2] = {0, 0};
    int err = vc_tab_member(t, obj, key, JSON_ARRAY, true, &pair);
    if (err != VC_OK)
        return err;
    vc_tab_into(t, key);
    if (json_array_size(pair) != 2)
        return vc_tab_fail(t, "\"%s\" has %zu elements, [count, microseconds] is expected", key,
                           json_array_size(pair));
    for (size_t i = 0; i < 2; i++) {
        const json_t *n = json_array_get(pair, i);
        vc_tab_into_element(t, i);
        if (!json_is_integer(n))
            return vc_tab_fail(t, "\"%s\" has %s, a whole number of 0..%d is expected", key, vc_tab_type(n),
                               UINT16_MAX);
        v[i] = json_integer_value(n);
        if (v[i] < 0 || v[i] > UINT16_MAX)
            return vc_tab_fail(t, "\"%s\" has %lld, a whole number of 0..%d is expected", key,
                               (long long)v[i], UINT16_MAX);
        vc_tab_out(t);
    }
    vc_tab_out(t);
    out->count = (uint16_t)v[0];
    out->period = (uint16_t)v[1];
    return VC_OK;
}

static int read_moderation(struct vc_tab *t, json_t *obj, struct vc_param_moderation *out)
{
    static const char *const keys[] = {"latency", "bulk", NULL};
    json_t *cq;
    int err = vc_tab_member(t, obj, "cq_moderation", JSON_OBJECT, false, &cq);
    if (err != VC_OK || !cq)
        return err;
    vc_tab_into(t, "cq_moderation");
    if ((err = vc_tab_keys(t, cq, "\"cq_moderation\"", keys)) != VC_OK ||
        (err = read_pair(t, cq, "latency", &out->latency)) != VC_OK ||
        (err = read_pair(t, cq, "bulk", &out->bulk)) != VC_OK)
        return err;
    vc_tab_out(t);
    out->given = true;
    return VC_OK;
}

static int read_coalescing(struct vc_tab *t, json_t *obj, struct vc_coalesce *out)
{
    const char *keys[VC_COALESCE_FIELDS + 1] = {NULL};
    json_t *values;
    int err = vc_tab_member(t, obj, "coalescing", JSON_OBJECT, false, &values);
    if (err != VC_OK || !values)
        return err;
    for (int i = 0; i < VC_COALESCE_FIELDS; i++)
        keys[i] = vc_coalesce_name((enum vc_coalesce_field)i);
    vc_tab_into(t, "coalescing");
    if ((err = vc_tab_keys(t, values, "\"coalescing\"", keys)) != VC_OK)
        return err;
    for (int i = 0; i < VC_COALESCE_FIELDS; i++) {
        enum vc_coalesce_field f = (enum vc_coalesce_field)i;
        json_int_t number = -1;
        enum vc_tri on = VC_ANY;
        err = vc_coalesce_is_switch(f) ? vc_tab_flag(t, values, keys[i], &on)
                                       : vc_tab_int(t, values, keys[i], 0, UINT32_MAX, &number);
        if (err != VC_OK)
            return err;
        if (on != VC_ANY)
            vc_coalesce_put(out, f, on == VC_YES);
        else if (number >= 0)
            vc_coalesce_put(out, f, (uint32_t)number);
    }
    vc_tab_out(t);
    return VC_OK;
}

static int read_row(struct vc_tab *t, json_t *obj, struct vc_device_row *row)
{
    const char *why, *names[VC_KEYS_MAX + sizeof row_values / sizeof row_values[0]];
    json_t *measured;
    int err;
    vc_key_names(true, row_values, names);
    if ((err = vc_tab_keys(t, obj, "a device row", names)) != VC_OK ||
        (err = vc_tab_row_keys(t, obj, &row->keys)) != VC_OK ||
        (err = read_moderation(t, obj, &row->cq)) != VC_OK ||
        (err = read_coalescing(t, obj, &row->coalesce)) != VC_OK ||
        (err = vc_tab_member(t, obj, "measured", JSON_OBJECT, false, &measured)) != VC_OK)
        return err;
    if (vc_row_keys_empty(&row->keys, &why))
        return vc_tab_fail(t, "no communicator matches this row: %s; change its keys or drop it", why);
    return VC_OK;
}

int vc_tab_devices(struct vc_tab *t, json_t *devices, struct vc_table *out)
{
    size_t n = json_array_size(devices), i;
    json_t *obj;
    if (n == 0)
        return VC_OK;
    vc_tab_into(t, "devices");
    if (n > VC_TABLE_ROWS_MAX)
        return vc_tab_fail(t, "%zu rows, at most %d are possible", n, VC_TABLE_ROWS_MAX);
    out->device = calloc(n, sizeof *out->device);
    if (!out->device)
        return vc_fail(VC_ERR_NOMEM, "out of memory for the devices of a table");
    json_array_foreach(devices, i, obj)
    {
        vc_tab_into_element(t, i);
        int err = read_row(t, obj, &out->device[i]);
        if (err != VC_OK)
            return err;
        out->device[i].index = (int)i;
        out->ndevices++;
        vc_tab_out(t);
    }
    vc_tab_out(t);
    return vc_tab_check_devices(t, out);
}

const struct vc_device_row *vc_table_device(const struct vc_table *t, const struct vc_topo_key *key)
{
    for (int i = 0; i < t->ndevices; i++)
        if (vc_row_keys_match(&t->device[i].keys, key))
            return &t->device[i];
    return NULL;
}

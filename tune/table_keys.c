/* SPDX-License-Identifier: BSD-3-Clause */
/* What rows ask of the communicator: read, compared, matched. */
#include "tune/choice.h"
#include "tune/select.h"
#include "tune/table_internal.h"

#include <stdio.h>
#include <string.h>

enum { PLATFORMS = VC_PLATFORM_SRIOV_VF + 1 };

static const struct vc_range all = {1, UINT64_MAX};

static bool is_all(struct vc_range r)
{
    return vc_range_covers(r, all);
}

void vc_row_keys_any(struct vc_row_keys *k)
{
    memset(k, 0, sizeof *k);
    k->ranks = k->nodes = k->ppn = all;
}

static int device(struct vc_tab *t, json_t *obj, struct vc_row_keys *k)
{
    json_t *v;
    int err = vc_tab_member(t, obj, "device", JSON_STRING, false, &v);
    if (err != VC_OK || !v)
        return err;
    size_t len = json_string_length(v);
    vc_tab_into(t, "device");
    if (len == 0 || len >= sizeof k->device)
        return vc_tab_fail(t,
                           "\"device\" has %zu characters, 1..%zu are expected: a model as `vcoll info` "
                           "names it, e.g. \"rxe\"",
                           len, sizeof k->device - 1);
    vc_tab_out(t);
    memcpy(k->device, json_string_value(v), len + 1);
    return VC_OK;
}

int vc_tab_row_keys(struct vc_tab *t, json_t *obj, struct vc_row_keys *k)
{
    const char *platforms[PLATFORMS + 1] = {NULL};
    int network = -1, err = VC_OK;
    for (int i = 0; i < PLATFORMS; i++)
        platforms[i] = vc_platform_class_name((enum vc_platform_class)i);
    vc_row_keys_any(k);
    if ((err = vc_tab_range(t, obj, "ranks", 1, false, &k->ranks)) != VC_OK ||
        (err = vc_tab_range(t, obj, "nodes", 1, false, &k->nodes)) != VC_OK ||
        (err = vc_tab_range(t, obj, "ppn", 1, false, &k->ppn)) != VC_OK ||
        (err = vc_tab_words(t, obj, "platform", platforms, &k->platforms)) != VC_OK ||
        (err = device(t, obj, k)) != VC_OK ||
        (err = vc_tab_word(t, obj, "network", vc_channel_words + 1, &network)) != VC_OK ||
        (err = vc_tab_flag(t, obj, "crowded", &k->crowded)) != VC_OK ||
        (err = vc_tab_flag(t, obj, "bulk_slots", &k->bulk_slots)) != VC_OK)
        return err;
    k->network = (enum vc_choice_channel)(network + 1);
    return VC_OK;
}

/* a * b, or what is more than any number of ranks. */
static uint64_t times(uint64_t a, uint64_t b)
{
    return a > UINT32_MAX || b > UINT32_MAX ? UINT64_MAX : a * b;
}

bool vc_row_keys_empty(const struct vc_row_keys *k, const char **why)
{
    /* The fullest node takes ppn ranks, every other one at least one. */
    if (k->nodes.min + k->ppn.min - 1 > k->ranks.max)
        *why = "so many \"nodes\" and \"ppn\" need more ranks than \"ranks\" allows";
    else if (k->ranks.min > times(k->nodes.max, k->ppn.max))
        *why = "so few \"nodes\" and \"ppn\" hold fewer ranks than \"ranks\" asks for";
    else
        *why = NULL;
    return *why != NULL;
}

bool vc_row_keys_placed(const struct vc_row_keys *k)
{
    return !is_all(k->nodes) || !is_all(k->ppn) || k->platforms || k->device[0] || k->network || k->crowded ||
           k->bulk_slots;
}

/* Without the "_core" that the drivers of one vendor end in. */
static size_t model_length(const char *name)
{
    static const char tail[] = "_core";
    size_t n = strlen(name), t = sizeof tail - 1;
    return n > t && strcmp(name + n - t, tail) == 0 ? n - t : n;
}

bool vc_device_same(const char *a, const char *b)
{
    size_t n = model_length(a);
    return n == model_length(b) && memcmp(a, b, n) == 0;
}

static bool same_range(struct vc_range a, struct vc_range b)
{
    return a.min == b.min && a.max == b.max;
}

bool vc_row_keys_same(const struct vc_row_keys *a, const struct vc_row_keys *b)
{
    return same_range(a->ranks, b->ranks) && same_range(a->nodes, b->nodes) && same_range(a->ppn, b->ppn) &&
           a->platforms == b->platforms && a->network == b->network && a->crowded == b->crowded &&
           a->bulk_slots == b->bulk_slots && vc_device_same(a->device, b->device);
}

static bool covers(unsigned any_or_value, unsigned value)
{
    return !any_or_value || any_or_value == value;
}

bool vc_row_keys_cover(const struct vc_row_keys *a, const struct vc_row_keys *b)
{
    return vc_range_covers(a->ranks, b->ranks) && vc_range_covers(a->nodes, b->nodes) &&
           vc_range_covers(a->ppn, b->ppn) &&
           (!a->platforms || (b->platforms && !(b->platforms & ~a->platforms))) &&
           covers(a->network, b->network) && covers(a->crowded, b->crowded) &&
           covers(a->bulk_slots, b->bulk_slots) && (!a->device[0] || vc_device_same(a->device, b->device));
}

static bool tri_holds(enum vc_tri t, bool v)
{
    return t == VC_ANY || (t == VC_YES) == v;
}

bool vc_row_keys_match(const struct vc_row_keys *k, const struct vc_topo_key *key)
{
    return vc_range_has(k->ranks, (uint64_t)key->size) && vc_range_has(k->nodes, (uint64_t)key->nnodes) &&
           vc_range_has(k->ppn, (uint64_t)key->max_ppn) && tri_holds(k->crowded, key->crowded) &&
           tri_holds(k->bulk_slots, key->have_bulk) &&
           (!k->platforms || (key->platform >= 0 && (k->platforms >> key->platform & 1))) &&
           (!k->network || (k->network == VC_CHANNEL_VERBS) == key->have_verbs) &&
           (!k->device[0] || vc_device_same(k->device, key->device));
}

const struct vc_device_row *vc_table_device(const struct vc_table *t, const struct vc_topo_key *key)
{
    for (int i = 0; i < t->ndevices; i++)
        if (vc_row_keys_match(&t->device[i].keys, key))
            return &t->device[i];
    return NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* "model": the parameters of the cost model, read and written. */
#include "tune/table/parts.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MOST_SECONDS 1e6
#define MOST_BYTES   1e18
#define MOST_CPUS    1e6
#define MOST_RATE    1e6

static const char *const ways[VC_WAY_COUNT + 1] = {
    [VC_WAY_SHM] = "shm", [VC_WAY_RESIDENT] = "resident", [VC_WAY_WIRE] = "wire", NULL};

/* A number of a struct, by name. */
struct field {
    const char *name;
    size_t offset;
    double most;
};
#define FIELD(type, name, most)                                                                              \
    {                                                                                                        \
#name, offsetof(struct type, name), most                                                             \
    }

static const struct field scalars[] = {
    FIELD(vc_model, wake, MOST_SECONDS),
    FIELD(vc_model, wake_device, MOST_SECONDS),
    FIELD(vc_model, interrupt, MOST_SECONDS),
    FIELD(vc_model, moderation, MOST_SECONDS),
    FIELD(vc_model, steal, 1),
    FIELD(vc_model, switch_cost, MOST_SECONDS),
    FIELD(vc_model, cpus_per_rank, MOST_CPUS),
    FIELD(vc_model, cpus_per_node, MOST_CPUS),
    FIELD(vc_model, call, MOST_SECONDS),
};
static const struct field node_fields[] = {
    FIELD(vc_model_node, base, MOST_SECONDS),
    FIELD(vc_model_node, flag, MOST_SECONDS),
    FIELD(vc_model_node, copy, MOST_SECONDS),
    FIELD(vc_model_node, reduce, MOST_SECONDS),
};
static const struct field cma_fields[] = {
    FIELD(vc_model_node, cma_base, MOST_SECONDS),
    FIELD(vc_model_node, cma_copy, MOST_SECONDS),
};
static const struct field link_fields[] = {
    FIELD(vc_model_link, latency, MOST_SECONDS),
    FIELD(vc_model_link, overhead, MOST_SECONDS),
};
static const struct field more_fields[] = {
    FIELD(vc_model_link, rendezvous, MOST_BYTES),
    FIELD(vc_model_link, near_nodes, MOST_CPUS),
    FIELD(vc_model_link, near_latency, MOST_SECONDS),
};
enum {
    SCALARS = sizeof scalars / sizeof scalars[0],
    NODE_FIELDS = sizeof node_fields / sizeof node_fields[0],
    CMA_FIELDS = sizeof cma_fields / sizeof cma_fields[0],
    LINK_FIELDS = sizeof link_fields / sizeof link_fields[0],
    MORE_FIELDS = sizeof more_fields / sizeof more_fields[0],
};

static int read_fields(struct vc_tab *t, json_t *obj, const struct field *f, int n, bool required, void *out)
{
    for (int i = 0; i < n; i++) {
        int err;
        if (required && !json_object_get(obj, f[i].name))
            return vc_tab_fail(t, "\"%s\" is missing: a number of 0..%g is expected", f[i].name, f[i].most);
        void *number = (char *)out + f[i].offset;
        err = vc_tab_real(t, obj, f[i].name, 0, f[i].most, number);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

static int read_point(struct vc_tab *t, const json_t *pair, struct vc_model_link *link)
{
    int n = link->npoints;
    if (json_array_size(pair) != 2 || !json_is_number(json_array_get(pair, 0)) ||
        !json_is_number(json_array_get(pair, 1)))
        return vc_tab_fail(t, "a point is two numbers, [bytes, seconds]");
    double bytes = json_number_value(json_array_get(pair, 0)),
           gap = json_number_value(json_array_get(pair, 1));
    if (!(bytes >= 0 && bytes <= MOST_BYTES && gap >= 0 && gap <= MOST_SECONDS))
        return vc_tab_fail(t, "a point's bytes are 0..%g and its seconds 0..%g", MOST_BYTES, MOST_SECONDS);
    if (n > 0 && bytes <= link->point[n - 1].bytes)
        return vc_tab_fail(t, "points ascend in bytes: this one does not exceed the one before");
    link->point[n].bytes = bytes;
    link->point[n].gap = gap;
    link->npoints++;
    return VC_OK;
}

static const char *const sharings[] = {
    [VC_IN_TURN] = "in turn", [VC_EQUALLY] = "equally", [VC_FREELY] = "freely"};

static int read_sharing(struct vc_tab *t, json_t *obj, enum vc_model_sharing *out)
{
    json_t *word;
    int err = vc_tab_member(t, obj, "sharing", JSON_STRING, false, &word);
    if (err != VC_OK || !word)
        return err;
    for (int i = VC_IN_TURN; i <= VC_FREELY; i++)
        if (strcmp(json_string_value(word), sharings[i]) == 0) {
            *out = (enum vc_model_sharing)i;
            return VC_OK;
        }
    vc_tab_into(t, "sharing");
    return vc_tab_fail(t, "\"sharing\" is \"in turn\", \"equally\" or \"freely\"");
}

static int read_link(struct vc_tab *t, json_t *obj, struct vc_model_link *link)
{
    static const char *const keys[] = {"latency",    "overhead",     "points",  "rendezvous",
                                       "near_nodes", "near_latency", "sharing", NULL};
    json_t *points, *pair;
    size_t i;
    int err;
    if ((err = vc_tab_keys(t, obj, "a way", keys)) != VC_OK ||
        (err = read_fields(t, obj, link_fields, LINK_FIELDS, true, link)) != VC_OK ||
        (err = read_fields(t, obj, more_fields, MORE_FIELDS, false, link)) != VC_OK ||
        (err = read_sharing(t, obj, &link->sharing)) != VC_OK ||
        (err = vc_tab_member(t, obj, "points", JSON_ARRAY, true, &points)) != VC_OK)
        return err;
    vc_tab_into(t, "points");
    if (json_array_size(points) < 1 || json_array_size(points) > VC_MODEL_POINTS)
        return vc_tab_fail(t, "%zu points, 1..%d are expected", json_array_size(points), VC_MODEL_POINTS);
    json_array_foreach(points, i, pair)
    {
        vc_tab_into_element(t, i);
        if ((err = read_point(t, pair, link)) != VC_OK)
            return err;
        vc_tab_out(t);
    }
    vc_tab_out(t);
    link->known = true;
    return VC_OK;
}

static int read_links(struct vc_tab *t, json_t *model, struct vc_model *out)
{
    json_t *links;
    int err = vc_tab_member(t, model, "link", JSON_OBJECT, false, &links);
    if (err != VC_OK || !links)
        return err;
    vc_tab_into(t, "link");
    if ((err = vc_tab_keys(t, links, "\"link\"", ways)) != VC_OK)
        return err;
    for (int w = 0; w < VC_WAY_COUNT; w++) {
        json_t *link = json_object_get(links, ways[w]);
        if (!link)
            continue;
        vc_tab_into(t, ways[w]);
        if ((err = read_link(t, link, &out->link[w])) != VC_OK)
            return err;
        vc_tab_out(t);
    }
    vc_tab_out(t);
    return VC_OK;
}

static int read_node(struct vc_tab *t, json_t *model, struct vc_model_node *out)
{
    static const char *const keys[] = {"base",     "flag",     "copy",     "reduce",
                                       "cma_base", "cma_copy", "messages", NULL};
    enum vc_tri messages = VC_NO;
    json_t *node;
    int err = vc_tab_member(t, model, "node", JSON_OBJECT, false, &node);
    if (err != VC_OK || !node)
        return err;
    vc_tab_into(t, "node");
    if ((err = vc_tab_keys(t, node, "\"node\"", keys)) != VC_OK ||
        (err = read_fields(t, node, node_fields, NODE_FIELDS, true, out)) != VC_OK ||
        (err = read_fields(t, node, cma_fields, CMA_FIELDS, false, out)) != VC_OK ||
        (err = vc_tab_flag(t, node, "messages", &messages)) != VC_OK)
        return err;
    out->messages = messages == VC_YES;
    vc_tab_out(t);
    out->known = true;
    return VC_OK;
}

/* "noise": kinds of detours, each [a second, seconds]. */
static int read_noise(struct vc_tab *t, json_t *model, struct vc_model_noise *out)
{
    json_t *kinds, *pair;
    size_t i;
    int err = vc_tab_member(t, model, "noise", JSON_ARRAY, false, &kinds);
    if (err != VC_OK || !kinds)
        return err;
    vc_tab_into(t, "noise");
    if (json_array_size(kinds) > VC_MODEL_DETOURS)
        return vc_tab_fail(t, "%zu kinds, 0..%d are expected", json_array_size(kinds), VC_MODEL_DETOURS);
    json_array_foreach(kinds, i, pair)
    {
        double rate = json_number_value(json_array_get(pair, 0)),
               seconds = json_number_value(json_array_get(pair, 1));
        vc_tab_into_element(t, i);
        if (json_array_size(pair) != 2 || !(rate > 0 && rate <= MOST_RATE) ||
            !json_is_number(json_array_get(pair, 1)) || !(seconds >= 0 && seconds <= MOST_SECONDS))
            return vc_tab_fail(t, "a kind is two numbers, [detours a second, seconds of each]");
        out->detour[out->n].rate = rate;
        out->detour[out->n++].seconds = seconds;
        vc_tab_out(t);
    }
    if (vc_model_noise_share(out) > 0.9)
        return vc_tab_fail(t, "all together take more than 0.9 of the time");
    vc_tab_out(t);
    return VC_OK;
}

int vc_tab_model(struct vc_tab *t, json_t *model, struct vc_table *out)
{
    static const char *const keys[] = {
        "link",  "node",        "wake",          "wake_device",   "interrupt", "moderation",
        "steal", "switch_cost", "cpus_per_rank", "cpus_per_node", "call",      "device_needs_cpu",
        "noise", NULL};
    enum vc_tri needs_cpu = VC_NO;
    int err;
    out->model.cpus_per_rank = 1; /* unless it says otherwise */
    vc_tab_into(t, "model");
    if ((err = vc_tab_keys(t, model, "\"model\"", keys)) != VC_OK ||
        (err = read_links(t, model, &out->model)) != VC_OK ||
        (err = read_node(t, model, &out->model.node)) != VC_OK ||
        (err = read_fields(t, model, scalars, SCALARS, false, &out->model)) != VC_OK ||
        (err = read_noise(t, model, &out->model.noise)) != VC_OK ||
        (err = vc_tab_flag(t, model, "device_needs_cpu", &needs_cpu)) != VC_OK)
        return err;
    out->model.device_needs_cpu = needs_cpu == VC_YES;
    vc_tab_out(t);
    out->has_model = true;
    return VC_OK;
}

/* ---- numbers by their names ---- */

int vc_model_set(struct vc_model *m, const char *name, double value)
{
    static const struct {
        const char *within;
        const struct field *f;
        int n;
    } part[] = {
        {"", scalars, SCALARS}, {"node.", node_fields, NODE_FIELDS}, {"node.", cma_fields, CMA_FIELDS}};
    char nearest[64] = "";
    for (size_t p = 0; p < sizeof part / sizeof part[0]; p++)
        for (int i = 0; i < part[p].n; i++) {
            const struct field *f = &part[p].f[i];
            char full[64];
            snprintf(full, sizeof full, "%s%s", part[p].within, f->name);
            if (strcmp(name, full) == 0) {
                if (!(value >= 0 && value <= f->most))
                    return vc_fail(VC_ERR_INVAL, "%s is a number of 0..%g", full, f->most);
                void *number = (char *)(p ? (void *)&m->node : (void *)m) + f->offset;
                *(double *)number = value;
                return VC_OK;
            }
            if (!nearest[0] || vc_word_distance(name, full) < vc_word_distance(name, nearest))
                snprintf(nearest, sizeof nearest, "%s", full);
        }
    return vc_fail(VC_ERR_INVAL, "the model has no number \"%.60s\", did you mean %s?", name, nearest);
}

/* ---- writing ---- */

/* Sets a member, which takes the value over; false without memory. */
static bool set_member(json_t *obj, const char *key, json_t *value)
{
    return json_object_set_new(obj, key, value) == 0;
}

static bool write_fields(json_t *obj, const struct field *f, int n, const void *of)
{
    bool good = true;
    for (int i = 0; i < n; i++) {
        const void *number = (const char *)of + f[i].offset;
        double v = *(const double *)number;
        if (isfinite(v))
            good &= set_member(obj, f[i].name, json_real(v));
    }
    return good;
}

static bool write_links(json_t *links, const struct vc_model *m)
{
    bool good = links != NULL;
    for (int w = 0; good && w < VC_WAY_COUNT; w++) {
        const struct vc_model_link *l = &m->link[w];
        json_t *points = json_array(), *link = json_object();
        for (int i = 0; i < l->npoints; i++)
            good &= json_array_append_new(points, json_pack("[ff]", l->point[i].bytes, l->point[i].gap)) == 0;
        good &= points && link && write_fields(link, link_fields, LINK_FIELDS, l);
        good &= set_member(link, "points", points);
        if (l->rendezvous > 0 || l->near_nodes > 0)
            good &= write_fields(link, more_fields, MORE_FIELDS, l);
        if (l->sharing != VC_IN_TURN)
            good &= set_member(link, "sharing", json_string(sharings[l->sharing]));
        if (l->known)
            good &= set_member(links, ways[w], link);
        else
            json_decref(link);
    }
    return good;
}

static bool write_noise(json_t *obj, const struct vc_model_noise *noise)
{
    if (!noise->n)
        return true;
    json_t *kinds = json_array();
    bool good = kinds != NULL;
    for (int i = 0; i < noise->n; i++)
        good &= json_array_append_new(
                    kinds, json_pack("[ff]", noise->detour[i].rate, noise->detour[i].seconds)) == 0;
    return set_member(obj, "noise", kinds) && good;
}

json_t *vc_model_to_json(const struct vc_model *m)
{
    json_t *obj = json_object(), *links = json_object(), *node = json_object();
    bool good = obj && node && write_links(links, m);
    good &= obj && set_member(obj, "link", links);
    if (good && m->node.known)
        good &= write_fields(node, node_fields, NODE_FIELDS, &m->node) &&
                write_fields(node, cma_fields, CMA_FIELDS, &m->node) &&
                (!m->node.messages || set_member(node, "messages", json_true())) &&
                set_member(obj, "node", json_incref(node));
    json_decref(node);
    good = good && write_fields(obj, scalars, SCALARS, m) && write_noise(obj, &m->noise) &&
           set_member(obj, "device_needs_cpu", json_boolean(m->device_needs_cpu));
    if (good)
        return obj;
    json_decref(obj);
    return NULL;
}

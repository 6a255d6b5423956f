/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/vcoll/info_table.h"

#include "tune/table/table.h"
#include "tune/params/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- gathering ---- */

static void add_range(char *buf, size_t len, const char *what, struct vc_range r)
{
    char hi[24] = "";
    if (r.min <= 1 && r.max == UINT64_MAX)
        return;
    if (r.max != UINT64_MAX)
        snprintf(hi, sizeof hi, "%llu", (unsigned long long)r.max);
    if (r.min == r.max)
        vc_append(buf, len, "%s%s %s", buf[0] ? ", " : "", hi, what);
    else
        vc_append(buf, len, "%s%llu..%s %s", buf[0] ? ", " : "", (unsigned long long)r.min, hi, what);
}

/* What a job decides and this machine does not. */
static void describe(const struct vc_row_keys *k, char *buf, size_t len)
{
    const struct vc_key_info *i;
    buf[0] = '\0';
    for (int n = 0; (i = vc_key_next(&n));) {
        const void *asks = vc_row_of(k, i);
        if (i->kind == VC_KEY_RANGE)
            add_range(buf, len, i->said[0], *(const struct vc_range *)asks);
        else if (i->kind == VC_KEY_FLAG && *(const unsigned *)asks)
            vc_append(buf, len, "%s%s", buf[0] ? ", " : "", i->said[*(const unsigned *)asks == VC_YES]);
    }
}

static void suggest(const struct vc_table *t, enum vc_platform_class platform, const char *device,
                    struct info_table *out)
{
    char model[VC_TABLE_DEVICE];
    vc_rdma_model(NULL, device, model, sizeof model);
    for (int i = 0; i < t->ndevices && out->n < INFO_SUGGESTIONS; i++) {
        const struct vc_device_row *r = &t->device[i];
        unsigned platforms = vc_row_bits(&r->keys, "platform");
        if ((platforms && !(platforms & 1u << platform)) ||
            (r->keys.device[0] && !vc_device_same(r->keys.device, model)))
            continue;
        struct info_suggestion *s = &out->suggestion[out->n++];
        snprintf(s->device, sizeof s->device, "%s", device);
        s->row = r->index;
        describe(&r->keys, s->when, sizeof s->when);
        s->cq = r->cq;
        s->coalesce = r->coalesce;
    }
}

/* Rows as they stand in the file: one for several collectives is several in the table. */
static int count_rules(const struct vc_table *t)
{
    int most = -1;
    for (int i = 0; i < t->nrows; i++)
        if (t->row[i].index > most)
            most = t->row[i].index;
    return most + 1;
}

/* VC_OK and NULL: there is none. */
static int load(const char *setting, struct vc_table **out)
{
    char path[256], *text = NULL;
    size_t len = 0;
    int err = vc_table_locate(setting, path, sizeof path);
    *out = NULL;
    if (err == VC_OK && path[0] && (err = vc_table_read(path, &text, &len)) == VC_OK)
        err = vc_table_parse(text, len, path, out);
    free(text);
    return err;
}

void info_table_gather(const struct vc_params *params, enum vc_platform_class platform,
                       const struct vc_rdma_dev *rdma, int nrdma, struct info_table *out)
{
    memset(out, 0, sizeof *out);
    struct vc_table *own;
    if (load(params->table, &own) != VC_OK)
        snprintf(out->error, sizeof out->error, "%s", vc_error_text());
    const struct vc_table *t = own ? own : vc_table_builtin();
    snprintf(out->name, sizeof out->name, "%s", t->origin);
    snprintf(out->checksum, sizeof out->checksum, "fnv1a64:%016llx", (unsigned long long)t->checksum);
    out->rules = count_rules(t);
    out->devices = t->ndevices;
    for (int i = 0; i < nrdma; i++)
        suggest(t, platform, rdma[i].name, out);
    vc_table_free(own);
}

/* ---- for people ---- */

static void moderation_text(const struct vc_param_moderation *m, char *buf, size_t len)
{
    snprintf(buf, len, "latency=%u:%u,bulk=%u:%u", m->latency.count, m->latency.period, m->bulk.count,
             m->bulk.period);
}

void info_table_text(const struct info_table *t, void (*line)(const char *label, const char *fmt, ...))
{
    if (t->error[0])
        line("error", "%s", t->error);
    line("in use", "%s%s, %d rules, %d rows of devices, checksum %s", t->name, t->error[0] ? " instead" : "",
         t->rules, t->devices, t->checksum);
    for (int i = 0; i < t->n; i++) {
        const struct info_suggestion *s = &t->suggestion[i];
        char cq[64] = "", values[256] = "";
        if (s->cq.given)
            moderation_text(&s->cq, cq, sizeof cq);
        if (s->coalesce.has)
            vc_coalesce_text(&s->coalesce, values, sizeof values);
        line("suggests", "for %s%s%s: %s%s%s%s%s", s->device, s->when[0] ? " with " : "", s->when,
             cq[0] ? "VCOLL_CQ_MODERATION=" : "", cq, cq[0] && values[0] ? "; " : "",
             values[0] ? "coalescing " : "", values);
    }
}

/* ---- for programs ---- */

static json_t *coalesce_json(const struct vc_coalesce *c)
{
    json_t *all = c->has ? json_object() : json_null();
    for (int i = 0; i < VC_COALESCE_FIELDS; i++) {
        enum vc_coalesce_field f = (enum vc_coalesce_field)i;
        if (vc_coalesce_has(c, f))
            json_object_set_new(all, vc_coalesce_name(f),
                                vc_coalesce_is_switch(f) ? json_boolean(c->value[f])
                                                         : json_integer(c->value[f]));
    }
    return all;
}

json_t *info_table_json(const struct info_table *t)
{
    json_t *all = json_array(), *name = json_string(t->name), *error = json_string(t->error);
    for (int i = 0; i < t->n; i++) {
        const struct info_suggestion *s = &t->suggestion[i];
        char cq[64];
        moderation_text(&s->cq, cq, sizeof cq);
        json_array_append_new(all, json_pack("{s:s, s:i, s:s, s:o, s:o}", "device", s->device, "row", s->row,
                                             "when", s->when, "cq_moderation",
                                             s->cq.given ? json_string(cq) : json_null(), "coalescing",
                                             coalesce_json(&s->coalesce)));
    }
    if (!t->error[0]) {
        json_decref(error);
        error = NULL;
    }
    return json_pack("{s:o, s:s, s:i, s:i, s:o, s:o}", "name", name ? name : json_null(), "checksum",
                     t->checksum, "rules", t->rules, "device_rows", t->devices, "error",
                     error ? error : json_null(), "suggestions", all);
}

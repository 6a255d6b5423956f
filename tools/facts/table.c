/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/facts/facts.h"

#include "tune/params/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static void describe_keys(const struct vc_row_keys *k, char *buf, size_t len)
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

static void add_suggestions(const struct vc_table *t, enum vc_platform_class platform, const char *device,
                            struct facts_table *out)
{
    char model[VC_TABLE_DEVICE];
    vc_rdma_model(NULL, device, model, sizeof model);
    for (int i = 0; i < t->ndevices && out->n < FACTS_SUGGESTIONS; i++) {
        const struct vc_device_row *r = &t->device[i];
        unsigned platforms = vc_row_bits(&r->keys, "platform");
        if ((platforms && !(platforms & 1u << platform)) ||
            (r->keys.device[0] && !vc_device_same(r->keys.device, model)))
            continue;
        struct facts_suggestion *s = &out->suggestion[out->n++];
        snprintf(s->device, sizeof s->device, "%s", device);
        s->row = r->index;
        describe_keys(&r->keys, s->when, sizeof s->when);
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
static int load_table(const char *setting, struct vc_table **out)
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

void facts_table(const struct vc_params *params, enum vc_platform_class platform,
                 const struct vc_rdma_dev *rdma, int nrdma, struct facts_table *out)
{
    memset(out, 0, sizeof *out);
    struct vc_table *own;
    if (load_table(params->table, &own) != VC_OK)
        snprintf(out->error, sizeof out->error, "%s", vc_error_text());
    const struct vc_table *t = own ? own : vc_table_builtin();
    snprintf(out->name, sizeof out->name, "%s", t->origin);
    snprintf(out->checksum, sizeof out->checksum, "fnv1a64:%016llx", (unsigned long long)t->checksum);
    out->rules = count_rules(t);
    out->devices = t->ndevices;
    for (int i = 0; i < nrdma; i++)
        add_suggestions(t, platform, rdma[i].name, out);
    vc_table_free(own);
}

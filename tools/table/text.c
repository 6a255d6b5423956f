/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows and their parts in words. */
#include "tools/table/tool.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void add_size(char *buf, size_t len, uint64_t n)
{
    if (n >= 1 << 30 && n % (1 << 30) == 0)
        vc_append(buf, len, "%" PRIu64 "G", n >> 30);
    else if (n >= 1 << 20 && n % (1 << 20) == 0)
        vc_append(buf, len, "%" PRIu64 "M", n >> 20);
    else if (n >= 1 << 10 && n % (1 << 10) == 0)
        vc_append(buf, len, "%" PRIu64 "k", n >> 10);
    else
        vc_append(buf, len, "%" PRIu64, n);
}

/* Rows that follow each other begin one byte after the border, which says less than the border. */
static void add_start(char *buf, size_t len, uint64_t n)
{
    bool after = n > 1024 && (n - 1) % 1024 == 0;
    add_size(buf, len, after ? n - 1 : n);
    if (after)
        vc_append(buf, len, "+1");
}

char *table_bytes_text(struct vc_range bytes, char *buf, size_t len)
{
    buf[0] = '\0';
    if (bytes.min == 0 && bytes.max == UINT64_MAX) {
        vc_append(buf, len, "all sizes");
    } else if (bytes.max == UINT64_MAX) {
        vc_append(buf, len, "from ");
        add_start(buf, len, bytes.min);
    } else if (bytes.min == 0) {
        vc_append(buf, len, "up to ");
        add_size(buf, len, bytes.max);
    } else if (bytes.min == bytes.max) {
        add_size(buf, len, bytes.min);
    } else {
        add_start(buf, len, bytes.min);
        vc_append(buf, len, "..");
        add_size(buf, len, bytes.max);
    }
    return buf;
}

char *table_size_text(size_t bytes, char *buf, size_t len)
{
    return table_bytes_text((struct vc_range){bytes, bytes}, buf, len);
}

/* An end at or below 1 is open: the loader makes no difference either. */
static void add_range(char *buf, size_t len, struct vc_range r, const char *one, const char *many)
{
    if (r.min <= 1 && r.max == UINT64_MAX)
        return;
    vc_append(buf, len, "%s", buf[0] ? ", " : "");
    if (r.max == UINT64_MAX)
        vc_append(buf, len, "%" PRIu64 " and more", r.min);
    else if (r.min == r.max || (r.min <= 1 && r.max == 1))
        vc_append(buf, len, "%" PRIu64, r.max);
    else if (r.min <= 1)
        vc_append(buf, len, "up to %" PRIu64, r.max);
    else
        vc_append(buf, len, "%" PRIu64 "..%" PRIu64, r.min, r.max);
    vc_append(buf, len, " %s", r.max == 1 ? one : many);
}

char *table_keys_text(const struct vc_row_keys *k, char *buf, size_t len)
{
    const struct vc_key_info *i;
    buf[0] = '\0';
    for (int n = 0; (i = vc_key_next(&n));) {
        const void *asks = vc_row_of(k, i);
        const char *before = buf[0] ? ", " : "";
        if (i->kind == VC_KEY_RANGE) {
            add_range(buf, len, *(const struct vc_range *)asks, i->listed[0], i->listed[1]);
        } else if (i->kind == VC_KEY_TEXT) {
            if (*(const char *)asks)
                vc_append(buf, len, "%s%s%s", before, i->listed[0], (const char *)asks);
        } else if (*(const unsigned *)asks && i->kind == VC_KEY_FLAG) {
            vc_append(buf, len, "%s%s", before, i->listed[*(const unsigned *)asks == VC_YES]);
        } else if (*(const unsigned *)asks) {
            vc_append(buf, len, "%s%s", before, i->listed[0]);
            before = "";
            for (int w = 0; i->words[w]; w++) {
                if (!(*(const unsigned *)asks >> w & 1))
                    continue;
                vc_append(buf, len, "%s%s", before, i->words[w]);
                before = "|";
            }
        }
    }
    if (!buf[0])
        vc_append(buf, len, "anywhere");
    return buf;
}

char *table_choice_text(const struct vc_row *r, char *buf, size_t len)
{
    if (!r->builtin)
        return vc_choice_format(&r->choice, buf, len);
    snprintf(buf, len, "builtin");
    return buf;
}

const char *table_operator_text(enum vc_tri commutative)
{
    return commutative == VC_ANY ? "" : commutative == VC_YES ? "commutative" : "other";
}

char *table_time_text(double seconds, char *buf, size_t len)
{
    if (!isfinite(seconds))
        snprintf(buf, len, "-");
    else if (seconds < 1e-3)
        snprintf(buf, len, "%.*f us", seconds < 9.995e-6 ? 2 : seconds < 99.95e-6 ? 1 : 0, seconds * 1e6);
    else if (seconds < 1)
        snprintf(buf, len, "%.*f ms", seconds < 9.995e-3 ? 2 : seconds < 99.95e-3 ? 1 : 0, seconds * 1e3);
    else
        snprintf(buf, len, "%.2f s", seconds);
    return buf;
}

char *table_device_text(const struct vc_device_row *d, char *buf, size_t len)
{
    buf[0] = '\0';
    if (d && d->cq.given)
        vc_append(buf, len, "completion queues: latency %u:%u, bulk %u:%u", d->cq.latency.count,
                  d->cq.latency.period, d->cq.bulk.count, d->cq.bulk.period);
    if (d && d->coalesce.has) {
        char values[TABLE_TEXT];
        vc_append(buf, len, "%scoalescing: %s", buf[0] ? "; " : "",
                  vc_coalesce_text(&d->coalesce, values, sizeof values));
    }
    if (!buf[0])
        vc_append(buf, len, "left as it is");
    return buf;
}

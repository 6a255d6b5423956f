/* SPDX-License-Identifier: BSD-3-Clause */
/* "moderation" of a table. */
#include "tools/report/report.h"

#include <stdlib.h>

/* Written as a bare median, or with its interval. */
static struct rep_series number_or_series(const json_t *entry, const char *key)
{
    const json_t *v = json_object_get(entry, key);
    if (json_is_object(v))
        return rep_series_of(v);
    return (struct rep_series){rep_number(entry, key), NAN, NAN, NAN};
}

static int load_points(struct rep_data *d, struct rep_setting *s, const json_t *list)
{
    size_t n = json_array_size(list);
    s->point = calloc(n + 1, sizeof *s->point);
    if (!s->point)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        struct rep_modpoint *p = &s->point[s->npoint];
        p->choice = rep_string(entry, "choice");
        p->time = rep_series_of(entry);
        p->native = number_or_series(entry, "native");
        if (rep_load_where(entry, &p->where, &p->bytes) && isfinite(p->time.median))
            s->npoint++;
        else
            rep_bad(d, "point %zu of moderation \"%.60s\" has no collective, size or median", i, s->name);
    }
    return 0;
}

int rep_load_moderation(struct rep_data *d, const json_t *list)
{
    size_t n = json_array_size(list);
    d->setting = calloc(n + 1, sizeof *d->setting);
    if (!d->setting)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        struct rep_setting *s = &d->setting[d->nsetting++];
        s->device = rep_string(entry, "device");
        s->netdev = rep_string(entry, "netdev");
        s->name = rep_string(entry, "setting");
        s->found = json_is_true(json_object_get(entry, "found"));
        s->chosen = json_is_true(json_object_get(entry, "chosen"));
        if (load_points(d, s, json_object_get(entry, "points")) != 0)
            return -1;
    }
    return 0;
}

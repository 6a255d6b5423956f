/* SPDX-License-Identifier: BSD-3-Clause */
/* VCOLL_ALG: "coll=alg[:radix=k][:segment=size][:leaders=n]", comma-separated, or "auto". */
#include "tune/params_internal.h"

#include <stdio.h>
#include <string.h>

enum { RADIX_MAX = 1024, LEADERS_MAX = 4096 };

/* The names as "a, b, c" and which of them is nearest to `word`. */
static const char *alg_names(enum vc_coll coll, const char *word, char *list, size_t len)
{
    const char *nearest = "auto";
    int best = vc_word_distance(word, nearest);
    snprintf(list, len, "auto");
    for (const struct vc_alg *const *a = vc_alg_list(coll); *a; a++) {
        vc_append(list, len, ", %s", (*a)->name);
        int d = vc_word_distance(word, (*a)->name);
        if (d < best) {
            best = d;
            nearest = (*a)->name;
        }
    }
    return nearest;
}

static int no_such_coll(const char *name)
{
    int known = vc_coll_by_name(name);
    char list[128] = "";
    const char *nearest = NULL;
    int best = 0;
    for (int i = 0; i < VC_COLL_ACCELERATED; i++) {
        const char *c = vc_coll_name((enum vc_coll)i);
        vc_append(list, sizeof list, "%s%s", i ? ", " : "", c);
        int d = vc_word_distance(name, c);
        if (!nearest || d < best) {
            best = d;
            nearest = c;
        }
    }
    if (known >= 0)
        return vc_fail(VC_ERR_INVAL, "%s always runs the MPI's own algorithm; the others are %s", name, list);
    return vc_fail(VC_ERR_INVAL, "no collective \"%s\", did you mean %s? Valid: %s", name, nearest, list);
}

static void takes(const struct vc_alg *alg, char *buf, size_t len)
{
    buf[0] = '\0';
    if (alg->params & VC_PARAM_RADIX)
        vc_append(buf, len, " radix");
    if (alg->params & VC_PARAM_SEGMENT)
        vc_append(buf, len, " segment");
    if (alg->params & VC_PARAM_LEADERS)
        vc_append(buf, len, " leaders");
}

static int parse_option(const char *coll, struct vc_alg_choice *c, char *opt, unsigned *seen)
{
    char *value = strchr(opt, '=');
    if (!value)
        return vc_fail(VC_ERR_INVAL,
                       "\"%s\" after %s=%s is not name=value (radix=k, segment=size, leaders=n)", opt, coll,
                       c->alg->name);
    *value++ = '\0';
    unsigned bit = strcmp(opt, "radix") == 0     ? VC_PARAM_RADIX
                   : strcmp(opt, "segment") == 0 ? VC_PARAM_SEGMENT
                   : strcmp(opt, "leaders") == 0 ? VC_PARAM_LEADERS
                                                 : 0;
    char list[32];
    takes(c->alg, list, sizeof list);
    if (!(c->alg->params & bit))
        return vc_fail(VC_ERR_INVAL, "%s=%s has no parameter \"%s\"; it takes%s", coll, c->alg->name, opt,
                       list[0] ? list : " none");
    if (*seen & bit)
        return vc_fail(VC_ERR_INVAL, "%s is given twice for %s=%s", opt, coll, c->alg->name);
    *seen |= bit;
    unsigned long long n;
    switch (bit) {
    case VC_PARAM_RADIX:
        if (!vc_parse_number(value, 2, RADIX_MAX, &n))
            return vc_fail(VC_ERR_INVAL, "radix=%s is not a number of 2..%d", value, RADIX_MAX);
        c->radix = (int)n;
        break;
    case VC_PARAM_LEADERS:
        if (!vc_parse_number(value, 1, LEADERS_MAX, &n))
            return vc_fail(VC_ERR_INVAL, "leaders=%s is not a number of 1..%d", value, LEADERS_MAX);
        c->leaders = (int)n;
        break;
    default:
        if (!vc_parse_bytes(value, &c->segment) || c->segment == 0)
            return vc_fail(VC_ERR_INVAL, "segment=%s is not a size above zero, e.g. 8192, 64k or 1m", value);
    }
    return VC_OK;
}

static int parse_choice(char *item, struct vc_alg_choice *all, unsigned *colls_seen)
{
    char *name = strchr(item, '=');
    if (!name)
        return vc_fail(VC_ERR_INVAL, "\"%s\" is not collective=algorithm, e.g. allreduce=ring", item);
    *name++ = '\0';
    int coll = vc_coll_by_name(item);
    if (coll < 0 || coll >= VC_COLL_ACCELERATED)
        return no_such_coll(item);
    if (*colls_seen & (1u << coll))
        return vc_fail(VC_ERR_INVAL, "%s is given twice", item);
    *colls_seen |= 1u << coll;

    char *opts = strchr(name, ':');
    if (opts)
        *opts++ = '\0';
    struct vc_alg_choice *c = &all[coll];
    if (strcmp(name, "auto") == 0) {
        if (opts)
            return vc_fail(VC_ERR_INVAL, "%s=auto has no parameters", item);
        return VC_OK;
    }
    c->alg = vc_alg_find((enum vc_coll)coll, name);
    if (!c->alg) {
        char list[320];
        const char *nearest = alg_names((enum vc_coll)coll, name, list, sizeof list);
        return vc_fail(VC_ERR_INVAL, "%s has no algorithm \"%s\", did you mean %s? Valid: %s", item, name,
                       nearest, list);
    }
    unsigned seen = 0;
    char *save = NULL;
    for (char *o = opts ? strtok_r(opts, ":", &save) : NULL; o; o = strtok_r(NULL, ":", &save)) {
        int err = parse_option(item, c, o, &seen);
        if (err != VC_OK)
            return err;
    }
    return VC_OK;
}

int vc_param_parse_alg(struct vc_params *p, const char *text)
{
    struct vc_alg_choice all[VC_COLL_ACCELERATED];
    memset(all, 0, sizeof all);
    unsigned seen = 0;
    char item[256];
    const char *cursor = strcmp(text, "auto") == 0 ? NULL : text;
    while (vc_next_item(&cursor, item, sizeof item)) {
        int err = parse_choice(item, all, &seen);
        if (err != VC_OK)
            return err;
    }
    if (cursor)
        return vc_fail(VC_ERR_INVAL, "an item is too long: collective=algorithm[:name=value...] is expected");
    memcpy(p->alg, all, sizeof all);
    return VC_OK;
}

void vc_param_format_alg(const struct vc_params *p, char *buf, size_t len)
{
    buf[0] = '\0';
    for (int i = 0; i < VC_COLL_ACCELERATED; i++) {
        const struct vc_alg_choice *c = &p->alg[i];
        if (!c->alg)
            continue;
        vc_append(buf, len, "%s%s=%s", buf[0] ? "," : "", vc_coll_name((enum vc_coll)i), c->alg->name);
        if (c->radix)
            vc_append(buf, len, ":radix=%d", c->radix);
        if (c->segment) {
            char size[24];
            vc_format_bytes(c->segment, size, sizeof size);
            vc_append(buf, len, ":segment=%s", size);
        }
        if (c->leaders)
            vc_append(buf, len, ":leaders=%d", c->leaders);
    }
    if (!buf[0])
        snprintf(buf, len, "auto");
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* VCOLL_ALG: "collective=choice" (tune/params/choice.h), comma-separated, or "auto". */
#include "tune/params/choice.h"
#include "tune/params/internal.h"

#include <stdio.h>
#include <string.h>

static int no_such_coll(const char *name)
{
    int known = vc_coll_by_name(name);
    char list[256] = "";
    const char *nearest = NULL;
    int best = 0;
    for (int i = 0; i < VC_COLL_COUNT; i++) {
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

static int parse_item(char *item, struct vc_choice *all, unsigned *colls_seen)
{
    char *choice = strchr(item, '=');
    if (!choice)
        return vc_fail(VC_ERR_INVAL, "\"%s\" is not collective=algorithm, e.g. allreduce=ring", item);
    *choice++ = '\0';
    int coll = vc_coll_by_name(item);
    if (coll < 0 || coll >= VC_COLL_COUNT)
        return no_such_coll(item);
    if (*colls_seen & (1u << coll))
        return vc_fail(VC_ERR_INVAL, "%s is given twice", item);
    *colls_seen |= 1u << coll;
    return vc_choice_parse((enum vc_coll)coll, choice, &all[coll]);
}

int vc_param_parse_alg(struct vc_params *p, const char *text)
{
    struct vc_choice all[VC_COLL_COUNT];
    memset(all, 0, sizeof all);
    unsigned seen = 0;
    char item[256];
    const char *cursor = strcmp(text, "auto") == 0 ? NULL : text;
    while (vc_next_item(&cursor, item, sizeof item)) {
        int err = parse_item(item, all, &seen);
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
    for (int i = 0; i < VC_COLL_COUNT; i++) {
        char choice[VC_CHOICE_TEXT];
        if (p->alg[i].alg)
            vc_append(buf, len, "%s%s=%s", buf[0] ? "," : "", vc_coll_name((enum vc_coll)i),
                      vc_choice_format(&p->alg[i], choice, sizeof choice));
    }
    if (!buf[0])
        snprintf(buf, len, "auto");
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* VCOLL_TOPOLOGY: a word, or a made-up topology as in hwloc's synthetic descriptions, "numa:2 l3:4 core:8".
 */
#include "tune/params/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { COUNT_MAX = 1024 };

static const char *const mode_words[] = {"auto", "flat", "measure", NULL};
_Static_assert(VC_TOPOLOGY_AUTO == 0 && VC_TOPOLOGY_FLAT == 1 && VC_TOPOLOGY_MEASURE == 2, "mode_words");

/* One item, "l3:4". *finer: the kinds that may follow, those below it. */
static int parse_item(const char *item, struct vc_synthetic *out, int *finer)
{
    char name[16], why[256];
    int kind = 0, count = 0;
    size_t n = strcspn(item, ":");
    snprintf(name, sizeof name, "%.*s", (int)n, item);
    if (vc_param_parse_word(name, vc_unit_words, &kind) != VC_OK) {
        snprintf(why, sizeof why, "%s", vc_error_text());
        return vc_fail(VC_ERR_INVAL, "\"%s\" is %s, each with a number, as in numa:2 l3:4 core:8", item, why);
    }
    if (!item[n])
        return vc_fail(VC_ERR_INVAL, "\"%s\" has no number. Valid: %s:N, as in numa:2 l3:4 core:8", item,
                       vc_unit_words[kind]);
    if (vc_param_parse_int(item + n + 1, 1, COUNT_MAX, &count) != VC_OK)
        return vc_fail(VC_ERR_INVAL, "\"%s\": not valid. Valid: %s:N with a whole number of 1..%d", item,
                       vc_unit_words[kind], COUNT_MAX);
    if (out->count[kind])
        return vc_fail(VC_ERR_INVAL, "%s is given twice. Valid: each of numa, l3 and core once",
                       vc_unit_words[kind]);
    if (kind >= *finer)
        return vc_fail(VC_ERR_INVAL,
                       "%s stands behind %s, which lies in it. Valid: numa, l3, core, in this "
                       "order",
                       vc_unit_words[kind], vc_unit_words[*finer]);
    out->count[kind] = count;
    *finer = kind;
    return VC_OK;
}

int vc_param_parse_topology(struct vc_params *p, const char *text)
{
    struct vc_param_topology topology = {.mode = VC_TOPOLOGY_SYNTHETIC};
    char items[256], *save = NULL;
    int finer = VC_UNITS, mode = 0;
    if (!strchr(text, ':')) {
        if (vc_param_parse_word(text, mode_words, &mode) != VC_OK) {
            char why[256];
            snprintf(why, sizeof why, "%s", vc_error_text());
            return vc_fail(VC_ERR_INVAL, "%s, or a topology, as in numa:2 l3:4 core:8", why);
        }
        topology.mode = (enum vc_topology_mode)mode;
        p->topology = topology;
        return VC_OK;
    }
    if (strlen(text) >= sizeof items)
        return vc_fail(VC_ERR_INVAL, "too long. Valid: at most numa:N l3:N core:N");
    snprintf(items, sizeof items, "%s", text);
    for (char *item = strtok_r(items, " \t,", &save); item; item = strtok_r(NULL, " \t,", &save)) {
        int err = parse_item(item, &topology.synthetic, &finer);
        if (err != VC_OK)
            return err;
    }
    p->topology = topology;
    return VC_OK;
}

void vc_param_format_topology(const struct vc_params *p, char *buf, size_t len)
{
    const struct vc_param_topology *t = &p->topology;
    buf[0] = '\0';
    if (t->mode != VC_TOPOLOGY_SYNTHETIC) {
        snprintf(buf, len, "%s", mode_words[t->mode]);
        return;
    }
    for (int k = VC_UNITS - 1; k >= 0; k--)
        if (t->synthetic.count[k])
            vc_append(buf, len, "%s%s:%d", buf[0] ? " " : "", vc_unit_words[k], t->synthetic.count[k]);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters of the verbs channel whose syntax is their own: numbers that may be "auto", P_Key, completion
 * moderation. */
#include "transport/verbs/verbs.h"
#include "tune/params/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "auto" is -1. */
static int parse_auto(const char *text, int most, int *out)
{
    unsigned long long v = 0;
    bool is_auto = strcasecmp(text, "auto") == 0;
    if (!is_auto && !vc_parse_number(text, 0, (unsigned long long)most, &v))
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: auto, or a whole number of 0..%d", most);
    *out = is_auto ? -1 : (int)v;
    return VC_OK;
}

static void format_auto(int v, char *buf, size_t len)
{
    if (v < 0)
        snprintf(buf, len, "auto");
    else
        snprintf(buf, len, "%d", v);
}

int vc_param_parse_gid_index(struct vc_params *p, const char *text)
{
    return parse_auto(text, 255, &p->verbs_gid_index);
}

void vc_param_format_gid_index(const struct vc_params *p, char *buf, size_t len)
{
    format_auto(p->verbs_gid_index, buf, len);
}

int vc_param_parse_tc(struct vc_params *p, const char *text)
{
    return parse_auto(text, 255, &p->verbs_tc);
}

void vc_param_format_tc(const struct vc_params *p, char *buf, size_t len)
{
    format_auto(p->verbs_tc, buf, len);
}

int vc_param_parse_inline(struct vc_params *p, const char *text)
{
    return parse_auto(text, 1024, &p->verbs_inline);
}

void vc_param_format_inline(const struct vc_params *p, char *buf, size_t len)
{
    format_auto(p->verbs_inline, buf, len);
}

/* Partition keys are written in hexadecimal everywhere; without the 0x, 8001 would be a guess. */
int vc_param_parse_pkey(struct vc_params *p, const char *text)
{
    unsigned long v = 0;
    bool is_auto = strcasecmp(text, "auto") == 0;
    if (!is_auto) {
        size_t digits = strncasecmp(text, "0x", 2) == 0 ? strspn(text + 2, "0123456789abcdefABCDEF") : 0;
        if (digits >= 1 && digits <= 4 && text[2 + digits] == '\0')
            v = strtoul(text + 2, NULL, 16);
        if (v == 0)
            return vc_fail(VC_ERR_INVAL, "not valid. Valid: auto, or a hexadecimal number of 0x0001..0xffff");
    }
    p->verbs_pkey = (int)v;
    return VC_OK;
}

void vc_param_format_pkey(const struct vc_params *p, char *buf, size_t len)
{
    if (p->verbs_pkey == 0)
        snprintf(buf, len, "auto");
    else
        snprintf(buf, len, "0x%04x", (unsigned)p->verbs_pkey);
}

static bool parse_mod(const char *text, struct vc_param_cq_mod *out)
{
    char count[8];
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof count)
        return false;
    memcpy(count, text, (size_t)(colon - text));
    count[colon - text] = '\0';
    unsigned long long c, us;
    if (!vc_parse_number(count, 0, UINT16_MAX, &c) || !vc_parse_number(colon + 1, 0, UINT16_MAX, &us))
        return false;
    out->count = (uint16_t)c;
    out->period = (uint16_t)us;
    return true;
}

int vc_param_parse_cq_moderation(struct vc_params *p, const char *text)
{
    struct vc_param_cq_mod mod[2] = {{0, 0}, {0, 0}}; /* latency, bulk */
    bool given = strcasecmp(text, "off") != 0;
    if (given && parse_mod(text, &mod[0])) {
        mod[1] = mod[0];
    } else if (given) {
        static const char *const names[] = {"latency=", "bulk="};
        char item[64];
        const char *cursor = text;
        bool good = true, seen[2] = {false, false};
        while (good && vc_next_item(&cursor, item, sizeof item)) {
            int i = strncasecmp(item, names[0], strlen(names[0])) == 0 ? 0 : 1;
            size_t n = strlen(names[i]);
            good = strncasecmp(item, names[i], n) == 0 && !seen[i] && parse_mod(item + n, &mod[i]);
            seen[i] = true;
        }
        if (!good || cursor)
            return vc_fail(VC_ERR_INVAL, "not valid. Valid: off, count:usec (e.g. 16:20), or "
                                         "latency=count:usec,bulk=count:usec, of 0..65535 each");
    }
    p->cq_moderation.given = given;
    p->cq_moderation.latency = mod[0];
    p->cq_moderation.bulk = mod[1];
    return VC_OK;
}

void vc_param_format_cq_moderation(const struct vc_params *p, char *buf, size_t len)
{
    const struct vc_param_moderation *m = &p->cq_moderation;
    if (!m->given)
        snprintf(buf, len, "off");
    else if (m->latency.count == m->bulk.count && m->latency.period == m->bulk.period)
        snprintf(buf, len, "%u:%u", m->latency.count, m->latency.period);
    else
        snprintf(buf, len, "latency=%u:%u,bulk=%u:%u", m->latency.count, m->latency.period, m->bulk.count,
                 m->bulk.period);
}

void vc_params_verbs_cfg(const struct vc_params *p, struct vc_verbs_cfg *cfg)
{
    const struct vc_param_moderation *m = &p->cq_moderation;
    *cfg = (struct vc_verbs_cfg){
        .want = {.library = p->verbs_library,
                 .device = p->verbs_device,
                 .port = p->verbs_port,
                 .gid_index = p->verbs_gid_index,
                 .pkey = p->verbs_pkey},
        .sl = p->verbs_sl,
        .tc = p->verbs_tc,
        .inline_bytes = p->verbs_inline,
        .slot = p->verbs_slot,
        .credits = p->verbs_credits,
        .zcopy_min = p->verbs_zcopy_min,
        .reg_cache = p->verbs_reg_cache,
        .timeout_s = p->verbs_timeout,
        .most_open = p->verbs_peers,
        .latency = {m->latency.count, m->latency.period},
        .bulk = {m->bulk.count, m->bulk.period},
        .moderate = m->given,
    };
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of values that parameters have: words, flags, numbers, sizes, text, sets of words. */
#include "tune/params/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int vc_param_parse_word(const char *text, const char *const *words, int *out)
{
    char list[256] = "";
    const char *nearest = words[0];
    for (int i = 0; words[i]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i;
            return VC_OK;
        }
        vc_append(list, sizeof list, "%s%s", i ? ", " : "", words[i]);
        if (vc_word_distance(text, words[i]) < vc_word_distance(text, nearest))
            nearest = words[i];
    }
    /* A word that needs more than half of its letters changed was not meant. */
    if (2 * vc_word_distance(text, nearest) > (int)strlen(text) + 1)
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: %s", list);
    return vc_fail(VC_ERR_INVAL, "not valid, did you mean %s? Valid: %s", nearest, list);
}

int vc_param_parse_flag(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "on", "yes", "true"}, *const no[] = {"0", "off", "no", "false"};
    for (int i = 0; i < 4; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return VC_OK;
        }
    }
    return vc_fail(VC_ERR_INVAL, "not valid. Valid: 0, 1 (or off, on, no, yes, false, true)");
}

int vc_param_parse_int(const char *text, int lo, int hi, int *out)
{
    unsigned long long v;
    if (!vc_parse_number(text, (unsigned long long)lo, (unsigned long long)hi, &v))
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: a whole number of %d..%d", lo, hi);
    *out = (int)v;
    return VC_OK;
}

int vc_param_parse_size(const char *text, size_t lo, size_t hi, size_t *out)
{
    size_t v;
    if (!vc_parse_bytes(text, &v) || v < lo || v > hi) {
        char a[24], b[24];
        vc_format_bytes(lo, a, sizeof a);
        vc_format_bytes(hi, b, sizeof b);
        return vc_fail(VC_ERR_INVAL, "not valid. Valid: a size of %s..%s in bytes, or with k, m or g", a, b);
    }
    *out = v;
    return VC_OK;
}

int vc_param_parse_string(const char *text, char *out, size_t len)
{
    if (strlen(text) >= len)
        return vc_fail(VC_ERR_INVAL, "too long. Valid: at most %zu characters", len - 1);
    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            return vc_fail(VC_ERR_INVAL, "has a control character. Valid: one line of text");
    snprintf(out, len, "%s", text);
    return VC_OK;
}

int vc_param_parse_set(const char *text, const char *const *words, unsigned *out)
{
    unsigned set = 0;
    char item[64];
    const char *cursor = text;
    while (vc_next_item(&cursor, item, sizeof item)) {
        int i = 0;
        if (vc_param_parse_word(item, words, &i) != VC_OK) {
            char why[256];
            snprintf(why, sizeof why, "%s", vc_error_text());
            return vc_fail(VC_ERR_INVAL, "\"%s\" is %s", item, why);
        }
        set |= 1u << i;
    }
    if (cursor)
        return vc_fail(VC_ERR_INVAL, "an item is too long");
    *out = set;
    return VC_OK;
}

void vc_param_format_set(unsigned set, const char *const *words, char *buf, size_t len)
{
    buf[0] = '\0';
    for (int i = 0; words[i]; i++)
        if (set & (1u << i))
            vc_append(buf, len, "%s%s", buf[0] ? "," : "", words[i]);
}

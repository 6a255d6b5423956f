/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, sizes, lists and near misses: the small text work of the parameters. */
#include "tune/params/internal.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool vc_parse_number(const char *text, unsigned long long lo, unsigned long long hi, unsigned long long *out)
{
    if (!isdigit((unsigned char)text[0])) /* strtoull would accept blanks and signs */
        return false;
    unsigned long long v = 0;
    for (; isdigit((unsigned char)*text); text++) {
        unsigned long long digit = (unsigned long long)(*text - '0');
        if (v > (ULLONG_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (*text != '\0' || v < lo || v > hi)
        return false;
    *out = v;
    return true;
}

bool vc_parse_bytes(const char *text, size_t *out)
{
    char digits[24];
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    unsigned long long v;
    if (!vc_parse_number(digits, 0, SIZE_MAX, &v))
        return false;

    const char *unit = text + n;
    int shift = 0;
    if (*unit != '\0') {
        const char *letters = "kmgt", *l = strchr(letters, tolower((unsigned char)*unit));
        if (l) {
            shift = 10 * (int)(l - letters + 1);
            unit++;
            if (strcasecmp(unit, "ib") == 0)
                unit += 2;
        }
        if (strcasecmp(unit, "b") == 0)
            unit++;
    }
    if (*unit != '\0' || v > (SIZE_MAX >> shift))
        return false;
    *out = (size_t)v << shift;
    return true;
}

void vc_format_bytes(size_t bytes, char *buf, size_t len)
{
    static const char *const unit[] = {"", "k", "m", "g", "t"};
    int i = 0;
    while (i < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    snprintf(buf, len, "%zu%s", bytes, unit[i]);
}

bool vc_next_item(const char **cursor, char *item, size_t len)
{
    const char *s = *cursor;
    if (!s)
        return false;
    const char *end = strchrnul(s, ',');
    const char *next = *end ? end + 1 : NULL;
    while (s < end && isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    if ((size_t)(end - s) >= len)
        return false;
    memcpy(item, s, (size_t)(end - s));
    item[end - s] = '\0';
    *cursor = next;
    return true;
}

/* Optimal string alignment: Levenshtein's distance where swapped neighbours count once, typing being what it
 * is. */
int vc_word_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    int na = (int)strnlen(a, MAX - 1), nb = (int)strnlen(b, MAX - 1);
    int rows[3][MAX];
    int *before = rows[0], *prev = rows[1], *cur = rows[2];
    for (int j = 0; j <= nb; j++)
        prev[j] = before[j] = j;
    for (int i = 1; i <= na; i++) {
        cur[0] = i;
        int ca = tolower((unsigned char)a[i - 1]);
        for (int j = 1; j <= nb; j++) {
            int cb = tolower((unsigned char)b[j - 1]);
            int d = prev[j - 1] + (ca != cb);
            if (prev[j] + 1 < d)
                d = prev[j] + 1;
            if (cur[j - 1] + 1 < d)
                d = cur[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < d)
                d = before[j - 2] + 1;
            cur[j] = d;
        }
        int *t = before;
        before = prev;
        prev = cur;
        cur = t;
    }
    return prev[nb];
}

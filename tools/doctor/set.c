/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of ranks and their text; memory. */
#include "tools/doctor/doctor.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    fprintf(stderr, "vcoll doctor: out of memory\n");
    exit(DOC_EXIT_TROUBLE);
}

void *doc_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *doc_grow(void *p, size_t bytes)
{
    p = realloc(p, bytes);
    if (!p)
        out_of_memory();
    return p;
}

char *doc_copy(const char *s)
{
    char *p = strdup(s);
    if (!p)
        out_of_memory();
    return p;
}

char *doc_vformat(const char *fmt, va_list ap)
{
    char *text;
    if (vasprintf(&text, fmt, ap) < 0)
        out_of_memory();
    return text;
}

char *doc_format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = doc_vformat(fmt, ap);
    va_end(ap);
    return text;
}

char *doc_bytes(unsigned long long bytes, char *buf, size_t len)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    int u = 0;
    while (v >= 1024 && u < 4)
        v /= 1024, u++;
    snprintf(buf, len, v < 10 && u > 0 ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return buf;
}

/* The first place whose value is not less. */
static int lower_bound(const struct doc_set *s, int value)
{
    int lo = 0, hi = s->n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (s->v[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void doc_set_add(struct doc_set *s, int value)
{
    int at = lower_bound(s, value);
    if (at < s->n && s->v[at] == value)
        return;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->v = doc_grow(s->v, (size_t)s->cap * sizeof *s->v);
    }
    memmove(&s->v[at + 1], &s->v[at], (size_t)(s->n - at) * sizeof *s->v);
    s->v[at] = value;
    s->n++;
}

bool doc_set_has(const struct doc_set *s, int value)
{
    int at = lower_bound(s, value);
    return at < s->n && s->v[at] == value;
}

void doc_set_join(struct doc_set *s, const struct doc_set *other)
{
    for (int i = 0; i < other->n; i++)
        doc_set_add(s, other->v[i]);
}

void doc_set_free(struct doc_set *s)
{
    free(s->v);
    memset(s, 0, sizeof *s);
}

char *doc_set_text(const struct doc_set *s)
{
    enum { MOST = 24 }; /* two numbers, a dash, a comma */
    char *text = doc_alloc((size_t)s->n + 1, MOST);
    size_t used = 0;
    for (int i = 0; i < s->n; i++) {
        int last = i;
        while (last + 1 < s->n && s->v[last + 1] == s->v[last] + 1)
            last++;
        used += (size_t)snprintf(text + used, MOST, last > i ? "%s%d-%d" : "%s%d", used ? "," : "", s->v[i],
                                 s->v[last]);
        i = last;
    }
    return text;
}

bool doc_set_parse(struct doc_set *s, const char *text)
{
    enum { MOST = 1 << 24 };
    for (const char *at = text; *at;) {
        char *end;
        if (*at < '0' || *at > '9')
            return false;
        long lo = strtol(at, &end, 10), hi = lo;
        if (*end == '-') {
            at = end + 1;
            if (*at < '0' || *at > '9')
                return false;
            hi = strtol(at, &end, 10);
        }
        if (lo > hi || hi > MOST || (*end && *end != ',') || (*end == ',' && !end[1]))
            return false;
        for (long i = lo; i <= hi; i++)
            doc_set_add(s, (int)i);
        at = *end ? end + 1 : end;
    }
    return true;
}

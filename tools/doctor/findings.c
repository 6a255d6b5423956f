/* SPDX-License-Identifier: BSD-3-Clause */
/* Findings: made, sorted, given back. */
#include "tools/doctor/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const severities[DOC_SEVERITIES] = {"ok", "hint", "slow", "broken"};

const char *doc_severity_name(enum doc_severity s)
{
    return severities[s];
}

int doc_severity_by_name(const char *name)
{
    for (int i = 0; i < DOC_SEVERITIES; i++)
        if (strcmp(severities[i], name) == 0)
            return i;
    return -1;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void doc_findings_add(struct doc_findings *f, const struct doc_check *check, enum doc_severity severity,
                      const struct doc_set *ranks, const char *what, const char *fix)
{
    for (int i = 0; i < f->n; i++) {
        struct doc_finding *had = &f->v[i];
        if (had->check == check && had->severity == severity && same_text(had->what, what) &&
            same_text(had->fix, fix)) {
            doc_set_join(&had->ranks, ranks);
            return;
        }
    }
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        f->v = doc_grow(f->v, (size_t)f->cap * sizeof *f->v);
    }
    struct doc_finding *d = &f->v[f->n++];
    memset(d, 0, sizeof *d);
    d->check = check;
    d->severity = severity;
    d->what = doc_copy(what);
    d->fix = fix ? doc_copy(fix) : NULL;
    doc_set_join(&d->ranks, ranks);
}

static int compare_findings(const void *va, const void *vb)
{
    const struct doc_finding *a = va, *b = vb;
    if (a->severity != b->severity)
        return a->severity > b->severity ? -1 : 1;
    if (a->check != b->check)
        return a->check < b->check ? -1 : 1;
    int first_a = a->ranks.n ? a->ranks.v[0] : 0, first_b = b->ranks.n ? b->ranks.v[0] : 0;
    if (first_a != first_b)
        return first_a < first_b ? -1 : 1;
    return strcmp(a->what, b->what);
}

void doc_findings_sort(struct doc_findings *f)
{
    if (f->n > 1)
        qsort(f->v, (size_t)f->n, sizeof *f->v, compare_findings);
}

void doc_findings_free(struct doc_findings *f)
{
    for (int i = 0; i < f->n; i++) {
        free(f->v[i].what);
        free(f->v[i].fix);
        doc_set_free(&f->v[i].ranks);
    }
    free(f->v);
    memset(f, 0, sizeof *f);
}

static void add_formatted(struct doc_out *out, enum doc_severity severity, const struct doc_set *ranks,
                          const char *fix, const char *fmt, va_list ap)
{
    char *text = doc_vformat(fmt, ap);
    doc_findings_add(out->to, out->check, severity, ranks, text, fix);
    free(text);
}

void doc_say(struct doc_out *out, enum doc_severity severity, const char *fix, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_formatted(out, severity, out->ranks, fix, fmt, ap);
    va_end(ap);
}

void doc_say_of(struct doc_out *out, enum doc_severity severity, const struct doc_set *ranks, const char *fix,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_formatted(out, severity, ranks, fix, fmt, ap);
    va_end(ap);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Findings; which checks are wanted, and running them. */
#include "tools/doctor/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKS_MAX = 64 };
static bool skipped[CHECKS_MAX];

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

const struct doc_check *doc_check_by_id(const char *id)
{
    for (int i = 0; i < doc_nchecks; i++)
        if (strcmp(doc_checks[i].id, id) == 0)
            return &doc_checks[i];
    return NULL;
}

const char *doc_same_name(enum doc_same s)
{
    const struct doc_check *c = doc_checks;
    while (c->job != doc_check_same || c->same != s)
        c++;
    return c->id;
}

/* ---- findings ---- */

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

/* ---- which ---- */

bool doc_wanted(const struct doc_check *check)
{
    return !skipped[check - doc_checks];
}

/* Sets the mark of each named check. */
static bool mark_checks(const char *list, bool value, char *bad, size_t len)
{
    for (const char *at = list;; at++) {
        size_t n = strcspn(at, ",");
        snprintf(bad, len, "%.*s", (int)n, at);
        const struct doc_check *c = doc_check_by_id(bad);
        if (!c)
            return false;
        skipped[c - doc_checks] = value;
        at += n;
        if (!*at)
            return true;
    }
}

bool doc_want_only(const char *list, char *bad, size_t len)
{
    for (int i = 0; i < doc_nchecks; i++)
        skipped[i] = true;
    return mark_checks(list, false, bad, len);
}

bool doc_want_skip(const char *list, char *bad, size_t len)
{
    return mark_checks(list, true, bad, len);
}

/* ---- running ---- */

void doc_run_rank(const struct doc_rank *r, struct doc_findings *to)
{
    struct doc_set me = {0};
    doc_set_add(&me, r->rank);
    for (int i = 0; i < doc_nchecks; i++) {
        struct doc_out out = {to, &doc_checks[i], &me};
        if (doc_checks[i].rank && doc_wanted(&doc_checks[i]))
            doc_checks[i].rank(r, &out);
    }
    doc_set_free(&me);
}

void doc_run_node(const struct doc_node *n, struct doc_findings *to)
{
    struct doc_set all = {0};
    for (int i = 0; i < n->npeers; i++)
        doc_set_add(&all, n->peer[i].rank);
    for (int i = 0; i < doc_nchecks; i++) {
        struct doc_out out = {to, &doc_checks[i], &all};
        if (doc_checks[i].node && doc_wanted(&doc_checks[i]))
            doc_checks[i].node(n, &out);
    }
    doc_set_free(&all);
}

void doc_run_job(const struct doc_job *j, struct doc_findings *to)
{
    for (int i = 0; i < doc_nchecks; i++) {
        struct doc_out out = {to, &doc_checks[i], &j->all};
        if (doc_checks[i].job && doc_wanted(&doc_checks[i]))
            doc_checks[i].job(j, &out);
    }
}

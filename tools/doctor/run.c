/* SPDX-License-Identifier: BSD-3-Clause */
/* Which checks are wanted, and running them. */
#include "tools/doctor/checks.h"

#include <stdio.h>
#include <string.h>

enum { CHECKS_MAX = 64 };
static bool skipped[CHECKS_MAX];

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

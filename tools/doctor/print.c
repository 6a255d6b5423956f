/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/doctor/print.h"

#include "tools/doctor/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INDENT = 10, /* columns before the text of a finding */
    SHOWN = 8,   /* findings of one check, before "and more" */
    NAMES = 6,   /* nodes that are named */
};

static const char *const colors[DOC_SEVERITIES] = {"\033[32m", "\033[36m", "\033[33m", "\033[31m"};

enum doc_severity doc_worst(const struct doc_findings *f)
{
    enum doc_severity worst = DOC_OK;
    for (int i = 0; i < f->n; i++)
        if (f->v[i].severity > worst)
            worst = f->v[i].severity;
    return worst;
}

int doc_exit_code(enum doc_severity worst)
{
    return worst == DOC_BROKEN ? DOC_EXIT_BROKEN : worst == DOC_SLOW ? DOC_EXIT_SLOW : DOC_EXIT_WELL;
}

static int count_severity(const struct doc_findings *f, enum doc_severity s)
{
    int n = 0;
    for (int i = 0; i < f->n; i++)
        n += f->v[i].severity == s;
    return n;
}

static bool found_bad(const struct doc_findings *f, const struct doc_check *c)
{
    for (int i = 0; i < f->n; i++)
        if (f->v[i].check == c && f->v[i].severity > DOC_OK)
            return true;
    return false;
}

/* ---- where ---- */

static bool share_ranks(const struct doc_set *few, const struct doc_set *many)
{
    for (int i = 0; i < few->n; i++)
        if (doc_set_has(many, few->v[i]))
            return true;
    return false;
}

/* "everywhere", "node a (ranks 0-3)", "2 nodes: a, b (ranks 0-7)"; malloc()ed. */
static char *where_text(const struct doc_job *j, const struct doc_set *ranks)
{
    struct doc_set sites = {0};
    for (int i = 0; i < j->nsites; i++)
        if (share_ranks(&j->site[i].ranks, ranks))
            doc_set_add(&sites, i);
    char *list = doc_set_text(ranks), *text;
    if (ranks->n == j->size && j->nsites > 1)
        text = doc_copy("every rank of every node");
    else if (ranks->n == j->size)
        text = doc_copy(j->size == 1 ? "the one rank" : "every rank");
    else if (sites.n == 0)
        text = doc_format("rank%s %s", ranks->n == 1 ? "" : "s", list);
    else if (j->nsites == 1)
        text = doc_format("rank%s %s of %d", ranks->n == 1 ? "" : "s", list, j->size);
    else {
        text = doc_format("node%s", sites.n == 1 ? "" : "s");
        for (int i = 0; i < sites.n && i < NAMES; i++) {
            char *longer = doc_format("%s%s %s", text, i ? "," : "", j->site[sites.v[i]].host);
            free(text);
            text = longer;
        }
        char *longer = sites.n > NAMES ? doc_format("%s and %d more (ranks %s)", text, sites.n - NAMES, list)
                                       : doc_format("%s (rank%s %s)", text, ranks->n == 1 ? "" : "s", list);
        free(text);
        text = longer;
    }
    free(list);
    doc_set_free(&sites);
    return text;
}

/* ---- for people ---- */

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

static void print_verdict(const struct doc_job *j, const struct doc_findings *f, const struct terminal *t)
{
    int broken = count_severity(f, DOC_BROKEN), slow = count_severity(f, DOC_SLOW),
        hints = count_severity(f, DOC_HINT);
    const char *mark = terminal_paint(t, colors[doc_worst(f)]), *end = terminal_paint(t, TERMINAL_PLAIN);
    int nodes = j->nsites;
    printf("%s", mark);
    if (broken + slow == 0)
        printf("No problems");
    else
        printf("%d problem%s", broken + slow, plural(broken + slow));
    if (broken && slow)
        printf(" (%d broken, %d slow)", broken, slow);
    else if (broken || slow)
        printf(" (%s)", broken ? "broken" : "slow");
    if (hints)
        printf(", %d hint%s", hints, plural(hints));
    if (nodes > 0)
        printf("%s on %d node%s, %d rank%s\n", end, nodes, plural(nodes), j->size, plural(j->size));
    else
        printf("%s on %d rank%s, which could not be looked at\n", end, j->size, plural(j->size));
}

static void print_advice(const struct terminal *t, const char *what, const char *cost, const char *fix)
{
    terminal_line(t, INDENT, "what", what);
    terminal_line(t, INDENT, "cost", cost);
    terminal_line(t, INDENT, "do", fix);
}

static void print_finding(const struct doc_job *j, const struct doc_finding *d, const struct terminal *t)
{
    char name[16], *place = where_text(j, &d->ranks);
    size_t n = 0;
    for (const char *s = doc_severity_name(d->severity); *s && n < sizeof name - 1; s++)
        name[n++] = (char)(*s - 'a' + 'A');
    name[n] = '\0';
    printf("\n%s%-*s%s%s: %s - %s\n", terminal_paint(t, colors[d->severity]), INDENT, name,
           terminal_paint(t, TERMINAL_PLAIN), d->check->id, d->check->title, place);
    print_advice(t, d->what, d->check->cost, d->fix ? d->fix : d->check->fix);
    free(place);
}

static void print_passed(const struct doc_findings *f, const struct terminal *t)
{
    printf("\nPassed:\n");
    for (int i = 0; i < doc_nchecks; i++) {
        const struct doc_check *c = &doc_checks[i];
        if (!doc_wanted(c) || found_bad(f, c))
            continue;
        const char *note = "";
        for (int k = 0; k < f->n && !note[0]; k++)
            if (f->v[k].check == c)
                note = f->v[k].what;
        terminal_line(t, 18, c->id, note[0] ? note : "nothing found");
    }
}

void doc_print_text(const struct doc_job *j, const struct doc_findings *f, const struct terminal *t, bool all)
{
    int passed = 0;
    const struct doc_check *last = NULL;
    bool looked = j->nsites > 0;
    print_verdict(j, f, t);
    for (int i = 0, shown = 0; i < f->n && f->v[i].severity > DOC_OK; i++) {
        const struct doc_finding *d = &f->v[i];
        shown = d->check == last ? shown + 1 : 1;
        last = d->check;
        if (shown <= SHOWN || all)
            print_finding(j, d, t);
        else if (i + 1 == f->n || f->v[i + 1].check != last || f->v[i + 1].severity == DOC_OK)
            printf("%*s... and %d more of %s (--all shows them)\n", INDENT, "", shown - SHOWN, last->id);
    }
    for (int i = 0; i < doc_nchecks; i++)
        passed += doc_wanted(&doc_checks[i]) && !found_bad(f, &doc_checks[i]);
    if (looked && all) {
        doc_print_levels(j, t);
        print_passed(f, t);
    } else if (looked && passed > 0)
        printf("\n%d check%s passed; --all shows them.\n", passed, plural(passed));
}

/* ---- for programs ---- */

static json_t *names_json(const struct doc_job *j, const struct doc_set *ranks)
{
    json_t *list = json_array();
    for (int i = 0; i < j->nsites; i++)
        if (share_ranks(&j->site[i].ranks, ranks))
            json_array_append_new(list, json_text(j->site[i].host));
    return list;
}

static json_t *finding_json(const struct doc_job *j, const struct doc_finding *d)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:i, s:o}", "check", d->check->id, "severity",
                     doc_severity_name(d->severity), "title", d->check->title, "what", json_text(d->what),
                     "cost", d->check->cost, "do", json_text(d->fix ? d->fix : d->check->fix), "ranks",
                     doc_json_set(&d->ranks), "rank_count", d->ranks.n, "nodes", names_json(j, &d->ranks));
}

/* The worst that was found of a check, and what was noted of one that passed. */
static json_t *check_json(const struct doc_findings *f, const struct doc_check *c)
{
    enum doc_severity worst = DOC_OK;
    const char *note = NULL;
    for (int i = 0; i < f->n; i++) {
        if (f->v[i].check != c)
            continue;
        if (f->v[i].severity > worst)
            worst = f->v[i].severity;
        if (f->v[i].severity == DOC_OK && !note)
            note = f->v[i].what;
    }
    return json_pack("{s:s, s:s, s:o}", "check", c->id, "result",
                     doc_wanted(c) ? doc_severity_name(worst) : "skipped", "note",
                     worst == DOC_OK && note ? json_text(note) : json_null());
}

bool doc_print_json(const struct doc_job *j, const struct doc_findings *f)
{
    json_t *nodes = json_array(), *findings = json_array(), *checks = json_array();
    enum doc_severity worst = doc_worst(f);
    for (int i = 0; i < j->nsites; i++)
        json_array_append_new(nodes, json_pack("{s:o, s:o, s:i, s:b}", "host", json_text(j->site[i].host),
                                               "ranks", doc_json_set(&j->site[i].ranks), "rank_count",
                                               j->site[i].ranks.n, "crowded", (int)j->site[i].crowded));
    for (int i = 0; i < f->n; i++)
        if (f->v[i].severity > DOC_OK)
            json_array_append_new(findings, finding_json(j, &f->v[i]));
    for (int i = 0; i < doc_nchecks; i++)
        json_array_append_new(checks, check_json(f, &doc_checks[i]));
    json_t *all =
        json_pack("{s:i, s:s, s:s, s:i, s:i, s:o, s:o, s:{s:i, s:i, s:i}, s:o, s:o}", "vcoll_doctor", 1,
                  "version", VC_VERSION, "verdict", doc_severity_name(worst), "exit", doc_exit_code(worst),
                  "ranks", j->size, "nodes", nodes, "hosts", doc_hosts_json(j), "count", "broken",
                  count_severity(f, DOC_BROKEN), "slow", count_severity(f, DOC_SLOW), "hint",
                  count_severity(f, DOC_HINT), "findings", findings, "checks", checks);
    return json_print(all);
}

/* ---- the checks ---- */

void doc_print_list(const struct terminal *t)
{
    for (int i = 0; i < doc_nchecks; i++) {
        const struct doc_check *c = &doc_checks[i];
        printf("%s%s%s (%s at worst): %s\n", terminal_paint(t, TERMINAL_BOLD), c->id,
               terminal_paint(t, TERMINAL_PLAIN), doc_severity_name(c->worst), c->title);
        print_advice(t, c->about, c->cost, c->fix);
    }
}

void doc_print_markdown(void)
{
    printf("| check | at worst | looks at | what it costs | what to do |\n|---|---|---|---|---|\n");
    for (int i = 0; i < doc_nchecks; i++) {
        const struct doc_check *c = &doc_checks[i];
        printf("| `%s` | %s | %s | %s | %s |\n", c->id, doc_severity_name(c->worst), c->about, c->cost,
               c->fix);
    }
}

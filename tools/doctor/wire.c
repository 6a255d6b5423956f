/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/doctor/comm.h"

#include "tools/print/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

json_t *doc_json_set(const struct doc_set *s)
{
    char *text = doc_set_text(s);
    json_t *o = json_string(text);
    free(text);
    return o;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static char *dump(json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (!text) {
        fprintf(stderr, "vcoll doctor: out of memory\n");
        exit(DOC_EXIT_TROUBLE);
    }
    return text;
}

/* ---- findings ---- */

static json_t *write_findings(const struct doc_findings *f, bool all)
{
    json_t *list = json_array();
    for (int i = 0; i < f->n; i++) {
        const struct doc_finding *d = &f->v[i];
        if (d->severity > DOC_OK || all)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:o, s:o*, s:o}", "check", d->check->id, "severity",
                                doc_severity_name(d->severity), "what", json_text(d->what), "fix",
                                d->fix ? json_text(d->fix) : NULL, "ranks", doc_json_set(&d->ranks)));
    }
    return list;
}

static void take_findings(const json_t *list, struct doc_findings *to)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        const struct doc_check *check = doc_check_by_id(text_of(o, "check"));
        int severity = doc_severity_by_name(text_of(o, "severity"));
        const char *fix = json_string_value(json_object_get(o, "fix"));
        struct doc_set ranks = {0};
        if (check && severity >= 0 && doc_set_parse(&ranks, text_of(o, "ranks")))
            doc_findings_add(to, check, (enum doc_severity)severity, &ranks, text_of(o, "what"), fix);
        doc_set_free(&ranks);
    }
}

/* ---- groups ---- */

void doc_group_add(struct doc_job *j, enum doc_same s, const char *value, const struct doc_set *ranks)
{
    for (int i = 0; i < j->ngroups[s]; i++) {
        if (strcmp(j->group[s][i].value, value) == 0) {
            doc_set_join(&j->group[s][i].ranks, ranks);
            return;
        }
    }
    int n = j->ngroups[s]++;
    j->group[s] = doc_grow(j->group[s], (size_t)(n + 1) * sizeof *j->group[s]);
    memset(&j->group[s][n], 0, sizeof j->group[s][n]);
    j->group[s][n].value = doc_copy(value);
    doc_set_join(&j->group[s][n].ranks, ranks);
}

void doc_site_free(struct doc_site *s)
{
    doc_set_free(&s->ranks);
    free(s->seen);
    for (int k = 0; k < s->nnuma; k++)
        doc_set_free(&s->numa[k].ranks);
    free(s->numa);
}

void doc_job_free(struct doc_job *j)
{
    for (int s = 0; s < DOC_SAMES; s++) {
        for (int i = 0; i < j->ngroups[s]; i++) {
            free(j->group[s][i].value);
            doc_set_free(&j->group[s][i].ranks);
        }
        free(j->group[s]);
    }
    for (int i = 0; i < j->nsites; i++) {
        doc_site_free(&j->site[i]);
    }
    free(j->site);
    doc_set_free(&j->all);
    doc_set_free(&j->silent);
    memset(j, 0, sizeof *j);
}

/* ---- a rank ---- */

char *doc_write_rank(const struct doc_rank *r, const struct doc_findings *f, bool all)
{
    json_t *same = json_object();
    struct doc_set cpus = {0};
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &r->mask))
            doc_set_add(&cpus, i);
    for (int s = 0; s < DOC_SAMES; s++)
        json_object_set_new(same, doc_same_name((enum doc_same)s), json_text(r->same[s]));
    json_t *o = json_pack("{s:i, s:o, s:o, s:i, s:f, s:i, s:o, s:o}", "rank", r->rank, "host",
                          json_text(r->host), "cpus", doc_json_set(&cpus), "yields", r->yields, "busied",
                          r->busied, "cma", (int)r->cma, "same", same, "findings", write_findings(f, all));
    doc_set_free(&cpus);
    return dump(o);
}

/* Keeps the peers in order. */
static struct doc_peer *new_peer(struct doc_node *n, int rank)
{
    int at = n->npeers++;
    n->peer = doc_grow(n->peer, (size_t)n->npeers * sizeof *n->peer);
    for (; at > 0 && n->peer[at - 1].rank > rank; at--)
        n->peer[at] = n->peer[at - 1];
    memset(&n->peer[at], 0, sizeof n->peer[at]);
    n->peer[at].rank = rank;
    return &n->peer[at];
}

bool doc_take_rank(const char *text, size_t len, struct doc_node *n, struct doc_job *j,
                   struct doc_findings *to)
{
    json_t *o = json_loadb(text, len, 0, NULL);
    const json_t *rank = json_object_get(o, "rank");
    if (!json_is_integer(rank) || json_integer_value(rank) < 0 || json_integer_value(rank) > INT32_MAX) {
        json_decref(o);
        return false;
    }
    struct doc_peer *p = new_peer(n, (int)json_integer_value(rank));
    struct doc_set me = {0};
    snprintf(p->host, sizeof p->host, "%s", text_of(o, "host"));
    doc_set_parse(&p->cpus, text_of(o, "cpus"));
    const json_t *yields = json_object_get(o, "yields"), *busied = json_object_get(o, "busied");
    p->yields = json_is_integer(yields) ? (int)json_integer_value(yields) : -1;
    p->busied = json_is_number(busied) ? json_number_value(busied) : -1;
    p->cma = (enum doc_cma)json_integer_value(json_object_get(o, "cma"));
    doc_set_add(&me, p->rank);
    for (int s = 0; s < DOC_SAMES; s++)
        doc_group_add(j, (enum doc_same)s,
                      text_of(json_object_get(o, "same"), doc_same_name((enum doc_same)s)), &me);
    take_findings(json_object_get(o, "findings"), to);
    doc_set_free(&me);
    json_decref(o);
    return true;
}

/* ---- a site ---- */

/* As text: JSON's numbers need not hold 64 bits. */
static json_t *write_mark(uint64_t mark)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, mark);
    return json_string(text);
}

static uint64_t read_mark(const json_t *v)
{
    const char *text = json_string_value(v);
    return text ? strtoull(text, NULL, 16) : 0;
}

static void take_marks(const json_t *o, struct doc_site *s)
{
    const json_t *seen = json_object_get(o, "seen");
    size_t n = json_array_size(seen);
    s->mark = read_mark(json_object_get(o, "mark"));
    if (n == 0 || n > FACTS_LEASES)
        return;
    s->seen = doc_grow(NULL, n * sizeof *s->seen);
    s->nseen = (int)n;
    for (size_t i = 0; i < n; i++)
        s->seen[i] = read_mark(json_array_get(seen, i));
}

void doc_numa_add(struct doc_site *s, int node, const struct doc_set *ranks)
{
    int at = 0;
    while (at < s->nnuma && s->numa[at].node < node)
        at++;
    if (at == s->nnuma || s->numa[at].node != node) {
        s->numa = doc_grow(s->numa, (size_t)(s->nnuma + 1) * sizeof *s->numa);
        memmove(&s->numa[at + 1], &s->numa[at], (size_t)(s->nnuma - at) * sizeof *s->numa);
        s->numa[at] = (struct doc_numa){.node = node};
        s->nnuma++;
    }
    doc_set_join(&s->numa[at].ranks, ranks);
}

static void take_numa(const json_t *list, struct doc_site *s)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        struct doc_set ranks = {0};
        const json_t *node = json_object_get(o, "node");
        if (doc_set_parse(&ranks, text_of(o, "ranks")) && ranks.n > 0)
            doc_numa_add(s, json_is_integer(node) ? (int)json_integer_value(node) : -1, &ranks);
        doc_set_free(&ranks);
    }
}

char *doc_write_site(const struct doc_site *s, const struct doc_job *j, const struct doc_findings *f,
                     bool all)
{
    json_t *same = json_object();
    for (int k = 0; k < DOC_SAMES; k++) {
        json_t *list = json_array();
        for (int i = 0; i < j->ngroups[k]; i++)
            json_array_append_new(list, json_pack("{s:o, s:o}", "value", json_text(j->group[k][i].value),
                                                  "ranks", doc_json_set(&j->group[k][i].ranks)));
        json_object_set_new(same, doc_same_name((enum doc_same)k), list);
    }
    json_t *seen = json_array();
    for (int i = 0; i < s->nseen; i++)
        json_array_append_new(seen, write_mark(s->seen[i]));
    json_t *numa = json_array();
    for (int i = 0; i < s->nnuma; i++)
        json_array_append_new(
            numa, json_pack("{s:i, s:o}", "node", s->numa[i].node, "ranks", doc_json_set(&s->numa[i].ranks)));
    return dump(json_pack("{s:o, s:o, s:o, s:s, s:s, s:b, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "host",
                          json_text(s->host), "ranks", doc_json_set(&s->ranks), "silent",
                          doc_json_set(&j->silent), "boot", s->boot, "shm", s->shm, "crowded",
                          (int)s->crowded, "mark", write_mark(s->mark), "seen", seen, "guid", s->guid,
                          "host_id", json_text(s->host_id), "device", json_text(s->device), "numa", numa,
                          "same", same, "findings", write_findings(f, all)));
}

static void take_groups(const json_t *same, struct doc_job *j)
{
    for (int s = 0; s < DOC_SAMES; s++) {
        size_t i;
        json_t *o;
        json_array_foreach(json_object_get(same, doc_same_name((enum doc_same)s)), i, o)
        {
            struct doc_set ranks = {0};
            if (doc_set_parse(&ranks, text_of(o, "ranks")) && ranks.n > 0)
                doc_group_add(j, (enum doc_same)s, text_of(o, "value"), &ranks);
            doc_set_free(&ranks);
        }
    }
}

bool doc_take_site(const char *text, size_t len, struct doc_job *j, struct doc_findings *to)
{
    json_t *o = json_loadb(text, len, 0, NULL);
    struct doc_set ranks = {0}, silent = {0};
    if (!o || !doc_set_parse(&ranks, text_of(o, "ranks")) || ranks.n == 0) {
        doc_set_free(&ranks);
        json_decref(o);
        return false;
    }
    j->site = doc_grow(j->site, (size_t)(j->nsites + 1) * sizeof *j->site);
    struct doc_site *s = &j->site[j->nsites++];
    memset(s, 0, sizeof *s);
    s->ranks = ranks;
    snprintf(s->host, sizeof s->host, "%s", text_of(o, "host"));
    snprintf(s->boot, sizeof s->boot, "%s", text_of(o, "boot"));
    snprintf(s->shm, sizeof s->shm, "%s", text_of(o, "shm"));
    s->crowded = json_is_true(json_object_get(o, "crowded"));
    snprintf(s->guid, sizeof s->guid, "%s", text_of(o, "guid"));
    snprintf(s->host_id, sizeof s->host_id, "%s", text_of(o, "host_id"));
    snprintf(s->device, sizeof s->device, "%s", text_of(o, "device"));
    take_marks(o, s);
    take_numa(json_object_get(o, "numa"), s);
    doc_set_parse(&silent, text_of(o, "silent"));
    doc_set_join(&j->silent, &silent);
    doc_set_free(&silent);
    take_groups(json_object_get(o, "same"), j);
    take_findings(json_object_get(o, "findings"), to);
    json_decref(o);
    return true;
}

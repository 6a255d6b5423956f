/* SPDX-License-Identifier: BSD-3-Clause */
#include "doctor_rig.h"

#include "tools/doctor/comm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char rig_root[64];
static struct doc_findings found;
static bool fired[64], kept_quiet[64];

/* ---- trees ---- */

int rig_new_tree(void **state)
{
    (void)state;
    strcpy(rig_root, "/tmp/vcoll-doctor-XXXXXX");
    return mkdtemp(rig_root) ? 0 : -1;
}

int rig_drop_tree(void **state)
{
    char cmd[128];
    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf %s", rig_root);
    return system(cmd);
}

static void place(const char *name, char path[512])
{
    snprintf(path, 512, "%s%s", rig_root, name);
    for (char *s = strchr(path + strlen(rig_root) + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        mkdir(path, 0755);
        *s = '/';
    }
}

void rig_put(const char *name, const char *text)
{
    char path[512];
    place(name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

void rig_link(const char *name, const char *target)
{
    char path[512];
    place(name, path);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

/* ---- machines ---- */

void rig_rank(struct doc_rank *r)
{
    struct vc_param_report report;
    memset(r, 0, sizeof *r);
    assert_int_equal(vc_params_load_files(NULL, NULL, &r->params, NULL, &report), VC_OK);
    r->rank = 1;
    r->size = 4;
    strcpy(r->host, "a");
    CPU_SET(1, &r->mask);
    r->nofile = 1024;
    r->open_files = 20;
    r->lock_limit = 1ull << 30;
    r->lock_need = 1 << 20;
    r->cma = DOC_CMA_WORKS;
    r->ptrace_scope = 1;
    r->regcache = true;
    r->verbs_usable = true;
    r->timer_slack_ns = 50000;
    r->timer_ns = 1;
    r->library_found = true;
    r->yields = 1;
    r->busied = 1;
}

void rig_cpus(struct doc_node *n, int peer, const char *cpus)
{
    doc_set_free(&n->peer[peer].cpus);
    assert_true(doc_set_parse(&n->peer[peer].cpus, cpus));
}

void rig_node(struct doc_node *n, int ranks)
{
    memset(n, 0, sizeof *n);
    strcpy(n->host, "a");
    n->peer = calloc((size_t)ranks, sizeof *n->peer);
    n->npeers = n->job = n->sharing = ranks;
    for (int i = 0; i < ranks; i++) {
        char cpu[16];
        snprintf(cpu, sizeof cpu, "%d", i % 4);
        n->peer[i].rank = 4 + i;
        n->peer[i].yields = 1;
        n->peer[i].busied = 1;
        n->peer[i].cma = DOC_CMA_WORKS;
        strcpy(n->peer[i].host, "a");
        rig_cpus(n, i, cpu);
    }
    assert_true(doc_set_parse(&n->online, "0-3"));
    n->quota = INFINITY;
    n->steal_boot = n->steal_now = 0;
    strcpy(n->clock, "tsc");
    n->clock_ns = 22;
    n->platform.guest = true;
    strcpy(n->platform.hypervisor, "kvm");
    strcpy(n->idle_driver, "haltpoll");
    n->shm_total = n->shm_free = 1ull << 30;
    n->shm_need = 1 << 20;
    n->seg_made = n->shm_wanted = true;
    n->verbs.wanted = true;
}

void rig_node_free(struct doc_node *n)
{
    for (int i = 0; i < n->npeers; i++)
        doc_set_free(&n->peer[i].cpus);
    free(n->peer);
    doc_set_free(&n->online);
}

void rig_job(struct doc_job *j)
{
    struct doc_rank *r = calloc(1, sizeof *r);
    rig_rank(r);
    memset(j, 0, sizeof *j);
    j->params = r->params;
    free(r);
    j->size = 4;
    j->patience = 60;
    j->nsites = 2;
    j->site = calloc(2, sizeof *j->site);
    for (int i = 0; i < 2; i++) {
        snprintf(j->site[i].host, sizeof j->site[i].host, "%c", 'a' + i);
        snprintf(j->site[i].boot, sizeof j->site[i].boot, "b%d", i);
        strcpy(j->site[i].shm, "17");
        assert_true(doc_set_parse(&j->site[i].ranks, i ? "2-3" : "0-1"));
    }
    assert_true(doc_set_parse(&j->all, "0-3"));
    for (int s = 0; s < DOC_SAMES; s++)
        doc_group_add(j, (enum doc_same)s, "usual", &j->all);
}

void rig_differ(struct doc_job *j, enum doc_same s, const char *ranks, const char *value)
{
    struct doc_set odd = {0}, rest = {0};
    assert_true(doc_set_parse(&odd, ranks));
    for (int i = 0; i < j->group[s][0].ranks.n; i++)
        if (!doc_set_has(&odd, j->group[s][0].ranks.v[i]))
            doc_set_add(&rest, j->group[s][0].ranks.v[i]);
    doc_set_free(&j->group[s][0].ranks);
    j->group[s][0].ranks = rest;
    doc_group_add(j, s, value, &odd);
    doc_set_free(&odd);
}

/* ---- what they find ---- */

void rig_look_rank(const struct doc_rank *r)
{
    doc_findings_free(&found);
    doc_run_rank(r, &found);
}

void rig_look_node(const struct doc_node *n)
{
    doc_findings_free(&found);
    doc_run_node(n, &found);
}

void rig_look_job(const struct doc_job *j)
{
    doc_findings_free(&found);
    doc_run_job(j, &found);
}

static void show(void)
{
    for (int i = 0; i < found.n; i++) {
        char *ranks = doc_set_text(&found.v[i].ranks);
        print_error("  %s %s on %s: %s [%s]\n", doc_severity_name(found.v[i].severity), found.v[i].check->id,
                    ranks, found.v[i].what, found.v[i].fix ? found.v[i].fix : "");
        free(ranks);
    }
}

void rig_expect(const char *check, enum doc_severity severity, const char *ranks, const char *words)
{
    const struct doc_check *c = doc_check_by_id(check);
    assert_non_null(c);
    assert_true(severity <= c->worst);
    fired[c - doc_checks] |= severity > DOC_OK;
    for (int i = 0; i < found.n; i++) {
        const struct doc_finding *d = &found.v[i];
        char *text = doc_set_text(&d->ranks);
        bool same = d->check == c && d->severity == severity && strcmp(text, ranks) == 0 &&
                    (strstr(d->what, words) || (d->fix && strstr(d->fix, words)));
        free(text);
        if (same)
            return;
    }
    show();
    fail_msg("no finding \"%s\" of %s: %s about ranks %s", words, check, doc_severity_name(severity), ranks);
}

void rig_quiet(const char *check)
{
    const struct doc_check *c = doc_check_by_id(check);
    assert_non_null(c);
    kept_quiet[c - doc_checks] = true;
    for (int i = 0; i < found.n; i++) {
        if (found.v[i].check == c && found.v[i].severity > DOC_OK) {
            show();
            fail_msg("%s is not quiet", check);
        }
    }
}

void rig_all_seen(void **state)
{
    (void)state;
    for (int i = 0; i < doc_nchecks; i++) {
        const struct doc_check *c = &doc_checks[i];
        if (!c->rank && !c->node && !c->job) /* needs two ends: tests/mpi/doctor.sh */
            continue;
        if (!fired[i] || !kept_quiet[i])
            fail_msg("no test in which %s %s", c->id, fired[i] ? "keeps quiet" : "fires");
    }
    doc_findings_free(&found);
}

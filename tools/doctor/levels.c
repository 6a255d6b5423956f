/* SPDX-License-Identifier: BSD-3-Clause */
/* Who shares what in the job: hosts, their operating systems, NUMA nodes; and why the doctor thinks so. */
#include "tools/doctor/checks.h"
#include "tools/doctor/print.h"
#include "tools/doctor/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum by { BY_NOTHING, BY_SETTING, BY_MEMORY };
static const char *const by_key[] = {NULL, "setting", "memory"};

/* As in a program: texts of VCOLL_HOST_ID decide where both have one, and otherwise the memory. */
static enum by same_host(const struct doc_site *a, const struct doc_site *b)
{
    if (a->host_id[0] && b->host_id[0])
        return strcmp(a->host_id, b->host_id) == 0 ? BY_SETTING : BY_NOTHING;
    return doc_sites_share(a, b) ? BY_MEMORY : BY_NOTHING;
}

/* Numbers the hosts in order of their first operating system. by[h]: what joins it, if it has several. */
static int number_hosts(const struct doc_job *j, int *host_of, enum by *by)
{
    int hosts = 0;
    for (int i = 0; i < j->nsites; i++)
        host_of[i] = -1;
    for (int first = 0; first < j->nsites; first++) {
        if (host_of[first] >= 0)
            continue;
        host_of[first] = hosts;
        by[hosts] = BY_NOTHING;
        for (bool grown = true; grown;) {
            grown = false;
            for (int i = 0; i < j->nsites; i++)
                for (int k = 0; k < j->nsites && host_of[i] == hosts; k++) {
                    enum by joined = host_of[k] < 0 ? same_host(&j->site[i], &j->site[k]) : BY_NOTHING;
                    if (joined == BY_NOTHING)
                        continue;
                    host_of[k] = hosts;
                    by[hosts] = joined;
                    grown = true;
                }
        }
        hosts++;
    }
    return hosts;
}

struct hosts {
    int *of;
    enum by *by;
    int n;
};

static struct hosts find_hosts(const struct doc_job *j)
{
    struct hosts h = {doc_alloc((size_t)j->nsites + 1, sizeof *h.of),
                      doc_alloc((size_t)j->nsites + 1, sizeof *h.by), 0};
    h.n = number_hosts(j, h.of, h.by);
    return h;
}

static void free_hosts(struct hosts *h)
{
    free(h->of);
    free(h->by);
}

static void ranks_of(const struct doc_job *j, const struct hosts *h, int host, struct doc_set *ranks,
                     int *machines)
{
    *machines = 0;
    for (int i = 0; i < j->nsites; i++)
        if (h->of[i] == host) {
            doc_set_join(ranks, &j->site[i].ranks);
            ++*machines;
        }
}

/* ---- for programs ---- */

static json_t *machine_json(const struct doc_site *s)
{
    json_t *numa = json_array();
    for (int i = 0; i < s->nnuma; i++)
        json_array_append_new(numa,
                              json_pack("{s:o, s:o}", "node",
                                        s->numa[i].node < 0 ? json_null() : json_integer(s->numa[i].node),
                                        "ranks", doc_json_set(&s->numa[i].ranks)));
    return json_pack("{s:o, s:o, s:s, s:s, s:o, s:o, s:o}", "host", json_text(s->host), "ranks",
                     doc_json_set(&s->ranks), "boot_id", s->boot, "shm", s->shm, "host_id",
                     json_text_or_null(s->host_id), "device", json_text_or_null(s->device), "numa", numa);
}

json_t *doc_hosts_json(const struct doc_job *j)
{
    json_t *all = json_array();
    struct hosts h = find_hosts(j);
    for (int host = 0; host < h.n; host++) {
        struct doc_set ranks = {0};
        json_t *list = json_array();
        int machines;
        ranks_of(j, &h, host, &ranks, &machines);
        for (int i = 0; i < j->nsites; i++)
            if (h.of[i] == host)
                json_array_append_new(list, machine_json(&j->site[i]));
        const char *by = by_key[h.by[host]];
        json_array_append_new(all, json_pack("{s:o, s:o, s:o}", "ranks", doc_json_set(&ranks), "joined_by",
                                             by ? json_string(by) : json_null(), "machines", list));
        doc_set_free(&ranks);
    }
    free_hosts(&h);
    return all;
}

/* ---- for people ---- */

static void say(const struct terminal *t, const char *label, char *text)
{
    enum { INDENT = 18 };
    terminal_line(t, INDENT, label, text);
    free(text);
}

static void print_machine(const struct doc_site *s, const struct terminal *t)
{
    char *list = doc_set_text(&s->ranks), label[DOC_HOST + 2];
    snprintf(label, sizeof label, "  %s", s->host);
    say(t, label,
        doc_format("rank%s %s: one boot id and /dev/shm%s%s; %s", s->ranks.n == 1 ? "" : "s", list,
                   s->host_id[0] ? ", VCOLL_HOST_ID=" : "", s->host_id,
                   s->device[0] ? s->device : "no RDMA device is used"));
    free(list);
    for (int i = 0; i < s->nnuma; i++) {
        list = doc_set_text(&s->numa[i].ranks);
        const char *end = s->numa[i].ranks.n == 1 ? "" : "s";
        if (s->numa[i].node >= 0) {
            snprintf(label, sizeof label, "    NUMA node %d", s->numa[i].node);
            say(t, label, doc_format("rank%s %s, by the CPUs that they may use", end, list));
        } else if (s->nnuma > 1) {
            say(t, "    several", doc_format("rank%s %s may use CPUs of several NUMA nodes", end, list));
        }
        free(list);
    }
}

void doc_print_levels(const struct doc_job *j, const struct terminal *t)
{
    struct hosts h = find_hosts(j);
    printf("\nWho shares what:\n");
    for (int host = 0; host < h.n; host++) {
        struct doc_set ranks = {0};
        int machines;
        char label[32];
        ranks_of(j, &h, host, &ranks, &machines);
        char *list = doc_set_text(&ranks);
        snprintf(label, sizeof label, "host %d of %d", host + 1, h.n);
        if (machines == 1)
            say(t, label,
                doc_format("one machine%s",
                           j->nsites > 1 ? ": nothing says that another one is on the same host" : ""));
        else
            say(t, label,
                doc_format("ranks %s, %d machines, %s", list, machines,
                           h.by[host] == BY_SETTING
                               ? "because VCOLL_HOST_ID says so"
                               : "because they read each other's marks in the host's memory"));
        free(list);
        for (int i = 0; i < j->nsites; i++)
            if (h.of[i] == host)
                print_machine(&j->site[i], t);
        doc_set_free(&ranks);
    }
    free_hosts(&h);
}

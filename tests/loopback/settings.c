/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VC_LOOPBACK: groups of settings separated by ';', settings separated by ',', each key=value, key:value or
 * key@value. A group that has rank=<r> holds in the process of that rank alone.
 */
#include "tests/loopback/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lb_limits lb_lim;
static char last[2048];
static bool loaded;
static pthread_mutex_t settings_lock = PTHREAD_MUTEX_INITIALIZER;

void lb_settings_reset(struct lb_limits *l)
{
    *l = (struct lb_limits){
        .devices = 1,
        .link = IBV_LINK_LAYER_ETHERNET,
        .port_up = 1,
        .mtu = IBV_MTU_4096,
        .gids = LB_GIDS_ALL,
        .max_qp = LB_QPS - 1,
        .max_cq = LB_CQS - 1,
        .max_cqe = 65535,
        .max_qp_wr = 16384,
        .max_sge = LB_SGES,
        .max_recv_sge = LB_SGES,
        .max_srq = LB_SRQS - 1,
        .max_srq_wr = 16384,
        .max_inline = 236,
        .max_mr = LB_MRS - 1,
        .max_msg = 1u << 30,
        .cqmod = 1,
        .max_rd = 16,
        .grant_inline = 4096,
        .fork = IBV_FORK_UNNEEDED,
        .transport = IBV_TRANSPORT_IB,
    };
}

int lb_rank(void)
{
    static const char *const names[] = {"VC_LOOPBACK_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return atoi(v);
    }
    return -1;
}

static int set_pkeys(struct lb_limits *l, const char *v)
{
    l->n_pkeys = 0;
    while (*v) {
        char *end;
        unsigned long k = strtoul(v, &end, 16);
        if (end == v || k > 0xffff || l->n_pkeys == LB_PKEYS || (*end && *end != ':'))
            return EINVAL;
        l->pkey[l->n_pkeys++] = (uint16_t)k;
        v = *end ? end + 1 : end;
    }
    return l->n_pkeys ? 0 : EINVAL;
}

/* "0-2:1-3" */
static int set_lost(struct lb_limits *l, const char *v)
{
    int used = 0;
    for (l->n_lost = 0; *v && l->n_lost < LB_LOST; v += used, v += *v == ':') {
        uint32_t *pair = l->lost[l->n_lost++];
        if (sscanf(v, "%u-%u%n", &pair[0], &pair[1], &used) != 2 || (v[used] && v[used] != ':'))
            return EINVAL;
    }
    return *v ? EINVAL : 0;
}

static int choose(uint32_t *out, const char *v, const char *const *names, const uint32_t *values)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(v, names[i]) == 0) {
            *out = values[i];
            return 0;
        }
    }
    return EINVAL;
}

int lb_limit_set(struct lb_limits *l, const char *key, const char *v)
{
    struct number {
        const char *key;
        uint32_t *at, max;
    } numbers[] = {
        {"devices", &l->devices, LB_DEVS},
        {"max_qp", &l->max_qp, LB_QPS - 1},
        {"max_cq", &l->max_cq, LB_CQS - 1},
        {"max_cqe", &l->max_cqe, 1u << 20},
        {"max_qp_wr", &l->max_qp_wr, 1u << 18},
        {"max_sge", &l->max_sge, LB_SGES},
        {"max_recv_sge", &l->max_recv_sge, LB_SGES},
        {"max_srq", &l->max_srq, LB_SRQS - 1},
        {"max_srq_wr", &l->max_srq_wr, 1u << 18},
        {"max_inline", &l->max_inline, 4096},
        {"max_mr", &l->max_mr, LB_MRS - 1},
        {"max_msg", &l->max_msg, 0x80000000u},
        {"cqmod", &l->cqmod, 1},
        {"pin", &l->pin, 1},
        {"max_rd_atomic", &l->max_rd, 255},
        {"grant_inline", &l->grant_inline, 4096},
        {"more_inline", &l->more_inline, 1},
        {"ignore_inline", &l->ignore_inline, 1},
        {"negative", &l->negative, 1},
        {"endless_retry", &l->endless_retry, 1},
        {"subnet", &l->subnet, 0xffff},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(key, numbers[i].key) != 0)
            continue;
        char *end;
        unsigned long n = strtoul(v, &end, 0);
        if (end == v || *end || n > numbers[i].max)
            return EINVAL;
        *numbers[i].at = (uint32_t)n;
        return 0;
    }
    if (strcmp(key, "link") == 0)
        return choose(&l->link, v, (const char *const[]){"roce", "ib", NULL},
                      (const uint32_t[]){IBV_LINK_LAYER_ETHERNET, IBV_LINK_LAYER_INFINIBAND});
    if (strcmp(key, "port") == 0)
        return choose(&l->port_up, v, (const char *const[]){"up", "down", NULL}, (const uint32_t[]){1, 0});
    if (strcmp(key, "mtu") == 0)
        return choose(&l->mtu, v, (const char *const[]){"256", "512", "1024", "2048", "4096", NULL},
                      (const uint32_t[]){1, 2, 3, 4, 5});
    if (strcmp(key, "gids") == 0)
        return choose(
            &l->gids, v, (const char *const[]){"all", "none", "linklocal", "v1", "holes", NULL},
            (const uint32_t[]){LB_GIDS_ALL, LB_GIDS_NONE, LB_GIDS_LINKLOCAL, LB_GIDS_V1, LB_GIDS_HOLES});
    if (strcmp(key, "fork") == 0)
        return choose(&l->fork, v, (const char *const[]){"unneeded", "enabled", "disabled", NULL},
                      (const uint32_t[]){IBV_FORK_UNNEEDED, IBV_FORK_ENABLED, IBV_FORK_DISABLED});
    if (strcmp(key, "transport") == 0)
        return choose(&l->transport, v, (const char *const[]){"ib", "iwarp", "efa", NULL},
                      (const uint32_t[]){IBV_TRANSPORT_IB, IBV_TRANSPORT_IWARP, IBV_TRANSPORT_UNSPECIFIED});
    if (strcmp(key, "lost") == 0)
        return set_lost(l, v);
    if (strcmp(key, "pkeys") == 0)
        return set_pkeys(l, v);
    if (strcmp(key, "profile") == 0)
        return lb_profile_set(l, v);
    return ENOENT;
}

/* The rank that a group is for, or -1. */
static int group_rank(const char *group)
{
    for (const char *p = group; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, "rank=", 5) == 0)
            return atoi(p + 5);
    }
    return -1;
}

static int parse_group(char *group, struct lb_limits *l, struct lb_faults *f)
{
    int rank = group_rank(group);
    char *save = NULL;
    /* Groups of other ranks are parsed as well, so that every rank reports a mistake. */
    struct lb_limits others = *l;
    struct lb_faults *theirs = NULL;
    if (rank >= 0 && rank != lb_rank()) {
        l = &others;
        theirs = f = lb_faults_new();
    }
    int rc = 0;
    for (char *s = strtok_r(group, ",", &save); s && !rc; s = strtok_r(NULL, ",", &save)) {
        char *value = strpbrk(s, "=@"), none[1] = "", sep = 0;
        if (value) {
            sep = *value;
            *value++ = 0;
        } else {
            value = none;
        }
        if (strcmp(s, "rank") == 0)
            continue;
        rc = sep == '=' ? lb_limit_set(l, s, value) : ENOENT;
        if (rc == ENOENT)
            rc = lb_faults_set(f, s, sep, value);
        if (rc)
            fprintf(stderr, "loopback verbs device: setting '%s%c%s' of VC_LOOPBACK is not valid\n", s,
                    sep ? sep : ' ', value);
    }
    free(theirs);
    return rc;
}

static int parse(const char *text, struct lb_limits *l, struct lb_faults *f)
{
    char copy[sizeof(last)], *save = NULL;
    int rc = 0;
    if (strlen(text) >= sizeof(copy))
        return EINVAL;
    strcpy(copy, text);
    for (char *g = strtok_r(copy, ";", &save); g && !rc; g = strtok_r(NULL, ";", &save))
        rc = parse_group(g, l, f);
    return rc;
}

void lb_settings_forget(void)
{
    loaded = false;
    pthread_mutex_init(&settings_lock, NULL);
}

void lb_settings_load(void)
{
    const char *text = getenv("VC_LOOPBACK");
    text = text ? text : "";
    pthread_mutex_lock(&settings_lock);
    if (!loaded || strncmp(text, last, sizeof(last) - 1) != 0) {
        struct lb_limits l;
        struct lb_faults *f = lb_faults_new();
        lb_settings_reset(&l);
        if (f && parse(text, &l, f) != 0) {
            /* Otherwise a test whose fault was not understood would pass. */
            fprintf(stderr, "loopback verbs device: no device because of that\n");
            l.devices = 0;
        }
        lb_lim = l;
        if (f)
            lb_faults_commit(f, true);
        free(f);
        snprintf(last, sizeof(last), "%s", text);
        loaded = true;
    }
    pthread_mutex_unlock(&settings_lock);
}

int vc_loopback_inject(const char *settings)
{
    struct lb_faults *f = lb_faults_new();
    if (!f)
        return ENOMEM;
    pthread_mutex_lock(&settings_lock);
    if (!loaded) {
        pthread_mutex_unlock(&settings_lock);
        lb_settings_load();
        pthread_mutex_lock(&settings_lock);
    }
    struct lb_limits l = lb_lim;
    int rc = parse(settings, &l, f);
    if (!rc) {
        /* Threads read the limits without a lock: they are written only if they change, not with every fault.
         */
        if (memcmp(&lb_lim, &l, sizeof l) != 0)
            lb_lim = l;
        lb_faults_commit(f, false);
        if (lb && lb_faults_timed()) {
            lb_engine_start();
            lb_kick(lb->seg);
        }
    }
    pthread_mutex_unlock(&settings_lock);
    free(f);
    return rc;
}

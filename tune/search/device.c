/* SPDX-License-Identifier: BSD-3-Clause */
/* Device settings of all hosts: changed together, or not at all; put back whatever happens. */
#include "tune/search/guard.h"
#include "tune/search/internal.h"

#include "transport/verbs/verbs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TAG 78

/* This host's part in words, on its first rank. */
struct word {
    int rc;
    char host[64], text[512];
};

static struct vc_guard *guard;
static const struct vc_guard_env *guard_env;
static char netdev[VC_NETDEV_NAME];
static bool netdev_known;

void vc_guard_start(void)
{
    const char *local = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    /* Where the launcher does not tell, every rank starts one: a sleeping process of a few pages. */
    if (!guard && (!local || atoi(local) == 0))
        guard = vc_guard_open(guard_env);
}

void vc_device_inject(const struct vc_guard_env *env, const char *name)
{
    guard_env = env;
    snprintf(netdev, sizeof netdev, "%s", name);
    netdev_known = true;
}

/* ---- the device ---- */

static void find_netdev(void)
{
    static struct vc_params p;
    struct vc_param_report report;
    struct vc_verbs_cfg cfg;
    struct vc_verbs_dev dev;
    if (vc_params_load(&p, NULL, &report) != VC_OK || p.disable || !(p.channels & VC_CHAN_VERBS))
        return;
    vc_params_verbs_cfg(&p, &cfg);
    if (vc_verbs_dev_open(&cfg.want, &dev) != VC_OK)
        return;
    if (vc_rdma_netdev(NULL, dev.name, dev.port, netdev, sizeof netdev) != VC_OK)
        netdev[0] = '\0';
    vc_verbs_dev_close(&dev);
}

const char *vc_device_netdev(void)
{
    if (!netdev_known)
        find_netdev();
    netdev_known = true;
    return netdev;
}

/* ---- all hosts ---- */

/* Brings every host's word to rank 0, which hands them to `each`, rank 0's host first. */
static void gather_words(struct vc_measure_world *w, const struct word *mine,
                         void (*each)(void *arg, const struct word *h), void *arg)
{
    if (w->rank != 0) {
        if (w->local_rank == 0)
            MPI_Send(mine, sizeof *mine, MPI_BYTE, 0, TAG, w->ctl);
        return;
    }
    each(arg, mine);
    for (int i = 1; i < w->nleader; i++) {
        struct word other;
        MPI_Recv(&other, sizeof other, MPI_BYTE, w->leader[i], TAG, w->ctl, MPI_STATUS_IGNORE);
        each(arg, &other);
    }
}

static void name_host(struct word *h)
{
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    int len;
    MPI_Get_processor_name(name, &len);
    snprintf(h->host, sizeof h->host, "%.63s", name);
}

static void print_recovered(void *arg, const struct word *h)
{
    (void)arg;
    if (h->text[0])
        fprintf(stderr, "vcoll tune: %s: %s\n", h->host, h->text);
}

void vc_device_recover(struct vc_measure_world *w)
{
    struct word mine = {0};
    name_host(&mine);
    if (w->local_rank == 0) {
        mine.rc = vc_guard_recover(guard_env, mine.text, sizeof mine.text);
        if (mine.rc < 0)
            snprintf(mine.text, sizeof mine.text, "%s", vc_error_text());
    }
    gather_words(w, &mine, print_recovered, NULL);
}

/* VC_OK, VC_COALESCE_ROUNDED (with what it became in the text), or an error with its text. */
static int set_here(const struct vc_coalesce *want, char *text, size_t len)
{
    struct vc_coalesce before, now;
    char values[256], name[VC_NETDEV_NAME];
    snprintf(name, sizeof name, "%s", vc_device_netdev());
    int rc = VC_OK;
    if (!name[0])
        rc = vc_fail(VC_ERR_UNSUPPORTED, "no RDMA device is in use whose network interface is known");
    else if (!guard)
        rc = vc_fail(VC_ERR_SYS,
                     "there is no guard process to put the settings of %s back: nothing is changed", name);
    if (rc == VC_OK)
        rc = vc_guard_hold(guard, name, &before);
    if (rc == VC_OK)
        rc = vc_guard_set(guard, want, &now);
    if (rc < 0)
        snprintf(text, len, "%s", vc_error_text());
    else if (rc == VC_COALESCE_ROUNDED)
        snprintf(text, len, "the driver of %s made of it: %s", name,
                 vc_coalesce_text(&now, values, sizeof values));
    return rc;
}

static int restore_here(char *text, size_t len)
{
    int rc = guard ? vc_guard_restore(guard) : VC_OK;
    size_t used = strlen(text);
    if (rc != VC_OK)
        snprintf(text + used, len - used, "%s%s", used ? "; and then: " : "", vc_error_text());
    return rc;
}

struct reason {
    char *why;
    size_t len;
    int rc;
};

/* The first error counts, before any remark. */
static void keep_reason(void *arg, const struct word *h)
{
    struct reason *r = arg;
    if (!h->text[0] || (r->why[0] && (h->rc >= 0 || r->rc < 0)))
        return;
    r->rc = h->rc;
    snprintf(r->why, r->len, "%s: %s", h->host, h->text);
}

int vc_device_set(struct vc_measure_world *w, const struct vc_coalesce *want, char *why, size_t len)
{
    struct word mine = {0};
    struct reason reason = {why, len, 0};
    name_host(&mine);
    why[0] = '\0';
    if (w->local_rank == 0)
        mine.rc =
            want ? set_here(want, mine.text, sizeof mine.text) : restore_here(mine.text, sizeof mine.text);
    bool ok = vc_measure_all_agree(w, mine.rc >= 0);
    if (!ok && want && w->local_rank == 0 && restore_here(mine.text, sizeof mine.text) != VC_OK)
        mine.rc = VC_ERR_SYS;
    gather_words(w, &mine, keep_reason, &reason);
    return ok ? 0 : -1;
}

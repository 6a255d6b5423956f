/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/facts/facts.h"

#include "transport/ivshmem/lease.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

_Static_assert(FACTS_LEASES == VC_LEASES, "all of them");

/* Hearts beat four times a second. */
#define WATCH_NS (3 * VC_LEASE_BEAT_NS)

static void watch_others(struct facts_host *out)
{
    struct vc_lease lease;
    struct vc_lease_watch w;
    if (vc_lease_take(out->leases, 1, false, &lease) == VC_OK)
        out->mark = lease.owner;
    vc_leases_watch(out->leases, WATCH_NS, &w);
    for (int i = 0; i < FACTS_LEASES; i++) {
        if (w.owner[i] == 0 || w.owner[i] == out->mark)
            continue;
        out->seen[out->held++] = w.owner[i];
        out->still += !w.beats[i];
    }
}

static int open_memory(const char *root, const char *where, struct facts_host *out)
{
    out->bar = calloc(1, sizeof *out->bar);
    if (!out->bar)
        return vc_fail(VC_ERR_NOMEM, "out of memory");
    int err = vc_bar_open(root, where, out->bar);
    return err == VC_OK ? vc_leases_open(out->bar, &out->leases) : err;
}

void facts_host(const char *root, const struct vc_params *params, bool watches, struct facts_host *out)
{
    struct vc_bar_device list[VC_BAR_DEVICES];
    memset(out, 0, sizeof *out);
    int n = vc_bar_devices(root, list, VC_BAR_DEVICES);
    for (int i = 0; i < n; i++)
        *(list[i].doorbell ? &out->doorbell : &out->plain) += 1;
    out->wanted = (params->channels & VC_CHAN_IVSHMEM) && strcasecmp(params->ivshmem, "off") != 0;
    out->err = out->wanted ? open_memory(root, params->ivshmem, out) : VC_ERR_UNSUPPORTED;
    if (out->err != VC_OK) {
        snprintf(out->error, sizeof out->error, "%s", vc_error_text());
        out->denied = strstr(out->error, strerror(EACCES)) || strstr(out->error, strerror(EPERM));
        facts_host_close(out);
        return;
    }
    snprintf(out->name, sizeof out->name, "%s", out->bar->name);
    out->bytes = out->bar->len;
    out->line_ns = out->bar->line_ns;
    out->held = (int)vc_leases_held(out->leases);
    if (watches) {
        out->held = 0;
        watch_others(out);
    }
}

void facts_host_close(struct facts_host *f)
{
    vc_leases_close(f->leases);
    if (f->bar)
        vc_bar_close(f->bar);
    free(f->bar);
    f->leases = NULL;
    f->bar = NULL;
}

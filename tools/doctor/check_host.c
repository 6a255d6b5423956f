/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that machines of one host share, and which machines are on one host. */
#include "tools/doctor/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UDEV                                                                                                 \
    "let the user open the device's resource2: docs/ivshmem.md has a udev rule; chgrp mpi and chmod 660 do " \
    "until the next boot"
#define PLAIN                                                                                                \
    "give the machine an ivshmem-plain device instead: docs/ivshmem.md has the lines for QEMU and libvirt"

static void say_kinds(const struct facts_host *f, struct doc_out *out)
{
    if (f->doorbell > 0 && f->plain > 0)
        doc_say(out, DOC_HINT, NULL, "%d of %d ivshmem devices are an ivshmem-doorbell, which is not used",
                f->doorbell, f->doorbell + f->plain);
}

void doc_check_host_memory(const struct doc_node *n, struct doc_out *out)
{
    const struct facts_host *f = &n->host_memory;
    if (!f->wanted && f->plain > 0)
        doc_say(out, DOC_HINT, "VCOLL_IVSHMEM=auto, and ivshmem in VCOLL_CHANNELS",
                "there is an ivshmem-plain device, and it is not wanted");
    else if (!f->wanted)
        doc_say(out, DOC_OK, NULL, "not wanted: VCOLL_CHANNELS has no ivshmem, or VCOLL_IVSHMEM=off");
    else if (f->err == VC_ERR_UNSUPPORTED)
        doc_say(out, DOC_OK, NULL, "there is none");
    else if (f->err != VC_OK)
        doc_say(out, DOC_SLOW,
                f->denied                          ? UDEV
                : f->doorbell > 0 && f->plain == 0 ? PLAIN
                                                   : NULL,
                "%s", f->error);
    if (!f->wanted || f->err != VC_OK)
        return;
    say_kinds(f, out);
    if (f->still > 0)
        doc_say(out, DOC_HINT,
                "end the programs that stand still; their parts are taken away once there is no "
                "room otherwise",
                "of %d parts of %s that others hold, %d show no sign of life", f->held, f->name, f->still);
    else
        doc_say(out, DOC_OK, NULL, "%s, %llu MiB, %u ns a line, %d parts held by others", f->name,
                f->bytes >> 20, f->line_ns, f->held);
}

/* ---- which machines are on one host ---- */

static bool reads(const struct doc_site *a, const struct doc_site *b)
{
    for (int i = 0; b->mark != 0 && i < a->nseen; i++)
        if (a->seen[i] == b->mark)
            return true;
    return false;
}

/* Either has read the other's: one of them may have looked before the other one's was there. */
bool doc_sites_share(const struct doc_site *a, const struct doc_site *b)
{
    return a->mark != 0 && (reads(a, b) || reads(b, a));
}

/* Two machines with one adapter may be on one host; one driver has the same number for all of a host, and
 * another none at all. */
static bool same_adapter(const struct doc_site *a, const struct doc_site *b)
{
    return a->guid[0] && strcmp(a->guid, b->guid) == 0 && strcmp(a->boot, b->boot) != 0;
}

/* Says for each host whose memory is shared who shares it. Returns how many there are. */
static int say_sharing(const struct doc_job *j, struct doc_out *out)
{
    int hosts = 0;
    for (int i = 0; i < j->nsites; i++) {
        struct doc_set ranks = {0};
        int machines = 1;
        bool first = true;
        doc_set_join(&ranks, &j->site[i].ranks);
        for (int k = 0; k < j->nsites; k++) {
            if (k == i || !doc_sites_share(&j->site[i], &j->site[k]))
                continue;
            first = first && k > i;
            doc_set_join(&ranks, &j->site[k].ranks);
            machines++;
        }
        if (first && machines > 1) {
            doc_say_of(out, DOC_OK, &ranks, NULL,
                       "%d machines share memory of one host: they read each other's marks in it", machines);
            hosts++;
        }
        doc_set_free(&ranks);
    }
    return hosts;
}

void doc_check_hosts(const struct doc_job *j, struct doc_out *out)
{
    struct doc_set apart = {0};
    const char *guid = "";
    for (int i = 0; i < j->nsites; i++)
        for (int k = 0; k < j->nsites; k++)
            if (i != k && same_adapter(&j->site[i], &j->site[k]) &&
                !doc_sites_share(&j->site[i], &j->site[k])) {
                doc_set_join(&apart, &j->site[i].ranks);
                guid = j->site[i].guid;
            }
    int hosts = say_sharing(j, out);
    if (apart.n > 0)
        doc_say_of(
            out, DOC_HINT, &apart, NULL,
            "the adapters of these machines have one sys_image_guid (%s), so the machines may be on one "
            "host, but they share no memory of it",
            guid);
    else if (hosts == 0)
        doc_say(out, DOC_OK, NULL, "no machine shares memory of its host with another one");
    doc_set_free(&apart);
}

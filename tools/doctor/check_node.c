/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine is like: who is on it, its memory, its clock, its frequency. */
#include "tools/doctor/checks.h"

#include <stdio.h>
#include <string.h>

static const double slow_clock =
    200; /* ns; tsc and kvm-clock take about 25, one that asks the kernel 300 and more */

/* Containers of one machine may have names of their own, too; but they share one kernel, which is tried. */
void doc_check_clones(const struct doc_node *n, struct doc_out *out)
{
    struct doc_set odd = {0};
    bool several = false;
    for (int i = 0; i < n->npeers; i++) {
        const struct doc_peer *p = &n->peer[i], *next = &n->peer[(i + 1) % n->npeers];
        if (strcmp(p->host, next->host) == 0)
            continue;
        several = true;
        if (p->cma == DOC_CMA_FAILS) {
            doc_set_add(&odd, p->rank);
            doc_set_add(&odd, next->rank);
        }
    }
    if (odd.n > 0)
        doc_say_of(out, DOC_BROKEN, &odd, NULL,
                   "%s and others have the same boot id and /dev/shm, and do not reach each other's memory",
                   n->host);
    else
        doc_say(out, DOC_OK, NULL, several ? "several host names, one memory" : "one host name, one boot id");
    doc_set_free(&odd);
}

void doc_check_memory(const struct doc_node *n, struct doc_out *out)
{
    char need[32], room[32], total[32];
    doc_bytes(n->shm_need, need, sizeof need);
    doc_bytes(n->shm_free, room, sizeof room);
    doc_bytes(n->shm_total, total, sizeof total);
    if (!n->shm_wanted) {
        doc_say(out, DOC_OK, NULL, "not wanted: VCOLL_CHANNELS");
        return;
    }
    if (n->npeers < 2) {
        doc_say(out, DOC_OK, NULL, "%s of %s are free in /dev/shm; one rank shares none", room, total);
        return;
    }
    if (!n->seg_made)
        doc_say(out, DOC_SLOW, NULL, "a communicator of the %d ranks here takes %s, which cannot be had: %s",
                n->npeers, need, n->seg_why);
    else if (n->shm_total == 0)
        doc_say(out, DOC_HINT, "mount -t tmpfs tmpfs /dev/shm",
                "there is no /dev/shm; anonymous memory (memfd) works");
    else if (n->shm_free < n->shm_need && n->backing == VC_SEG_SHM)
        doc_say(out, DOC_SLOW, NULL,
                "%s of %s are free in /dev/shm, a communicator of the %d ranks here takes %s", room, total,
                n->npeers, need);
    else if (n->shm_free < n->shm_need)
        doc_say(out, DOC_HINT, NULL,
                "/dev/shm has %s, less than the %s of a communicator of the %d ranks here; vcoll uses "
                "anonymous memory (memfd), but the MPI underneath may need it",
                total, need, n->npeers);
    else
        doc_say(out, DOC_OK, NULL,
                "%s of %s are free in /dev/shm, a communicator of the %d ranks here takes %s", room, total,
                n->npeers, need);
}

/* Under these drivers "powersave" is no fixed frequency: the hardware follows the load. */
static bool follows_load(const struct doc_node *n)
{
    return strcmp(n->freq_driver, "intel_pstate") == 0 ||
           strncmp(n->freq_driver, "amd-pstate-epp", 14) == 0 ||
           strcmp(n->freq_driver, "amd_pstate_epp") == 0;
}

void doc_check_frequency(const struct doc_node *n, struct doc_out *out)
{
    if (!n->governor[0])
        doc_say(out, DOC_OK, NULL, "cannot be told: the kernel governs no frequency here");
    else if (strcmp(n->governor, "powersave") != 0)
        doc_say(out, DOC_OK, NULL, "%s (%s)", n->governor, n->freq_driver);
    else if (!follows_load(n))
        doc_say(out, DOC_SLOW, NULL, "the governor is powersave (%s): CPUs stay at their lowest frequency",
                n->freq_driver);
    else if (strcmp(n->preference, "power") == 0 || strcmp(n->preference, "balance_power") == 0)
        doc_say(out, DOC_HINT, NULL,
                "the governor is powersave (%s) with preference %s: CPUs take long to become fast",
                n->freq_driver, n->preference);
    else
        doc_say(out, DOC_OK, NULL, "powersave (%s), which follows the load", n->freq_driver);
}

static bool is_slow_clock(const char *name)
{
    static const char *const slow[] = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"};
    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++)
        if (strcmp(name, slow[i]) == 0)
            return true;
    return false;
}

void doc_check_clock(const struct doc_node *n, struct doc_out *out)
{
    char took[64] = "";
    if (n->clock_ns > 0)
        snprintf(took, sizeof took, "; a look at it takes %s",
                 n->clock_ns > slow_clock ? "hundreds of nanoseconds or more" : "little");
    if (is_slow_clock(n->clock))
        doc_say(out, DOC_SLOW, NULL, "the clock source is %s (available: %s)%s", n->clock, n->clocks, took);
    else if (n->clock_ns > slow_clock)
        doc_say(out, DOC_SLOW, NULL, "%s%s", n->clock[0] ? n->clock : "the clock", took);
    else if (n->clock[0])
        doc_say(out, DOC_OK, NULL, "%s, %.0f ns a look", n->clock, n->clock_ns);
    else
        doc_say(out, DOC_OK, NULL, "the source cannot be told, %.0f ns a look", n->clock_ns);
}

void doc_check_idle(const struct doc_node *n, struct doc_out *out)
{
    if (!n->platform.guest || strcmp(n->platform.hypervisor, "kvm") != 0)
        doc_say(out, DOC_OK, NULL, "no KVM guest");
    else if (strcmp(n->idle_driver, "haltpoll") == 0)
        doc_say(out, DOC_OK, NULL, "haltpoll");
    else
        doc_say(out, DOC_HINT, NULL, "a KVM guest that halts idle CPUs at once (cpuidle: %s)",
                n->idle_driver[0] ? n->idle_driver : "no driver");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/sriov.h"

#include "transport/topology/sysfile.h"
#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vc_finding_text(enum vc_finding finding)
{
    static const char *const text[] = {"found", "missing", "cannot be told from here"};
    return text[finding];
}

static void conclude(struct vc_requirement *r, enum vc_finding finding, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void conclude(struct vc_requirement *r, enum vc_finding finding, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->reason, sizeof r->reason, fmt, ap);
    va_end(ap);
    r->finding = finding;
}

static int count_entries(const char *root, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", root ? root : "", dir);
    DIR *d = opendir(path);
    int n = 0;
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Whether the first processor of /proc/cpuinfo has a flag; vmx and svm are x86's words for virtualization. */
static bool cpu_has(const char *cpuinfo, const char *flag)
{
    const char *line = cpuinfo ? strstr(cpuinfo, "\nflags") : NULL;
    if (!line)
        return false;
    line++;
    const char *end = strchrnul(line, '\n');
    size_t n = strlen(flag);
    for (const char *s = strstr(line, flag); s && s < end; s = strstr(s + 1, flag))
        if (s[-1] == ' ' && (s[n] == ' ' || s[n] == '\n' || s[n] == '\0'))
            return true;
    return false;
}

static void check_iommu(const char *root, const struct vc_platform *p, struct vc_requirement *r)
{
    struct vc_sys_names units;
    vc_sys_list(root, &units, "/sys/class/iommu");
    int groups = count_entries(root, "/sys/kernel/iommu_groups");
    if (units.n > 0) {
        const char *first = units.name[0];
        const char *what = strncmp(first, "dmar", 4) == 0   ? "Intel VT-d"
                           : strncmp(first, "ivhd", 4) == 0 ? "AMD-Vi"
                           : strncmp(first, "smmu", 4) == 0 ? "ARM SMMU"
                                                            : "I/O MMU";
        conclude(r, VC_FINDING_FOUND, "%s in use: %d unit%s (%.40s%s), %d group%s", what, units.n,
                 units.n == 1 ? "" : "s", first, units.n > 1 ? ", ..." : "", groups, groups == 1 ? "" : "s");
        return;
    }
    if (groups > 0) {
        conclude(r, VC_FINDING_FOUND, "the kernel has %d I/O MMU group%s", groups, groups == 1 ? "" : "s");
        return;
    }
    if (p->guest) {
        conclude(r, VC_FINDING_UNKNOWN,
                 "a guest does not see the host's I/O MMU, and this one was given none of its own");
        return;
    }
    char *cpuinfo = vc_sys_read_all(root, "/proc/cpuinfo");
    bool intel = cpu_has(cpuinfo, "vmx"), amd = cpu_has(cpuinfo, "svm");
    bool firmware = vc_sys_exists(root, "/sys/firmware/acpi/tables/DMAR") ||
                    vc_sys_exists(root, "/sys/firmware/acpi/tables/IVRS");
    if (firmware)
        conclude(r, VC_FINDING_MISSING,
                 "the firmware offers an I/O MMU but the kernel does not use it: boot with %s",
                 amd ? "amd_iommu=on" : "intel_iommu=on");
    else if (intel || amd)
        conclude(r, VC_FINDING_MISSING,
                 "the CPU can virtualize (%s) but the firmware offers no I/O MMU: switch on %s",
                 amd ? "svm" : "vmx", amd ? "AMD-Vi (IOMMU) in its setup" : "VT-d in its setup");
    else if (cpuinfo && strstr(cpuinfo, "\nflags"))
        conclude(
            r, VC_FINDING_MISSING,
            "the CPU shows neither vmx nor svm: it cannot virtualize, or the firmware switched that off");
    else
        conclude(r, VC_FINDING_UNKNOWN, "neither I/O MMU units nor CPU flags are visible");
    free(cpuinfo);
}

static void check_ari(const struct vc_platform *p, const struct vc_nic *nics, int n, struct vc_requirement *r)
{
    const struct vc_nic *on = NULL;
    int told = 0, capable_without = 0;
    for (int i = 0; i < n; i++) {
        told += nics[i].ari >= 0;
        if (nics[i].ari == 1 && !on)
            on = &nics[i];
        capable_without += nics[i].ari == 0 && nics[i].totalvfs > 0;
    }
    if (on)
        conclude(r, VC_FINDING_FOUND, "on for %s", on->bdf);
    else if (p->guest)
        conclude(r, VC_FINDING_UNKNOWN, "a guest's PCI bus is made by the hypervisor; look on the host");
    else if (told == 0)
        conclude(r, VC_FINDING_UNKNOWN,
                 n ? "the kernel does not say whether it is on for the network adapters"
                   : "no network adapter on the PCI bus");
    else if (capable_without)
        conclude(r, VC_FINDING_MISSING,
                 "off for every adapter that has SR-IOV: at most 7 virtual functions each; switch on ARI "
                 "forwarding in "
                 "the firmware, or use a slot whose root port has it");
    else
        conclude(r, VC_FINDING_MISSING, "off for every network adapter");
}

static void check_nic(const struct vc_platform *p, const struct vc_nic *nics, int n, struct vc_requirement *r)
{
    const struct vc_nic *pf = NULL, *vf = NULL;
    int pfs = 0, vfs = 0;
    for (int i = 0; i < n; i++) {
        if (nics[i].totalvfs > 0) {
            pf = pf ? pf : &nics[i];
            pfs++;
        }
        if (nics[i].kind == VC_NIC_VF) {
            vf = vf ? vf : &nics[i];
            vfs++;
        }
    }
    if (pf)
        conclude(r, VC_FINDING_FOUND, "%s%s%.60s can have %d virtual functions%s", pf->bdf,
                 pf->model[0] ? " " : "", pf->model, pf->totalvfs, pfs > 1 ? ", and others" : "");
    else if (vf)
        conclude(r, VC_FINDING_FOUND, "%s%s%.60s is a virtual function, so its adapter has SR-IOV%s", vf->bdf,
                 vf->model[0] ? " " : "", vf->model, vfs > 1 ? "; there are others" : "");
    else if (p->guest)
        conclude(r, VC_FINDING_UNKNOWN,
                 "no virtual function was given to this guest; what the host's adapters can do "
                 "is hidden");
    else if (n > 0)
        conclude(r, VC_FINDING_MISSING,
                 "none of the %d network functions on the PCI bus has SR-IOV (it may be switched "
                 "off in the adapter's or the machine's firmware)",
                 n);
    else
        conclude(r, VC_FINDING_MISSING, "no network adapter on the PCI bus");
}

static void check_vfs(const struct vc_platform *p, const struct vc_nic *nics, int n, struct vc_requirement *r)
{
    const struct vc_nic *idle = NULL;
    int on = 0, seen = 0;
    for (int i = 0; i < n; i++) {
        if (nics[i].numvfs > 0)
            on += nics[i].numvfs;
        else if (nics[i].totalvfs > 0 && !idle)
            idle = &nics[i];
        seen += nics[i].kind == VC_NIC_VF;
    }
    if (seen)
        conclude(r, VC_FINDING_FOUND, "%d virtual function%s here", seen, seen == 1 ? "" : "s");
    else if (on)
        conclude(r, VC_FINDING_FOUND, "%d switched on, all given to guests", on);
    else if (idle)
        conclude(r, VC_FINDING_MISSING, "switch them on: echo 4 > /sys/bus/pci/devices/%s/sriov_numvfs",
                 idle->bdf);
    else if (p->guest)
        conclude(r, VC_FINDING_UNKNOWN, "none in this guest; whether the host has any is hidden");
    else
        conclude(r, VC_FINDING_MISSING, "no adapter that could have them");
}

void vc_sriov_check(const char *root, const struct vc_platform *platform, const struct vc_nic *nics,
                    int nnics, struct vc_requirement out[VC_SRIOV_REQUIREMENTS])
{
    static const char *const name[VC_SRIOV_REQUIREMENTS][2] = {
        {"iommu", "CPU: I/O MMU (VT-d, AMD-Vi)"},
        {"ari", "PCI: Alternative Routing-ID (ARI)"},
        {"nic", "network adapter with SR-IOV"},
        {"vfs", "virtual functions switched on"},
    };
    memset(out, 0, VC_SRIOV_REQUIREMENTS * sizeof *out);
    for (int i = 0; i < VC_SRIOV_REQUIREMENTS; i++) {
        out[i].key = name[i][0];
        out[i].name = name[i][1];
    }
    check_iommu(root, platform, &out[0]);
    check_ari(platform, nics, nnics, &out[1]);
    check_nic(platform, nics, nnics, &out[2]);
    check_vfs(platform, nics, nnics, &out[3]);
}

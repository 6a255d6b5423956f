/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/platform.h"

#include "transport/topology/sysfile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

const char *const vc_platform_words[] = {"native", "software", "passthrough", "sriov-vf", NULL};

const char *vc_platform_class_name(enum vc_platform_class c)
{
    return vc_platform_words[c];
}

const char *vc_platform_class_text(enum vc_platform_class c)
{
    static const char *const text[] = {
        "bare metal",
        "virtual machine, network through the hypervisor's software",
        "virtual machine that owns a whole network adapter",
        "virtual machine with an SR-IOV virtual function",
    };
    return text[c];
}

void vc_cpuid_read(struct vc_cpuid *out)
{
    memset(out, 0, sizeof *out);
#if defined(__x86_64__) || defined(__i386__)
    unsigned a, b, c, d;
    out->present = true;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 31)))
        return;
    out->hypervisor = true;
    unsigned last, sig[3];
    __cpuid(0x40000000, last, sig[0], sig[1], sig[2]);
    memcpy(out->signature, sig, 12);
    if (strcmp(out->signature, "Microsoft Hv") == 0 && last >= 0x40000003) {
        /* Privileges to create partitions and to manage CPUs belong to the root partition alone. */
        __cpuid(0x40000003, a, b, c, d);
        out->root = (b & 1u) && (b & (1u << 12));
    }
#endif
}

/* ---- who is below ---- */

static const char *signature_name(const char *signature)
{
    static const struct {
        const char *signature, *name;
    } known[] = {
        {"KVMKVMKVM", "kvm"},       {"Linux KVM Hv", "kvm"},       {"TCGTCGTCGTCG", "qemu"},
        {"VMwareVMware", "vmware"}, {"Microsoft Hv", "microsoft"}, {"XenVMMXenVMM", "xen"},
        {"bhyve bhyve ", "bhyve"},  {"ACRNACRNACRN", "acrn"},      {"QNXQVMBSQG", "qnx"},
        {"SRESRESRESRE", "sre"},    {" lrpepyh  vr", "parallels"}, {"prl hyperv  ", "parallels"},
        {"EVMMEVMMEVMM", "intel"},  {"Apple VZ", "apple"},         {"VBoxVBoxVBox", "oracle"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(signature, known[i].signature) == 0)
            return known[i].name;
    return "unknown";
}

/* Clouds put the same DMI strings on their bare-metal machines; those are named "something.metal". */
static bool is_metal(const char *product)
{
    return strstr(product, ".metal") != NULL || strcasestr(product, "-metal") != NULL;
}

static const char *dmi_name(const char *root, const char *product, char *evidence, size_t len)
{
    static const struct {
        const char *prefix, *name;
    } known[] = {
        {"KVM", "kvm"},
        {"KubeVirt", "kvm"},
        {"OpenStack", "kvm"},
        {"Amazon EC2", "amazon"},
        {"Google Compute Engine", "google"},
        {"Alibaba Cloud ECS", "alibaba"},
        {"QEMU", "qemu"},
        {"Bochs", "qemu"},
        {"VMware", "vmware"},
        {"VMW", "vmware"},
        {"VirtualBox", "oracle"},
        {"innotek GmbH", "oracle"},
        {"Xen", "xen"},
        {"Parallels", "parallels"},
        {"BHYVE", "bhyve"},
        {"Hyper-V", "microsoft"},
        {"Apple Virtualization", "apple"},
    };
    static const char *const file[] = {"product_name", "sys_vendor", "board_vendor", "bios_vendor",
                                       "product_version"};
    if (is_metal(product))
        return NULL;
    for (size_t f = 0; f < sizeof file / sizeof file[0]; f++) {
        char text[128];
        if (!vc_sys_read(root, text, sizeof text, "/sys/class/dmi/id/%s", file[f]))
            continue;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (strncmp(text, known[i].prefix, strlen(known[i].prefix)) == 0) {
                snprintf(evidence, len, "DMI %s \"%s\"", file[f], text);
                return known[i].name;
            }
        }
        /* Microsoft makes real machines, too. */
        char vendor[64];
        if (f == 0 && strcmp(text, "Virtual Machine") == 0 &&
            vc_sys_read(root, vendor, sizeof vendor, "/sys/class/dmi/id/sys_vendor") &&
            strncmp(vendor, "Microsoft", 9) == 0) {
            snprintf(evidence, len, "DMI product_name \"Virtual Machine\" of \"%s\"", vendor);
            return "microsoft";
        }
    }
    return NULL;
}

static const char *device_tree_name(const char *root, char *evidence, size_t len)
{
    char text[128];
    if (vc_sys_read(root, text, sizeof text, "/proc/device-tree/hypervisor/compatible") && text[0]) {
        snprintf(evidence, len, "device tree hypervisor \"%s\"", text);
        return strcmp(text, "linux,kvm") == 0 ? "kvm"
               : strstr(text, "xen")          ? "xen"
               : strstr(text, "vmware")       ? "vmware"
                                              : "unknown";
    }
    if (vc_sys_read(root, text, sizeof text, "/proc/device-tree/compatible") && strstr(text, "qemu")) {
        snprintf(evidence, len, "device tree compatible \"%s\"", text);
        return "qemu";
    }
    struct vc_sys_names nodes;
    vc_sys_list(root, &nodes, "/proc/device-tree");
    for (int i = 0; i < nodes.n; i++) {
        if (strncmp(nodes.name[i], "fw-cfg", 6) == 0) {
            snprintf(evidence, len, "device tree has QEMU's %s", nodes.name[i]);
            return "qemu";
        }
    }
    return NULL;
}

/* The control domain of Xen runs on the hypervisor and sees it, but owns the hardware. */
static bool is_dom0(const char *root)
{
    char text[64];
    if (vc_sys_read(root, text, sizeof text, "/sys/hypervisor/properties/features")) {
        char *end;
        unsigned long features = strtoul(text, &end, 16);
        if (end != text && !*end)
            return features & (1ul << 11); /* XENFEAT_dom0 */
    }
    return vc_sys_read(root, text, sizeof text, "/proc/xen/capabilities") && strstr(text, "control_d");
}

static void find_hypervisor(const char *root, const struct vc_cpuid *cpu, struct vc_platform *p)
{
    char dmi_says[160] = "", tree_says[160] = "", type[32];
    const char *name = NULL;
    const char *dmi = dmi_name(root, p->product, dmi_says, sizeof dmi_says);

    if (is_dom0(root)) {
        snprintf(p->evidence, sizeof p->evidence, "Xen control domain (dom0), which owns the hardware");
    } else if (cpu->hypervisor && cpu->root) {
        snprintf(p->evidence, sizeof p->evidence, "Hyper-V root partition, which owns the hardware");
    } else if (cpu->hypervisor) {
        name = signature_name(cpu->signature);
        /* VirtualBox and some clouds show their engine's signature; their own name says more. Hyper-V's
         * interface is offered by others, too. */
        if (dmi && (strcmp(name, "unknown") == 0 || strcmp(dmi, "oracle") == 0 ||
                    (strcmp(name, "microsoft") == 0 && strcmp(dmi, "qemu") == 0)))
            name = dmi;
        snprintf(p->evidence, sizeof p->evidence, "CPUID hypervisor bit, signature \"%s\"%s%.90s",
                 cpu->signature, dmi ? ", " : "", dmi_says);
    } else if (dmi) { /* a hypervisor that hides from CPUID, or not an x86 */
        name = dmi;
        snprintf(p->evidence, sizeof p->evidence, "%s", dmi_says);
    } else if ((name = device_tree_name(root, tree_says, sizeof tree_says)) != NULL) {
        snprintf(p->evidence, sizeof p->evidence, "%s", tree_says);
    } else if (vc_sys_read(root, type, sizeof type, "/sys/hypervisor/type") && type[0]) {
        name = strcmp(type, "xen") == 0 ? "xen" : "unknown";
        snprintf(p->evidence, sizeof p->evidence, "/sys/hypervisor/type \"%s\"", type);
    } else if (is_metal(p->product)) {
        snprintf(p->evidence, sizeof p->evidence, "a cloud's bare-metal machine, DMI product_name \"%s\"",
                 p->product);
    } else {
        snprintf(p->evidence, sizeof p->evidence, "%s",
                 cpu->present ? "CPUID hypervisor bit is clear"
                              : "neither DMI nor device tree names a hypervisor");
    }
    p->guest = name != NULL;
    snprintf(p->hypervisor, sizeof p->hypervisor, "%s", name ? name : "none");
}

/* ---- how the network reaches it ---- */

static void classify(const char *root, struct vc_platform *p)
{
    enum { MAX = 64 };
    struct vc_nic *nics = calloc(MAX, sizeof *nics);
    int n = nics ? vc_nics_scan(root, p->guest, nics, MAX) : 0;
    const struct vc_nic *best = NULL;
    /* The most direct one counts: clouds add a virtual function beside the paravirtual adapter. An RDMA
     * device beats its equals. */
    static const int rank_of[] = {[VC_NIC_SOFTWARE] = 0, [VC_NIC_PHYSICAL] = 2, [VC_NIC_VF] = 4};
    int best_rank = -1;
    for (int i = 0; i < n; i++) {
        int rank = rank_of[nics[i].kind] + (nics[i].rdma[0] != '\0');
        if (rank > best_rank) {
            best_rank = rank;
            best = &nics[i];
        }
    }
    if (!p->guest)
        p->class = VC_PLATFORM_NATIVE;
    else if (best && best->kind == VC_NIC_VF)
        p->class = VC_PLATFORM_SRIOV_VF;
    else if (best && best->kind == VC_NIC_PHYSICAL)
        p->class = VC_PLATFORM_PASSTHROUGH;
    else
        p->class = VC_PLATFORM_SOFTWARE;
    if (best)
        snprintf(p->network, sizeof p->network, "%s %04x:%04x%s%.50s, %s%s%.31s", best->bdf, best->vendor,
                 best->device, best->model[0] ? " " : "", best->model, vc_nic_kind_text(best->kind),
                 best->rdma[0] ? ", RDMA device " : "", best->rdma);
    else
        snprintf(p->network, sizeof p->network, "no network adapter on the PCI bus");
    free(nics);
}

static bool in_container(const char *root)
{
    static const char *const mark[] = {"/run/.containerenv", "/.dockerenv", "/run/systemd/container"};
    for (size_t i = 0; i < sizeof mark / sizeof mark[0]; i++)
        if (vc_sys_exists(root, "%s", mark[i]))
            return true;
    /* LXC, podman and systemd-nspawn tell process 1 (readable by root only). */
    char *env = vc_sys_read_all(root, "/proc/1/environ");
    bool found = env && strncmp(env, "container=", 10) == 0;
    free(env);
    return found;
}

void vc_platform_detect(const char *root, const struct vc_cpuid *cpuid, struct vc_platform *out)
{
    struct vc_cpuid real;
    if (!cpuid) {
        vc_cpuid_read(&real);
        cpuid = &real;
    }
    memset(out, 0, sizeof *out);
    vc_sys_read(root, out->vendor, sizeof out->vendor, "/sys/class/dmi/id/sys_vendor");
    vc_sys_read(root, out->product, sizeof out->product, "/sys/class/dmi/id/product_name");
    find_hypervisor(root, cpuid, out);
    out->container = in_container(root);
    classify(root, out);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "transport/topology/nics.h"

#include "transport/topology/sysfile.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct known {
    unsigned short vendor, device;
    enum vc_nic_kind kind;
    const char *model;
    bool emulated; /* real adapters with this id exist, but in a guest it is nearly always the hypervisor's
                      copy */
} known[] = {
    /* Mellanox / NVIDIA. ConnectX-6 Dx and all later share one id for their virtual functions. */
    {0x15b3, 0x1002, VC_NIC_VF, "ConnectX-2 virtual function", false},
    {0x15b3, 0x1003, VC_NIC_PHYSICAL, "ConnectX-3", false},
    {0x15b3, 0x1004, VC_NIC_VF, "ConnectX-3 virtual function", false},
    {0x15b3, 0x1007, VC_NIC_PHYSICAL, "ConnectX-3 Pro", false},
    {0x15b3, 0x1011, VC_NIC_PHYSICAL, "Connect-IB", false},
    {0x15b3, 0x1012, VC_NIC_VF, "Connect-IB virtual function", false},
    {0x15b3, 0x1013, VC_NIC_PHYSICAL, "ConnectX-4", false},
    {0x15b3, 0x1014, VC_NIC_VF, "ConnectX-4 virtual function", false},
    {0x15b3, 0x1015, VC_NIC_PHYSICAL, "ConnectX-4 Lx", false},
    {0x15b3, 0x1016, VC_NIC_VF, "ConnectX-4 Lx virtual function", false},
    {0x15b3, 0x1017, VC_NIC_PHYSICAL, "ConnectX-5", false},
    {0x15b3, 0x1018, VC_NIC_VF, "ConnectX-5 virtual function", false},
    {0x15b3, 0x1019, VC_NIC_PHYSICAL, "ConnectX-5 Ex", false},
    {0x15b3, 0x101a, VC_NIC_VF, "ConnectX-5 Ex virtual function", false},
    {0x15b3, 0x101b, VC_NIC_PHYSICAL, "ConnectX-6", false},
    {0x15b3, 0x101c, VC_NIC_VF, "ConnectX-6 virtual function", false},
    {0x15b3, 0x101d, VC_NIC_PHYSICAL, "ConnectX-6 Dx", false},
    {0x15b3, 0x101e, VC_NIC_VF, "ConnectX-6 Dx or later, virtual function", false},
    {0x15b3, 0x101f, VC_NIC_PHYSICAL, "ConnectX-6 Lx", false},
    {0x15b3, 0x1021, VC_NIC_PHYSICAL, "ConnectX-7", false},
    {0x15b3, 0xa2d2, VC_NIC_PHYSICAL, "BlueField", false},
    {0x15b3, 0xa2d3, VC_NIC_VF, "BlueField virtual function", false},
    /* Intel */
    {0x8086, 0x10c9, VC_NIC_PHYSICAL, "Intel 82576 (igb)", false},
    {0x8086, 0x10ca, VC_NIC_VF, "Intel 82576 virtual function", false},
    {0x8086, 0x1520, VC_NIC_VF, "Intel I350 virtual function", false},
    {0x8086, 0x10ed, VC_NIC_VF, "Intel 82599 virtual function", false},
    {0x8086, 0x1515, VC_NIC_VF, "Intel X540 virtual function", false},
    {0x8086, 0x1565, VC_NIC_VF, "Intel X550 virtual function", false},
    {0x8086, 0x15a8, VC_NIC_VF, "Intel X552 virtual function", false},
    {0x8086, 0x154c, VC_NIC_VF, "Intel 700 series virtual function", false},
    {0x8086, 0x1571, VC_NIC_VF, "Intel 700 series virtual function (Hyper-V)", false},
    {0x8086, 0x1889, VC_NIC_VF, "Intel adaptive virtual function (iavf)", false},
    {0x8086, 0x145c, VC_NIC_VF, "Intel infrastructure virtual function (idpf)", false},
    /* Broadcom */
    {0x14e4, 0x16dc, VC_NIC_VF, "Broadcom NetXtreme-E virtual function", false},
    {0x14e4, 0x16c1, VC_NIC_VF, "Broadcom NetXtreme-E RDMA virtual function", false},
    {0x14e4, 0x1806, VC_NIC_VF, "Broadcom BCM5750X virtual function", false},
    {0x14e4, 0x1807, VC_NIC_VF, "Broadcom BCM5750X RDMA virtual function", false},
    /* Clouds: functions of the provider's own adapters */
    {0x1d0f, 0xec20, VC_NIC_VF, "Amazon ENA", false},
    {0x1d0f, 0xec21, VC_NIC_VF, "Amazon ENA", false},
    {0x1d0f, 0xefa0, VC_NIC_VF, "Amazon EFA", false},
    {0x1d0f, 0xefa1, VC_NIC_VF, "Amazon EFA", false},
    {0x1d0f, 0xefa2, VC_NIC_VF, "Amazon EFA", false},
    {0x1d0f, 0xefa3, VC_NIC_VF, "Amazon EFA", false},
    {0x1d0f, 0xefa4, VC_NIC_VF, "Amazon EFA", false},
    {0x1ded, 0x107f, VC_NIC_VF, "Alibaba eRDMA", false},
    {0x1414, 0x00ba, VC_NIC_VF, "Microsoft Azure MANA virtual function", false},
    {0x1ae0, 0x0042, VC_NIC_SOFTWARE, "Google virtual Ethernet", false},
    /* Huawei */
    {0x19e5, 0xa22e, VC_NIC_VF, "HiSilicon HNS virtual function", false},
    {0x19e5, 0xa22f, VC_NIC_VF, "HiSilicon HNS RDMA virtual function", false},
    /* Made by hypervisors */
    {0x1af4, 0x1000, VC_NIC_SOFTWARE, "virtio network device", false},
    {0x1af4, 0x1041, VC_NIC_SOFTWARE, "virtio network device", false},
    {0x15ad, 0x07b0, VC_NIC_SOFTWARE, "VMware vmxnet3", false},
    {0x15ad, 0x0820, VC_NIC_SOFTWARE, "VMware paravirtual RDMA", false},
    {0x8086, 0x100e, VC_NIC_PHYSICAL, "Intel 82540EM", true},
    {0x8086, 0x100f, VC_NIC_PHYSICAL, "Intel 82545EM", true},
    {0x8086, 0x10d3, VC_NIC_PHYSICAL, "Intel 82574L", true},
    {0x10ec, 0x8139, VC_NIC_PHYSICAL, "RTL8139", true},
    {0x1022, 0x2000, VC_NIC_PHYSICAL, "PCnet", true},
};

const char *vc_nic_kind_text(enum vc_nic_kind kind)
{
    static const char *const text[] = {"physical function", "virtual function", "paravirtual or emulated"};
    return text[kind];
}

#define PCI "/sys/bus/pci/devices"

static int optional_number(const char *root, const char *bdf, const char *file)
{
    long long v;
    return vc_sys_number(root, &v, PCI "/%s/%s", bdf, file) && v >= 0 && v <= INT_MAX ? (int)v : -1;
}

static void first_entry(const char *root, const char *bdf, const char *class, char *buf, size_t len)
{
    struct vc_sys_names names;
    buf[0] = '\0';
    if (vc_sys_list(root, &names, PCI "/%s/%s", bdf, class) > 0)
        snprintf(buf, len, "%.*s", (int)len - 1, names.name[0]);
}

static bool read_nic(const char *root, bool guest, const char *bdf, struct vc_nic *n)
{
    long long class, vendor, device;
    if (!vc_sys_number(root, &class, PCI "/%s/class", bdf) ||
        !vc_sys_number(root, &vendor, PCI "/%s/vendor", bdf) ||
        !vc_sys_number(root, &device, PCI "/%s/device", bdf))
        return false;
    /* 02: network controller; 0c06: InfiniBand. EFA calls itself 0200 too. */
    if (class >> 16 != 0x02 && class >> 8 != 0x0c06)
        return false;

    memset(n, 0, sizeof *n);
    snprintf(n->bdf, sizeof n->bdf, "%.15s", bdf);
    n->vendor = (unsigned)vendor;
    n->device = (unsigned)device;
    n->model = "";
    n->kind = n->vendor == 0x1af4 ? VC_NIC_SOFTWARE : VC_NIC_PHYSICAL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].vendor == n->vendor && known[i].device == n->device) {
            n->kind = guest && known[i].emulated ? VC_NIC_SOFTWARE : known[i].kind;
            n->model = known[i].model;
        }
    }
    n->has_physfn = vc_sys_exists(root, PCI "/%s/physfn", bdf);
    if (n->has_physfn)
        n->kind = VC_NIC_VF;
    n->totalvfs = optional_number(root, bdf, "sriov_totalvfs");
    n->numvfs = optional_number(root, bdf, "sriov_numvfs");
    n->ari = optional_number(root, bdf, "ari_enabled");
    char group[32];
    n->iommu_group = -1;
    if (vc_sys_link_name(root, group, sizeof group, PCI "/%s/iommu_group", bdf))
        n->iommu_group = atoi(group);
    vc_sys_link_name(root, n->driver, sizeof n->driver, PCI "/%s/driver", bdf);
    first_entry(root, bdf, "net", n->netdev, sizeof n->netdev);
    if (!n->netdev[0]) { /* of a virtio device the interface stands one directory lower */
        struct vc_sys_names names;
        vc_sys_list(root, &names, PCI "/%s", bdf);
        for (int i = 0; i < names.n && !n->netdev[0]; i++) {
            char sub[96];
            if (strncmp(names.name[i], "virtio", 6) != 0)
                continue;
            snprintf(sub, sizeof sub, "%s/net", names.name[i]);
            first_entry(root, bdf, sub, n->netdev, sizeof n->netdev);
        }
    }
    first_entry(root, bdf, "infiniband", n->rdma, sizeof n->rdma);
    return true;
}

static int by_address(const void *a, const void *b)
{
    return strcmp(((const struct vc_nic *)a)->bdf, ((const struct vc_nic *)b)->bdf);
}

int vc_nics_scan(const char *root, bool guest, struct vc_nic *nics, int max)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s" PCI, root ? root : "");
    DIR *d = opendir(path);
    if (!d)
        return 0;
    int n = 0;
    for (struct dirent *e; n < max && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.' && read_nic(root, guest, e->d_name, &nics[n]))
            n++;
    closedir(d);
    qsort(nics, (size_t)n, sizeof *nics, by_address);
    return n;
}

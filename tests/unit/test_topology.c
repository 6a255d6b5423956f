/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUs, platform, adapters and SR-IOV, read from made-up /proc and /sys trees; and once from the real ones.
 */
#include "transport/base.h"
#include "transport/topology/cpus.h"
#include "transport/topology/nics.h"
#include "transport/topology/numa.h"
#include "transport/topology/platform.h"
#include "transport/topology/rdma.h"
#include "transport/topology/sriov.h"
#include "transport/topology/sysfile.h"

#include <linux/mempolicy.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

/* ---- the made-up tree ---- */

static int new_tree(void **state)
{
    (void)state;
    strcpy(root, "/tmp/vcoll-topo-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_tree(void **state)
{
    (void)state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", root);
    return system(cmd);
}

static void parents(const char *path)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s", path);
    for (char *s = strchr(dir + strlen(root) + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        mkdir(dir, 0755);
        *s = '/';
    }
}

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, name);
    parents(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void put_link(const char *name, const char *target)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, name);
    parents(path);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

static void put_nic(const char *bdf, const char *vendor, const char *device)
{
    char path[256];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/class", bdf);
    put(path, "0x020000\n");
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vendor", bdf);
    put(path, vendor);
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/device", bdf);
    put(path, device);
}

static void put_nic_file(const char *bdf, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", bdf, file);
    put(path, text);
}

/* ---- CPUs ---- */

#define MOUNT_V2 "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1                                                                                             \
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"                                             \
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"                                      \
    "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"

static void test_affinity(void **state)
{
    (void)state;
    cpu_set_t all, one;
    int n = vc_cpus_allowed(&all);
    assert_true(n >= 1);
    assert_int_equal(n, CPU_COUNT(&all));
    int first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(vc_cpus_allowed(NULL), 1);
    assert_true(vc_cpus_available_at(root) == 1.0); /* an empty tree has no quota */
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_true(vc_cpus_available_at(root) == (double)n);
}

static void test_quota_v2(void **state)
{
    (void)state;
    assert_true(isinf(vc_cpus_quota(root)));
    put("/proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n" MOUNT_V2);
    put("/proc/self/cgroup", "0::/user.slice/job.scope\n");
    assert_true(isinf(vc_cpus_quota(root)));
    put("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n");
    assert_true(isinf(vc_cpus_quota(root)));
    /* The tightest of all ancestors counts. */
    put("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
    assert_true(vc_cpus_quota(root) == 1.5);
    put("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "400000 100000\n");
    assert_true(vc_cpus_quota(root) == 1.5);
    put("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "20000 40000\n");
    assert_true(vc_cpus_quota(root) == 0.5);
    assert_true(vc_cpus_available_at(root) == 0.5);
    put("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "rubbish");
    assert_true(vc_cpus_quota(root) == 1.5);
}

static void test_quota_container(void **state)
{
    (void)state;
    /* With a cgroup namespace: our group is the mount's root, whatever it is called outside. */
    put("/proc/self/mountinfo", MOUNT_V2);
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_true(vc_cpus_quota(root) == 0.5);
    /* Without one: the mount shows a part of the tree, and the path begins with that part's name. */
    put("/proc/self/mountinfo", "30 20 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
    put("/proc/self/cgroup", "0::/docker/abc/inner\n");
    put("/sys/fs/cgroup/inner/cpu.max", "25000 100000\n");
    assert_true(vc_cpus_quota(root) == 0.25);
    put("/proc/self/cgroup", "0::/docker/abc\n");
    assert_true(vc_cpus_quota(root) == 0.5);
    /* A name that only begins alike is elsewhere: what is mounted is all there is to see. */
    put("/proc/self/cgroup", "0::/docker/abcd\n");
    assert_true(vc_cpus_quota(root) == 0.5);
    /* Of two mounts, the one that holds our group. */
    put("/proc/self/mountinfo", "30 20 0:26 /other /mnt/other rw - cgroup2 cgroup rw\n"
                                "31 20 0:26 / /mnt/my\\040groups rw - cgroup2 cgroup rw\n");
    put("/mnt/other/cpu.max", "1000 100000\n");
    put("/mnt/my groups/docker/cpu.max", "300000 100000\n");
    assert_true(vc_cpus_quota(root) == 3.0);
}

static void test_quota_v1(void **state)
{
    (void)state;
    put("/proc/self/mountinfo", MOUNT_V1);
    put("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/slurm/job1\n1:name=systemd:/init\n");
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/job1/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/job1/cpu.cfs_period_us", "100000\n");
    assert_true(isinf(vc_cpus_quota(root)));
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_period_us", "100000\n");
    assert_true(vc_cpus_quota(root) == 2.5);
    /* Hybrid: both hierarchies limit. */
    put("/proc/self/mountinfo", MOUNT_V1 "38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "4:cpu,cpuacct:/slurm/job1\n0::/svc\n");
    assert_true(vc_cpus_quota(root) == 2.5);
    put("/sys/fs/cgroup/unified/svc/cpu.max", "100000 100000\n");
    assert_true(vc_cpus_quota(root) == 1.0);
}

static void test_steal(void **state)
{
    (void)state;
    uint64_t steal, total;
    assert_int_equal(vc_steal_read_at(root, &steal, &total), VC_ERR_UNSUPPORTED);
    put("/proc/stat", "cpu  10 20 30 40 50 60 70 80 5 6\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
    assert_int_equal(vc_steal_read_at(root, &steal, &total), VC_OK);
    assert_int_equal(steal, 80);
    assert_int_equal(total, 360);
    put("/proc/stat", "cpu  10 20 30 40\n");
    assert_int_equal(vc_steal_read_at(root, &steal, &total), VC_ERR_UNSUPPORTED);
    assert_int_equal(vc_steal_read(&steal, &total), VC_OK);
    assert_true(total > 0 && steal <= total);
}

/* ---- platform ---- */

static const struct vc_cpuid bare = {.present = true}, no_x86 = {.present = false},
                             kvm = {.present = true, .hypervisor = true, .signature = "KVMKVMKVM"};

static struct vc_platform detect(const struct vc_cpuid *cpu)
{
    struct vc_platform p;
    vc_platform_detect(root, cpu, &p);
    assert_true(p.hypervisor[0] && p.evidence[0] && p.network[0]);
    assert_int_equal(p.guest, strcmp(p.hypervisor, "none") != 0);
    if (!p.guest)
        assert_int_equal(p.class, VC_PLATFORM_NATIVE);
    return p;
}

static void test_hypervisors(void **state)
{
    (void)state;
    assert_string_equal(detect(&bare).hypervisor, "none");
    assert_string_equal(detect(&no_x86).hypervisor, "none");
    assert_string_equal(detect(&kvm).hypervisor, "kvm");
    struct vc_cpuid c = kvm;
    strcpy(c.signature, "TCGTCGTCGTCG");
    assert_string_equal(detect(&c).hypervisor, "qemu");
    strcpy(c.signature, "NobodyKnows!");
    assert_string_equal(detect(&c).hypervisor, "unknown");
    strcpy(c.signature, "Microsoft Hv");
    assert_string_equal(detect(&c).hypervisor, "microsoft");
    c.root = true; /* the hypervisor's own management system */
    assert_string_equal(detect(&c).hypervisor, "none");
}

static void test_dmi(void **state)
{
    (void)state;
    put("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
    put("/sys/class/dmi/id/product_name", "c6g.16xlarge\n");
    assert_string_equal(detect(&no_x86).hypervisor, "amazon");
    put("/sys/class/dmi/id/product_name", "c6g.metal\n");
    struct vc_platform p = detect(&no_x86);
    assert_string_equal(p.hypervisor, "none");
    assert_non_null(strstr(p.evidence, "c6g.metal"));
    /* On x86 the CPU decides even there. */
    assert_string_equal(detect(&kvm).hypervisor, "kvm");

    put("/sys/class/dmi/id/sys_vendor", "QEMU\n");
    put("/sys/class/dmi/id/product_name", "Standard PC\n");
    assert_string_equal(detect(&bare).hypervisor, "qemu"); /* hides from CPUID */
    put("/sys/class/dmi/id/sys_vendor", "innotek GmbH\n");
    put("/sys/class/dmi/id/product_name", "VirtualBox\n");
    assert_string_equal(detect(&kvm).hypervisor, "oracle");
    /* Real machines of a vendor that also makes virtual ones. */
    put("/sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n");
    put("/sys/class/dmi/id/product_name", "Surface Pro\n");
    assert_string_equal(detect(&bare).hypervisor, "none");
    put("/sys/class/dmi/id/product_name", "Virtual Machine\n");
    assert_string_equal(detect(&no_x86).hypervisor, "microsoft");
}

static void test_device_tree_and_xen(void **state)
{
    (void)state;
    put("/proc/device-tree/hypervisor/compatible", "linux,kvm");
    assert_string_equal(detect(&no_x86).hypervisor, "kvm");
    drop_tree(NULL);
    assert_int_equal(mkdir(root, 0755), 0);
    put("/proc/device-tree/fw-cfg@9020000/compatible", "qemu,fw-cfg-mmio");
    assert_string_equal(detect(&no_x86).hypervisor, "qemu");
    drop_tree(NULL);
    assert_int_equal(mkdir(root, 0755), 0);
    struct vc_cpuid xen = kvm;
    strcpy(xen.signature, "XenVMMXenVMM");
    put("/sys/hypervisor/type", "xen\n");
    assert_string_equal(detect(&xen).hypervisor, "xen");
    assert_string_equal(detect(&bare).hypervisor, "xen"); /* paravirtual, no CPUID */
    put("/sys/hypervisor/properties/features", "000022ff\n");
    assert_string_equal(detect(&xen).hypervisor, "xen");
    put("/sys/hypervisor/properties/features", "00002aff\n"); /* bit 11: dom0 */
    assert_string_equal(detect(&xen).hypervisor, "none");
    assert_string_equal(detect(&bare).hypervisor, "none");
}

static void test_classes(void **state)
{
    (void)state;
    assert_int_equal(detect(&kvm).class, VC_PLATFORM_SOFTWARE);
    put_nic("0000:00:03.0", "0x1af4\n", "0x1041\n");
    assert_int_equal(detect(&kvm).class, VC_PLATFORM_SOFTWARE);
    /* A graphics card is no adapter. */
    put_nic("0000:00:04.0", "0x15b3\n", "0x1017\n");
    put_nic_file("0000:00:04.0", "class", "0x030000\n");
    assert_int_equal(detect(&kvm).class, VC_PLATFORM_SOFTWARE);
    /* An old adapter in a guest is the hypervisor's copy, on bare metal it is real. */
    put_nic("0000:00:05.0", "0x8086\n", "0x10d3\n");
    assert_int_equal(detect(&kvm).class, VC_PLATFORM_SOFTWARE);
    put_nic_file("0000:00:04.0", "class", "0x020700\n");
    struct vc_platform p = detect(&kvm);
    assert_int_equal(p.class, VC_PLATFORM_PASSTHROUGH);
    assert_non_null(strstr(p.network, "ConnectX-5"));
    /* A virtual function beside it wins. */
    put_nic("0000:00:06.0", "0x15b3\n", "0x101e\n");
    put_nic_file("0000:00:06.0", "infiniband/mlx5_0/node_type", "1\n");
    p = detect(&kvm);
    assert_int_equal(p.class, VC_PLATFORM_SRIOV_VF);
    assert_non_null(strstr(p.network, "mlx5_0"));
    assert_int_equal(detect(&bare).class, VC_PLATFORM_NATIVE);
    assert_false(p.container);
    put("/run/.containerenv", "");
    assert_true(detect(&kvm).container);
    assert_string_equal(vc_platform_class_name(VC_PLATFORM_SRIOV_VF), "sriov-vf");
}

/* ---- adapters and SR-IOV ---- */

static void test_nics(void **state)
{
    (void)state;
    struct vc_nic nics[4];
    assert_int_equal(vc_nics_scan(root, true, nics, 4), 0);
    put_nic("0000:81:00.0", "0x15b3", "0x101d");
    put_nic_file("0000:81:00.0", "sriov_totalvfs", "16\n");
    put_nic_file("0000:81:00.0", "sriov_numvfs", "2\n");
    put_nic_file("0000:81:00.0", "ari_enabled", "1\n");
    put_nic_file("0000:81:00.0", "net/ens1/mtu", "1500\n");
    put_link("/sys/bus/pci/devices/0000:81:00.0/iommu_group", "../../../kernel/iommu_groups/42");
    put_link("/sys/bus/pci/devices/0000:81:00.0/driver", "../../../bus/pci/drivers/mlx5_core");
    /* An id nobody knows, with the link only its owner's kernel makes. */
    put_nic("0000:81:00.1", "0xabcd", "0x1234");
    put_link("/sys/bus/pci/devices/0000:81:00.1/physfn", "../0000:81:00.0");
    put_nic("0000:00:19.0", "0x8086", "0x10d3");
    put_nic("0000:00:02.0", "0x1af4", "0x1000");
    put_nic_file("0000:00:02.0", "virtio0/net/eth0/mtu", "1500\n");

    assert_int_equal(vc_nics_scan(root, false, nics, 4), 4);
    assert_string_equal(nics[0].bdf, "0000:00:02.0");
    assert_int_equal(nics[0].kind, VC_NIC_SOFTWARE);
    assert_string_equal(nics[0].netdev, "eth0");
    assert_int_equal(nics[1].kind, VC_NIC_PHYSICAL);
    assert_int_equal(nics[2].kind, VC_NIC_PHYSICAL);
    assert_string_equal(nics[2].model, "ConnectX-6 Dx");
    assert_int_equal(nics[2].totalvfs, 16);
    assert_int_equal(nics[2].numvfs, 2);
    assert_int_equal(nics[2].ari, 1);
    assert_int_equal(nics[2].iommu_group, 42);
    assert_string_equal(nics[2].driver, "mlx5_core");
    assert_string_equal(nics[2].netdev, "ens1");
    assert_int_equal(nics[3].kind, VC_NIC_VF);
    assert_true(nics[3].has_physfn);
    assert_int_equal(nics[3].totalvfs, -1);
    assert_int_equal(nics[3].ari, -1);
    assert_int_equal(nics[3].iommu_group, -1);
    assert_int_equal(vc_nics_scan(root, true, nics, 4), 4);
    assert_int_equal(nics[1].kind, VC_NIC_SOFTWARE);
    assert_int_equal(vc_nics_scan(root, true, nics, 2), 2);
}

static struct vc_requirement req[VC_SRIOV_REQUIREMENTS];

static void check(const struct vc_cpuid *cpu)
{
    struct vc_platform p = detect(cpu);
    struct vc_nic nics[8];
    int n = vc_nics_scan(root, p.guest, nics, 8);
    vc_sriov_check(root, &p, nics, n, req);
    for (int i = 0; i < VC_SRIOV_REQUIREMENTS; i++)
        assert_true(req[i].key && req[i].name && req[i].reason[0] && !strchr(req[i].reason, '\n'));
}

static void expect(int i, enum vc_finding finding, const char *word)
{
    if (req[i].finding != finding || !strstr(req[i].reason, word))
        fail_msg("%s: %s: \"%s\", expected %s with \"%s\"", req[i].key, vc_finding_text(req[i].finding),
                 req[i].reason, vc_finding_text(finding), word);
}

enum { IOMMU, ARI, NIC, VFS };

static void test_sriov_guest(void **state)
{
    (void)state;
    check(&kvm);
    for (int i = 0; i < VC_SRIOV_REQUIREMENTS; i++)
        assert_int_equal(req[i].finding, VC_FINDING_UNKNOWN);
    put_nic("0000:00:06.0", "0x15b3\n", "0x101c\n");
    put_nic_file("0000:00:06.0", "ari_enabled", "0\n");
    check(&kvm);
    expect(IOMMU, VC_FINDING_UNKNOWN, "guest");
    expect(ARI, VC_FINDING_UNKNOWN, "host");
    expect(NIC, VC_FINDING_FOUND, "ConnectX-6 virtual function");
    expect(VFS, VC_FINDING_FOUND, "1 virtual function here");
}

static void test_sriov_native(void **state)
{
    (void)state;
    check(&bare);
    expect(IOMMU, VC_FINDING_UNKNOWN, "visible");
    expect(ARI, VC_FINDING_UNKNOWN, "no network adapter");
    expect(NIC, VC_FINDING_MISSING, "no network adapter");
    expect(VFS, VC_FINDING_MISSING, "no adapter");

    put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmxish sse\n\nprocessor\t: 1\nflags\t\t: vmx\n");
    check(&bare);
    expect(IOMMU, VC_FINDING_MISSING, "neither vmx nor svm");
    put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse\n");
    check(&bare);
    expect(IOMMU, VC_FINDING_MISSING, "VT-d in its setup");
    put("/sys/firmware/acpi/tables/DMAR", "");
    check(&bare);
    expect(IOMMU, VC_FINDING_MISSING, "intel_iommu=on");
    put("/sys/class/iommu/dmar0/x", "");
    put("/sys/class/iommu/dmar1/x", "");
    put("/sys/kernel/iommu_groups/0/x", "");
    check(&bare);
    expect(IOMMU, VC_FINDING_FOUND, "Intel VT-d in use: 2 units (dmar0, ...), 1 group");

    put_nic("0000:00:19.0", "0x8086", "0x1502");
    put_nic_file("0000:00:19.0", "ari_enabled", "0\n");
    check(&bare);
    expect(ARI, VC_FINDING_MISSING, "every network adapter");
    expect(NIC, VC_FINDING_MISSING, "none of the 1");
    put_nic("0000:81:00.0", "0x15b3", "0x101d");
    put_nic_file("0000:81:00.0", "ari_enabled", "0\n");
    put_nic_file("0000:81:00.0", "sriov_totalvfs", "16\n");
    put_nic_file("0000:81:00.0", "sriov_numvfs", "0\n");
    check(&bare);
    expect(ARI, VC_FINDING_MISSING, "at most 7");
    expect(NIC, VC_FINDING_FOUND, "ConnectX-6 Dx can have 16");
    expect(VFS, VC_FINDING_MISSING, "echo 4 > /sys/bus/pci/devices/0000:81:00.0/sriov_numvfs");
    put_nic_file("0000:81:00.0", "ari_enabled", "1\n");
    put_nic_file("0000:81:00.0", "sriov_numvfs", "4\n");
    check(&bare);
    expect(ARI, VC_FINDING_FOUND, "0000:81:00.0");
    expect(VFS, VC_FINDING_FOUND, "4 switched on");
}

static void test_rdma(void **state)
{
    (void)state;
    struct vc_rdma_dev d[2];
    assert_int_equal(vc_rdma_scan(root, d, 2), 0);
    put("/sys/class/infiniband/mlx5_0/node_guid", "0015:5dff:fe33:ff34\n");
    put("/sys/class/infiniband/mlx5_0/sys_image_guid", "0c42:a103:0001:65fc\n");
    put("/sys/class/infiniband/mlx5_0/fw_ver", "20.31.1014\n");
    put("/sys/class/infiniband/mlx5_0/hca_type", "MT4124\n");
    put_link("/sys/class/infiniband/mlx5_0/device", "../../../0101:00:02.0");
    put("/sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n");
    put("/sys/class/infiniband/mlx5_0/ports/1/link_layer", "InfiniBand\n");
    put("/sys/class/infiniband/mlx5_0/ports/1/rate", "200 Gb/sec (4X HDR)\n");
    put("/sys/class/infiniband/rxe0/parent", "eth0\n");
    put("/sys/class/infiniband/rxe0/ports/1/state", "1: DOWN\n");
    assert_int_equal(vc_rdma_scan(root, d, 2), 2);
    assert_string_equal(d[0].name, "mlx5_0");
    assert_string_equal(d[0].bdf, "0101:00:02.0");
    assert_string_equal(d[0].model, "MT4124");
    assert_string_equal(d[0].sys_image_guid, "0c42:a103:0001:65fc");
    assert_int_equal(d[0].nports, 1);
    assert_int_equal(d[0].port[0].number, 1);
    assert_string_equal(d[0].port[0].state, "ACTIVE");
    assert_string_equal(d[0].port[0].rate, "200 Gb/sec (4X HDR)");
    assert_string_equal(d[1].driver, "rdma_rxe");
    assert_string_equal(d[1].port[0].state, "DOWN");
    assert_string_equal(d[1].bdf, "");
    assert_int_equal(vc_rdma_scan(root, d, 1), 1);
    /* What the adapter's driver enforces comes before what only connection managers heed. */
    assert_int_equal(vc_rdma_traffic_class(root, "mlx5_0", 1), 0);
    put("/sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_tos", "104\n");
    assert_int_equal(vc_rdma_traffic_class(root, "mlx5_0", 1), 104);
    assert_int_equal(vc_rdma_traffic_class(root, "mlx5_0", 2), 0);
    put("/sys/class/infiniband/mlx5_0/tc/1/traffic_class", "dst_ip=10.0.0.1,tclass=8\n");
    assert_int_equal(vc_rdma_traffic_class(root, "mlx5_0", 1), 104);
    put("/sys/class/infiniband/mlx5_0/tc/1/traffic_class", "Global tclass=106\ndst_ip=10.0.0.1,tclass=8\n");
    assert_int_equal(vc_rdma_traffic_class(root, "mlx5_0", 1), 106);
    put("/sys/class/infiniband/mlx5_0/tc/1/traffic_class", "Global tclass=256\n");
    assert_int_equal(vc_rdma_traffic_class(root, "mlx5_0", 1), 104);
}

/* ---- small things, and this machine ---- */

static void test_sysfile(void **state)
{
    (void)state;
    char buf[8], *all;
    long long v;
    assert_false(vc_sys_read(root, buf, sizeof buf, "/no/such"));
    put("/n", "0x1F\n");
    assert_true(vc_sys_number(root, &v, "/n"));
    assert_int_equal(v, 31);
    put("/n", "010\n"); /* not octal */
    assert_true(vc_sys_number(root, &v, "/n"));
    assert_int_equal(v, 10);
    put("/n", "12 apples\n");
    assert_false(vc_sys_number(root, &v, "/n"));
    put("/n", "");
    assert_false(vc_sys_number(root, &v, "/n"));
    put("/n", "0123456789");
    assert_true(vc_sys_read(root, buf, sizeof buf, "/%s", "n"));
    assert_string_equal(buf, "0123456");
    char big[10001];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    put("/big", big);
    all = vc_sys_read_all(root, "/big");
    assert_non_null(all);
    assert_string_equal(all, big);
    free(all);
    assert_false(vc_sys_exists(root, "/%s", big));
    for (int i = 0; i < 80; i++) {
        snprintf(big, sizeof big, "/many/%02d", i);
        put(big, "");
    }
    struct vc_sys_names names;
    assert_int_equal(vc_sys_list(root, &names, "/many"), 64);
}

static void test_this_machine(void **state)
{
    (void)state;
    struct vc_platform p;
    vc_platform_detect(NULL, NULL, &p);
    assert_true(p.hypervisor[0] && p.evidence[0]);
    double cpus = vc_cpus_available();
    assert_true(cpus > 0 && cpus <= vc_cpus_allowed(NULL));
    struct vc_nic nics[8];
    int n = vc_nics_scan(NULL, p.guest, nics, 8);
    vc_sriov_check(NULL, &p, nics, n, req);
    struct vc_rdma_dev d[4];
    assert_true(vc_rdma_scan(NULL, d, 4) >= 0);
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, new_tree, drop_tree)

/* Memory that is to be near is so in a process whose other memory is spread over nodes. */
static void test_stay_near(void **state)
{
    (void)state;
    unsigned long node0 = 1;
    int mode = -1;
    size_t bytes = 1 << 20;
    if (syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &node0, 8 * sizeof node0) != 0)
        skip();
    char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(mem, MAP_FAILED);
    vc_numa_stay_near(mem, bytes);
    mem[bytes / 2] = 1;
    long rc = syscall(SYS_get_mempolicy, &mode, NULL, 0, mem + bytes / 2, MPOL_F_ADDR);
    syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
    munmap(mem, bytes);
    assert_int_equal(rc, 0);
    assert_true(mode == MPOL_LOCAL || mode == MPOL_PREFERRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE_TEST(test_affinity),
        TREE_TEST(test_quota_v2),
        TREE_TEST(test_quota_container),
        TREE_TEST(test_quota_v1),
        TREE_TEST(test_steal),
        TREE_TEST(test_hypervisors),
        TREE_TEST(test_dmi),
        TREE_TEST(test_device_tree_and_xen),
        TREE_TEST(test_classes),
        TREE_TEST(test_nics),
        TREE_TEST(test_sriov_guest),
        TREE_TEST(test_sriov_native),
        TREE_TEST(test_rdma),
        TREE_TEST(test_sysfile),
        cmocka_unit_test(test_stay_near),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

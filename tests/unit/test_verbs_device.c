/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which RDMA device, port, GID and P_Key are chosen, and what is said when none can be: over made-up devices,
 * and over the loopback verbs device, whose library VC_TEST_VERBS_LIBRARY names.
 */
#include "fake_verbs.h"
#include "transport/topology/numa.h"
#include "transport/verbs/device.h"
#include "transport/verbs/near.h"
#include "transport/verbs/rc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct vc_verbs_want want;
static struct vc_verbs_dev dev;

static int fresh(void **state)
{
    (void)state;
    fake_verbs_install(true);
    want = (struct vc_verbs_want){.gid_index = -1};
    return 0;
}

/* Whatever was opened and listed must be closed and freed. */
static int clean(void **state)
{
    (void)state;
    return fake_open == 0 && fake_lists == 0 ? 0 : -1;
}

static void put(struct fake_device d)
{
    fake_devices[fake_ndevices++] = d;
}

static void opens(const char *name, int port)
{
    int err = vc_verbs_dev_open(&want, &dev);
    if (err != VC_OK)
        fail_msg("error %d instead of %s: %s", err, name, vc_error_text());
    assert_string_equal(dev.name, name);
    assert_int_equal(dev.port, port);
    assert_int_equal(fake_open, 1);
    assert_non_null(dev.ctx);
    vc_verbs_dev_close(&dev);
    assert_int_equal(fake_open, 0);
    assert_null(dev.ctx);
}

/* The GID that is taken; the device is opened and closed. */
static int gid_taken(void)
{
    if (vc_verbs_dev_open(&want, &dev) != VC_OK)
        fail_msg("%s", vc_error_text());
    int i = dev.gid_index;
    vc_verbs_dev_close(&dev);
    return i;
}

static void refused(int code, const char *text)
{
    int err = vc_verbs_dev_open(&want, &dev);
    if (err == VC_OK)
        fail_msg("%s port %d was taken instead of \"%s\"", dev.name, dev.port, text);
    if (!strstr(vc_error_text(), text))
        fail_msg("\"%s\" does not say \"%s\"", vc_error_text(), text);
    assert_null(strchr(vc_error_text(), '\n'));
    assert_int_equal(err, code);
    assert_null(dev.ctx);
    assert_int_equal(fake_open, 0);
    vc_verbs_dev_close(&dev); /* legal */
}

/* ---- the library ---- */

static void test_library(void **state)
{
    (void)state;
    memset(&vc_ibv, 0, sizeof vc_ibv);
    assert_int_equal(vc_ibv_load("/no/such/libibverbs.so"), VC_ERR_UNSUPPORTED);
    assert_non_null(strstr(vc_error_text(), "/no/such/libibverbs.so"));
    assert_non_null(strstr(vc_error_text(), "VCOLL_VERBS_LIBRARY"));
    assert_null(vc_ibv.get_device_list);
    assert_int_equal(vc_ibv_load("libm.so.6"), VC_ERR_UNSUPPORTED);
    assert_non_null(strstr(vc_error_text(), "libm.so.6"));
    assert_non_null(strstr(vc_error_text(), "ibv_get_device_list"));
    assert_null(vc_ibv.get_device_list);
    want = (struct vc_verbs_want){.library = "/no/such/libibverbs.so", .gid_index = -1};
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_ERR_UNSUPPORTED);
    struct vc_verbs_candidate list[4];
    int n = 7;
    assert_int_equal(vc_verbs_survey(&want, list, 4, &n), VC_ERR_UNSUPPORTED);
    assert_int_equal(n, 0);
}

/* What vc_ibv_load() finds is a library that works, and stays. */
static void test_loopback(void **state)
{
    (void)state;
    const char *library = getenv("VC_TEST_VERBS_LIBRARY");
    if (!library)
        skip();
    char top[] = "/dev/shm/vcoll-test-XXXXXX", fabric[64]; /* not that of tests at the same time */
    assert_non_null(mkdtemp(top));
    snprintf(fabric, sizeof fabric, "%s/fabric", top);
    setenv("VC_LOOPBACK_FABRIC", fabric, 1);
    memset(&vc_ibv, 0, sizeof vc_ibv);
    assert_int_equal(vc_ibv_load(library), VC_OK);
    assert_int_equal(vc_ibv_load("/no/such/libibverbs.so"), VC_OK);
    want = (struct vc_verbs_want){.library = library, .gid_index = -1};
    const struct {
        const char *settings;
        bool roce;
        int gid, pkey, err;
        const char *text;
    } c[] = {
        {"", true, 3, 0xffff, VC_OK, NULL},
        {"gids=holes", true, 7, 0xffff, VC_OK, NULL},
        {"gids=linklocal", true, 1, 0xffff, VC_OK, NULL},
        {"gids=v1", true, 0, 0xffff, VC_OK, NULL},
        {"gids=none", true, 0, 0, VC_ERR_SYS, "loop0 port 1 (Ethernet) has no GID"},
        {"link=ib", false, -1, 0xffff, VC_OK, NULL},
        {"link=ib,pkeys=7fff:0001:8005", false, -1, 0x8005, VC_OK, NULL},
        {"link=ib,pkeys=7fff", false, 0, 0, VC_ERR_SYS, "its table: 0x7fff"},
        {"port=down", true, 0, 0, VC_ERR_SYS, "loop0 port 1 is DOWN"},
        {"devices=0", true, 0, 0, VC_ERR_UNSUPPORTED, "no RDMA device"},
    };
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        setenv("VC_LOOPBACK", c[i].settings, 1);
        int err = vc_verbs_dev_open(&want, &dev);
        if (err != c[i].err)
            fail_msg("VC_LOOPBACK=%s: %d, %s", c[i].settings, err, vc_error_text());
        if (err != VC_OK) {
            if (!strstr(vc_error_text(), c[i].text))
                fail_msg("VC_LOOPBACK=%s: \"%s\" does not say \"%s\"", c[i].settings, vc_error_text(),
                         c[i].text);
            continue;
        }
        assert_string_equal(dev.name, "loop0");
        assert_int_equal(dev.roce, c[i].roce);
        assert_int_equal(dev.gid_index, c[i].gid);
        assert_int_equal(dev.pkey, c[i].pkey);
        assert_int_equal(dev.lid != 0, !c[i].roce);
        assert_false(dev.software);
        assert_true(dev.attr.max_qp > 0 && dev.max_msg > 0 && dev.mtu == IBV_MTU_4096);
        assert_true(dev.cq_mod_count > 0 && dev.cq_mod_period > 0);
        vc_verbs_dev_close(&dev);
    }
    setenv("VC_LOOPBACK", "cqmod=0", 1);
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_int_equal(dev.cq_mod_count, 0);
    assert_int_equal(dev.cq_mod_period, 0);
    vc_verbs_dev_close(&dev);
    setenv("VC_LOOPBACK", "devices=3", 1);
    want.device = "loop2";
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_string_equal(dev.name, "loop2");
    vc_verbs_dev_close(&dev);
    want.device = "loop3";
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_ERR_INVAL);
    assert_string_equal(vc_error_text(),
                        "VCOLL_VERBS_DEVICE=loop3: no such RDMA device; found: loop0, loop1, loop2");
    unsetenv("VC_LOOPBACK");
    rmdir(fabric);
    assert_int_equal(rmdir(top), 0); /* the last to close a device takes the fabric away */
}

/* ---- which device ---- */

static void test_none(void **state)
{
    (void)state;
    refused(VC_ERR_UNSUPPORTED, "no RDMA device");
    want.device = "mlx5_0";
    refused(VC_ERR_UNSUPPORTED, "VCOLL_VERBS_DEVICE=mlx5_0: there is no RDMA device");
    fake_ndevices = -ENOSYS;
    refused(VC_ERR_UNSUPPORTED, "the kernel has no verbs");
    fake_ndevices = -EPERM;
    refused(VC_ERR_UNSUPPORTED, strerror(EPERM));
    fake_ndevices = 0;
}

static void test_near_choice(void **state)
{
    (void)state;
    const struct vc_near_device two_nodes[] = {{"mlx5_10", false, 2000, 10},
                                               {"mlx5_2", false, 2000, 21},
                                               {"mlx5_1", false, 2000, 10},
                                               {"mlx5_0", false, 250, 10},
                                               {"rxe0", true, 4000, 10}};
    struct vc_near_device list[5];
    int used[2] = {0};
    assert_int_equal(vc_near_choose(list, 0, 0), -1);
    for (int local = 0; local < 64; local++) {
        memcpy(list, two_nodes, sizeof list);
        const char *name = list[vc_near_choose(list, 5, local)].name;
        assert_true(strcmp(name, "mlx5_1") == 0 || strcmp(name, "mlx5_10") == 0);
        used[strcmp(name, "mlx5_10") == 0] += local % 2 == 0; /* every second process is on this node */
        if (local == 0)
            assert_string_equal(name, "mlx5_1");
    }
    assert_int_equal(used[0], 16);
    assert_int_equal(used[1], 16);
    /* Where one's place is unknown, no place counts. */
    int mlx5_2 = 0;
    for (int local = 0; local < 6; local++) {
        memcpy(list, two_nodes, sizeof list);
        list[0].distance = 0;
        mlx5_2 += strcmp(list[vc_near_choose(list, 5, local)].name, "mlx5_2") == 0;
    }
    assert_int_equal(mlx5_2, 2);
}

/* Devices that the kernel knows no place of are shared out. */
static void test_near(void **state)
{
    (void)state;
    want.device = VC_VERBS_NEAR;
    refused(VC_ERR_UNSUPPORTED, "there is no RDMA device");
    put(fake_ib("mlx5_0"));
    put(fake_ib("mlx5_1"));
    opens("mlx5_0", 1);
    want.local = 1;
    opens("mlx5_1", 1);
    struct vc_verbs_candidate list[4];
    int n = 0;
    assert_int_equal(vc_verbs_survey(&want, list, 4, &n), VC_OK);
    assert_int_equal(n, 2);
    assert_false(list[0].chosen);
    assert_true(list[1].chosen);
}

/* One machine of two NUMA nodes, number 0 and 2. */
static void test_numa_distance(void **state)
{
    (void)state;
    char root[] = "/tmp/vc_numa_XXXXXX", command[1024];
    assert_non_null(mkdtemp(root));
    snprintf(
        command, sizeof command,
        "cd %s && n=sys/devices/system/node && mkdir -p $n/node0 $n/node2 $n/power "
        "sys/class/infiniband/mlx5_1/device && echo 0-1,8 >$n/node0/cpulist && echo 2-3 >$n/node2/cpulist && "
        "echo '10 21' >$n/node0/distance && echo '22 10' >$n/node2/distance && "
        "echo 2 >sys/class/infiniband/mlx5_1/device/numa_node",
        root);
    assert_int_equal(system(command), 0);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    assert_int_equal(vc_numa_distance(root, 0, &cpus), 0);
    CPU_SET(8, &cpus);
    assert_int_equal(vc_numa_distance(root, 0, &cpus), 10);
    assert_int_equal(vc_numa_distance(root, 2, &cpus), 21);
    assert_int_equal(vc_numa_rdma_distance(root, "mlx5_1", &cpus), 21);
    assert_int_equal(vc_numa_rdma_distance(root, "mlx5_0", &cpus), 0);
    assert_int_equal(vc_numa_distance(root, 1, &cpus), 0);
    assert_int_equal(vc_numa_distance(root, -1, &cpus), 0);
    CPU_SET(3, &cpus);
    assert_int_equal(vc_numa_distance(root, 2, &cpus), 10);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

/* An Ethernet VF that carries no RDMA traffic in front of the InfiniBand VF that does: Azure. */
static void test_azure(void **state)
{
    (void)state;
    put(fake_roce("mlx5_0"));
    put(fake_ib("mlx5_1"));
    memset(fake_devices[0].port[0].gid, 0, sizeof fake_devices[0].port[0].gid);
    opens("mlx5_1", 1);
    want.device = "mlx5_0";
    refused(VC_ERR_SYS, "mlx5_0 port 1 (Ethernet) has no GID");
    assert_non_null(strstr(vc_error_text(), "usable: mlx5_1 port 1"));
    want.device = "mlx5_9";
    refused(VC_ERR_INVAL, "VCOLL_VERBS_DEVICE=mlx5_9: no such RDMA device; found: mlx5_0, mlx5_1");

    /* And why, for people. */
    struct vc_verbs_candidate list[4];
    int n = 0;
    want.device = NULL;
    assert_int_equal(vc_verbs_survey(&want, list, 4, &n), VC_OK);
    assert_int_equal(n, 2);
    assert_false(list[0].chosen);
    assert_int_equal(list[0].err, VC_ERR_SYS);
    assert_non_null(strstr(list[0].why, "no GID"));
    assert_true(list[1].chosen);
    assert_int_equal(list[1].err, VC_OK);
    assert_string_equal(list[1].why, "");
    assert_int_equal(list[1].rate, 2000);
}

static void test_best(void **state)
{
    (void)state;
    struct vc_verbs_candidate list[6];
    int n = 0;
    /* Equal: the first name, numbers counting as numbers. */
    put(fake_roce("mlx5_10"));
    put(fake_roce("mlx5_2"));
    opens("mlx5_2", 1);
    assert_int_equal(vc_verbs_survey(&want, list, 6, &n), VC_OK);
    assert_non_null(strstr(list[0].why, "no nearer than mlx5_2"));
    /* One for all ranks of the node. */
    want.local = 1;
    opens("mlx5_10", 1);
    want.device = VC_VERBS_BEST;
    opens("mlx5_2", 1);
    assert_int_equal(vc_verbs_survey(&want, list, 6, &n), VC_OK);
    assert_non_null(strstr(list[0].why, "no better than mlx5_2"));
    want.device = NULL;
    want.local = 0;
    /* The faster port. */
    fake_devices[0].port[0].width = 2;
    opens("mlx5_10", 1);
    assert_int_equal(vc_verbs_survey(&want, list, 6, &n), VC_OK);
    assert_true(list[0].chosen);
    assert_string_equal(list[1].why, "slower than mlx5_10: 25 against 100 Gbit/s");
    /* Of one device with two ports too. */
    fake_devices[1].nports = 2;
    fake_devices[1].port[1].width = 2;
    fake_devices[1].port[1].speed = 64;
    opens("mlx5_2", 2);
    want.port = 1;
    opens("mlx5_10", 1);
    want.port = 2;
    opens("mlx5_2", 2);
    /* An active port before a faster one that is down. */
    want.port = 0;
    fake_devices[1].port[1].state = IBV_PORT_DOWN;
    opens("mlx5_10", 1);
    fake_devices[0].port[0].state = IBV_PORT_INIT;
    opens("mlx5_2", 1);
    /* What is no InfiniBand or RoCE, or does not open, is passed over. */
    put(fake_roce("efa_0"));
    fake_devices[2].transport = IBV_TRANSPORT_UNSPECIFIED;
    fake_devices[2].port[0].speed = 128;
    opens("mlx5_2", 1);
    fake_devices[1].open_error = EACCES;
    refused(VC_ERR_SYS, "mlx5_10 port 1 is in state INIT");
    assert_non_null(
        strstr(vc_error_text(), "; mlx5_2 cannot be opened: Permission denied (permissions of /dev/"));
    assert_non_null(strstr(vc_error_text(), "; efa_0 is neither InfiniBand nor RoCE"));
    /* A short list holds what fits. */
    assert_int_equal(vc_verbs_survey(&want, list, 2, &n), VC_OK);
    assert_int_equal(n, 2);
}

/* What no setting could make ours is as good as nothing: no error, and no warning then. */
static void test_foreign(void **state)
{
    (void)state;
    put(fake_roce("efa_0"));
    fake_devices[0].transport = IBV_TRANSPORT_UNSPECIFIED;
    refused(VC_ERR_UNSUPPORTED, "efa_0 is neither InfiniBand nor RoCE (a transport of its own)");
    put(fake_roce("siw0"));
    fake_devices[1].transport = IBV_TRANSPORT_IWARP;
    refused(VC_ERR_UNSUPPORTED, "efa_0 is neither InfiniBand nor RoCE");
    assert_non_null(strstr(vc_error_text(), "; siw0 is neither InfiniBand nor RoCE (iWARP)"));
    /* Beside one of ours that is down, that one is worth a word. */
    put(fake_ib("mlx5_0"));
    fake_devices[2].port[0].state = IBV_PORT_DOWN;
    refused(VC_ERR_SYS, "efa_0 is neither");
    fake_devices[2].port[0].state = IBV_PORT_ACTIVE;
    opens("mlx5_0", 1);
}

/* 0 or errno, -errno, -1 and errno: all that providers return. */
static void test_errno(void **state)
{
    (void)state;
    errno = ENOSPC;
    assert_int_equal(vc_ibv_errno(0), 0);
    assert_int_equal(vc_ibv_errno(EINVAL), EINVAL);
    assert_int_equal(vc_ibv_errno(-EINVAL), EINVAL);
    assert_int_equal(vc_ibv_errno(-1), ENOSPC);
    assert_string_equal(vc_ibv_strerror(-ENOMEM), strerror(ENOMEM));
    errno = 0;
    assert_int_equal(vc_ibv_errno(-1), EPERM);
}

/* Hardware before software, however fast that claims to be. */
static void test_software(void **state)
{
    (void)state;
    struct vc_verbs_candidate list[2];
    int n = 0;
    put(fake_roce("rxe0"));
    fake_devices[0].port[0].speed = 128;
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_true(dev.software);
    vc_verbs_dev_close(&dev);
    put(fake_roce("vctest0"));
    opens("vctest0", 1);
    assert_int_equal(vc_verbs_survey(&want, list, 2, &n), VC_OK);
    assert_string_equal(list[0].why, "made of software, unlike vctest0");
    fake_devices[1].port[0].state = IBV_PORT_DOWN;
    opens("rxe0", 1);
}

static void test_ports(void **state)
{
    (void)state;
    put(fake_roce("mlx5_0"));
    want.port = 2;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_PORT=2: mlx5_0 has 1 port");
    put(fake_roce("mlx5_1"));
    fake_devices[1].nports = 2;
    opens("mlx5_1", 2);
    want.port = 3;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_PORT=3: mlx5_0 has 1 port; mlx5_1 has 2 ports");
    want.port = 2;
    fake_devices[1].port[1].state = IBV_PORT_DOWN;
    want.device = "mlx5_1";
    refused(VC_ERR_SYS, "mlx5_1 port 2 is DOWN");
    assert_non_null(strstr(vc_error_text(), "usable: mlx5_0 port 1, mlx5_1 port 1"));
    fake_devices[1].port[1].state = IBV_PORT_ARMED;
    refused(VC_ERR_SYS, "ARMED");
    fake_devices[1].port[1].state = IBV_PORT_NOP;
    refused(VC_ERR_SYS, "not ACTIVE");
    fake_devices[1].port[1].query_error = EIO;
    refused(VC_ERR_SYS, "mlx5_1 port 2 cannot be queried: Input/output error");
    fake_devices[1].query_error = ENOMEM;
    refused(VC_ERR_SYS, "mlx5_1 cannot be queried: Cannot allocate memory");
}

/* ---- GIDs ---- */

static void test_gids(void **state)
{
    (void)state;
    put(fake_roce("mlx5_0"));
    struct fake_port *p = &fake_devices[0].port[0];
    assert_int_equal(gid_taken(), 3);
    assert_int_equal(dev.roce, 0); /* closed */

    /* RoCE v2: IPv4, then global IPv6, then link-local ones; then v1. */
    p->gid[4].text = "2001:db8::1";
    p->gid[4].type = IBV_GID_TYPE_ROCE_V2;
    assert_int_equal(gid_taken(), 3);
    p->gid[3].text = NULL;
    assert_int_equal(gid_taken(), 4);
    p->gid[4].text = "fd00::1";
    assert_int_equal(gid_taken(), 4);
    p->gid[4].text = "::ffff:169.254.3.4";
    assert_int_equal(gid_taken(), 1);
    p->gid[1].text = NULL;
    assert_int_equal(gid_taken(), 4);
    p->gid[4].text = NULL;
    assert_int_equal(gid_taken(), 0);
    p->gid[0].text = NULL;
    assert_int_equal(gid_taken(), 2);

    /* What is asked for is taken as long as it exists. */
    fake_devices[0] = fake_roce("mlx5_0");
    want.gid_index = 0;
    assert_int_equal(gid_taken(), 0);
    want.gid_index = 7;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_GID_INDEX=7: empty; RoCE v2 GIDs of mlx5_0 port 1: 1 (fe80::1), 3 "
                          "(::ffff:10.0.0.1)");
    want.gid_index = 200;
    refused(VC_ERR_INVAL,
            "VCOLL_VERBS_GID_INDEX=200: beyond the table of 10; RoCE v2 GIDs of mlx5_0 port 1: 1");
    p->gid[1].text = p->gid[3].text = NULL;
    refused(VC_ERR_INVAL, "RoCE v1 GIDs of mlx5_0 port 1: 0 (fe80::1), 2 (");
    memset(p->gid, 0, sizeof p->gid);
    refused(VC_ERR_INVAL, "mlx5_0 port 1 has no GID at all");
    for (int i = 0; i < 9; i++) {
        p->gid[i].text = "fd00::1";
        p->gid[i].type = IBV_GID_TYPE_ROCE_V2;
    }
    want.gid_index = 9;
    refused(VC_ERR_INVAL, "5 (fd00::1), ...");
    /* Another device may have it. */
    put(fake_roce("mlx5_1"));
    fake_devices[1].port[0].gid[9].text = "::ffff:10.0.0.9";
    opens("mlx5_1", 1);
}

/* Without ibv_query_gid_ex the kind of a GID stands in sysfs, which knows nothing of these devices. */
static void test_old_library(void **state)
{
    (void)state;
    fake_verbs_install(false);
    put(fake_roce("vctest0"));
    assert_int_equal(gid_taken(), 0);
    want.gid_index = 2;
    if (vc_verbs_dev_open(&want, &dev) != VC_OK)
        fail_msg("%s", vc_error_text());
    assert_int_equal(dev.gid_index, 2);
    assert_int_equal(dev.gid_type, IBV_GID_TYPE_ROCE_V1);
    assert_false(dev.fork_safe);
    vc_verbs_dev_close(&dev);
    want.gid_index = 5;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_GID_INDEX=5: empty");
}

static void test_infiniband(void **state)
{
    (void)state;
    put(fake_ib("mlx5_0"));
    struct fake_port *p = &fake_devices[0].port[0];
    assert_int_equal(gid_taken(), -1);
    /* Where the port says that packets need a global route. */
    p->flags = IBV_QPF_GRH_REQUIRED;
    assert_int_equal(gid_taken(), 0);
    p->gid[0].text = NULL;
    refused(VC_ERR_SYS, "mlx5_0 port 1 needs a GID");
    p->gid[0].text = "fe80::7";
    p->flags = 0;
    want.gid_index = 0;
    assert_int_equal(gid_taken(), 0);
    want.gid_index = 1;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_GID_INDEX=1: empty; GIDs of mlx5_0 port 1: 0 (fe80::7)");
    want.gid_index = -1;
    p->lid = 0;
    refused(VC_ERR_SYS, "mlx5_0 port 1 has no LID");
}

/* ---- P_Keys ---- */

static void test_pkeys(void **state)
{
    (void)state;
    put(fake_ib("mlx5_1"));
    struct fake_port *p = &fake_devices[0].port[0];
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_int_equal(dev.pkey, 0x8001);
    assert_int_equal(dev.pkey_index, 1);
    assert_int_equal(dev.lid, 7);
    vc_verbs_dev_close(&dev);
    p->pkey[3] = 0xffff;
    want.pkey = 0xffff;
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_int_equal(dev.pkey_index, 3);
    vc_verbs_dev_close(&dev);
    want.pkey = 0x8002;
    refused(VC_ERR_INVAL,
            "VCOLL_VERBS_PKEY=0x8002: not in the table of mlx5_1 port 1: 0x7fff, 0x8001, 0xffff");
    want.pkey = 0x7fff;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_PKEY=0x7fff: a limited membership");
    assert_non_null(strstr(vc_error_text(), "0x8001"));
    p->pkey[1] = p->pkey[3] = 0;
    want.pkey = 0xffff;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_PKEY=0xffff: mlx5_1 port 1 is only a limited member of that partition "
                          "(0x7fff)");
    want.pkey = 0;
    refused(VC_ERR_SYS, "mlx5_1 port 1 has no P_Key of full membership");
    assert_non_null(strstr(vc_error_text(), "its table: 0x7fff"));
    p->pkey[0] = 0;
    refused(VC_ERR_SYS, "its table: empty");
    p->pkey[2] = 0x8000; /* partition zero: no entry */
    refused(VC_ERR_SYS, "its table: empty");
    /* RoCE has no partitions. */
    fake_devices[0] = fake_roce("mlx5_1");
    p->pkey[0] = 0;
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_int_equal(dev.pkey, 0xffff);
    assert_int_equal(dev.pkey_index, 0);
    vc_verbs_dev_close(&dev);
    want.pkey = 0x8001;
    refused(VC_ERR_INVAL, "VCOLL_VERBS_PKEY=0x8001: not in the table of mlx5_1 port 1: empty");
}

/* ---- what it can do ---- */

static void moderation(bool no_extended, bool no_modify, int count, int period)
{
    fake_devices[0].no_extended = no_extended;
    fake_devices[0].no_modify = no_modify;
    assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
    assert_int_equal(dev.cq_mod_count, count);
    assert_int_equal(dev.cq_mod_period, period);
    assert_int_equal(dev.attr.max_qp, 1000);
    assert_int_equal(dev.max_msg, 1u << 30);
    assert_int_equal(dev.mtu, IBV_MTU_1024);
    vc_verbs_dev_close(&dev);
}

static void test_abilities(void **state)
{
    (void)state;
    put(fake_roce("mlx5_0"));
    fake_devices[0].mod_count = 512;
    fake_devices[0].mod_period = 4095;
    moderation(false, false, 512, 4095);
    moderation(true, false, 0, 0);
    moderation(false, true, 0, 0);
    const enum ibv_fork_status status[] = {IBV_FORK_DISABLED, IBV_FORK_ENABLED, IBV_FORK_UNNEEDED};
    for (int i = 0; i < 3; i++) {
        fake_fork = status[i];
        assert_int_equal(vc_verbs_dev_open(&want, &dev), VC_OK);
        assert_int_equal(dev.fork_safe, i == 2);
        assert_int_equal(dev.fork_breaks, i == 0);
        assert_false(dev.software);
        vc_verbs_dev_close(&dev);
    }
}

static void test_gid_text(void **state)
{
    (void)state;
    union ibv_gid gid;
    char buf[40];
    memset(&gid, 0xff, sizeof gid);
    assert_string_equal(vc_verbs_gid_text(&gid, buf, sizeof buf), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    memset(&gid, 0, 10);
    assert_string_equal(vc_verbs_gid_text(&gid, buf, sizeof buf), "::ffff:255.255.255.255");
    assert_string_equal(vc_verbs_gid_text(&gid, buf, 4), "?");
}

/* A peer counts as lost within the seconds that were set, and not much earlier. */
static void test_patience(void **state)
{
    (void)state;
    for (int s = 1; s <= 600; s++) {
        struct vc_rc_path path = {.timeout = 0};
        vc_rc_patience(s, &path);
        double all = 4.096e-6 * (double)(1ull << path.timeout) * (path.retries + 1);
        if (all > s || all < 0.74 * s || path.retries < 2 || path.retries > 6)
            fail_msg("%d s: 2^%d, %d tries more: %g s", s, path.timeout, path.retries, all);
    }
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, fresh, clean)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_loopback),
        CASE(test_none),
        CASE(test_near),
        cmocka_unit_test(test_near_choice),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_numa_distance),
        CASE(test_azure),
        CASE(test_best),
        CASE(test_foreign),
        CASE(test_errno),
        CASE(test_software),
        CASE(test_ports),
        CASE(test_gids),
        CASE(test_old_library),
        CASE(test_infiniband),
        CASE(test_pkeys),
        CASE(test_abilities),
        CASE(test_gid_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

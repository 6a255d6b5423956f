/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network interface behind an RDMA device, from a made-up /sys; and interrupt coalescing by the real
 * kernel, of a tun device in a network namespace of our own.
 */
#include "transport/base.h"
#include "transport/topology/coalesce.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct vc_coalesce want(enum vc_coalesce_field f, uint32_t v)
{
    struct vc_coalesce w = {0};
    vc_coalesce_put(&w, f, v);
    return w;
}

#define assert_text(part) assert_true(has_text(part))
static bool has_text(const char *part)
{
    if (strstr(vc_error_text(), part))
        return true;
    print_error("\"%s\" does not say \"%s\"\n", vc_error_text(), part);
    return false;
}

/* ---- the interface of an RDMA device ---- */

static char root[64];

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/sys/class/infiniband/%s", root, name);
    for (char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        mkdir(path, 0755);
        *s = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_rdma_netdev(void **state)
{
    (void)state;
    char name[VC_NETDEV_NAME], tiny[4];
    strcpy(root, "/tmp/vcoll-coal-XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(vc_rdma_netdev(root, "mlx5_0", 1, name, sizeof name), VC_ERR_INVAL);
    assert_text("mlx5_0");

    /* RoCE. GIDs that are not used have files without text here (the kernel refuses to read them). */
    put("mlx5_0/ports/1/state", "4: ACTIVE\n");
    put("mlx5_0/device/net/eth5/dev_port", "0\n");
    for (int i = 0; i < 200; i++) {
        char file[64];
        snprintf(file, sizeof file, "mlx5_0/ports/1/gid_attrs/ndevs/%d", i);
        put(file, i < 150 ? "" : i == 150 ? "bond0\n" : "eth9\n");
    }
    assert_int_equal(vc_rdma_netdev(root, "mlx5_0", 1, name, sizeof name), VC_OK);
    assert_string_equal(name, "bond0");
    assert_int_equal(vc_rdma_netdev(root, "mlx5_0", 2, name, sizeof name), VC_ERR_INVAL);
    assert_string_equal(name, "");
    assert_int_equal(vc_rdma_netdev(root, "mlx5_0", 1, tiny, sizeof tiny), VC_ERR_UNSUPPORTED);
    assert_string_equal(tiny, "");

    put("rxe0/ports/1/state", "1: DOWN\n");
    assert_int_equal(vc_rdma_netdev(root, "rxe0", 1, name, sizeof name), VC_ERR_UNSUPPORTED);
    put("rxe0/parent", "eth1.100\n");
    assert_int_equal(vc_rdma_netdev(root, "rxe0", 1, name, sizeof name), VC_OK);
    assert_string_equal(name, "eth1.100");

    /* InfiniBand, two ports of one function, and a child interface. */
    put("mlx4_0/ports/1/state", "4: ACTIVE\n");
    put("mlx4_0/ports/2/state", "4: ACTIVE\n");
    put("mlx4_0/ports/3/state", "4: ACTIVE\n");
    put("mlx4_0/device/net/ib0/dev_port", "0\n");
    put("mlx4_0/device/net/ib1/dev_port", "1\n");
    put("mlx4_0/device/net/ib1.8001/dev_port", "1\n");
    assert_int_equal(vc_rdma_netdev(root, "mlx4_0", 1, name, sizeof name), VC_OK);
    assert_string_equal(name, "ib0");
    assert_int_equal(vc_rdma_netdev(root, "mlx4_0", 2, name, sizeof name), VC_OK);
    assert_string_equal(name, "ib1");
    assert_int_equal(vc_rdma_netdev(root, "mlx4_0", 3, name, sizeof name), VC_ERR_UNSUPPORTED);

    assert_int_equal(vc_rdma_netdev(root, "", 1, name, sizeof name), VC_ERR_INVAL);
    assert_int_equal(vc_rdma_netdev(root, "rxe0/../rxe0", 1, name, sizeof name), VC_ERR_INVAL);
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", root);
    assert_int_equal(system(cmd), 0);
}

/* ---- the real kernel ---- */

static int put_on_tun(void)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(r.ifr_name, sizeof r.ifr_name, "vct0");
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &r) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Exit status 0: refused as it should be. */
static int without_privilege(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    struct vc_coalesce w = want(VC_COALESCE_RX_FRAMES, 5), now;
    if (syscall(SYS_capset, &h, none) != 0)
        return 2;
    if (vc_coalesce_get(NULL, "vct0", &now) != VC_OK)
        return 3;
    return vc_coalesce_set(NULL, "vct0", &w, NULL, NULL) == VC_ERR_SYS && has_text("CAP_NET_ADMIN") ? 0 : 4;
}

static void test_real(void **state)
{
    (void)state;
    struct vc_coalesce now, w;
    struct vc_coalesce_saved saved = {0};
    /* The last test: the namespace stays until the program ends. */
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        print_message("no network namespace of our own (%s): skipped\n", strerror(errno));
        skip();
    }
    int rc = vc_coalesce_get(NULL, "lo", &now);
    assert_int_equal(rc, VC_ERR_UNSUPPORTED);
    if (errno != EOPNOTSUPP) {
        print_message("%s: skipped\n", vc_error_text());
        skip();
    }
    assert_int_equal(vc_coalesce_get(NULL, "nosuch0", &now), VC_ERR_INVAL);
    assert_text("nosuch0");

    int tun = put_on_tun();
    if (tun < 0) {
        print_message("no tun device (%s): setting is skipped\n", strerror(errno));
        skip();
    }
    /* tun has rx-frames, from 0 to 64, and nothing else. */
    assert_int_equal(vc_coalesce_get(NULL, "vct0", &now), VC_OK);
    assert_int_equal(now.has, 1u << VC_COALESCE_RX_FRAMES);
    uint32_t old = now.value[VC_COALESCE_RX_FRAMES];
    w = want(VC_COALESCE_RX_FRAMES, old == 9 ? 10 : 9);
    assert_int_equal(vc_coalesce_set(NULL, "vct0", &w, &saved, &now), VC_OK);
    assert_memory_equal(&now, &w, sizeof now);
    w = want(VC_COALESCE_RX_FRAMES, 1000);
    assert_int_equal(vc_coalesce_set(NULL, "vct0", &w, &saved, &now), VC_COALESCE_ROUNDED);
    assert_int_equal(now.value[VC_COALESCE_RX_FRAMES], 64);
    w = want(VC_COALESCE_RX_USECS, 1);
    assert_int_equal(vc_coalesce_set(NULL, "vct0", &w, &saved, &now), VC_ERR_UNSUPPORTED);

    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(without_privilege());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);

    assert_int_equal(vc_coalesce_restore(NULL, &saved), VC_OK);
    assert_int_equal(vc_coalesce_get(NULL, "vct0", &now), VC_OK);
    assert_int_equal(now.value[VC_COALESCE_RX_FRAMES], old);
    assert_int_equal(vc_coalesce_restore(NULL, &saved), VC_OK);
    assert_int_equal(vc_coalesce_save(NULL, "vct0", &saved), VC_OK);
    close(tun); /* the device is gone */
    assert_int_equal(vc_coalesce_restore(NULL, &saved), VC_ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rdma_netdev),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

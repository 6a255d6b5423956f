/* SPDX-License-Identifier: BSD-3-Clause */
/* How tables name the model of an RDMA device, from a sysfs of its own. */
#include "transport/topology/rdma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLASS "/sys/class/infiniband"

static char root[] = "/tmp/vc_model.XXXXXX";

static const char *in_root(const char *path)
{
    static char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    return full;
}

static void directory(const char *path)
{
    char part[256];
    for (const char *s = strchr(path + 1, '/');; s = strchr(s + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", s ? (int)(s - path) : (int)strlen(path), path);
        mkdir(in_root(part), 0700);
        if (!s)
            return;
    }
}

static int make(void **state)
{
    (void)state;
    if (!mkdtemp(root))
        return -1;
    directory(CLASS "/mlx5_1");
    directory("/sys/devices/0000:01:00.0");
    directory(CLASS "/rxe_eth0");
    directory(CLASS "/siw3");
    directory(CLASS "/strange_12");
    FILE *f = fopen(in_root(CLASS "/rxe_eth0/parent"), "w");
    if (!f || fputs("eth0\n", f) < 0 || fclose(f) != 0)
        return -1;
    if (symlink("../../../devices/0000:01:00.0", in_root(CLASS "/mlx5_1/device")) != 0)
        return -1;
    return symlink("../../bus/pci/drivers/mlx5_core", in_root("/sys/devices/0000:01:00.0/driver"));
}

static int drop_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int drop(void **state)
{
    (void)state;
    return nftw(root, drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void models(void **state)
{
    char name[32], little[5];
    (void)state;
    assert_string_equal(vc_rdma_model(root, "mlx5_1", name, sizeof name), "mlx5_core");
    assert_string_equal(vc_rdma_model(root, "rxe_eth0", name, sizeof name), "rxe");
    assert_string_equal(vc_rdma_model(root, "siw3", name, sizeof name), "siw");
    assert_string_equal(vc_rdma_model(root, "strange_12", name, sizeof name), "strange");
    assert_string_equal(vc_rdma_model(root, "nowhere0", name, sizeof name), "nowhere");
    assert_string_equal(vc_rdma_model(root, "7", name, sizeof name), "7");
    assert_string_equal(vc_rdma_model(root, "mlx5_1", little, sizeof little), "mlx5");
}

static void scanning_agrees(void **state)
{
    struct vc_rdma_dev dev[8];
    (void)state;
    assert_int_equal(vc_rdma_scan(root, dev, 8), 4);
    assert_string_equal(dev[0].driver, "mlx5_core");
    assert_string_equal(dev[1].driver, "rdma_rxe");
    assert_string_equal(dev[2].driver, "siw");
    assert_string_equal(dev[3].driver, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(models), cmocka_unit_test(scanning_agrees)};
    return cmocka_run_group_tests(tests, make, drop);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll doctor`: what the first rank of an operating system finds of it. */
#include "doctor_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct doc_node n;

static int drop_node(void **state)
{
    (void)state;
    rig_node_free(&n);
    return 0;
}

static void test_well(void **state)
{
    (void)state;
    rig_node(&n, 4);
    rig_look_node(&n);
    for (int i = 0; i < doc_nchecks; i++)
        if (doc_checks[i].node)
            rig_quiet(doc_checks[i].id);
}

/* ---- CPUs ---- */

static void test_crowded(void **state)
{
    (void)state;
    rig_node(&n, 6);
    n.peer[1].yields = 0;
    n.peer[2].yields = -1;
    rig_look_node(&n);
    rig_expect("cpus", DOC_SLOW, "4-9", "6 ranks on 4 CPUs");
    rig_expect("yield", DOC_HINT, "5", "without yielding");
    rig_quiet("binding");
    rig_quiet("cpu-quota");
    assert_true(doc_node_crowded(&n));
}

static void test_quota(void **state)
{
    (void)state;
    rig_node(&n, 4);
    n.quota = 1.5;
    n.peer[0].yields = 0;
    rig_look_node(&n);
    rig_expect("cpu-quota", DOC_SLOW, "4-7", "pay for 1.5 CPUs");
    rig_expect("yield", DOC_HINT, "4", "without yielding");
    rig_quiet("cpus");
    n.quota = 4;
    rig_look_node(&n);
    rig_quiet("cpu-quota");
    rig_quiet("yield");
}

static void test_binding(void **state)
{
    (void)state;
    rig_node(&n, 4);
    for (int i = 0; i < 4; i++)
        rig_cpus(&n, i, "2");
    rig_look_node(&n);
    rig_expect("binding", DOC_SLOW, "4-7", "may use CPU 2 alone, and 3 of the 4 CPUs have no rank");
    rig_quiet("cpus"); /* there are enough */
    /* Two of the four stand in each other's way. */
    rig_cpus(&n, 0, "0");
    rig_cpus(&n, 1, "1");
    rig_look_node(&n);
    rig_expect("binding", DOC_SLOW, "6-7", "may use CPU 2 alone");
    /* Masks that overlap, and leave each a CPU: an assignment exists, but not the first that comes to mind.
     */
    rig_cpus(&n, 0, "0-3");
    rig_cpus(&n, 1, "0-1");
    rig_cpus(&n, 2, "0");
    rig_cpus(&n, 3, "1-2");
    rig_look_node(&n);
    rig_quiet("binding");
    /* Three ranks on two CPUs, of four. */
    rig_cpus(&n, 0, "3");
    rig_cpus(&n, 1, "0-1");
    rig_cpus(&n, 2, "0-1");
    rig_cpus(&n, 3, "0-1");
    rig_look_node(&n);
    rig_expect("binding", DOC_SLOW, "5-7", "CPUs 0-1 alone");
}

static void test_steal(void **state)
{
    (void)state;
    rig_node(&n, 4);
    n.steal_now = 0.3;
    n.peer[1].busied = 0.5; /* which that explains */
    rig_look_node(&n);
    rig_expect("steal", DOC_SLOW, "4-7", "30 %");
    rig_quiet("busy");
    n.steal_now = 0.01;
    n.steal_boot = 0.2;
    rig_look_node(&n);
    rig_expect("steal", DOC_HINT, "4-7", "20 %");
    n.steal_now = n.steal_boot = -1;
    rig_look_node(&n);
    rig_quiet("steal");
}

static void test_busy(void **state)
{
    (void)state;
    rig_node(&n, 3);
    n.peer[1].busied = 0.5;
    n.peer[2].busied = 0.3;
    rig_look_node(&n);
    rig_expect("busy", DOC_SLOW, "5-6", "half of a CPU");
    rig_cpus(&n, 1, "0"); /* one reason is enough */
    rig_look_node(&n);
    rig_quiet("busy");
    n.peer[1].busied = n.peer[2].busied = -1;
    rig_look_node(&n);
    rig_quiet("busy");
}

/* ---- machine ---- */

static void test_clones(void **state)
{
    (void)state;
    rig_node(&n, 3);
    strcpy(n.peer[2].host, "b");
    rig_look_node(&n);
    rig_quiet("clones"); /* containers of one machine that see each other */
    n.peer[1].cma = DOC_CMA_FAILS;
    rig_look_node(&n);
    rig_expect("clones", DOC_BROKEN, "5-6", "do not reach each other");
}

static void test_memory(void **state)
{
    (void)state;
    rig_node(&n, 4);
    n.seg_made = false;
    strcpy(n.seg_why, "no space left");
    rig_look_node(&n);
    rig_expect("shared-memory", DOC_SLOW, "4-7", "no space left");
    n.seg_made = true;
    n.shm_free = 100 << 10;
    rig_look_node(&n);
    rig_expect("shared-memory", DOC_HINT, "4-7", "memfd");
    n.backing = VC_SEG_SHM;
    rig_look_node(&n);
    rig_expect("shared-memory", DOC_SLOW, "4-7", "100 KiB of 1.0 GiB are free");
    n.shm_total = n.shm_free = 0;
    rig_look_node(&n);
    rig_expect("shared-memory", DOC_HINT, "4-7", "no /dev/shm");
    n.shm_wanted = false;
    rig_look_node(&n);
    rig_quiet("shared-memory");
}

static void test_frequency(void **state)
{
    (void)state;
    rig_node(&n, 4);
    strcpy(n.governor, "powersave");
    strcpy(n.freq_driver, "acpi-cpufreq");
    rig_look_node(&n);
    rig_expect("frequency", DOC_SLOW, "4-7", "lowest");
    strcpy(n.freq_driver, "intel_pstate");
    rig_look_node(&n);
    rig_quiet("frequency");
    strcpy(n.preference, "balance_power");
    rig_look_node(&n);
    rig_expect("frequency", DOC_HINT, "4-7", "balance_power");
    strcpy(n.governor, "performance");
    rig_look_node(&n);
    rig_quiet("frequency");
}

static void test_clock(void **state)
{
    (void)state;
    rig_node(&n, 4);
    strcpy(n.clock, "hpet");
    strcpy(n.clocks, "hpet acpi_pm");
    rig_look_node(&n);
    rig_expect("clock", DOC_SLOW, "4-7", "hpet (available: hpet acpi_pm)");
    strcpy(n.clock, "tsc");
    n.clock_ns = 900;
    rig_look_node(&n);
    rig_expect("clock", DOC_SLOW, "4-7", "hundreds");
    n.clock[0] = '\0';
    n.clock_ns = 30;
    rig_look_node(&n);
    rig_quiet("clock");
}

static void test_idle(void **state)
{
    (void)state;
    rig_node(&n, 4);
    n.idle_driver[0] = '\0';
    rig_look_node(&n);
    rig_expect("idle", DOC_HINT, "4-7", "no driver");
    n.platform.guest = false;
    rig_look_node(&n);
    rig_quiet("idle");
}

/* ---- devices ---- */

static void test_rdma_down(void **state)
{
    (void)state;
    rig_node(&n, 4);
    n.nrdma = 1;
    strcpy(n.rdma[0].name, "mlx5_0");
    n.rdma[0].nports = 1;
    n.rdma[0].port[0].number = 1;
    strcpy(n.rdma[0].port[0].state, "DOWN");
    n.verbs.err = VC_ERR_SYS;
    strcpy(n.verbs.error, "no port of mlx5_0 is active");
    n.verbs.n = 1;
    strcpy(n.verbs.list[0].device, "mlx5_0");
    n.verbs.list[0].port = 1;
    n.verbs.list[0].err = VC_ERR_SYS;
    rig_look_node(&n);
    rig_expect("rdma-down", DOC_BROKEN, "4-7", "mlx5_0 is active (state DOWN)");
    /* Another port can be used. */
    n.verbs.err = VC_OK;
    strcpy(n.verbs.list[0].why, "the link is down");
    rig_look_node(&n);
    rig_expect("rdma-down", DOC_HINT, "4-7", "the link is down");
    /* Seen by the kernel, and not by the library. */
    n.verbs.n = 0;
    n.verbs.err = VC_ERR_UNSUPPORTED;
    strcpy(n.verbs.error, "libibverbs.so.1 cannot be opened");
    rig_look_node(&n);
    rig_expect("rdma-down", DOC_BROKEN, "4-7", "libibverbs1");
    n.verbs.wanted = false;
    rig_look_node(&n);
    rig_quiet("rdma-down");
    /* An adapter without its RDMA driver. */
    n.nrdma = 0;
    n.nnics = 1;
    n.nic[0].vendor = 0x15b3;
    n.nic[0].model = "ConnectX-5";
    strcpy(n.nic[0].netdev, "ens1");
    rig_look_node(&n);
    rig_expect("rdma-down", DOC_HINT, "4-7", "modprobe mlx5_ib");
}

static void test_queue_pairs(void **state)
{
    (void)state;
    rig_node(&n, 4);
    n.verbs.wanted = true;
    strcpy(n.verbs.dev.name, "mana_0");
    n.verbs.dev.attr.max_qp = 64;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_OK, "4-7", "no rank needs one"); /* one node */
    n.job = 20;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_OK, "4-7", "grants 64, 64 are needed");
    /* A job that is larger by a rank has too few for all peers, and enough for logarithms. */
    n.job = 21;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_HINT, "4-7", "grants 64 queue pairs for 4 ranks here");
    rig_expect("queue-pairs", DOC_HINT, "4-7", "(alltoall) that exchange messages with all 17 ranks");
    n.job = 257;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_SLOW, "4-7", "too few for most algorithms, and");
    /* Without shared memory neighbours are peers. */
    n.job = 20;
    n.sharing = 1;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_HINT, "4-7", "all 19 ranks");
    n.sharing = 4;
    /* Two devices of the same rate share the ranks; one of another rate has none. */
    n.job = 36;
    n.verbs.n = 3;
    n.verbs.list[0].chosen = true;
    n.verbs.list[0].rate = n.verbs.list[1].rate = 1000;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_OK, "4-7", "64 are needed");
    n.verbs.n = 0;
    /* The setting is meant so, unless it is too small for nearly everything. */
    n.most_open = 12;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_OK, "4-7", "12 for each rank (VCOLL_VERBS_PEERS), of 32 ranks");
    n.most_open = 3;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_SLOW, "4-7", "VCOLL_VERBS_PEERS=3 is less than the 12 queue pairs");
    n.most_open = 100; /* more than there are */
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_HINT, "4-7", "mana_0 grants 64");
    n.most_open = 0;
    n.verbs.dev.attr.max_qp = 0;
    rig_look_node(&n);
    rig_expect("queue-pairs", DOC_OK, "4-7", "does not say");
    n.verbs.wanted = false;
    rig_look_node(&n);
    rig_quiet("queue-pairs");
}

static struct doc_netdev *interface(const char *name)
{
    struct doc_netdev *d = &n.netdev[n.nnetdevs++];
    strcpy(d->name, name);
    d->up = d->reported = true;
    return d;
}

static void test_moderation_habit(void **state)
{
    (void)state;
    rig_node(&n, 4);
    struct doc_netdev *d = interface("eth7");
    vc_coalesce_put(&d->now, VC_COALESCE_RX_USECS, 3);
    vc_coalesce_put(&d->now, VC_COALESCE_ADAPTIVE_RX, 0);
    rig_look_node(&n);
    rig_quiet("moderation");
    vc_coalesce_put(&d->now, VC_COALESCE_RX_USECS, 100);
    rig_look_node(&n);
    rig_expect("moderation", DOC_HINT, "4-7", "ethtool -C eth7 rx-usecs 0");
    vc_coalesce_put(&d->now, VC_COALESCE_ADAPTIVE_RX, 1);
    strcpy(d->rdma, "rxe0");
    d->software = true;
    rig_look_node(&n);
    rig_expect("moderation", DOC_HINT, "4-7", "ethtool -C eth7 rx-usecs 0 adaptive-rx off");
    rig_expect("moderation", DOC_HINT, "4-7", "carries RDMA device rxe0");
    d->up = false;
    rig_look_node(&n);
    rig_quiet("moderation");
}

static void test_moderation_table(void **state)
{
    (void)state;
    rig_node(&n, 4);
    struct doc_netdev *d = interface("eth7");
    struct facts_suggestion *s = &n.table.suggestion[n.table.n++];
    strcpy(d->rdma, "rxe0");
    strcpy(s->device, "rxe0");
    strcpy(n.table.name, "t.json");
    vc_coalesce_put(&d->now, VC_COALESCE_RX_USECS, 3);
    vc_coalesce_put(&s->coalesce, VC_COALESCE_RX_USECS, 20);
    rig_look_node(&n);
    rig_expect("moderation", DOC_SLOW, "4-7", "t.json suggests rx-usecs 20");
    rig_expect("moderation", DOC_SLOW, "4-7", "ethtool -C eth7 rx-usecs 20");
    strcpy(s->when, "8 ranks");
    rig_look_node(&n);
    rig_expect("moderation", DOC_HINT, "4-7", "with 8 ranks");
    vc_coalesce_put(&d->now, VC_COALESCE_RX_USECS, 20);
    rig_look_node(&n);
    rig_quiet("moderation");
}

/* ---- what is read ---- */

static void test_read(void **state)
{
    (void)state;
    memset(&n, 0, sizeof n);
    rig_put("/sys/devices/system/cpu/online", "0-5\n");
    rig_put("/sys/devices/system/cpu/cpuidle/current_driver", "none\n");
    rig_put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm\n");
    rig_put("/sys/devices/system/clocksource/clocksource0/available_clocksource", "acpi_pm hpet\n");
    rig_put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
    rig_put("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n");
    rig_put("/sys/devices/system/cpu/cpu3/cpufreq/scaling_driver", "acpi-cpufreq\n");
    rig_put("/proc/stat", "cpu  10 0 10 70 0 0 0 10 0 0\n");
    rig_put("/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    rig_put("/proc/self/cgroup", "0::/job\n");
    rig_put("/sys/fs/cgroup/job/cpu.max", "150000 100000\n");
    rig_put("/sys/class/infiniband/rxe0/parent", "eth7\n");
    rig_put("/sys/class/infiniband/rxe0/ports/1/state", "4: ACTIVE\n");
    rig_put("/sys/class/net/eth7/operstate", "up\n");
    doc_node_read(rig_root, &n);
    char *cpus = doc_set_text(&n.online);
    assert_string_equal(cpus, "0-5");
    free(cpus);
    assert_true(n.quota == 1.5);
    assert_true(fabs(n.steal_boot - 0.1) < 1e-9);
    assert_string_equal(n.clock, "acpi_pm");
    assert_string_equal(n.idle_driver, "");
    assert_string_equal(n.governor, "powersave"); /* the slowest decides */
    assert_string_equal(n.freq_driver, "acpi-cpufreq");
    assert_int_equal(n.nrdma, 1);
    assert_int_equal(n.nnetdevs, 1);
    assert_string_equal(n.netdev[0].name, "eth7");
    assert_string_equal(n.netdev[0].rdma, "rxe0");
    assert_true(n.netdev[0].up && n.netdev[0].software);
}

static void test_cpuset(void **state)
{
    (void)state;
    memset(&n, 0, sizeof n);
    rig_put("/sys/devices/system/cpu/online", "0-63\n");
    rig_put("/proc/self/cgroup", "12:cpuset:/pod/x\n3:cpu,cpuacct:/pod\n0::/\n");
    rig_put("/sys/fs/cgroup/cpuset/pod/x/cpuset.effective_cpus", "8-9\n");
    doc_node_read(rig_root, &n);
    assert_int_equal(n.online.n, 2);
    assert_int_equal(n.online.v[1], 9);
    rig_node_free(&n);
    /* A hierarchy may have several controllers. */
    memset(&n, 0, sizeof n);
    rig_put("/proc/self/cgroup", "4:cpuset,cpu:/pod/x\n");
    doc_node_read(rig_root, &n);
    assert_int_equal(n.online.n, 2);
    rig_node_free(&n);
    memset(&n, 0, sizeof n);
    rig_put("/sys/fs/cgroup/cpuset.cpus.effective", "4-7\n");
    doc_node_read(rig_root, &n);
    assert_int_equal(n.online.n, 4);
}

static void test_try(void **state)
{
    (void)state;
    struct doc_rank *r = calloc(1, sizeof *r);
    rig_rank(r);
    rig_node(&n, 4);
    n.clock_ns = 0;
    n.seg_made = false;
    doc_node_try(&n, &r->params);
    assert_true(n.seg_made && n.shm_need > 0 && n.shm_total > 0);
    assert_true(n.clock_ns > 0);
    r->params.channels = VC_CHAN_MPI;
    doc_node_try(&n, &r->params);
    assert_false(n.shm_wanted);
    free(r);
}

/* ---- memory of the host ---- */

static void test_host_memory(void **state)
{
    (void)state;
    rig_node(&n, 4);
    struct facts_host *f = &n.host_memory;
    rig_look_node(&n);
    rig_expect("host-memory", DOC_OK, "4-7", "not wanted");
    f->plain = 1;
    rig_look_node(&n);
    rig_expect("host-memory", DOC_HINT, "4-7", "VCOLL_IVSHMEM=auto");
    f->wanted = true;
    f->err = VC_ERR_SYS;
    f->denied = true;
    strcpy(f->error, "the shared memory x cannot be opened: Permission denied");
    rig_look_node(&n);
    rig_expect("host-memory", DOC_SLOW, "4-7", "udev rule");
    rig_expect("host-memory", DOC_SLOW, "4-7", "Permission denied");
    f->denied = false;
    f->plain = 0;
    f->doorbell = 1;
    rig_look_node(&n);
    rig_expect("host-memory", DOC_SLOW, "4-7", "ivshmem-plain device instead");
    f->plain = 1;
    f->err = VC_OK;
    strcpy(f->name, "resource2");
    f->bytes = 64 << 20;
    f->held = 3;
    rig_look_node(&n);
    rig_expect("host-memory", DOC_HINT, "4-7", "1 of 2 ivshmem devices");
    rig_expect("host-memory", DOC_OK, "4-7", "resource2, 64 MiB, 0 ns a line, 3 parts held by others");
    f->still = 2;
    rig_look_node(&n);
    rig_expect("host-memory", DOC_HINT, "4-7",
               "of 3 parts of resource2 that others hold, 2 show no sign of life");
    f->still = f->doorbell = 0;
    rig_look_node(&n);
    rig_quiet("host-memory");
    f->err = VC_ERR_UNSUPPORTED;
    rig_look_node(&n);
    rig_expect("host-memory", DOC_OK, "4-7", "there is none");
}

/* A file does what a device does. What a machine left that was reset holds a lease without a heartbeat. */
static void test_host_facts(void **state)
{
    (void)state;
    static struct facts_host a, b;
    struct doc_rank *r = calloc(1, sizeof *r);
    rig_rank(r);
    r->params.channels |= VC_CHAN_IVSHMEM;
    snprintf(r->params.ivshmem, sizeof r->params.ivshmem, "%s/bar", rig_root);
    facts_host(NULL, &r->params, true, &a);
    assert_true(a.wanted && a.err != VC_OK && a.err != VC_ERR_UNSUPPORTED && a.mark == 0);
    rig_put("/bar", "");
    assert_int_equal(truncate(r->params.ivshmem, 1 << 20), 0);
    facts_host(NULL, &r->params, true, &a);
    assert_true(a.err == VC_OK && a.mark != 0 && a.held == 0 && a.still == 0 && a.bytes == 1 << 20);
    facts_host(NULL, &r->params, true, &b);
    assert_true(b.held == 1 && b.still == 0 && b.seen[0] == a.mark);
    facts_host_close(&b);
    facts_host_close(&a);
    facts_host(NULL, &r->params, false, &a);
    assert_true(a.err == VC_OK && a.held == 0 && a.mark == 0);
    facts_host_close(&a);
    free(r);
}

#define NODE_TEST(f) cmocka_unit_test_teardown(f, drop_node)

static int drop_both(void **state)
{
    drop_node(state);
    return rig_drop_tree(state);
}

const struct CMUnitTest doctor_node_tests[] = {
    NODE_TEST(test_well),
    NODE_TEST(test_crowded),
    NODE_TEST(test_quota),
    NODE_TEST(test_binding),
    NODE_TEST(test_steal),
    NODE_TEST(test_busy),
    NODE_TEST(test_clones),
    NODE_TEST(test_memory),
    NODE_TEST(test_frequency),
    NODE_TEST(test_clock),
    NODE_TEST(test_idle),
    NODE_TEST(test_rdma_down),
    NODE_TEST(test_queue_pairs),
    NODE_TEST(test_moderation_habit),
    NODE_TEST(test_moderation_table),
    cmocka_unit_test_setup_teardown(test_read, rig_new_tree, drop_both),
    cmocka_unit_test_setup_teardown(test_cpuset, rig_new_tree, drop_both),
    NODE_TEST(test_try),
    NODE_TEST(test_host_memory),
    cmocka_unit_test_setup_teardown(test_host_facts, rig_new_tree, rig_drop_tree),
};
const size_t doctor_node_ntests = sizeof doctor_node_tests / sizeof doctor_node_tests[0];

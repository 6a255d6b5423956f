/* SPDX-License-Identifier: BSD-3-Clause */
/* `vcoll sim node` on nodes that are small enough to count by hand, and its rules against the library's. */
#include "tools/sim/sim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void same(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("%g, expected %g", got, want);
}

/* Nanoseconds; lines are the built-in ones. */
static void same_ns(double seconds, double want)
{
    if (!(fabs(seconds * 1e9 - want) <= 1e-3))
        fail_msg("%g ns, expected %g", seconds * 1e9, want);
}

/* Flags alone cost something: 100 ns a call; lines of 10, 20, 30, 40 ns; turns of 1000. */
static const char *const flags_alone[] = {"node.base=1e-7", "node.copy=0", "node.reduce=0",
                                          "switch_cost=1e-6"};

static struct sim_opts opts;
static struct sim_report report;

static void simulate(const char *topology, int ranks, enum vc_coll coll, size_t bytes)
{
    struct vc_param_report settings;
    opts = (struct sim_opts){.topology = topology,
                             .ranks = ranks,
                             .coll = {coll},
                             .ncoll = 1,
                             .size = {bytes},
                             .nsizes = 1,
                             .set = flags_alone,
                             .nset = 4};
    for (int k = 0; k < SIM_KINDS; k++) {
        opts.line[k] = k == VC_LEVEL_CPU ? 0 : (k + 1) * 1e-8;
        opts.link[k] = 1e18;
    }
    assert_int_equal(vc_params_load_files(NULL, NULL, &opts.params, NULL, &settings), VC_OK);
    report = (struct sim_report){.o = &opts};
    assert_int_equal(sim_node_make(&report.node, &opts, NULL), VC_OK);
    assert_int_equal(sim_figures_find(&report.figures, &opts, &report.table, &report.node), VC_OK);
    assert_int_equal(sim_predict(&report), VC_OK);
    assert_int_equal(report.npoints, 1);
}

static void forget(void)
{
    sim_node_free(&report.node);
    free(report.point);
}

static const struct sim_cost *cost(enum sim_way way)
{
    assert_true(report.point[0].way[way].there);
    return &report.point[0].way[way];
}

/* Each reads the slots of the three others. */
static void test_four_flat(void **state)
{
    (void)state;
    simulate("flat", 4, VC_ALLREDUCE, 8);
    same(cost(SIM_FLAT)->flags, 3);
    same(cost(SIM_FLAT)->meetings, 1);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_NUMA], 12);
    same_ns(cost(SIM_FLAT)->seconds, 100 + 3 * 30);
    assert_false(report.point[0].way[SIM_TREE].there);
    assert_int_equal(report.point[0].takes, SIM_FLAT);
    forget();
    simulate("flat", 4, VC_BCAST, 100); /* with the flag two lines */
    same(cost(SIM_FLAT)->lines[VC_LEVEL_NUMA], 3 * 2);
    forget();
    simulate("l3:1 core:4", 4, VC_BARRIER, 0);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_CACHE], 12);
    same_ns(cost(SIM_FLAT)->seconds, 100 + 3 * 20);
    forget();
}

/* Two caches with two ranks each. */
static void test_two_by_two(void **state)
{
    (void)state;
    simulate("l3:2 core:2", 4, VC_ALLREDUCE, 8);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_CACHE], 4);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_NUMA], 8);
    same_ns(cost(SIM_FLAT)->seconds, 100 + 20 + 2 * 30);
    same(cost(SIM_TREE)->lines[VC_LEVEL_CACHE], 2 + 2); /* operands up, results down */
    same(cost(SIM_TREE)->lines[VC_LEVEL_NUMA], 2);      /* the leaders read each other's */
    same(cost(SIM_TREE)->meetings, 3);
    same(cost(SIM_TREE)->flags, 3);
    same_ns(cost(SIM_TREE)->seconds, 100 + 20 + 30 + 20);
    assert_int_equal(report.point[0].takes, SIM_FLAT); /* so few meet sooner all at once */
    forget();
    simulate("numa:2 core:2", 4, VC_BCAST, 8);
    same(cost(SIM_TREE)->lines[VC_LEVEL_NUMA], 2);
    same(cost(SIM_TREE)->lines[VC_LEVEL_KINDS], 1);
    same_ns(cost(SIM_TREE)->seconds, 100 + 40 + 30);
    forget();
    simulate("l3:2 core:2", 4, VC_ALLTOALL, 8); /* never over a tree */
    assert_false(report.point[0].way[SIM_TREE].there);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_CACHE] + cost(SIM_FLAT)->lines[VC_LEVEL_NUMA], 12);
    forget();
}

/* Five ranks, three of them in the first cache. */
static void test_uneven(void **state)
{
    (void)state;
    simulate("l3:2 core:3", 5, VC_ALLREDUCE, 8);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_CACHE], 3 * 2 + 2);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_NUMA], 20 - 8);
    same(cost(SIM_TREE)->lines[VC_LEVEL_CACHE], 2 * (2 + 1));
    same(cost(SIM_TREE)->lines[VC_LEVEL_NUMA], 2);
    same_ns(cost(SIM_TREE)->seconds, 100 + 2 * 20 + 30 + 2 * 20);
    forget();
}

/* Two ranks on each of two cores: they take turns. */
static void test_crowded(void **state)
{
    (void)state;
    simulate("core:2", 4, VC_BARRIER, 0);
    assert_true(report.node.crowded);
    assert_int_equal(report.node.cpus, 2);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_CPU], 4);
    same(cost(SIM_FLAT)->lines[VC_LEVEL_NUMA], 8);
    same_ns(cost(SIM_FLAT)->seconds, 100 + 2 * (2 * 30) + 2 * 1000);
    same(cost(SIM_TREE)->meetings, 3);
    same_ns(cost(SIM_TREE)->seconds, 100 + 2000 + (30 + 2000) + 2000);
    forget();
}

/* What is read from further away than figures were measured takes longer; what many read, its source hands
 * out; and nothing is faster than the ways. */
static void test_bytes(void **state)
{
    (void)state;
    static const char *const copies[] = {"node.base=0", "node.flag=1e-8", "node.copy=1e-9", "node.reduce=0"};
    struct vc_param_report settings;
    enum { LEN = 1 << 20 };
    opts = (struct sim_opts){.topology = "numa:4 core:1",
                             .ranks = 4,
                             .coll = {VC_BCAST},
                             .ncoll = 1,
                             .size = {LEN},
                             .nsizes = 1,
                             .set = copies,
                             .nset = 4,
                             .line = {1e-8, 1e-8, 1e-8, 1e-8},
                             .link = {1e18, 1e18, 1e18, 1e18}};
    double seconds[3];
    for (int i = 0; i < 3; i++) {
        opts.line[VC_LEVEL_KINDS] = i == 1 ? 4e-6 : 1e-8;
        opts.link[VC_LEVEL_KINDS] = i == 2 ? 1e8 : 1e18;
        assert_int_equal(vc_params_load_files(NULL, NULL, &opts.params, NULL, &settings), VC_OK);
        report = (struct sim_report){.o = &opts};
        assert_int_equal(sim_node_make(&report.node, &opts, NULL), VC_OK);
        assert_int_equal(sim_figures_find(&report.figures, &opts, &report.table, &report.node), VC_OK);
        assert_int_equal(sim_predict(&report), VC_OK);
        seconds[i] = cost(SIM_FLAT)->seconds;
        forget();
    }
    /* Nothing is known to be shared, so one cache serves all; a piece of 16 KiB before others begin. */
    same_ns(seconds[0], LEN + 16384 + 3 * 10);
    same_ns(seconds[1], LEN + 16384 + (4000 - 10) / (64.0 * 16) * LEN + 3 * 4000);
    double lines = 3 * (1 + LEN / 64.0);
    same_ns(seconds[2], lines / 4 * 64 / 1e8 * 1e9 + 3 * 10);
}

/* What programs measured at their start comes before what is built in. */
static void test_measured(void **state)
{
    (void)state;
    static const struct vc_costs here = {.yield_ns = 900,
                                         .line_ns = 70,
                                         .copy_warm_ps = 10,
                                         .copy_across_ps = 50,
                                         .copy_far_ps = 30,
                                         .reduce_ps = 20,
                                         .cma_call_ns = 400,
                                         .cma_ps = 80,
                                         .cma_far_ps = 90};
    simulate("core:2", 4, VC_BARRIER, 0);
    assert_int_equal(report.figures.origin, SIM_BUILT_IN);
    opts.costs = &here;
    opts.set = NULL;
    opts.nset = 0;
    assert_int_equal(sim_figures_find(&report.figures, &opts, &report.table, &report.node), VC_OK);
    assert_int_equal(report.figures.origin, SIM_MEASURED);
    same_ns(report.figures.node.flag, 70);
    same_ns(report.figures.node.copy * 1e3, (30 + 50 + 20) / 2.0);
    same_ns(report.figures.node.reduce * 1e3, 50 + 20);
    same_ns(report.figures.node.cma_base, 400);
    same_ns(report.figures.node.cma_copy * 1e3, 90);
    same_ns(report.figures.turn, 900);
    forget();
}

/* The library's own rules: a leader's memory of padded blocks, single copy, orders of operands. */
static void test_ways(void **state)
{
    (void)state;
    simulate("l3:8 core:8", 64, VC_ALLGATHER, 8);
    assert_int_equal(report.point[0].takes, SIM_TREE);
    forget();
    simulate("l3:8 core:8", 64, VC_ALLGATHER, 1024);
    assert_false(report.point[0].way[SIM_TREE].there);
    assert_int_equal(report.point[0].takes, SIM_FLAT);
    assert_true(report.point[0].way[SIM_CMA].there);
    forget();
    simulate("l3:8 core:8", 64, VC_BARRIER, 0);
    assert_false(report.point[0].way[SIM_CMA].there);
    assert_string_equal(report.point[0].algorithm, "shm");
    forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_flat), cmocka_unit_test(test_two_by_two), cmocka_unit_test(test_uneven),
        cmocka_unit_test(test_crowded),   cmocka_unit_test(test_bytes),      cmocka_unit_test(test_ways),
        cmocka_unit_test(test_measured),
    };
    for (char **e = environ; *e;) /* whoever runs the tests may have settings */
        if (strncmp(*e, "VCOLL_", 6) == 0) {
            char name[128];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
            unsetenv(name);
        } else {
            e++;
        }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Measuring between two processes: in time, with figures that can be, and nothing moved for good. */
#include "coll/kernels/kernels.h"
#include "coll/node/copy.h"
#include "transport/base.h"
#include "transport/calibrate/measure.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BUDGET_NS UINT64_C(2500000)

/* What two processes share. */
struct both {
    struct vc_costs cost[2];
    int good[2];
    int same_mask;
    uint64_t took;
    pid_t pid[2];
};

static void run_one(struct both *b, void *mem, int me, pid_t peer)
{
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    struct vc_measure_cfg cfg = {.mem = mem,
                                 .me = me,
                                 .peer = peer,
                                 .budget_ns = BUDGET_NS,
                                 .sum = vc_kernel_find(VC_OP_SUM, VC_T_DOUBLE),
                                 .stream = vc_copy_stream};
    uint64_t t = vc_now_ns();
    bool complete;
    b->good[me] = vc_measure(&cfg, &b->cost[me], &complete);
    if (me == 0)
        b->took = vc_now_ns() - t;
    sched_getaffinity(0, sizeof after, &after);
    b->same_mask += CPU_EQUAL(&before, &after) != 0;
}

/* Two processes; `before` changes the second one first. */
static struct both *measure(void (*before)(void), bool alone)
{
    struct both *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *mem = mmap(NULL, vc_measure_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(b != MAP_FAILED && mem != MAP_FAILED);
    pid_t first = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    fflush(NULL);
    pid_t second = alone ? 0 : fork();
    if (second == 0 && !alone) {
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        if (before)
            before();
        run_one(b, mem, 1, first);
        _exit(0);
    }
    run_one(b, mem, 0, second);
    if (!alone) {
        int status = 0;
        waitpid(second, &status, 0);
        assert_int_equal(status, 0);
    }
    munmap(mem, vc_measure_bytes());
    return b;
}

static void print_costs(const struct vc_costs *c)
{
    for (size_t i = 0; i < VC_COSTS_COUNT; i++)
        printf("%s %llu%s", vc_cost_info[i].name, (unsigned long long)vc_cost(c, i),
               i + 1 < VC_COSTS_COUNT ? ", " : "\n");
}

static void test_two_processes(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct both *b = measure(NULL, false);
        assert_true(b->good[0] && b->good[1]);
        assert_int_equal(b->same_mask, 2);
        assert_memory_equal(&b->cost[0], &b->cost[1], sizeof b->cost[0]);
        printf("%.2f ms: ", (double)b->took * 1e-6);
        print_costs(&b->cost[0]);
        for (size_t k = 0; k < VC_COSTS_COUNT; k++)
            assert_true(vc_cost(&b->cost[0], k) <= vc_cost_info[k].most);
        munmap(b, sizeof *b);
    }
}

static void test_alone(void **state)
{
    (void)state;
    struct both *b = measure(NULL, true);
    assert_false(b->good[0]);
    assert_true(b->took < UINT64_C(5000000000));
    munmap(b, sizeof *b);
}

static void leave(void)
{
    _exit(0);
}

static void test_peer_dies(void **state)
{
    (void)state;
    struct both *b = measure(leave, false);
    assert_false(b->good[0]);
    munmap(b, sizeof *b);
}

static void pin(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

/* Both may use one CPU only, the same: what is between CPUs is unknown. */
static void test_one_cpu(void **state)
{
    (void)state;
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    pin();
    struct both *b = measure(NULL, false);
    sched_setaffinity(0, sizeof before, &before);
    assert_true(b->good[0] && b->good[1]);
    assert_int_equal(b->cost[0].line_ns, 0);
    assert_int_equal(b->cost[0].wake_ns, 0);
    printf("one CPU: ");
    print_costs(&b->cost[0]);
    munmap(b, sizeof *b);
}

static void test_sane(void **state)
{
    (void)state;
    struct vc_costs c;
    for (size_t i = 0; i < VC_COSTS_COUNT; i++) {
        assert_true(vc_cost_info[i].least < vc_cost_info[i].most);
        vc_cost_set(&c, i, i % 2 ? vc_cost_info[i].most + 1 : vc_cost_info[i].least);
    }
    vc_costs_sane(&c);
    for (size_t i = 0; i < VC_COSTS_COUNT; i++)
        assert_int_equal(vc_cost(&c, i), i % 2 ? 0 : vc_cost_info[i].least);
    assert_int_equal(vc_costs()->yield_ns, 0);
    c.yield_ns = 77;
    vc_costs_use(&c);
    assert_int_equal(vc_costs()->yield_ns, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sane),  cmocka_unit_test(test_two_processes), cmocka_unit_test(test_one_cpu),
        cmocka_unit_test(test_alone), cmocka_unit_test(test_peer_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

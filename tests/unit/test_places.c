/* SPDX-License-Identifier: BSD-3-Clause */
/* Which ranks share an operating system, and where they are more than its CPUs. */
#include "pmpi/places.h"
#include "transport/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MOST = 20000 };

static struct vc_place place[MOST];
static const struct vc_place *at[MOST];
static int os_of[MOST], os_ranks[MOST];
static bool crowded[MOST];
static struct vc_places out = {.os_of = os_of, .os_ranks = os_ranks, .crowded = crowded};

/* CPUs first to first + n - 1. */
static struct vc_place a_place(int kernel, int shm, int first, int n)
{
    struct vc_place p = {.os = {.shm_dev = (uint64_t)shm}, .quota = 1e9};
    memcpy(p.os.boot_id, &kernel, sizeof kernel);
    for (int i = first; i < first + n; i++)
        p.mask[i / 64] |= UINT64_C(1) << i % 64;
    return p;
}

static void find(int n)
{
    memset(crowded, 0, sizeof crowded);
    for (int r = 0; r < n; r++)
        at[r] = &place[r];
    assert_int_equal(vc_places_find(at, n, &out), VC_OK);
}

static void test_numbers(void **state)
{
    (void)state;
    /* Kernels 9, 3, 5, numbered by their lowest rank whatever they are called. */
    static const int kernel[] = {9, 3, 9, 5, 3, 3};
    static const int expect[] = {0, 1, 0, 2, 1, 1};
    for (int r = 0; r < 6; r++)
        place[r] = a_place(kernel[r], 1, 0, 4);
    find(6);
    assert_int_equal(out.nos, 3);
    for (int r = 0; r < 6; r++)
        assert_int_equal(os_of[r], expect[r]);
    assert_int_equal(os_ranks[0], 2);
    assert_int_equal(os_ranks[1], 3);
    assert_int_equal(os_ranks[2], 1);
    for (int i = 0; i < 3; i++)
        assert_false(crowded[i]);
    /* One kernel, told apart by the administrator, and by /dev/shm. */
    for (int r = 0; r < 3; r++)
        place[r] = a_place(1, r == 2 ? 2 : 1, 0, 4);
    place[1].host = 77;
    find(3);
    assert_int_equal(out.nos, 3);
}

static void test_crowded(void **state)
{
    (void)state;
    for (int r = 0; r < 3; r++)
        place[r] = a_place(1, 1, 0, 2);
    find(2);
    assert_false(crowded[0]);
    find(3);
    assert_true(crowded[0]);
    /* Bound to a CPU each. */
    for (int r = 0; r < 3; r++)
        place[r] = a_place(1, 1, r, 1);
    find(3);
    assert_false(crowded[0]);
    place[1].quota = 2.5;
    find(3);
    assert_true(crowded[0]);
    /* The launcher knows of more. */
    place[1].quota = 1e9;
    place[2].local_size = 4;
    find(3);
    assert_true(crowded[0]);
    /* Masks that could not be read. */
    for (int r = 0; r < 3; r++)
        place[r] = a_place(1, 1, 0, 0);
    find(3);
    assert_false(crowded[0]);
}

static void test_containers(void **state)
{
    (void)state;
    /* Two containers of a kernel with two ranks each, on the same two CPUs; a third elsewhere. */
    for (int r = 0; r < 4; r++)
        place[r] = a_place(1, 1 + r / 2, 0, 2);
    place[4] = a_place(1, 3, 2, 1);
    find(5);
    assert_int_equal(out.nos, 3);
    assert_true(crowded[0]);
    assert_true(crowded[1]);
    assert_false(crowded[2]);
    /* On other CPUs. */
    for (int r = 2; r < 4; r++)
        place[r] = a_place(1, 2, 4, 2);
    find(5);
    for (int i = 0; i < 3; i++)
        assert_false(crowded[i]);
    /* The first and the second meet by way of the third: seven ranks on six CPUs. */
    for (int r = 0; r < 6; r++)
        place[r] = a_place(1, 1 + r / 3, r / 3 * 3, 3);
    place[6] = a_place(1, 3, 2, 2);
    find(6);
    assert_false(crowded[0] || crowded[1]);
    find(7);
    assert_true(crowded[0] && crowded[1] && crowded[2]);
    /* Another kernel is another machine. */
    for (int r = 0; r < 4; r++)
        place[r] = a_place(1 + r / 2, 1, 0, 2);
    find(4);
    assert_false(crowded[0] || crowded[1]);
    /* Two containers confined to two CPUs with three ranks, and one that has more CPUs besides. */
    for (int r = 0; r < 4; r++)
        place[r] = a_place(1, 1 + (r + 1) / 2, 0, 2);
    place[3] = a_place(1, 3, 1, 7);
    place[2].os.shm_dev = 2;
    find(4);
    assert_true(crowded[0] && crowded[1]);
    assert_false(crowded[2]);
    /* Another quota of one container is its own affair. */
    for (int r = 0; r < 4; r++)
        place[r] = a_place(1, 1 + r / 2, 0, 4);
    place[0].quota = 1;
    find(4);
    assert_true(crowded[0]);
    assert_false(crowded[1]);
}

/* Processes by themselves: the same rule, as each of them asks it. */
static bool shares(int n, int me, unsigned stolen)
{
    struct vc_cpu_claim claim[8];
    for (int i = 0; i < n; i++) {
        claim[i] = (struct vc_cpu_claim){.quota = place[i].quota, .os = (int)place[i].os.shm_dev, .procs = 1};
        memcpy(claim[i].mask, place[i].mask, sizeof claim[i].mask);
    }
    return vc_cpus_shared(claim, n, me, stolen);
}

static void test_processes(void **state)
{
    (void)state;
    /* Two on one CPU and two that have one each: only the first two share, though there are CPUs enough. */
    for (int r = 0; r < 4; r++)
        place[r] = a_place(1, 1, r < 2 ? 0 : r, 1);
    for (int r = 0; r < 4; r++)
        assert_int_equal(shares(4, r, 0), r < 2);
    /* One that may use all CPUs keeps away from the two that are confined to one. */
    place[2] = a_place(1, 1, 0, 4);
    assert_false(shares(4, 2, 0));
    assert_true(shares(4, 0, 0));
    /* By way of masks that overlap: four on three CPUs. No mask by itself has too many. */
    place[0] = a_place(1, 1, 0, 2);
    place[1] = a_place(1, 1, 1, 2);
    place[2] = a_place(1, 1, 0, 2);
    place[3] = a_place(1, 1, 1, 2);
    for (int r = 0; r < 4; r++)
        assert_true(shares(4, r, 0));
    /* Others' crowd is none of a process elsewhere. */
    place[4] = a_place(1, 1, 8, 1);
    assert_false(shares(5, 4, 0));
    /* A quota is that of the operating system: least of all, and not that of another container. */
    for (int r = 0; r < 4; r++)
        place[r] = a_place(1, 1 + r / 2, r, 1);
    place[1].quota = 1.5;
    assert_true(shares(4, 0, 0));
    assert_false(shares(4, 2, 0));
    /* What the hypervisor steals makes CPUs fewer, once it is more than a quarter. */
    place[1].quota = 1e9;
    assert_false(shares(4, 0, 250));
    assert_true(shares(4, 0, 300));
    /* Masks that could not be read say nothing. */
    place[1] = a_place(1, 1, 0, 0);
    assert_false(shares(4, 0, 0));
    assert_false(shares(4, 1, 0));
}

/* As many kernels as ranks, and a rank in each of two thousand turns. */
static void test_time(void **state)
{
    (void)state;
    double best = 1e9;
    for (int r = 0; r < MOST; r++)
        place[r] = a_place(r % 10000 * 7 + 1, 1, 0, 8);
    for (int i = 0; i < 5; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        find(MOST);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
        best = s < best ? s : best;
    }
    assert_int_equal(out.nos, 10000);
    /* Pairwise comparisons of kernels take a second. */
    assert_true(best < 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_crowded), cmocka_unit_test(test_containers),
        cmocka_unit_test(test_processes), cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

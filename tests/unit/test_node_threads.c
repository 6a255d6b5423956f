/* SPDX-License-Identifier: BSD-3-Clause */
/* Node primitives, flat and over trees, between threads: for the thread sanitizer. */
#include "tests/unit/node_levels.h"
#include "tests/unit/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static struct job small_job(int n, unsigned seed)
{
    return (struct job){.n = n,
                        .rounds = 60,
                        .bulk = 160000,
                        .max_len = 40000,
                        .crowded = true,
                        .own_cpus = seed % 2,
                        .seed = seed};
}

static void test_flat(void **state)
{
    (void)state;
    alarm(100);
    for (unsigned seed = 0; seed < 4; seed++) {
        struct job job = small_job(2 + 3 * (int)seed, seed);
        assert_true(run_ranks_as_threads(&job));
    }
}

static void test_tree(void **state)
{
    (void)state;
    alarm(100);
    for (unsigned seed = 10; seed < 18; seed++) {
        struct job job = small_job(5 + (int)seed % 4 * 3, seed);
        struct synthetic s;
        make_random_levels(&s, job.n, 1 + (int)seed % VC_LEVEL_KINDS, seed % 3 == 0, seed);
        job.levels = &s.levels;
        assert_true(run_ranks_as_threads(&job));
    }
}

/* Rooted reductions and others in several blocks. */
static void test_long(void **state)
{
    (void)state;
    alarm(100);
    for (unsigned seed = 20; seed < 23; seed++) {
        struct job job = small_job(7 + (int)seed % 3, seed);
        struct synthetic s;
        make_random_levels(&s, job.n, 2, false, seed);
        job.levels = &s.levels;
        job.rounds = 25;
        job.max_len = 600000;
        job.kind = 1 + (seed == 22 ? VC_PHASE_ALLREDUCE : VC_PHASE_REDUCE);
        assert_true(run_ranks_as_threads(&job));
    }
}

static void test_many(void **state)
{
    (void)state;
    alarm(100);
    struct job job = small_job(32, 30);
    job.max_len = 9000;
    assert_true(run_ranks_as_threads(&job));
    job.mode = VC_WAIT_EVENT;
    job.n = 19;
    job.own_cpus = true;
    assert_true(run_ranks_as_threads(&job));
}

/* More ranks than exchange flat even where they share CPUs, and than a tiny slot has bytes. */
static void test_crowd(void **state)
{
    (void)state;
    alarm(100);
    struct job job = small_job(131, 40);
    job.bulk = 0;
    job.max_len = 600;
    job.rounds = 300;
    assert_true(run_ranks_as_threads(&job));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat), cmocka_unit_test(test_tree),  cmocka_unit_test(test_long),
        cmocka_unit_test(test_many), cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

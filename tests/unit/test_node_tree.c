/* SPDX-License-Identifier: BSD-3-Clause */
/* Node primitives over trees of synthetic levels. */
#include "tests/unit/node_levels.h"
#include "tests/unit/node_rig.h"
#include "transport/shm/shm_chan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void run_tree(struct job job, int depth, bool shuffled)
{
    struct synthetic s;
    make_random_levels(&s, job.n, depth, shuffled, job.seed);
    job.levels = &s.levels;
    job.crowded = true;
    if (!run_ranks(&job))
        fail_msg("%d ranks, %d levels, %s, seed %u", job.n, s.levels.depth,
                 shuffled ? "shuffled" : "in order", job.seed);
}

/* Every number of ranks that is small. */
static void test_sizes(void **state)
{
    (void)state;
    for (int n = 2; n <= 13; n++)
        for (int depth = 1; depth <= VC_LEVEL_KINDS; depth++)
            run_tree((struct job){.n = n,
                                  .rounds = 120,
                                  .bulk = n % 3 ? (size_t)72000 << n % 2 : 0,
                                  .max_len = 60000,
                                  .own_cpus = n % 2,
                                  .seed = (unsigned)(n * 10 + depth)},
                     depth, (n + depth) % 2);
}

/* Many ranks, in groups of very different sizes. */
static void test_many(void **state)
{
    (void)state;
    static const int sizes[] = {17, 23, 31, 40};
    for (unsigned i = 0; i < 8; i++)
        run_tree((struct job){.n = sizes[i % 4],
                              .rounds = 60,
                              .bulk = 160000,
                              .max_len = 50000,
                              .own_cpus = i % 3 == 0,
                              .seed = 300 + i},
                 1 + (int)(i % VC_LEVEL_KINDS), i >= 4);
}

/* Vectors of many chunks, and of several blocks of what leaders have memory for. */
static void test_long(void **state)
{
    (void)state;
    static const int kinds[] = {VC_PHASE_REDUCE, VC_PHASE_ALLREDUCE, VC_PHASE_BCAST, VC_PHASE_REDUCE};
    for (unsigned i = 0; i < 12; i++)
        run_tree((struct job){.n = 6 + (int)i,
                              .rounds = 60,
                              .bulk = i % 2 ? 100000 : 256 * 1024,
                              .max_len = 1200000,
                              .own_cpus = i % 3 != 0,
                              .kind = 1 + kinds[i % 4],
                              .seed = 500 + i},
                 1 + (int)(i % VC_LEVEL_KINDS), i % 5 == 0);
}

/* Ranks that sleep, and ranks that come late. */
static void test_event(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        run_tree((struct job){.n = 9 + (int)i * 4,
                              .rounds = 100,
                              .bulk = 160000,
                              .max_len = 50000,
                              .mode = i == 1 ? VC_WAIT_HYBRID : VC_WAIT_EVENT,
                              .dawdle = true,
                              .own_cpus = i == 2,
                              .seed = 700 + i},
                 1 + (int)i, i == 1);
}

/* Single copy stays flat beside the tree. */
static void test_cma(void **state)
{
    (void)state;
    uint64_t probe = 1, got = 0;
    if (vc_cma_read(getpid(), &got, (uint64_t)(uintptr_t)&probe, sizeof got) != VC_OK)
        skip();
    for (unsigned i = 0; i < 4; i++)
        run_tree((struct job){.n = 5 + (int)i * 5,
                              .rounds = 200,
                              .bulk = 160000,
                              .max_len = 80000,
                              .cma = true,
                              .dawdle = i % 2,
                              .seed = 800 + i},
                 1 + (int)i % VC_LEVEL_KINDS, i % 2);
}

/* Groups of the same size each, as machines have them: a CPU's ranks, a cache's CPUs, a NUMA node's caches.
 */
static void test_even(void **state)
{
    (void)state;
    static const int shapes[][VC_LEVEL_KINDS + 1] = {{2, 2, 2}, {4, 4, 0}, {8, 0, 0}, {1, 6, 2}, {3, 3, 3}};
    static const int ranks[] = {16, 32, 24, 24, 27};
    for (unsigned i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        struct synthetic s;
        make_even_levels(&s, ranks[i], shapes[i]);
        assert_true(s.levels.depth > 0);
        assert_true(run_ranks(&(struct job){.n = ranks[i],
                                            .rounds = 100,
                                            .bulk = 160000,
                                            .max_len = 50000,
                                            .crowded = true,
                                            .own_cpus = true,
                                            .levels = &s.levels,
                                            .reproducible = i == 2,
                                            .seed = 900 + i}));
    }
}

/* Bulk slots that get their memory when they are first needed, or never. */
static void test_lazy(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        run_tree((struct job){.n = 5 + 3 * i,
                              .rounds = 100,
                              .bulk = 72000,
                              .max_len = 60000,
                              .own_cpus = i % 2,
                              .lazy = true,
                              .refusers = i % 3,
                              .seed = 70 + (unsigned)i},
                 1 + i % VC_LEVEL_KINDS, i % 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_many), cmocka_unit_test(test_long),
        cmocka_unit_test(test_event), cmocka_unit_test(test_cma),  cmocka_unit_test(test_even),
        cmocka_unit_test(test_lazy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

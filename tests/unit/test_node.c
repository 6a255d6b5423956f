/* SPDX-License-Identifier: BSD-3-Clause */
/* Node primitives between forked processes, on a flat node. */
#include "tests/unit/node_rig.h"
#include "transport/shm/shm_chan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Phases without data still make those who would receive wait for those who would send. */
static void sync_main(void *mem, int n, int me)
{
    _Atomic int *arrived = mem;
    char *base = (char *)mem + VC_LINE_PAIR;
    struct vc_parking parking = {(struct vc_park_area *)(void *)base, n, me, NULL, NULL};
    struct vc_wait_cfg wait = {VC_WAIT_AUTO, 20000, true, 200000, 5000000,
                               no_progress,  NULL,  NULL, NULL,   false};
    char *parts[64], *common = base + vc_park_bytes(n);
    place_ranks(common, n, 0, NULL, parts);
    struct vc_node_cfg cfg = {
        .mem = parts, .common = common, .n = n, .me = me, .parking = &parking, .wait = &wait};
    struct vc_node *nd;
    if (vc_node_create(&cfg, &nd) != VC_OK)
        exit(2);
    for (int t = 0; t < 60; t++) {
        struct vc_node_call gather = {.kind = t % 2 ? VC_PHASE_GATHER : VC_PHASE_REDUCE, .root = t % n};
        struct vc_node_call bcast = {.kind = t % 3 ? VC_PHASE_BCAST : VC_PHASE_SCATTER, .root = t % n};
        if (me == (t * 5 + 1) % n)
            usleep(500);
        atomic_fetch_add(arrived, 1);
        if (vc_node_run(nd, &gather) != VC_OK)
            exit(3);
        if (me == t % n && atomic_load(arrived) < (t + 1) * n)
            exit(4);
        if (vc_node_run(nd, &bcast) != VC_OK)
            exit(5);
        if (atomic_load(arrived) < (t + 1) * n)
            exit(6);
    }
    vc_node_destroy(nd);
    exit(0);
}

static void test_empty_phases_synchronize(void **state)
{
    (void)state;
    enum { N = 5 };
    size_t len = VC_LINE_PAIR + vc_park_bytes(N) + node_bytes(N, 0, NULL);
    void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(mem != MAP_FAILED);
    pid_t pid[N];
    for (int i = 0; i < N; i++)
        if ((pid[i] = fork()) == 0) {
            alarm(30);
            sync_main(mem, N, i);
        }
    int bad = 0;
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        bad |= status;
    }
    munmap(mem, len);
    assert_int_equal(bad, 0);
}

static void run_job(const struct job *job)
{
    assert_true(run_ranks(job));
}

static void test_two(void **state)
{
    (void)state;
    run_job(&(struct job){.n = 2, .rounds = 3000, .bulk = 256 * 1024, .max_len = 400000, .seed = 1});
}

static void test_small_rings(void **state)
{
    (void)state;
    for (unsigned s = 0; s < 3; s++)
        run_job(&(struct job){.n = 3 + (int)s,
                              .rounds = 500,
                              .bulk = s == 0 ? 0 : 40000,
                              .max_len = 60000,
                              .crowded = true,
                              .seed = 10 + s});
}

static void test_crowded(void **state)
{
    (void)state;
    run_job(&(struct job){
        .n = 8, .rounds = 800, .bulk = 128 * 1024, .max_len = 200000, .crowded = true, .seed = 2});
}

static void test_many(void **state)
{
    (void)state;
    run_job(&(struct job){
        .n = 23, .rounds = 200, .bulk = 64 * 1024, .max_len = 50000, .crowded = true, .seed = 3});
}

static void test_event(void **state)
{
    (void)state;
    run_job(&(struct job){.n = 4,
                          .rounds = 500,
                          .bulk = 64 * 1024,
                          .max_len = 100000,
                          .crowded = true,
                          .mode = VC_WAIT_EVENT,
                          .dawdle = true,
                          .seed = 4});
    run_job(&(struct job){.n = 2,
                          .rounds = 1000,
                          .bulk = 64 * 1024,
                          .max_len = 100000,
                          .mode = VC_WAIT_HYBRID,
                          .dawdle = true,
                          .seed = 5});
}

static bool single_copy_works(void)
{
    uint64_t probe = 1, got = 0;
    return vc_cma_read(getpid(), &got, (uint64_t)(uintptr_t)&probe, sizeof got) == VC_OK;
}

static void test_cma(void **state)
{
    (void)state;
    if (!single_copy_works())
        skip();
    /* Long enough for several blocks of a reduction that two ranks share. */
    run_job(
        &(struct job){.n = 2, .rounds = 1000, .bulk = 64 * 1024, .max_len = 900000, .cma = true, .seed = 6});
    run_job(&(struct job){.n = 5,
                          .rounds = 500,
                          .bulk = 64 * 1024,
                          .max_len = 100000,
                          .cma = true,
                          .crowded = true,
                          .dawdle = true,
                          .seed = 7});
}

/* Bulk slots that get their memory when they are first needed, or never: also by a broadcast by single copy
 * whose root has a view. */
static void test_lazy(void **state)
{
    (void)state;
    bool cma = single_copy_works();
    for (int refusers = 0; refusers < 3; refusers++) {
        run_job(&(struct job){.n = 2 + refusers,
                              .rounds = 300,
                              .bulk = 72000,
                              .max_len = 60000,
                              .lazy = true,
                              .refusers = refusers,
                              .seed = 20 + (unsigned)refusers});
        for (int kind = VC_PHASE_BARRIER; kind < VC_PHASE_COUNT; kind++)
            run_job(&(struct job){.n = 4,
                                  .rounds = 20,
                                  .bulk = 72000,
                                  .max_len = 60000,
                                  .cma = cma && kind == VC_PHASE_BCAST,
                                  .crowded = true,
                                  .lazy = true,
                                  .refusers = refusers,
                                  .kind = 1 + kind,
                                  .seed = 30 + (unsigned)kind});
    }
}

/* Rank 0 of a node whose other ranks do nothing. */
static struct vc_node *make_lone(int n, size_t bulk, size_t cma_min, struct vc_parking *parking)
{
    static struct vc_wait_cfg wait = {VC_WAIT_AUTO, 20000, true, 200000, 5000000,
                                      no_progress,  NULL,  NULL, NULL,   false};
    static pid_t pids[8];
    size_t bytes = vc_park_bytes(n) + node_bytes(n, bulk, NULL);
    char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *parts[8];
    assert_true(mem != MAP_FAILED);
    *parking = (struct vc_parking){(struct vc_park_area *)(void *)mem, n, 0, NULL, NULL};
    place_ranks(mem + vc_park_bytes(n), n, bulk, NULL, parts);
    struct vc_node_cfg cfg = {.mem = parts,
                              .common = mem + vc_park_bytes(n),
                              .n = n,
                              .bulk = bulk,
                              .parking = parking,
                              .wait = &wait,
                              .cma_pids = cma_min ? pids : NULL,
                              .cma_min = cma_min};
    struct vc_node *nd;
    assert_int_equal(vc_node_create(&cfg, &nd), VC_OK);
    return nd;
}

/* Short broadcasts go directly, from whatever length on there is single copy. */
static void test_direct(void **state)
{
    const size_t cma_min[] = {0, 30000, SIZE_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof cma_min / sizeof cma_min[0]; i++) {
        struct vc_parking parking;
        struct vc_node *nd = make_lone(2, 72000, cma_min[i], &parking);
        double data = 0;
        struct vc_node_call c = {.kind = VC_PHASE_BCAST, .parts = 1, .dst = &data, .len = sizeof data};
        assert_int_equal(vc_node_small(nd, &c), 1);
        vc_node_destroy(nd);
    }
}

/* A root of scatters of unknown lengths runs ahead by as many as it has room for. */
static void test_runs_ahead(void **state)
{
    const struct {
        size_t len;
        int most;
    } cases[] = {{8, 64}, {64, 64}, {1000, 8}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vc_parking parking;
        struct vc_node *nd = make_lone(4, 72000, 0, &parking);
        static char data[4096], own[4096];
        size_t lens[4], at[4];
        int done = 0, rc = 1;
        for (size_t r = 0; r < 4; r++) {
            lens[r] = cases[i].len;
            at[r] = r * lens[r];
        }
        for (; rc == 1 && done < 100; done += rc) {
            int whom;
            struct vc_node_call c = {.kind = VC_PHASE_SCATTER_ANY,
                                     .parts = 1,
                                     .grain = 1,
                                     .src = data,
                                     .dst = own,
                                     .len = lens[0],
                                     .lens = lens,
                                     .at = at};
            assert_int_equal(vc_node_start(nd, &c), VC_OK);
            rc = vc_node_progress(nd, &c, &whom);
        }
        assert_int_equal(rc, 0);
        assert_int_equal(done, cases[i].most);
        vc_node_destroy(nd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),     cmocka_unit_test(test_small_rings),
        cmocka_unit_test(test_crowded), cmocka_unit_test(test_many),
        cmocka_unit_test(test_event),   cmocka_unit_test(test_cma),
        cmocka_unit_test(test_lazy),    cmocka_unit_test(test_empty_phases_synchronize),
        cmocka_unit_test(test_direct),  cmocka_unit_test(test_runs_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

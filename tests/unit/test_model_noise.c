/* SPDX-License-Identifier: BSD-3-Clause */
/* Noise in predictions: the same for the same seed, as often as its rate says, and never to anybody's gain.
 */
#include "coll/info.h"
#include "tune/model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUNS = 2000 };

static struct vc_model model(double rate, double seconds)
{
    struct vc_model m = {.noise = {.n = rate > 0, .detour = {{rate, seconds}}}};
    m.node =
        (struct vc_model_node){.known = true, .base = 1e-7, .flag = 5e-8, .copy = 4e-11, .reduce = 9e-11};
    for (int way = 0; way < VC_WAY_COUNT; way++) {
        m.link[way] = (struct vc_model_link){.known = true, .latency = 1e-6, .overhead = 3e-7, .npoints = 2};
        m.link[way].point[0].gap = 3e-7;
        m.link[way].point[1].bytes = 1 << 20;
        m.link[way].point[1].gap = 1e-4;
    }
    return m;
}

/** seconds[runs] of an algorithm among nodes of one rank; the time without noise. */
static double play(const struct vc_model *m, enum vc_coll coll, const char *name, int nodes, uint64_t seed,
                   int runs, double *seconds)
{
    struct vc_hier h;
    int *mem = vc_hier_blocks(&h, nodes, 1);
    struct vc_shape s = {.coll = coll,
                         .size = nodes,
                         .bytes = vc_coll_sized(coll) ? 4096 : 0,
                         .esize = 8,
                         .commutative = true,
                         .hier = &h};
    struct vc_model_case c = {
        .alg = vc_alg_find(coll, name), .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    assert_non_null(mem);
    assert_true(vc_model_disturb(m, &c, seed, runs, seconds));
    double quiet = vc_model_predict(m, &c);
    free(mem);
    return quiet;
}

static void silence(void **state)
{
    (void)state;
    struct vc_model m = model(0, 0);
    double t[3], quiet = play(&m, VC_ALLREDUCE, "rabenseifner", 12, 1, 3, t);
    for (int i = 0; i < 3; i++)
        assert_true(t[i] == quiet);
}

static void seeds(void **state)
{
    (void)state;
    struct vc_model m = model(20000, 3e-6);
    double a[50], b[50], other[50];
    play(&m, VC_ALLREDUCE, "recursive_doubling", 16, 7, 50, a);
    play(&m, VC_ALLREDUCE, "recursive_doubling", 16, 7, 50, b);
    play(&m, VC_ALLREDUCE, "recursive_doubling", 16, 700, 50, other);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, other, sizeof a);
    for (int i = 1; i < 50; i++)
        assert_true(a[i - 1] <= a[i]);
}

static void nobody_gains(void **state)
{
    (void)state;
    struct vc_model m = model(5000, 20e-6);
    double t[200], quiet = play(&m, VC_BARRIER, "dissemination", 32, 3, 200, t);
    assert_true(t[0] >= quiet * (1 - 1e-9));
    assert_true(t[199] > quiet + 10e-6);
}

/* A long interruption that is under way at the start, or comes before the end, shows in the time. */
static void as_often_as_it_says(void **state)
{
    static double t[RUNS];
    (void)state;
    double rate = 40, length = 1e-3;
    struct vc_model m = model(rate, length);
    double quiet = play(&m, VC_BARRIER, "dissemination", 4, 11, RUNS, t);
    double expected = 1 - exp(-4 * rate * (length + quiet));
    int hit = 0;
    for (int i = 0; i < RUNS; i++)
        hit += t[i] > quiet * (1 + 1e-9);
    double spread = sqrt(expected * (1 - expected) / RUNS);
    assert_true(fabs((double)hit / RUNS - expected) < 5 * spread);
}

static void what_is_refused(void **state)
{
    (void)state;
    struct vc_model m = model(1000, 1e-3);
    assert_non_null(vc_model_invalid(&m));
    m = model(1000, 0.5e-3);
    assert_null(vc_model_invalid(&m));
    assert_true(fabs(vc_model_noise_share(&m.noise) - 0.5) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence),         cmocka_unit_test(seeds),
        cmocka_unit_test(nobody_gains),    cmocka_unit_test(as_often_as_it_says),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

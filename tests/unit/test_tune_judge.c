/* SPDX-License-Identifier: BSD-3-Clause */
/* Who wins a point, from rounds that are made up: native unless something is clearly better, the built-in
 * rules' choice unless something is clearly better than that, the default policy likewise. */
#include "tune/measure/measure.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 12
#define US     1e-6
#define SEED   7

/* Repeats itself on every machine: rounds differ by up to `noise` either way. */
static double wobble(int round, int salt, double noise)
{
    return 1 + noise * sin(1.7 * round + 0.9 * salt);
}

/* Appends a candidate that takes `start` and `b2b` microseconds. */
static struct vc_entrant *add(struct vc_point *p, const char *choice, double start, double b2b, double noise)
{
    p->cand = realloc(p->cand, ((size_t)p->ncand + 1) * sizeof *p->cand);
    assert_non_null(p->cand);
    struct vc_entrant *k = &p->cand[p->ncand++];
    *k = (struct vc_entrant){.predicted = NAN, .rounds = ROUNDS};
    snprintf(k->choice, sizeof k->choice, "%s", choice);
    assert_true(vc_entrant_alloc(k, ROUNDS, 1));
    for (int r = 0; r < ROUNDS; r++) {
        k->raw[VC_MEASURE_START][r] = start * US * wobble(r, p->ncand, noise);
        k->raw[VC_MEASURE_B2B][r] = b2b * US * wobble(r, p->ncand + 3, noise);
        k->cpus[r] = k->raw[VC_MEASURE_B2B][r];
        k->tail[r] = 3 * k->raw[VC_MEASURE_START][r];
        k->sample[r] = k->raw[VC_MEASURE_START][r];
        k->upto[r] = r + 1;
    }
    return k;
}

static const char *judged(struct vc_point *p, enum vc_objective objective)
{
    vc_point_judge(p, objective, true, SEED);
    assert_true(p->why[0]);
    return p->cand[p->best].choice;
}

static void test_native_in_doubt(void **state)
{
    struct vc_point p = {.coll = VC_BCAST, .bytes = 8};
    (void)state;
    add(&p, "native", 10, 10, 0.02);
    add(&p, "chain", 9.8, 9.8, 0.02); /* better, but by less than launches differ */
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "native");
    assert_non_null(strstr(p.why, "nothing is clearly better"));
    /* Twice as fast in seven rounds of twelve, half as fast in the others: a better median by chance. */
    struct vc_entrant *k = add(&p, "binomial", 5, 5, 0.02);
    for (int r = 0; r < 5; r++)
        k->raw[VC_MEASURE_START][2 * r] = k->raw[VC_MEASURE_B2B][2 * r] = 20 * US;
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "native");
    add(&p, "shm", 8, 8, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "shm");
    vc_point_free(&p);
}

static void test_slower_in_one_measure(void **state)
{
    struct vc_point p = {.coll = VC_BCAST, .bytes = 8};
    (void)state;
    add(&p, "native", 10, 10, 0.02);
    add(&p, "chain", 12, 3, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "native");
    const struct vc_entrant *k = &p.cand[1];
    assert_true(k->slower);
    assert_non_null(strstr(p.why, "slower in one of the two"));
    /* Who asks for little CPU time takes it. */
    assert_string_equal(judged(&p, VC_OBJECTIVE_CPU), "chain");
    vc_point_free(&p);
}

static void test_builtin_is_left_for_better_ones_only(void **state)
{
    struct vc_point p = {.coll = VC_ALLREDUCE, .bytes = 8, .builtin = 1};
    (void)state;
    add(&p, "native", 10, 10, 0.02);
    add(&p, "shm", 5, 5, 0.02);
    add(&p, "ring", 4.9, 4.9, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "shm");
    assert_non_null(strstr(p.why, "built-in rules"));
    add(&p, "rabenseifner", 4, 4, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "rabenseifner");
    vc_point_free(&p);
}

static void test_default_policy_unless_clearly_better(void **state)
{
    struct vc_point p = {.coll = VC_ALLREDUCE, .bytes = 8, .builtin = 1};
    (void)state;
    add(&p, "native", 10, 10, 0.02);
    add(&p, "shm", 9, 9, 0.02); /* the rules' choice, which something else beats */
    add(&p, "ring", 5, 5, 0.02);
    add(&p, "ring:wait=event", 4.9, 4.9, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "ring");
    assert_non_null(strstr(p.why, "default policy"));
    add(&p, "ring:wait=hybrid:spin=50", 4, 4, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "ring:wait=hybrid:spin=50");
    /* A policy whose algorithm was not measured without it stands for itself. */
    add(&p, "ring:radix=4:wait=event", 3, 3, 0.02);
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "ring:radix=4:wait=event");
    vc_point_free(&p);
}

static void test_wrong_and_dropped_never_win(void **state)
{
    struct vc_point p = {.coll = VC_ALLREDUCE, .bytes = 8};
    (void)state;
    add(&p, "native", 10, 10, 0.02);
    add(&p, "shm", 2, 2, 0.02);
    add(&p, "ring", 3, 3, 0.02);
    add(&p, "rabenseifner", 4, 4, 0.02);
    p.cand[1].wrong = true;
    p.cand[2].dropped = true;
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "rabenseifner");
    p.cand[3].rounds = 2; /* prove nothing */
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "native");
    p.cand[3].rounds = ROUNDS;
    vc_point_free(&p);
}

static void test_objectives(void **state)
{
    struct vc_point p = {.coll = VC_ALLREDUCE, .bytes = 8};
    (void)state;
    add(&p, "native", 10, 10, 0.02);
    add(&p, "shm", 4, 4, 0.02);
    add(&p, "ring", 5, 5, 0.02);
    for (int r = 0; r < ROUNDS; r++) {
        p.cand[1].cpus[r] *= 4; /* fast by burning */
        p.cand[1].tail[r] *= 2; /* and now and then very late */
    }
    assert_string_equal(judged(&p, VC_OBJECTIVE_LATENCY), "shm");
    assert_string_equal(judged(&p, VC_OBJECTIVE_CPU), "ring");
    assert_string_equal(judged(&p, VC_OBJECTIVE_BALANCED), "ring");
    vc_point_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_native_in_doubt),
        cmocka_unit_test(test_slower_in_one_measure),
        cmocka_unit_test(test_builtin_is_left_for_better_ones_only),
        cmocka_unit_test(test_default_policy_unless_clearly_better),
        cmocka_unit_test(test_wrong_and_dropped_never_win),
        cmocka_unit_test(test_objectives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

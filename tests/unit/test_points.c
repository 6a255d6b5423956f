/* SPDX-License-Identifier: BSD-3-Clause */
/* Measured points out of JSON, and the rules that follow from them. */
#include "tune/search/points.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* On one node of so many ranks. */
static struct vc_measured point(int ranks, enum vc_coll coll, size_t bytes, const char *choice)
{
    struct vc_measured p = {.at = {.size = ranks, .nnodes = 1, .max_ppn = ranks},
                            .coll = coll,
                            .bytes = bytes,
                            .ratio = 2,
                            .ratio_low = 1.5,
                            .rounds = 10};
    snprintf(p.choice, sizeof p.choice, "%s", choice);
    return p;
}

static const char *algorithm(const json_t *rules, size_t i)
{
    return json_string_value(json_object_get(json_array_get(rules, i), "algorithm"));
}

static void check_range(const json_t *rules, size_t i, const char *key, json_int_t low, json_int_t high)
{
    const json_t *range = json_object_get(json_array_get(rules, i), key);
    assert_int_equal(json_integer_value(json_array_get(range, 0)), low);
    if (high < 0)
        assert_true(json_is_null(json_array_get(range, 1)));
    else
        assert_int_equal(json_integer_value(json_array_get(range, 1)), high);
}

static void test_rows(void **state)
{
    (void)state;
    const struct vc_measured p[] = {
        point(4, VC_BCAST, 4096, "chain:segment=1k"),
        point(4, VC_BCAST, 16, "shm"),
        point(4, VC_BCAST, 64, "shm"),
        point(4, VC_BCAST, 65536, "native"),
        point(16, VC_BCAST, 8, "shm"),
    };
    json_t *rules = vc_rules_of_points(p, 5);
    assert_int_equal(json_array_size(rules), 5);
    /* Sizes with the same choice are one row; borders lie halfway between neighbours. */
    assert_string_equal(algorithm(rules, 0), "shm");
    check_range(rules, 0, "bytes", 0, 512);
    assert_string_equal(algorithm(rules, 1), "chain");
    check_range(rules, 1, "bytes", 513, 16384);
    assert_string_equal(algorithm(rules, 2), "native");
    check_range(rules, 2, "bytes", 16385, -1);
    /* So do those of numbers of ranks; beyond what was measured rules reach twice as far. */
    check_range(rules, 0, "ranks", 2, 8);
    check_range(rules, 3, "ranks", 9, 32);
    assert_string_equal(algorithm(rules, 4), "builtin");
    json_decref(rules);
}

static void test_the_last_of_equal_points(void **state)
{
    (void)state;
    const struct vc_measured p[] = {point(4, VC_BARRIER, 0, "shm"), point(4, VC_BARRIER, 0, "native")};
    json_t *rules = vc_rules_of_points(p, 2);
    assert_true(vc_measured_same(&p[0], &p[1]));
    assert_int_equal(json_array_size(rules), 2);
    assert_string_equal(algorithm(rules, 0), "native");
    json_decref(rules);
}

static void test_json(void **state)
{
    (void)state;
    struct vc_measured p;
    json_t *o =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:b, s:b, s:s, s:s, s:s, s:s, s:[{s:s, s:i, s:{s:f, s:f}}]}",
                  "collective", "bcast", "bytes", 64, "ranks", 4, "nodes", 1, "ppn", 4, "crowded", 1,
                  "bulk_slots", 0, "network", "mpi", "platform", "native", "chosen", "shm", "why", "because",
                  "candidates", "choice", "shm", "rounds", 7, "ratio", "median", 2.5, "low", 2.0);
    assert_non_null(o);
    assert_true(vc_measured_from_json(o, &p));
    assert_int_equal(p.coll, VC_BCAST);
    assert_int_equal(p.bytes, 64);
    assert_int_equal(p.at.size, 4);
    assert_true(p.at.crowded);
    assert_int_equal(p.rounds, 7);
    assert_true(p.ratio == 2.5 && p.ratio_low == 2.0);
    json_object_set_new(o, "collective", json_string("bcats"));
    assert_false(vc_measured_from_json(o, &p));
    json_object_set_new(o, "collective", json_string("bcast"));
    json_object_del(o, "ranks");
    assert_false(vc_measured_from_json(o, &p));
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_the_last_of_equal_points),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

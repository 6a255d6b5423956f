/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of a region against a map of its units, in random order. */
#include "transport/ivshmem/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { END = 200, MOST = 64, STEPS = 20000 };

static char taken[END];

static bool has_gap(uint32_t units)
{
    uint32_t run = 0;
    for (int i = 0; i < END; i++) {
        run = taken[i] ? 0 : run + 1;
        if (run >= units)
            return true;
    }
    return false;
}

static void mark(struct vc_mem_range r, char as)
{
    for (uint32_t i = r.at; i < r.at + r.units; i++) {
        assert_int_equal(taken[i], !as);
        taken[i] = as;
    }
}

static void test_random(void **state)
{
    (void)state;
    struct vc_mem_ranges all = {0};
    struct vc_mem_range mine[MOST];
    int n = 0, refused = 0;
    srand(5);
    for (int i = 0; i < STEPS; i++) {
        if (n < MOST && rand() % 100 < 55) {
            uint32_t units = 1 + (uint32_t)rand() % 12;
            bool fits = has_gap(units);
            assert_int_equal(vc_mem_ranges_take(&all, END, units, &mine[n]), fits);
            if (fits) {
                assert_int_equal(mine[n].units, units);
                assert_true(mine[n].at + units <= END);
                mark(mine[n++], 1);
            } else {
                refused++;
            }
        } else if (n > 0) {
            int k = rand() % n;
            mark(mine[k], 0);
            vc_mem_ranges_give(&all, mine[k].at);
            mine[k] = mine[--n];
        }
    }
    assert_true(refused > 100);
    while (n > 0)
        vc_mem_ranges_give(&all, mine[--n].at);
    struct vc_mem_range whole;
    assert_true(vc_mem_ranges_take(&all, END, END, &whole));
    assert_int_equal(whole.at, 0);
    assert_false(vc_mem_ranges_take(&all, END, 1, &whole));
    vc_mem_ranges_free(&all);
}

static void test_unknown_is_left_alone(void **state)
{
    (void)state;
    struct vc_mem_ranges all = {0};
    struct vc_mem_range a;
    vc_mem_ranges_give(&all, 3);
    assert_true(vc_mem_ranges_take(&all, 8, 4, &a));
    vc_mem_ranges_give(&all, 1);
    assert_false(vc_mem_ranges_take(&all, 8, 5, &a));
    vc_mem_ranges_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_unknown_is_left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

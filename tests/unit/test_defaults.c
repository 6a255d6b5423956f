/* SPDX-License-Identifier: BSD-3-Clause */
/* Defaults by what things cost, on machines that are made up. */
#include "coll/info.h"
#include "coll/node/node.h"
#include "transport/base.h"
#include "tune/model/defaults.h"
#include "tune/params/params.h"
#include "tune/select/select.h"
#include "tune/table/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* System calls of 1.5 us, and a slow way through pages; cores that share a cache. */
static const struct vc_costs dear_calls = {.yield_ns = 1500,
                                           .line_ns = 40,
                                           .copy_warm_ps = 8,
                                           .copy_across_ps = 15,
                                           .copy_far_ps = 20,
                                           .copy_stream_ps = 40,
                                           .reduce_ps = 9,
                                           .cma_call_ns = 1500,
                                           .cma_ps = 75,
                                           .cma_far_ps = 75};
/* Calls of 0.2 us that copy as memcpy does; cores far from each other. */
static const struct vc_costs cheap_calls = {.yield_ns = 500,
                                            .line_ns = 100,
                                            .copy_warm_ps = 20,
                                            .copy_across_ps = 90,
                                            .copy_far_ps = 60,
                                            .copy_stream_ps = 60,
                                            .reduce_ps = 25,
                                            .cma_call_ns = 200,
                                            .cma_ps = 95,
                                            .cma_far_ps = 95};
/* Memory, and everything that goes through it, takes long. */
static const struct vc_costs slow_memory = {.yield_ns = 3000,
                                            .line_ns = 300,
                                            .copy_warm_ps = 100,
                                            .copy_across_ps = 500,
                                            .copy_far_ps = 900,
                                            .copy_stream_ps = 700,
                                            .reduce_ps = 120,
                                            .cma_call_ns = 1000,
                                            .cma_ps = 1000,
                                            .cma_far_ps = 1300};
/* What another core has just written is dear, by single copy or not; what it has in its caches only is cheap
 * by single copy. */
static const struct vc_costs dear_dirty = {.yield_ns = 810,
                                           .line_ns = 161,
                                           .copy_warm_ps = 7,
                                           .copy_across_ps = 119,
                                           .copy_far_ps = 25,
                                           .copy_stream_ps = 52,
                                           .reduce_ps = 27,
                                           .cma_call_ns = 703,
                                           .cma_ps = 159,
                                           .cma_far_ps = 52};
static const struct vc_costs *const machines[] = {&dear_calls, &cheap_calls, &slow_memory};
enum { MACHINES = 3 };
static const enum vc_coll colls[] = {VC_BCAST, VC_REDUCE, VC_ALLREDUCE, VC_ALLGATHER, VC_ALLTOALL};
enum { COLLS = 5 };

static struct vc_topo_key node_of(int ranks, bool crowded, const struct vc_costs *c)
{
    return (struct vc_topo_key){.size = ranks,
                                .nnodes = 1,
                                .max_ppn = ranks,
                                .crowded = crowded,
                                .have_node = true,
                                .have_cma = true,
                                .have_bulk = true,
                                .have_chan = true,
                                .platform = 1,
                                .costs = c};
}

static const char *runs(const struct vc_selection *sel, enum vc_coll coll, size_t bytes)
{
    return vc_select(sel, coll, bytes, true)->alg->name;
}

static struct vc_params params;

static void select_for(struct vc_selection *sel, const struct vc_topo_key *key)
{
    assert_int_equal(vc_select_init(sel, key, &params, NULL), VC_OK);
}

static void test_machines(void **state)
{
    (void)state;
    struct vc_selection dear, cheap;
    struct vc_topo_key key = node_of(2, false, &dear_calls);
    select_for(&dear, &key);
    key.costs = &cheap_calls;
    select_for(&cheap, &key);
    for (int i = 0; i < COLLS; i++) {
        /* Where a call costs as much as copying 64 KiB, single copy is for no message of 16 KiB, and where it
         * costs next to nothing, for all of 256 KiB. */
        assert_string_equal(runs(&dear, colls[i], 16384), "shm");
        assert_string_equal(runs(&dear, colls[i], 65536), "shm");
        assert_string_equal(runs(&cheap, colls[i], 262144), "shm_cma");
        assert_string_equal(runs(&cheap, colls[i], 1024), "shm");
    }
    assert_string_equal(runs(&cheap, VC_ALLGATHER, 16384), "shm_cma");
    assert_string_equal(runs(&cheap, VC_BARRIER, 0), "shm");
    vc_select_free(&dear);
    vc_select_free(&cheap);
}

/* From slots to single copy to the underlying MPI as messages grow, and never back. Beyond what is known, the
 * built-in rules. */
static void test_monotone(void **state)
{
    (void)state;
    static const char *const order[] = {"shm", "shm_cma", "native"};
    for (int m = 0; m < MACHINES; m++)
        for (int ranks = 2; ranks <= 64; ranks = ranks < 8 ? ranks + 1 : 2 * ranks)
            for (int crowded = 0; crowded < 2; crowded++)
                for (int i = 0; i < COLLS; i++) {
                    struct vc_topo_key key = node_of(ranks, crowded, machines[m]);
                    struct vc_selection sel;
                    int at = 0, changes = 0;
                    select_for(&sel, &key);
                    for (const struct vc_select_range *r = sel.rule[colls[i]];
                         r->max_bytes <= (size_t)4 << 20; r++) {
                        int now = 0;
                        while (now < 3 && strcmp(order[now], r->choice.alg->name) != 0)
                            now++;
                        if (now == 3) /* a plan of the built-in rules */
                            continue;
                        changes += now != at;
                        if (now < at && !crowded)
                            fail_msg("machine %d, %s of %d ranks: %s again up to %zu", m,
                                     vc_coll_name(colls[i]), ranks, order[now], r->max_bytes);
                        at = now;
                    }
                    assert_true(changes <= 3);
                    vc_select_free(&sel);
                }
}

/* Without figures, and for reductions that must not depend on places, nothing changes. */
static void test_fixed(void **state)
{
    (void)state;
    struct vc_costs none = {0}, half = dear_calls;
    half.line_ns = 0;
    const struct vc_costs *unknown[] = {&none, &half};
    for (int ranks = 2; ranks <= 8; ranks += 2)
        for (int u = 0; u < 3; u++) {
            struct vc_topo_key key = node_of(ranks, false, NULL);
            struct vc_selection fixed, other;
            key.reproducible = u == 2;
            select_for(&fixed, &key);
            key.costs = u < 2 ? unknown[u] : &dear_calls;
            select_for(&other, &key);
            for (int i = 0; i < COLLS; i++)
                for (size_t bytes = 1; bytes < (size_t)32 << 20; bytes += 1 + bytes / 3)
                    if (u < 2 || vc_coll_reduces(colls[i]))
                        for (int c = 0; c < 2; c++)
                            assert_true(vc_choice_same(vc_select(&fixed, colls[i], bytes, c),
                                                       vc_select(&other, colls[i], bytes, c)));
            vc_select_free(&fixed);
            vc_select_free(&other);
        }
    /* Several nodes, no memory, no bulk slots, no single copy. */
    for (int what = 0; what < 4; what++) {
        struct vc_topo_key key = node_of(4, false, NULL);
        struct vc_selection fixed, other;
        key.nnodes = what == 0 ? 2 : 1;
        key.max_ppn = what == 0 ? 2 : 4;
        key.have_node = what != 1;
        key.have_bulk = what != 2;
        key.have_cma = what != 3;
        select_for(&fixed, &key);
        key.costs = &dear_calls;
        select_for(&other, &key);
        for (int i = 0; i < COLLS; i++)
            for (size_t bytes = 1; bytes < (size_t)32 << 20; bytes += 1 + bytes / 3)
                if (what < 3)
                    assert_true(vc_choice_same(vc_select(&fixed, colls[i], bytes, true),
                                               vc_select(&other, colls[i], bytes, true)));
                else
                    assert_string_not_equal(runs(&other, colls[i], bytes), "shm_cma");
        vc_select_free(&fixed);
        vc_select_free(&other);
    }
}

/* A table and VCOLL_ALG come first; a row "builtin" of a table hands calls to the model, too. */
static void test_order(void **state)
{
    (void)state;
    static const char text[] = "{\"vcoll_table\": 1, \"rules\": [{\"collective\": \"bcast\", \"algorithm\": "
                               "\"binomial\"}, {\"algorithm\": \"builtin\"}]}";
    struct vc_table *t = NULL;
    struct vc_selection sel;
    struct vc_topo_key key = node_of(2, false, &dear_calls);
    assert_int_equal(vc_table_parse(text, strlen(text), "test", &t), VC_OK);
    assert_int_equal(vc_select_init(&sel, &key, &params, t), VC_OK);
    assert_string_equal(runs(&sel, VC_BCAST, 65536), "binomial");
    assert_string_equal(runs(&sel, VC_ALLREDUCE, 65536), "shm");
    vc_select_free(&sel);
    struct vc_params forced = params;
    forced.alg[VC_ALLREDUCE].alg = vc_alg_find(VC_ALLREDUCE, "ring");
    assert_int_equal(vc_select_init(&sel, &key, &forced, t), VC_OK);
    assert_string_equal(runs(&sel, VC_ALLREDUCE, 65536), "ring");
    vc_select_free(&sel);
    vc_table_free(t);
}

/* The underlying MPI where it is better than both by more than what is not known. */
static void test_native(void **state)
{
    (void)state;
    struct vc_costs c = dear_calls;
    struct vc_default_case at = {.coll = VC_ALLTOALL, .ranks = 2, .cma = true, .bytes = 1 << 20};
    const struct vc_alg *cma = vc_alg_find(VC_ALLTOALL, "shm_cma");
    assert_int_equal(vc_default_time(&c, &at, VC_DEFAULT_NATIVE), 0);
    c.native_call_ns = 1000;
    c.native_ps = 10;
    assert_ptr_equal(vc_default_choose(&c, &at, cma), vc_alg_find(VC_ALLTOALL, "native"));
    c.native_ps = 40; /* a little better than slots */
    assert_ptr_equal(vc_default_choose(&c, &at, cma), vc_alg_find(VC_ALLTOALL, "shm"));
    at.crowded = true;
    assert_int_equal(vc_default_time(&c, &at, VC_DEFAULT_NATIVE), 0);
}

/* From where messages go by single copy: where both of its meetings and its call are saved. */
static void test_borders(void **state)
{
    (void)state;
    struct vc_costs none = {0};
    assert_int_equal(vc_default_single_copy_messages(&none, false), VC_DEFAULT_SINGLE_COPY);
    assert_int_equal(vc_default_single_copy_bcasts(&none, 4, false), VC_DEFAULT_SINGLE_COPY);
    assert_true(vc_default_single_copy_messages(&dear_calls, false) == SIZE_MAX); /* a byte costs more */
    /* (200 + 2 * (2 * 100 + 60)) ns at 60 + (90 + 60 - 20) - 95 ps saved a byte: 7578 */
    assert_int_equal(vc_default_single_copy_messages(&cheap_calls, false), 8192);
    assert_int_equal(vc_default_single_copy_messages(&slow_memory, false), 4096);
    assert_true(vc_default_single_copy_messages(&cheap_calls, true) > 8192); /* meetings are switches there */
    for (int i = 0; i < MACHINES; i++) {
        struct vc_default_case at = {.coll = VC_BCAST, .ranks = 4, .cma = true};
        size_t border = vc_default_single_copy_bcasts(machines[i], 4, false);
        for (at.bytes = 4096; at.bytes <= 4 << 20; at.bytes *= 2) {
            bool once = vc_default_time(machines[i], &at, VC_DEFAULT_CMA) <
                        vc_default_time(machines[i], &at, VC_DEFAULT_SLOTS);
            assert_true(at.bytes >= border || !once);
        }
    }
}

struct told {
    int rows, taken;
    bool model;
    char why[256];
};

static void note(void *arg, const struct vc_table *of, const struct vc_row *r, const char *why_not)
{
    struct told *t = arg;
    t->rows++;
    if (why_not) {
        snprintf(t->why, sizeof t->why, "%s", why_not);
        return;
    }
    t->taken++;
    t->model = strcmp(of->origin, "model") == 0;
    assert_int_equal(r->index < 0, t->model);
}

/* Explanations say what selection does, for every size, and name the model with its times. */
static void test_explained(void **state)
{
    (void)state;
    for (int m = 0; m < MACHINES; m++)
        for (int i = 0; i < COLLS; i++) {
            struct vc_topo_key key = node_of(2, false, machines[m]);
            struct vc_selection sel;
            bool seen = false;
            select_for(&sel, &key);
            for (size_t bytes = 8; bytes < (size_t)16 << 20; bytes += 8 + bytes / 64 * 8) {
                struct vc_select_call call = {
                    .coll = colls[i], .bytes = bytes, .esize = 8, .commutative = true};
                struct told t = {0};
                vc_select_explain(&key, &params, NULL, &call, note, &t);
                assert_int_equal(t.taken, 1);
                if (t.model)
                    assert_non_null(strstr(t.why, "shm_cma"));
                seen |= t.model;
            }
            assert_true(seen || m > 0);
            vc_select_free(&sel);
        }
}

static void test_steps(void **state)
{
    (void)state;
    size_t last = 0;
    assert_int_equal(vc_default_step(0), 4096);
    assert_int_equal(vc_default_step((size_t)4 << 20), (size_t)4 << 20);
    assert_true(vc_default_step(((size_t)4 << 20) + 1) == SIZE_MAX);
    for (size_t at = 0; (at = vc_default_step(at)) != SIZE_MAX; at++) {
        assert_true(at > last);
        assert_int_equal(vc_default_step(at), at);
        last = at;
    }
}

/* Where the caches are too small for all ranks' alltoall, and single copy is cheap then. */
static void test_beyond_caches(void **state)
{
    (void)state;
    const struct vc_alg *shm = vc_alg_find(VC_ALLTOALL, "shm");
    struct vc_default_case at = {
        .coll = VC_ALLTOALL, .ranks = 4, .bytes = 1 << 20, .crowded = true, .cma = true};
    assert_ptr_equal(vc_default_choose(&dear_dirty, &at, shm), vc_alg_find(VC_ALLTOALL, "shm_cma"));
    assert_null(vc_default_choose(&dear_calls, &at, shm));
    assert_null(vc_default_choose(&dear_dirty, &at, vc_alg_find(VC_ALLTOALL, "native")));
    at.cma = false;
    assert_null(vc_default_choose(&dear_dirty, &at, shm));
}

/* Long blocks of pairs go by single copy where their lines were seldom written just before. */
static void test_pairs(void **state)
{
    (void)state;
    size_t from = vc_default_pairs_copy(&dear_dirty, 2, false);
    assert_true(from > 0 && from <= 65536);
    struct vc_costs always_dear = dear_dirty;
    always_dear.cma_far_ps = dear_dirty.cma_ps;
    assert_true(vc_default_pairs_copy(&always_dear, 2, false) > 65536);
}

int main(void)
{
    struct vc_param_report report;
    memset(&report, 0, sizeof report);
    unsetenv("VCOLL_ALG");
    if (vc_params_load_files(NULL, NULL, &params, NULL, &report) != VC_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),    cmocka_unit_test(test_beyond_caches),
        cmocka_unit_test(test_steps),    cmocka_unit_test(test_machines),
        cmocka_unit_test(test_monotone), cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_order),    cmocka_unit_test(test_native),
        cmocka_unit_test(test_borders),  cmocka_unit_test(test_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

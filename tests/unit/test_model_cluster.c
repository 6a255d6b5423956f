/* SPDX-License-Identifier: BSD-3-Clause */
/* Simulations of many nodes: where one node stands for all, times and counts are those of all ranks. */
#include "coll/info.h"
#include "tune/model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 65536 };

static struct vc_model model(void)
{
    struct vc_model m = {.call = 1e-7};
    m.node =
        (struct vc_model_node){.known = true, .base = 1e-7, .flag = 5e-8, .copy = 4e-11, .reduce = 9e-11};
    for (int way = 0; way < VC_WAY_COUNT; way++) {
        double slow = way == VC_WAY_SHM ? 1 : 5;
        m.link[way] =
            (struct vc_model_link){.known = true, .latency = 3e-7 * slow, .overhead = 1.1e-7, .npoints = 2};
        m.link[way].point[0].gap = 1.3e-7;
        m.link[way].point[1].bytes = 1 << 20;
        m.link[way].point[1].gap = 3.1e-5 * slow;
    }
    return m;
}

static int folded;

static void compare(const struct vc_alg *alg, const struct vc_hier *h, size_t bytes)
{
    struct vc_model m = model();
    struct vc_shape s = {.coll = alg->coll,
                         .size = h->first[h->nnodes],
                         .bytes = vc_coll_sized(alg->coll) ? bytes : 0,
                         .esize = vc_coll_reduces(alg->coll) ? 8 : 1,
                         .commutative = true,
                         .hier = h};
    struct vc_model_case c = {.alg = alg, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    struct vc_model_use use, all;
    double whole = vc_model_predict(&m, &c), one = vc_model_simulate(&m, &c, &use);
    if (isnan(whole) != isnan(one) || (!isnan(whole) && fabs(whole - one) > whole * 1e-9))
        fail_msg("%s %s, %d nodes of %d, %zu bytes: %g us, and %g us by one node", vc_coll_name(alg->coll),
                 alg->name, h->nnodes, s.size / h->nnodes, bytes, whole * 1e6, one * 1e6);
    folded += use.folded;
    if (!use.folded)
        return;
    /* The same, of a hierarchy that does not let one node stand for all. */
    struct vc_hier uneven = *h;
    uneven.block = false;
    s.hier = &uneven;
    if (vc_alg_refuses(alg, &s) || isnan(vc_model_simulate(&m, &c, &all)) || alg->kind != VC_ALG_PLAN ||
        all.steps != use.steps)
        return; /* such an algorithm moves blocks about where ranks are not in blocks */
    for (int apart = 0; apart < 2; apart++) {
        assert_true(all.messages[apart] == use.messages[apart]);
        assert_true(all.bytes[apart] == use.bytes[apart]);
    }
    assert_int_equal(all.peers, use.peers);
    assert_true(all.all_peers == use.all_peers);
}

static void one_node_stands_for_all(void **state)
{
    static const int shapes[][2] = {{3, 1}, {8, 1}, {16, 1}, {12, 2}, {16, 3}, {8, 4}, {5, 4}};
    struct vc_hier h;
    (void)state;
    folded = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int c = 0; c < VC_COLL_COUNT; c++)
            for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++) {
                int *mem = vc_hier_blocks(&h, shapes[i][0] * shapes[i][1], shapes[i][1]);
                assert_non_null(mem);
                compare(*a, &h, 64);
                compare(*a, &h, 100000 / 8 * 8);
                free(mem);
            }
    assert_true(folded > 100);
}

/* Linear plans of 65536 ranks are 4 billion messages, of which one rank's are played. */
static void many_ranks(void **state)
{
    struct vc_hier h;
    struct vc_model m = model();
    struct vc_model_use use;
    (void)state;
    int *mem = vc_hier_blocks(&h, MOST, 1);
    assert_non_null(mem);
    struct vc_shape s = {.coll = VC_ALLTOALL, .size = MOST, .bytes = 8, .esize = 1, .hier = &h};
    struct vc_model_case c = {
        .alg = vc_alg_find(VC_ALLTOALL, "pairwise"), .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    double seconds = vc_model_simulate(&m, &c, &use);
    assert_true(use.folded);
    assert_true(use.messages[1] == 65536.0 * 65535);
    assert_int_equal(use.peers, 65535);
    assert_true(use.plan_bytes < (size_t)256 << 10);
    /* A round takes at least a message's way. */
    assert_true(seconds > 65535 * (2 * 1.1e-7 + 15e-7));
    s.coll = VC_BCAST;
    s.bytes = 4096;
    c.alg = vc_alg_find(VC_BCAST, "binomial");
    seconds = vc_model_simulate(&m, &c, &use);
    assert_false(use.folded);
    assert_true(use.messages[1] == 65535);
    assert_true(seconds > 16 * 15e-7);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_node_stands_for_all),
                                       cmocka_unit_test(many_ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

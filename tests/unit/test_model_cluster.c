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

static void compare(const struct vc_alg *alg, const struct vc_hier *h, size_t bytes, bool shared)
{
    struct vc_model m = model();
    m.link[VC_WAY_WIRE].sharing = shared ? VC_EQUALLY : VC_IN_TURN;
    m.link[VC_WAY_WIRE].rendezvous = shared ? 8192 : 0;
    /* Of messages that share ways and end together, sums of parts decide which is looked at first. */
    double near = shared ? 0.01 : 1e-9;
    struct vc_shape s = {.coll = alg->coll,
                         .size = h->first[h->nnodes],
                         .bytes = vc_coll_sized(alg->coll) ? bytes : 0,
                         .esize = vc_coll_reduces(alg->coll) ? 8 : 1,
                         .commutative = true,
                         .hier = h};
    struct vc_model_case c = {.alg = alg, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    struct vc_model_use use, all;
    double whole = vc_model_predict(&m, &c), one = vc_model_simulate(&m, &c, &use);
    if (isnan(whole) != isnan(one) || (!isnan(whole) && fabs(whole - one) > whole * near))
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
                for (int shared = 0; shared < 2; shared++) {
                    compare(*a, &h, 64, shared);
                    compare(*a, &h, 100000 / 8 * 8, shared);
                }
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

/* ---- messages that share ways ---- */

enum { PIECE = 10000 };

/* L = 2 us, o = 1 us, 1 ns a byte; messages of so many bytes and more wait for their receivers. */
static struct vc_model sharing(enum vc_model_sharing how, double rendezvous)
{
    struct vc_model m = model();
    m.call = m.node.copy = m.node.reduce = 0;
    m.link[VC_WAY_WIRE] = (struct vc_model_link){.known = true,
                                                 .latency = 2e-6,
                                                 .overhead = 1e-6,
                                                 .sharing = how,
                                                 .rendezvous = rendezvous,
                                                 .npoints = 2};
    m.link[VC_WAY_WIRE].point[1].bytes = 1000000;
    m.link[VC_WAY_WIRE].point[1].gap = 1e-3;
    return m;
}

/* Of `pieces` pieces over single ranks, in microseconds. */
static double lone(const struct vc_model *m, enum vc_coll coll, const char *alg, int nodes, int radix,
                   int pieces)
{
    struct vc_hier h;
    int *mem = vc_hier_blocks(&h, nodes, 1);
    assert_non_null(mem);
    struct vc_shape s = {.coll = coll,
                         .size = nodes,
                         .bytes = (size_t)pieces * PIECE,
                         .esize = 1,
                         .commutative = true,
                         .radix = radix,
                         .segment = pieces > 1 ? PIECE : 0,
                         .hier = &h};
    struct vc_model_case c = {
        .alg = vc_alg_find(coll, alg), .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    double seconds = vc_model_predict(m, &c);
    free(mem);
    return seconds * 1e6;
}

static void about(double got, double want)
{
    if (!(fabs(got - want) < 0.1)) /* L contains what 8 bytes take */
        fail_msg("%.3f us, expected %.3f us", got, want);
}

static void in_turn_or_at_once(void **state)
{
    struct vc_model turns = sharing(VC_IN_TURN, 0), shares = sharing(VC_EQUALLY, 0),
                    asks = sharing(VC_EQUALLY, 8192), alone = sharing(VC_FREELY, 8192);
    (void)state;
    /* One message: o + L + bytes + o; who waits for its receiver takes no CPU. */
    about(lone(&turns, VC_BCAST, "binomial", 2, 0, 1), 1 + 2 + 10 + 1);
    about(lone(&shares, VC_BCAST, "binomial", 2, 0, 1), 1 + 2 + 10 + 1);
    about(lone(&asks, VC_BCAST, "binomial", 2, 0, 1), 2 + 10);
    /* Three from one rank: all have a third of the way, and end at once. */
    about(lone(&turns, VC_BCAST, "binomial", 4, 4, 1), 1 + 2 + 30 + 1);
    about(lone(&asks, VC_BCAST, "binomial", 4, 4, 1), 2 + 30);
    /* Sent a microsecond apart: 1 us the first alone, 1 us two, then all three. */
    about(lone(&shares, VC_BCAST, "binomial", 4, 4, 1), 1 + 2 + 30 + 1);
    /* Three to one rank, backwards. */
    about(lone(&asks, VC_REDUCE, "binomial", 4, 4, 1), 2 + 30);
    /* Out and in are two ways. */
    about(lone(&asks, VC_ALLTOALL, "pairwise", 3, 0, 1), 2 * (2 + 10));
    about(lone(&asks, VC_ALLTOALL, "linear", 3, 0, 1), 2 + 20);
    /* Each with all of the way. */
    about(lone(&alone, VC_BCAST, "binomial", 4, 4, 1), 2 + 10);
    /* Along a chain, pieces in turn are passed on while others follow. Those that are sent at once all come
     * at the end. */
    about(lone(&turns, VC_BCAST, "chain", 3, 0, 4), 1 + 2 + 10 + 1 + 1 + 2 + 40 + 1);
    about(lone(&asks, VC_BCAST, "chain", 3, 0, 4), 2 * (2 + 40));
}

/* Hosts of two to a switch have 1 us between them, others 2 us. */
static void at_a_switch(void **state)
{
    struct vc_model m = sharing(VC_EQUALLY, 8192);
    struct vc_hier h;
    struct vc_model_use use;
    (void)state;
    m.link[VC_WAY_WIRE].near_nodes = 2;
    m.link[VC_WAY_WIRE].near_latency = 1e-6;
    m.node.reduce = 0;
    about(lone(&m, VC_BCAST, "chain", 4, 0, 1), 1 + 2 + 1 + 3 * 10);
    about(lone(&m, VC_BCAST, "binomial", 2, 0, 1), 1 + 10);
    /* Of exchanges one node stands for all, but not of rings. */
    for (int ring = 0; ring < 2; ring++) {
        int *mem = vc_hier_blocks(&h, 8, 1);
        assert_non_null(mem);
        struct vc_shape s = {.coll = ring ? VC_ALLGATHER : VC_ALLREDUCE,
                             .size = 8,
                             .bytes = PIECE,
                             .esize = 8,
                             .commutative = true,
                             .hier = &h};
        struct vc_model_case c = {.alg = vc_alg_find(s.coll, ring ? "ring" : "recursive_doubling"),
                                  .shape = &s,
                                  .wait = VC_WAIT_POLL,
                                  .apart = VC_WAY_WIRE};
        double one = vc_model_simulate(&m, &c, &use) * 1e6;
        assert_int_equal(use.folded, !ring);
        about(one, vc_model_predict(&m, &c) * 1e6);
        about(one, ring ? 4 * 2 + 3 * 1 + 7 * 10 : 1 + 2 + 2 + 3 * 10);
        free(mem);
    }
}

/* A node of four whose phases are messages: L = 2 us, o = 1 us, 1 ns a byte, each message at full rate. */
static void phases_by_messages(void **state)
{
    struct vc_model m = sharing(VC_FREELY, 8192);
    struct vc_hier h;
    (void)state;
    m.link[VC_WAY_SHM] = m.link[VC_WAY_WIRE];
    m.node = (struct vc_model_node){.known = true, .messages = true};
    static const struct {
        enum vc_coll coll;
        size_t bytes;
        double us;
    } want[] = {
        {VC_BCAST, 1000, 3 + 2 + 1 + 1},            /* the root's three, one after another; one is received */
        {VC_BCAST, 10000, 2 + 10},                  /* no CPU, all at once */
        {VC_REDUCE, 1000, 1 + 2 + 1 + 3},           /* backwards */
        {VC_ALLREDUCE, 1000, 3 + 2 + 1 + 3},        /* three out, three in */
        {VC_ALLREDUCE, 40000, 2 * (2 + 10)},        /* slices of 10000 bytes, twice */
        {VC_ALLREDUCE, 16000, 2 * (3 + 2 + 4 + 3)}, /* short slices */
        {VC_BARRIER, 0, 1 + 2 + 3 + 3 + 2 + 1},     /* to the first rank and back */
    };
    int *mem = vc_hier_blocks(&h, 4, 4);
    assert_non_null(mem);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct vc_shape s = {.coll = want[i].coll,
                             .size = 4,
                             .bytes = want[i].bytes,
                             .esize = vc_coll_reduces(want[i].coll) ? 8 : 1,
                             .commutative = true,
                             .hier = &h};
        struct vc_model_case c = {
            .alg = vc_alg_find(want[i].coll, "shm"), .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
        assert_non_null(c.alg);
        about(vc_model_predict(&m, &c) * 1e6, want[i].us);
    }
    free(mem);
}

/* Rounds of other numbers than powers of two: an allreduce moves each byte twice, less its own, and is not
 * folded to fewer ranks. */
static void rounds_have_all_ranks(void **state)
{
    static const int sizes[] = {7, 12, 13, 16, 24, 31, 44, 48, 100};
    struct vc_model m = model();
    struct vc_hier h;
    struct vc_model_use use;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int n = sizes[i], *mem = vc_hier_blocks(&h, n, 1);
        assert_non_null(mem);
        struct vc_shape s = {.coll = VC_ALLREDUCE,
                             .size = n,
                             .bytes = (size_t)n * 800,
                             .esize = 8,
                             .commutative = true,
                             .radix = 4,
                             .hier = &h};
        struct vc_model_case c = {.alg = vc_alg_find(VC_ALLREDUCE, "rabenseifner"),
                                  .shape = &s,
                                  .wait = VC_WAIT_POLL,
                                  .apart = VC_WAY_WIRE};
        assert_false(isnan(vc_model_simulate(&m, &c, &use)));
        assert_true(use.bytes[1] == 2.0 * (n - 1) * (double)s.bytes);
        assert_true(use.steps <= c.alg->steps(&s));
        free(mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_turn_or_at_once),      cmocka_unit_test(at_a_switch),
        cmocka_unit_test(phases_by_messages),      cmocka_unit_test(rounds_have_all_ranks),
        cmocka_unit_test(one_node_stands_for_all), cmocka_unit_test(many_ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

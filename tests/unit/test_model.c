/* SPDX-License-Identifier: BSD-3-Clause */
/* The cost model against predictions made by hand, and what must hold for all algorithms. */
#include "coll/info.h"
#include "tune/model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MAX_SIZE 64
#define US       1e-6

/* ---- places and parameters ---- */

struct place {
    struct vc_hier h;
    int node_of[MAX_SIZE], local_of[MAX_SIZE], first[MAX_SIZE + 1], members[MAX_SIZE];
};

/* Nodes of `ppn` consecutive ranks, the last one maybe smaller. */
static const struct vc_hier *blocks(struct place *p, int size, int ppn)
{
    int nodes = (size + ppn - 1) / ppn;
    for (int r = 0; r < size; r++) {
        p->node_of[r] = r / ppn;
        p->local_of[r] = r % ppn;
        p->members[r] = r;
    }
    for (int i = 0; i <= nodes; i++)
        p->first[i] = i < nodes ? i * ppn : size;
    p->h = (struct vc_hier){.nnodes = nodes,
                            .uniform = size % ppn == 0,
                            .block = true,
                            .node_of = p->node_of,
                            .local_of = p->local_of,
                            .first = p->first,
                            .members = p->members};
    return &p->h;
}

/* G = 1 ns a byte beyond 8 bytes over the wire, a tenth of that in shared memory. */
static struct vc_model full_model(void)
{
    struct vc_model m = {
        .node = {.known = true,
                 .base = 0.2 * US,
                 .flag = 0.1 * US,
                 .copy = 0.1e-9,
                 .reduce = 0.2e-9,
                 .cma_base = 1 * US,
                 .cma_copy = 0.08e-9},
        .wake = 20 * US,
        .wake_device = 50 * US,
        .switch_cost = 1.5 * US,
        .cpus_per_rank = 1,
    };
    m.link[VC_WAY_SHM] = (struct vc_model_link){.known = true,
                                                .latency = 0.2 * US,
                                                .overhead = 0.1 * US,
                                                .npoints = 2,
                                                .point = {{8, 0.1 * US}, {1000008, 100.1 * US}}};
    m.link[VC_WAY_WIRE] = (struct vc_model_link){.known = true,
                                                 .latency = 5 * US,
                                                 .overhead = 1 * US,
                                                 .npoints = 2,
                                                 .point = {{8, 0.5 * US}, {1000008, 1000.5 * US}}};
    return m;
}

/* Without what copies and reductions inside a rank take. */
static struct vc_model bare_model(void)
{
    struct vc_model m = full_model();
    m.node.copy = m.node.reduce = 0;
    return m;
}

static struct vc_shape shape_of(enum vc_coll coll, int size, size_t bytes, const struct vc_hier *h)
{
    bool reduction = vc_coll_reduces(coll);
    return (struct vc_shape){.coll = coll,
                             .size = size,
                             .bytes = vc_coll_sized(coll) ? bytes : 0,
                             .esize = reduction && bytes % 8 == 0 ? 8 : 1,
                             .commutative = true,
                             .hier = h};
}

static double predict_as(const struct vc_model *m, const char *alg, const struct vc_shape *s,
                         enum vc_wait_mode wait, double spin)
{
    struct vc_model_case c = {
        .alg = vc_alg_find(s->coll, alg), .shape = s, .wait = wait, .spin = spin, .apart = VC_WAY_WIRE};
    assert_non_null(c.alg);
    return vc_model_predict(m, &c);
}

static double predict(const struct vc_model *m, const char *alg, const struct vc_shape *s)
{
    return predict_as(m, alg, s, VC_WAIT_POLL, 0);
}

static void same(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want) + 1e-15))
        fail_msg("%.9g us, expected %.9g us", got / US, want / US);
}

/* ---- closed forms ---- */

static void test_gap(void **state)
{
    (void)state;
    struct vc_model_link l = {.npoints = 3, .point = {{8, 1}, {16, 2}, {32, 6}}};
    same(vc_model_gap(&l, 0), 1);
    same(vc_model_gap(&l, 8), 1);
    same(vc_model_gap(&l, 12), 1.5);
    same(vc_model_gap(&l, 16), 2);
    same(vc_model_gap(&l, 24), 4);
    same(vc_model_gap(&l, 64), 14); /* goes on with the last slope */
    l.npoints = 1;
    same(vc_model_gap(&l, 64), 1);
}

static void test_exchange(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    for (size_t bytes = 8; bytes <= 100000; bytes = bytes * 3 / 8 * 8) {
        double n = (double)bytes, own = n * (m.node.copy + m.node.reduce);
        struct vc_shape s = shape_of(VC_ALLREDUCE, 2, bytes, blocks(&p, 2, 1));
        same(predict(&m, "recursive_doubling", &s), (2 * 1 + 5) * US + (n - 8) * 1e-9 + own);
        /* In shared memory sending and receiving are the same CPU's work, one after the other. */
        s.hier = blocks(&p, 2, 2);
        same(predict(&m, "recursive_doubling", &s),
             bytes == 8 ? 0.4 * US + own
                        : 0.2 * US + fmax(0.2 * US, (n - 8) * 1e-10) + (n - 8) * 1e-10 + own);
    }
}

static void test_call_and_steal(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 2, 8, blocks(&p, 2, 1));
    m.call = 3 * US;
    same(predict(&m, "recursive_doubling", &s), (3 + 2 + 5) * US);
    m.steal = 0.5; /* doubles what CPUs do, not what the wire does */
    same(predict(&m, "recursive_doubling", &s), (6 + 4 + 5) * US);
}

static void test_ring(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    for (int size = 2; size <= 16; size++) {
        size_t block = 4096;
        struct vc_shape s = shape_of(VC_ALLREDUCE, size, block * (size_t)size, blocks(&p, size, 1));
        same(predict(&m, "ring", &s), 2 * (size - 1) * (7 * US + (4096 - 8) * 1e-9));
        m.node.reduce = 1e-9; /* in the first half of the rounds */
        same(predict(&m, "ring", &s),
             2 * (size - 1) * (7 * US + (4096 - 8) * 1e-9) + (size - 1) * 4096 * 1e-9);
        m.node.reduce = 0;
        s = shape_of(VC_ALLGATHER, size, block, blocks(&p, size, 1));
        same(predict(&m, "ring", &s), (size - 1) * (7 * US + (4096 - 8) * 1e-9));
    }
}

static void test_dissemination(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    for (int size = 2; size <= 33; size++) {
        struct vc_shape s = shape_of(VC_BARRIER, size, 0, blocks(&p, size, 1));
        same(predict(&m, "dissemination", &s), ceil(log2(size)) * 7 * US);
        s.hier = blocks(&p, size, size);
        same(predict(&m, "dissemination", &s), ceil(log2(size)) * 0.4 * US);
    }
}

/* The root's sends are as far apart as its CPU and its way out allow. */
static void test_gap_between(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    struct vc_shape s = shape_of(VC_BCAST, 4, 8, blocks(&p, 4, 1));
    /* 0 -> 2 -> 3 and 0 -> 1: two hops, or the second send of the root */
    same(predict(&m, "binomial", &s), 14 * US);
    for (int i = 0; i < 2; i++)
        m.link[VC_WAY_WIRE].point[i].gap += 9.5 * US;
    /* the root's second message leaves 10 us after the first, which is 1 + 10 + 5 + 1 */
    same(predict(&m, "binomial", &s), 17 * US);
    /* chain of two ranks, 4 segments: the last one leaves after three gaps */
    s = shape_of(VC_BCAST, 2, 32, blocks(&p, 2, 1));
    s.segment = 8;
    same(predict(&m, "chain", &s), (1 + 3 * 10 + 5 + 1) * US);
}

/* Ranks of a node share its way out. */
static void test_shared_port(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    struct vc_shape s = shape_of(VC_ALLTOALL, 2, 100008, blocks(&p, 2, 1));
    double one = 7 * US + 1e5 * 1e-9;
    same(predict(&m, "pairwise", &s), one);
    /* Two ranks a node: each has two messages for the other node, so the node has four. */
    s = shape_of(VC_ALLTOALL, 4, 100008, blocks(&p, 4, 2));
    double four = predict(&m, "pairwise", &s);
    assert_true(four > 4 * 1e5 * 1e-9 && four < 4.7 * one);
}

static void test_node_phases(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    for (int q = 2; q <= 16; q++) {
        struct vc_shape s = shape_of(VC_BARRIER, q, 0, blocks(&p, q, q));
        double flags = (0.2 + 0.1 * (q - 1)) * US;
        same(predict(&m, "shm", &s), flags);
        s = shape_of(VC_ALLREDUCE, q, 8, blocks(&p, q, q));
        same(predict(&m, "shm", &s), flags + 8 * 0.1e-9 + (q - 1) * 8 * 0.2e-9);
        s = shape_of(VC_ALLGATHER, q, 1000, blocks(&p, q, q));
        same(predict(&m, "shm", &s), flags + (q + 1) * 1000 * 0.1e-9);
    }
    struct vc_shape s = shape_of(VC_BCAST, 4, 1 << 20, blocks(&p, 4, 4));
    s.root = 2;
    double slots = predict(&m, "shm", &s), single = predict(&m, "shm_cma", &s);
    same(slots, 0.5 * US + ((1 << 20) + 16384) * 0.1e-9);
    same(single, 0.2 * US + 2 * 0.3 * US + 1 * US + (1 << 20) * 0.08e-9);
    /* Two ranks share a reduction by single copy: 100000 bytes are one call a part, half of them or 3/5. */
    s = shape_of(VC_ALLREDUCE, 2, 100000, blocks(&p, 2, 2));
    same(predict(&m, "shm_cma", &s), 0.2 * US + 2 * 0.1 * US + 50000 * 0.2e-9 + 2 * US + 100000 * 0.08e-9);
    s = shape_of(VC_REDUCE, 2, 100000, blocks(&p, 2, 2));
    same(predict(&m, "shm_cma", &s), 0.2 * US + 2 * 0.1 * US + 60000 * 0.2e-9 + 1 * US + 60000 * 0.08e-9);
    /* Of four, each reduces a quarter: three reads of it and, but for the root, a write. */
    s = shape_of(VC_REDUCE, 4, 100000, blocks(&p, 4, 4));
    same(predict(&m, "shm_cma", &s), 0.2 * US + 2 * 0.3 * US + 75000 * 0.2e-9 + 4 * US + 100000 * 0.08e-9);
    m.node.cma_copy = 0;
    assert_true(isnan(predict(&m, "shm_cma", &s)));
}

/* Reduced in the nodes, exchanged between the leaders, spread in the nodes. */
static void test_two_level(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    m.node.flag = 0;
    for (int nodes = 2; nodes <= 8; nodes *= 2) {
        struct vc_shape s = shape_of(VC_BARRIER, 4 * nodes, 0, blocks(&p, 4 * nodes, 4));
        double net = log2(nodes) * 7 * US, got = predict(&m, "two_level", &s);
        assert_true(got > net && got <= net + 3 * m.node.base + 1e-12);
        s = shape_of(VC_ALLREDUCE, 4 * nodes, 8, blocks(&p, 4 * nodes, 4));
        got = predict(&m, "two_level", &s);
        assert_true(got > net && got <= net + 3 * m.node.base + 1e-12);
        /* Flat, every round of the first two stays in the node. */
        assert_true(got < predict(&m, "recursive_doubling", &s) + 1 * US);
    }
}

/* ---- virtualization ---- */

static void test_wake(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 2, 8, blocks(&p, 2, 1));
    const char *alg = "recursive_doubling";
    same(predict_as(&m, alg, &s, VC_WAIT_POLL, 0), 7 * US);
    same(predict_as(&m, alg, &s, VC_WAIT_EVENT, 0), 57 * US);
    /* 5 us pass between the end of sending and the arrival */
    same(predict_as(&m, alg, &s, VC_WAIT_HYBRID, 4 * US), 57 * US);
    same(predict_as(&m, alg, &s, VC_WAIT_HYBRID, 6 * US), 7 * US);
    same(predict_as(&m, alg, &s, VC_WAIT_AUTO, 40 * US), 7 * US);
    m.device_needs_cpu = true;
    same(predict_as(&m, alg, &s, VC_WAIT_AUTO, 40 * US), 57 * US);
    m.device_needs_cpu = false;
    /* Moderation and interrupts meet sleepers alone, ... */
    m.moderation = 30 * US;
    m.interrupt = 2 * US;
    same(predict_as(&m, alg, &s, VC_WAIT_POLL, 0), 7 * US);
    same(predict_as(&m, alg, &s, VC_WAIT_EVENT, 0), 89 * US);
    /* ... and everybody where the device is made of software. */
    m.device_needs_cpu = true;
    same(predict_as(&m, alg, &s, VC_WAIT_POLL, 0), 39 * US);
    /* In shared memory a message is there within the first polls; from a rank that computes it is not. */
    m = bare_model();
    s.hier = blocks(&p, 2, 2);
    same(predict_as(&m, alg, &s, VC_WAIT_EVENT, 0), 0.4 * US);
    s = shape_of(VC_BCAST, 4, 80008, blocks(&p, 4, 4));
    assert_true(predict_as(&m, "binomial", &s, VC_WAIT_EVENT, 0) >
                predict_as(&m, "binomial", &s, VC_WAIT_POLL, 0) + 19 * US);
}

/* Messages that come while the device is silent come with the first one. */
static void test_moderation_window(void **state)
{
    (void)state;
    struct vc_model m = bare_model();
    struct place p;
    struct vc_shape s = shape_of(VC_BCAST, 2, 80, blocks(&p, 2, 1));
    m.device_needs_cpu = true;
    m.moderation = 100 * US;
    s.segment = 8;
    /* ten segments within the silence: heard of together, then received one by one */
    same(predict(&m, "chain", &s), (1 + 5 + 100 + 10) * US);
}

static void test_crowded(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    for (int i = 0; i < 3; i++) {
        static const char *const algs[] = {"shm", "dissemination", "tree"};
        struct vc_shape s = shape_of(VC_BARRIER, 8, 0, blocks(&p, 8, 8));
        m.cpus_per_rank = 1;
        double own = predict(&m, algs[i], &s);
        m.cpus_per_rank = 0.5;
        double four = predict(&m, algs[i], &s);
        m.cpus_per_rank = 0.125;
        double one = predict(&m, algs[i], &s);
        assert_true(own < four && four < one);
        /* One CPU: every rank has to come before any may leave. */
        assert_true(one >= own + 8 * m.switch_cost);
        /* The number of CPUs goes before their ratio. */
        m.cpus_per_node = 8;
        same(predict(&m, algs[i], &s), own);
        m.cpus_per_node = 0;
    }
    /* Sleepers of a CPU that works for others are there after a switch. */
    m.cpus_per_rank = 0.25;
    m.wake = 1000 * US;
    struct vc_shape b = shape_of(VC_BARRIER, 8, 0, blocks(&p, 8, 8));
    double polling = predict(&m, "shm", &b), sleeping = predict_as(&m, "shm", &b, VC_WAIT_EVENT, 0);
    assert_true(sleeping <= polling + 8 * m.switch_cost && sleeping < m.wake);
    /* One CPU, two ranks, a barrier in shared memory: 0 comes, 1 comes and leaves, 0 leaves; two switches. */
    m.cpus_per_rank = 0.5;
    struct vc_shape s = shape_of(VC_BARRIER, 2, 0, blocks(&p, 2, 2));
    double t = predict(&m, "shm", &s);
    assert_true(t >= 2 * 0.3 * US + 2 * m.switch_cost - 1e-12 &&
                t <= 2 * 0.3 * US + 3 * m.switch_cost + 1e-12);
}

/* ---- what must hold for all ---- */

static void test_all_have_predictions(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    long n = 0;
    static const size_t bytes[] = {8, 24, 4096, 100000};
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)coll); *a; a++)
            for (int size = 1; size <= 16; size++)
                for (int ppn = 1; ppn <= size; ppn += ppn < 4 ? 1 : 4)
                    for (int v = 0; v < 12; v++) {
                        struct vc_shape s =
                            shape_of((enum vc_coll)coll, size, bytes[v % 4], blocks(&p, size, ppn));
                        s.radix = (int[]){0, 3, 8}[v / 4];
                        s.segment = (size_t[]){0, 4096, 1000}[v / 4];
                        s.leaders = (int[]){0, 1, 2}[v / 4];
                        s.root = vc_coll_rooted((enum vc_coll)coll) ? size / 2 : 0;
                        struct vc_model_case c = {.alg = *a,
                                                  .shape = &s,
                                                  .wait = (enum vc_wait_mode)(v % 4),
                                                  .spin = 20 * US,
                                                  .apart = VC_WAY_WIRE};
                        double t = vc_model_predict(&m, &c);
                        if ((*a)->kind == VC_ALG_NATIVE || vc_alg_refuses(*a, &s)) {
                            assert_true(isnan(t));
                            continue;
                        }
                        n++;
                        if (!isfinite(t) || t < 0 || (size > 1 && t <= 0))
                            fail_msg("%s %s: %d ranks, %d a node, %zu bytes, variant %d: %g",
                                     vc_coll_name(s.coll), (*a)->name, size, ppn, s.bytes, v, t);
                    }
    assert_true(n > 10000);
}

/* A call whose data has to cross takes at least one crossing; one with everybody's data, the rounds of it. */
static void test_bounds_of_random_shapes(void **state)
{
    (void)state;
    unsigned seed = 20240607;
    struct place p;
    for (int i = 0; i < 800; i++) {
        unsigned x[8];
        for (int k = 0; k < 8; k++)
            x[k] = (seed = seed * 1664525u + 1013904223u) >> 8;
        struct vc_model m = full_model();
        int size = 2 + (int)(x[0] % 31), ppn = 1 + (int)(x[1] % 4);
        enum vc_coll coll = (enum vc_coll)(x[2] % VC_COLL_COUNT);
        struct vc_shape s = shape_of(coll, size, 8 * (1 + x[3] % 3000), blocks(&p, size, ppn));
        s.root = vc_coll_rooted(coll) ? (int)(x[4] % (unsigned)size) : 0;
        s.radix = (int)(x[5] % 5);
        s.leaders = (int)(x[6] % 3);
        m.cpus_per_rank = x[7] % 2 ? 1 : 0.5;
        for (const struct vc_alg *const *a = vc_alg_list(coll); *a; a++) {
            struct vc_model_case c = {.alg = *a, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
            double t = vc_model_predict(&m, &c);
            if (isnan(t)) {
                assert_true((*a)->kind == VC_ALG_NATIVE || vc_alg_refuses(*a, &s));
                continue;
            }
            double least = 0;
            if (s.hier->nnodes > 1) {
                least = 7 * US;
                /* every node must hear of the last byte of another one */
                if (coll != VC_BARRIER)
                    least += ((double)s.bytes / size - 8) * 1e-9;
            }
            if (!(t >= least - 1e-12))
                fail_msg("%s %s, %d ranks: %g < %g", vc_coll_name(coll), (*a)->name, size, t, least);
            /* Sleeping never helps a model in which polling costs nothing; waits are deterministic. */
            c.wait = VC_WAIT_EVENT;
            if (m.cpus_per_rank >= 1 && ppn == 1)
                assert_true(vc_model_predict(&m, &c) >= t - 1e-12);
            c.wait = VC_WAIT_POLL;
            assert_true(vc_model_predict(&m, &c) == t);
        }
    }
}

static void test_monotone(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    for (int coll = VC_BCAST; coll < VC_COLL_COUNT; coll++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)coll); *a; a++)
            for (int size = 2; size <= 12; size += 5) {
                double last = 0;
                for (size_t bytes = 1024; bytes <= (1 << 20); bytes *= 4) {
                    struct vc_shape s = shape_of((enum vc_coll)coll, size, bytes, blocks(&p, size, 4));
                    struct vc_model_case c = {
                        .alg = *a, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
                    double t = vc_model_predict(&m, &c);
                    if (isnan(t))
                        break;
                    if (!(t > last))
                        fail_msg("%s %s, %d ranks, %zu bytes: %g after %g", vc_coll_name(s.coll), (*a)->name,
                                 size, bytes, t, last);
                    last = t;
                }
            }
}

static void test_unknown(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 4, 8, blocks(&p, 4, 2));
    assert_true(predict(&m, "recursive_doubling", &s) > 0);
    assert_true(isnan(predict(&m, "native", &s)));
    assert_true(isnan(predict(&m, "shm", &s))); /* two nodes */
    m.link[VC_WAY_SHM].known = false;
    assert_true(isnan(predict(&m, "recursive_doubling", &s)));
    assert_true(predict(&m, "two_level", &s) > 0); /* the node's phases take other ways */
    m.node.known = false;
    assert_true(isnan(predict(&m, "two_level", &s)));
    s.hier = blocks(&p, 4, 1);
    assert_true(predict(&m, "recursive_doubling", &s) > 0);
    m.link[VC_WAY_WIRE].known = false;
    assert_true(isnan(predict(&m, "recursive_doubling", &s)));
    assert_int_equal(vc_model_apart(&m), VC_WAY_WIRE);
    m.link[VC_WAY_RESIDENT].known = true;
    assert_int_equal(vc_model_apart(&m), VC_WAY_RESIDENT);
    /* nonsense as parameters */
    m = full_model();
    assert_null(vc_model_invalid(&m));
    m.link[VC_WAY_WIRE].latency = NAN;
    assert_non_null(vc_model_invalid(&m));
    assert_true(isnan(predict(&m, "recursive_doubling", &s)));
    m = full_model();
    m.steal = 1;
    assert_non_null(vc_model_invalid(&m));
    m = full_model();
    m.link[VC_WAY_SHM].point[1].bytes = 8;
    assert_non_null(vc_model_invalid(&m));
    m = full_model();
    m.link[VC_WAY_SHM].npoints = VC_MODEL_POINTS + 1;
    assert_non_null(vc_model_invalid(&m));
}

/* ---- plans that do not fit each other ---- */

enum fault { NOBODY_RECEIVES, OTHER_LENGTH, EACH_FIRST_RECEIVES, OTHER_PHASES, FEWER_PHASES, SELF, FAULTS };

static int build_faulty(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_ref a = {VC_BUF_SEND, 0, 8}, b = {VC_BUF_RECV, 0, 8}, none = {VC_BUF_NONE, 0, 0};
    vc_plan_init(p);
    switch ((enum fault)s->radix) {
    case NOBODY_RECEIVES:
        if (rank == 0)
            vc_plan_send(p, 1, a);
        break;
    case OTHER_LENGTH:
        if (rank == 0)
            vc_plan_send(p, 1, a);
        else if (rank == 1)
            vc_plan_recv(p, 0, vc_ref_sub(b, 0, 4));
        break;
    case EACH_FIRST_RECEIVES:
        if (rank < 2) {
            int r = vc_plan_recv(p, 1 - rank, b);
            vc_plan_after(p, vc_plan_send(p, 1 - rank, a), r);
        }
        break;
    case OTHER_PHASES:
        vc_plan_node(p, rank == 1 ? VC_PHASE_BCAST : VC_PHASE_BARRIER, 0, 0, 0, none, none);
        break;
    case FEWER_PHASES:
        for (int i = 0; i < 2 - (rank == 1); i++)
            vc_plan_node(p, VC_PHASE_BARRIER, 0, 0, 0, none, none);
        break;
    default:
        if (rank == 0) {
            vc_plan_send(p, 0, a);
            vc_plan_recv(p, 0, b);
        }
    }
    return vc_plan_finish(p);
}

static int build_many(const struct vc_shape *s, int rank, struct vc_plan *p)
{
    struct vc_ref none = {VC_BUF_NONE, 0, 0};
    vc_plan_init(p);
    for (size_t i = 0; i < s->bytes && rank < 2; i++)
        rank == 0 ? vc_plan_send(p, 1, none) : vc_plan_recv(p, 0, none);
    return vc_plan_finish(p);
}

static void test_inconsistent_plans(void **state)
{
    (void)state;
    static const struct vc_alg faulty = {
        .name = "faulty", .coll = VC_BCAST, .kind = VC_ALG_PLAN, .build = build_faulty};
    static const struct vc_alg many = {
        .name = "many", .coll = VC_BCAST, .kind = VC_ALG_PLAN, .build = build_many};
    struct vc_model m = full_model();
    struct place p;
    for (int fault = 0; fault < FAULTS; fault++) {
        struct vc_shape s = shape_of(VC_BCAST, 4, 8, blocks(&p, 4, 4));
        struct vc_model_case c = {.alg = &faulty, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
        s.radix = fault;
        if (!isnan(vc_model_predict(&m, &c)))
            fail_msg("fault %d has a prediction", fault);
    }
    struct vc_shape s = shape_of(VC_BCAST, 2, 1000, blocks(&p, 2, 1));
    struct vc_model_case c = {.alg = &many, .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE};
    same(vc_model_predict(&m, &c), (1000 + 5 + 1) * US);
    s.bytes = 4 * (size_t)VC_MODEL_STEPS + 1;
    assert_true(isnan(vc_model_predict(&m, &c)));
}

/* ---- fitting, speed ---- */

static void test_node_fit(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct vc_model_sample s[64];
    int n = 0;
    static const enum vc_node_phase kinds[] = {VC_PHASE_BARRIER, VC_PHASE_ALLREDUCE, VC_PHASE_BCAST,
                                               VC_PHASE_ALLGATHER};
    for (int q = 2; q <= 8; q += 3)
        for (int k = 0; k < 4; k++)
            for (size_t len = 8; len <= 70000; len *= 16) {
                s[n].phase = (struct vc_model_phase){.kind = kinds[k], .ranks = q, .len = k ? len : 0};
                s[n].phase.waits = true;
                n++;
            }
    for (size_t len = 65536; len <= 1 << 20; len *= 4) {
        s[n].phase = (struct vc_model_phase){.kind = VC_PHASE_BCAST, .ranks = 4, .len = len};
        s[n].phase.waits = s[n].phase.cma = true;
        n++;
    }
    for (int i = 0; i < n; i++)
        s[i].seconds = vc_model_node_seconds(&m.node, &s[i].phase);
    struct vc_model_node got;
    assert_true(vc_model_node_fit(s, n, &got));
    assert_true(got.known);
    const double want[] = {m.node.base,   m.node.flag,     m.node.copy,
                           m.node.reduce, m.node.cma_base, m.node.cma_copy};
    const double have[] = {got.base, got.flag, got.copy, got.reduce, got.cma_base, got.cma_copy};
    for (int i = 0; i < 6; i++)
        if (!(fabs(have[i] - want[i]) <= 1e-3 * want[i]))
            fail_msg("parameter %d: %g, expected %g", i, have[i], want[i]);
    /* Noise does not make parameters negative, and one sample or two sizes of node are enough for something.
     */
    for (int i = 0; i < n; i++)
        s[i].seconds *= i % 3 == 0 ? 1.4 : i % 3 == 1 ? 0.7 : 1;
    assert_true(vc_model_node_fit(s, n, &got));
    assert_true(got.base >= 0 && got.flag >= 0 && got.copy >= 0 && got.reduce >= 0 && got.cma_copy >= 0);
    assert_true(vc_model_node_fit(s, 1, &got) && got.base > 0);
    same(got.base, got.flag * (s[0].phase.ranks - 1)); /* nodes of one size: half and half */
    assert_false(vc_model_node_fit(s, 0, &got));
    assert_false(got.known);
}

/* Rankings ask for hundreds of predictions. Generous, for busy machines and sanitizers. */
static void test_fast(void **state)
{
    (void)state;
    struct vc_model m = full_model();
    struct place p;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 8, 4096, blocks(&p, 8, 4));
    struct vc_model_case c[3] = {
        {.alg = vc_alg_find(VC_ALLREDUCE, "ring"), .shape = &s, .wait = VC_WAIT_POLL, .apart = VC_WAY_WIRE},
        {.alg = vc_alg_find(VC_ALLREDUCE, "two_level"),
         .shape = &s,
         .wait = VC_WAIT_EVENT,
         .apart = VC_WAY_WIRE},
        {.alg = vc_alg_find(VC_ALLREDUCE, "native"), .shape = &s, .apart = VC_WAY_WIRE},
    };
    double t[3];
    clock_t begin = clock();
    for (int i = 0; i < 50; i++)
        vc_model_predict_all(&m, c, 3, t);
    double each = (double)(clock() - begin) / CLOCKS_PER_SEC / 100;
    same(t[0], vc_model_predict(&m, &c[0]));
    assert_true(t[0] > 0 && t[1] > 0 && isnan(t[2]));
    print_message("%.3f ms a prediction\n", each * 1e3);
    assert_true(each < 20e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_call_and_steal),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_dissemination),
        cmocka_unit_test(test_gap_between),
        cmocka_unit_test(test_shared_port),
        cmocka_unit_test(test_node_phases),
        cmocka_unit_test(test_two_level),
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_moderation_window),
        cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_all_have_predictions),
        cmocka_unit_test(test_bounds_of_random_shapes),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_inconsistent_plans),
        cmocka_unit_test(test_node_fit),
        cmocka_unit_test(test_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What docs/algorithms.md promises of the algorithms' traffic: how many messages, how many bytes, and who
 * sends them. That plans are right is proven by test_plans; here they are counted.
 */
#include "coll/info.h"
#include "coll/check/check.h"
#include "coll/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAX_RANKS 1024

/* N nodes of q ranks: consecutive ranks, or dealt out in turn. */
struct place {
    struct vc_hier h;
    int node_of[MAX_RANKS], local_of[MAX_RANKS], first[MAX_RANKS + 1], members[MAX_RANKS];
};
static struct place place;

static void place_init(int nodes, int q, bool block)
{
    for (int i = 0; i < nodes; i++) {
        place.first[i] = i * q;
        for (int l = 0; l < q; l++) {
            int r = block ? i * q + l : l * nodes + i;
            place.node_of[r] = i;
            place.local_of[r] = l;
            place.members[i * q + l] = r;
        }
    }
    place.first[nodes] = nodes * q;
    place.h = (struct vc_hier){
        nodes,         true, block || q == 1 || nodes == 1, place.node_of, place.local_of, place.first,
        place.members, NULL};
}

static int log2_up(int n)
{
    int k = 0;
    while (1 << k < n)
        k++;
    return k;
}

/* Sum over i < n of the bits that are set in i: how often Bruck's blocks travel. */
static size_t bits_below(int n)
{
    size_t bits = 0;
    for (int i = 0; i < n; i++)
        bits += (size_t)__builtin_popcount((unsigned)i);
    return bits;
}

enum senders { ANYBODY, LEADERS, SAME_INDEX };

/* Messages of a rank that multiplies by four what it has, until it has n. */
static size_t by_four(size_t n)
{
    size_t messages = 0;
    for (size_t have = 1; have < n; have *= 4)
        for (size_t z = 1; z < 4; z++)
            messages += z * have < n;
    return messages;
}

/* N nodes of q ranks; flat algorithms are counted with q == 1, where all traffic is between nodes. */
struct traffic {
    size_t N, q, lg;
    size_t m; /* bytes of shape->bytes */
};

struct promise {
    enum vc_coll coll;
    const char *name;
    enum senders who;
    bool flat, pow2; /* counted with a power of two nodes only */
    size_t (*messages)(const struct traffic *t);
    size_t (*bytes)(const struct traffic *t);
};

#define COUNT(name, expr)                                                                                    \
    static size_t name(const struct traffic *t)                                                              \
    {                                                                                                        \
        size_t N = t->N, q = t->q, lg = t->lg, m = t->m;                                                     \
        (void)N, (void)q, (void)lg, (void)m;                                                                 \
        return expr;                                                                                         \
    }
COUNT(nothing, 0)
COUNT(others, N - 1)
COUNT(others_leaders, (N - 1) * q)
COUNT(twice_others, 2 * (N - 1))
COUNT(each_log, N *lg)
COUNT(leaders_log, N *q *lg)
COUNT(leaders_twice_log, 2 * N * q * lg)
COUNT(each_twice_log, 2 * N * lg)
COUNT(pairs, N *(N - 1))
COUNT(pairs_leaders, N *(N - 1) * q)
COUNT(twice_pairs, 2 * N * (N - 1))
COUNT(twice_pairs_leaders, 2 * N * (N - 1) * q)
COUNT(half_pairs, N *N / 2)
COUNT(each_by_four, N *by_four(N))
COUNT(leaders_by_four, N *q *by_four(N))
COUNT(others_m, (N - 1) * m)
COUNT(twice_others_m, 2 * (N - 1) * m)
COUNT(each_log_m, N *lg *m)
COUNT(pairs_q_m, N *(N - 1) * q * m)
COUNT(pairs_qq_m, N *(N - 1) * q * q * m)
COUNT(bruck_m, N *bits_below((int)N) * m)
COUNT(bruck_qq_m, N *bits_below((int)N) * q * q * m)
COUNT(subtrees_m, bits_below((int)N) * q * m)
COUNT(upwards_log, N *lg - (((size_t)1 << lg) - 1))
COUNT(upwards_log_m, (N * lg - (((size_t)1 << lg) - 1)) * m)
COUNT(halving_gather, N *lg + N - 1)
COUNT(halving_gather_m, (N - 1) * m + lg * m / 2)

static const struct promise promises[] = {
    {VC_BARRIER, "dissemination", ANYBODY, true, false, each_log, nothing},
    {VC_BARRIER, "tree", ANYBODY, true, false, twice_others, nothing},
    {VC_BARRIER, "two_level", LEADERS, false, false, each_log, nothing},
    {VC_BCAST, "binomial", ANYBODY, true, false, others, others_m},
    {VC_BCAST, "postal", ANYBODY, true, false, others, others_m},
    {VC_BCAST, "binary", ANYBODY, true, false, others, others_m},
    {VC_BCAST, "chain", ANYBODY, true, false, others, others_m},
    {VC_BCAST, "double_tree", ANYBODY, true, false, others, others_m},
    {VC_BCAST, "scatter_allgather", ANYBODY, true, false, NULL, others_m},
    {VC_BCAST, "two_level", LEADERS, false, false, others, others_m},
    {VC_BCAST, "two_level_postal", LEADERS, false, false, others, others_m},
    {VC_BCAST, "two_level_chain", LEADERS, false, false, others, others_m},
    {VC_BCAST, "two_level_scatter_allgather", LEADERS, false, false, NULL, others_m},
    {VC_BCAST, "two_level_double_tree", LEADERS, false, false, others, others_m},
    {VC_BCAST, "two_level_multi", SAME_INDEX, false, false, others_leaders, others_m},
    {VC_REDUCE, "binomial", ANYBODY, true, false, others, others_m},
    {VC_REDUCE, "postal", ANYBODY, true, false, others, others_m},
    {VC_REDUCE, "binomial_ordered", ANYBODY, true, false, others, others_m},
    {VC_REDUCE, "chain", ANYBODY, true, false, others, others_m},
    {VC_REDUCE, "double_tree", ANYBODY, true, false, others, others_m},
    {VC_REDUCE, "rabenseifner", ANYBODY, true, true, halving_gather, halving_gather_m},
    {VC_REDUCE, "two_level", LEADERS, false, false, others, others_m},
    {VC_REDUCE, "two_level_postal", LEADERS, false, false, others, others_m},
    {VC_REDUCE, "two_level_double_tree", LEADERS, false, false, others, others_m},
    {VC_REDUCE, "two_level_multi", SAME_INDEX, false, false, others_leaders, others_m},
    {VC_ALLREDUCE, "recursive_doubling", ANYBODY, true, true, each_log, each_log_m},
    {VC_ALLREDUCE, "rabenseifner", ANYBODY, true, true, each_twice_log, twice_others_m},
    {VC_ALLREDUCE, "ring", ANYBODY, true, false, twice_pairs, twice_others_m},
    {VC_ALLREDUCE, "two_level", LEADERS, false, true, each_log, each_log_m},
    {VC_ALLREDUCE, "two_level_multi", SAME_INDEX, false, true, leaders_log, each_log_m},
    {VC_ALLREDUCE, "two_level_multi_rabenseifner", SAME_INDEX, false, true, leaders_twice_log,
     twice_others_m},
    {VC_ALLREDUCE, "two_level_multi_ring", SAME_INDEX, false, false, twice_pairs_leaders, twice_others_m},
    {VC_ALLGATHER, "bruck", ANYBODY, true, false, each_log, pairs_q_m},
    {VC_ALLGATHER, "recursive_doubling", ANYBODY, true, true, each_log, pairs_q_m},
    {VC_ALLGATHER, "recursive_multiplying", ANYBODY, true, true, each_by_four, pairs_q_m},
    {VC_ALLGATHER, "distance_halving", ANYBODY, true, true, pairs, pairs_q_m},
    {VC_ALLGATHER, "ring", ANYBODY, true, false, pairs, pairs_q_m},
    {VC_ALLGATHER, "neighbor_exchange", ANYBODY, true, false, half_pairs, pairs_q_m},
    {VC_ALLGATHER, "two_level", LEADERS, false, false, each_log, pairs_q_m},
    {VC_ALLGATHER, "two_level_ring", LEADERS, false, false, pairs, pairs_q_m},
    {VC_ALLGATHER, "two_level_multi", SAME_INDEX, false, false, leaders_log, pairs_q_m},
    {VC_ALLGATHER, "two_level_multi_ring", SAME_INDEX, false, false, pairs_leaders, pairs_q_m},
    {VC_ALLGATHERV, "two_level", LEADERS, false, false, each_log, pairs_q_m},
    {VC_ALLGATHERV, "two_level_ring", LEADERS, false, false, pairs, pairs_q_m},
    {VC_ALLTOALL, "linear", ANYBODY, true, false, pairs, pairs_q_m},
    {VC_ALLTOALL, "pairwise", ANYBODY, true, false, pairs, pairs_q_m},
    {VC_ALLTOALL, "bruck", ANYBODY, true, false, each_log, bruck_m},
    {VC_ALLTOALL, "two_level", LEADERS, false, false, pairs, pairs_qq_m},
    {VC_ALLTOALL, "two_level_multi", SAME_INDEX, false, false, pairs_leaders, pairs_qq_m},
    {VC_ALLTOALL, "two_level_multi_bruck", SAME_INDEX, false, false, leaders_log, bruck_qq_m},
    {VC_ALLTOALL, "two_level_multi_piped", SAME_INDEX, false, false, pairs_leaders, pairs_qq_m},
    {VC_GATHER, "linear", ANYBODY, true, false, others, others_m},
    {VC_GATHER, "binomial", ANYBODY, true, false, others, subtrees_m},
    {VC_GATHER, "two_level", LEADERS, false, false, others, subtrees_m},
    {VC_SCATTER, "linear", ANYBODY, true, false, others, others_m},
    {VC_SCATTER, "binomial", ANYBODY, true, false, others, subtrees_m},
    {VC_SCATTER, "two_level", LEADERS, false, false, others, subtrees_m},
    {VC_REDUCE_SCATTER_BLOCK, "recursive_halving", ANYBODY, true, true, each_log, pairs_q_m},
    {VC_REDUCE_SCATTER_BLOCK, "pairwise", ANYBODY, true, false, pairs, pairs_q_m},
    {VC_REDUCE_SCATTER_BLOCK, "ring", ANYBODY, true, false, pairs, pairs_q_m},
    {VC_GATHERV, "binomial", ANYBODY, true, false, others, subtrees_m},
    {VC_GATHERV, "two_level", LEADERS, false, false, others, subtrees_m},
    {VC_SCATTERV, "binomial", ANYBODY, true, false, others, subtrees_m},
    {VC_SCATTERV, "two_level", LEADERS, false, false, others, subtrees_m},
    {VC_ALLTOALLV, "two_level", LEADERS, false, false, pairs, pairs_qq_m},
    {VC_ALLTOALLW, "two_level", LEADERS, false, false, pairs, pairs_qq_m},
    {VC_REDUCE_SCATTER_BLOCK, "two_level", LEADERS, false, true, each_log, pairs_q_m},
    {VC_REDUCE_SCATTER_BLOCK, "two_level_multi", SAME_INDEX, false, true, leaders_log, pairs_q_m},
    {VC_REDUCE_SCATTER, "two_level", LEADERS, false, true, each_log, pairs_q_m},
    {VC_REDUCE_SCATTER, "two_level_multi", SAME_INDEX, false, true, leaders_log, pairs_q_m},
    {VC_SCAN, "recursive_doubling", ANYBODY, true, false, upwards_log, upwards_log_m},
    {VC_SCAN, "chain", ANYBODY, true, false, others, others_m},
    {VC_SCAN, "two_level", SAME_INDEX, false, false, upwards_log, upwards_log_m},
    {VC_EXSCAN, "recursive_doubling", ANYBODY, true, false, upwards_log, upwards_log_m},
    {VC_EXSCAN, "chain", ANYBODY, true, false, others, others_m},
    {VC_EXSCAN, "two_level", SAME_INDEX, false, false, upwards_log, upwards_log_m},
};

static const struct {
    int radix;
    struct promise promise;
} multiplied[] = {
    {4, {VC_ALLGATHER, "bruck", ANYBODY, true, false, each_by_four, pairs_q_m}},
    {4, {VC_ALLGATHER, "recursive_multiplying", ANYBODY, true, true, each_by_four, pairs_q_m}},
    {2, {VC_ALLGATHER, "recursive_multiplying", ANYBODY, true, true, each_log, pairs_q_m}},
    {7, {VC_ALLGATHER, "recursive_multiplying", ANYBODY, true, false, NULL, pairs_q_m}},
    {4, {VC_ALLGATHER, "distance_halving", ANYBODY, true, true, pairs, pairs_q_m}},
    {4, {VC_ALLGATHER, "two_level", LEADERS, false, true, each_by_four, pairs_q_m}},
    {4, {VC_ALLGATHER, "two_level_multi", SAME_INDEX, false, true, leaders_by_four, pairs_q_m}},
    {4, {VC_ALLGATHERV, "bruck", ANYBODY, true, false, each_by_four, pairs_q_m}},
    {4, {VC_ALLGATHERV, "two_level", LEADERS, false, true, each_by_four, pairs_q_m}},
};

static struct vc_shape shape_of(enum vc_coll coll, int nodes, int q)
{
    bool reduction = vc_coll_reduces(coll);
    struct vc_shape s = {
        .coll = coll, .size = nodes * q, .esize = reduction ? 4 : 1, .commutative = true, .hier = &place.h};
    /* Vectors that every way of slicing divides evenly and into something. */
    if (vc_coll_blocks(coll, 2) > 1)
        s.bytes = 24;
    else if (coll != VC_BARRIER)
        s.bytes = (size_t)nodes * (size_t)q * 8;
    return s;
}

static void check_sender(const struct promise *w, const struct vc_shape *s, int rank, int peer)
{
    int local = place.local_of[rank];
    if (w->who == SAME_INDEX && place.local_of[peer] != local)
        fail_msg("%s: %d of local index %d sends to %d of another", w->name, rank, local, peer);
    int leader = place.node_of[s->root] == place.node_of[rank]
                     ? s->root
                     : place.members[place.first[place.node_of[rank]]];
    if (w->who == LEADERS && rank != leader)
        fail_msg("%s: %d, which is no leader, sends to %d of another node", w->name, rank, peer);
}

static void count(const struct promise *w, int radix, int nodes, int q)
{
    struct vc_shape s = shape_of(w->coll, nodes, q);
    const struct vc_alg *alg = vc_alg_find(w->coll, w->name);
    assert_non_null(alg);
    s.leaders = alg->params & VC_PARAM_LEADERS ? q : 0;
    s.radix = radix;
    if (vc_alg_refuses(alg, &s))
        return;
    struct traffic t = {(size_t)nodes, (size_t)q, (size_t)log2_up(nodes), s.bytes};
    size_t messages = 0, bytes = 0;
    for (int rank = 0; rank < s.size; rank++) {
        struct vc_plan p;
        assert_int_equal(alg->build(&s, rank, &p), 0);
        for (int i = 0; i < p.nsteps; i++) {
            const struct vc_step *step = &p.steps[i];
            if (step->kind != VC_STEP_SEND || place.node_of[step->peer] == place.node_of[rank])
                continue;
            messages++;
            bytes += step->src.len;
            check_sender(w, &s, rank, step->peer);
        }
        vc_plan_free(&p);
    }
    if ((w->messages && messages != w->messages(&t)) || bytes != w->bytes(&t))
        fail_msg("%s %s:radix=%d on %d nodes of %d: %zu messages, %zu bytes instead of %zu, %zu",
                 vc_coll_name(w->coll), w->name, radix, nodes, q, messages, bytes,
                 w->messages ? w->messages(&t) : messages, w->bytes(&t));
}

static void count_all(const struct promise *w, int radix)
{
    for (int nodes = 1; nodes <= 17; nodes++)
        for (int q = 1; q <= (w->flat ? 1 : 5); q++)
            for (int block = 0; block < 2; block++) {
                if (w->pow2 && (nodes & (nodes - 1)))
                    continue;
                place_init(nodes, q, block);
                count(w, radix, nodes, q);
            }
}

static void test_traffic(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
        count_all(&promises[i], 0);
    for (size_t i = 0; i < sizeof multiplied / sizeof *multiplied; i++)
        count_all(&multiplied[i].promise, multiplied[i].radix);
}

/* Everything that is listed as a plan of two levels has a promise above, so that none escapes. */
static void test_all_counted(void **state)
{
    (void)state;
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)coll); *a; a++) {
            bool found = strncmp((*a)->name, "two_level", 9) != 0;
            for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
                found = found || ((int)promises[i].coll == coll && !strcmp(promises[i].name, (*a)->name));
            if (!found)
                fail_msg("%s %s has no promise", vc_coll_name((enum vc_coll)coll), (*a)->name);
        }
}

/* Plans stay small enough to build on the fly where communicators are large. */
static void test_size_of_plans(void **state)
{
    (void)state;
    for (int block = 0; block < 2; block++) {
        place_init(64, 16, block);
        for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
            struct vc_shape s = shape_of(promises[i].coll, 64, 16);
            const struct vc_alg *alg = vc_alg_find(s.coll, promises[i].name);
            if (s.coll >= VC_BCAST && s.coll <= VC_ALLREDUCE) {
                s.bytes = 64 << 20;
                s.segment = alg->params & VC_PARAM_SEGMENT ? 4096 : 0;
            }
            struct vc_plan p;
            if (promises[i].flat || vc_alg_refuses(alg, &s))
                continue;
            assert_int_equal(alg->build(&s, 0, &p), 0);
            if (p.nsteps > 20000)
                fail_msg("%s %s: %d steps", vc_coll_name(s.coll), alg->name, p.nsteps);
            vc_plan_free(&p);
        }
    }
}

/* Few ranks lead where a node has many, more for long vectors, and never more than the smallest node has. */
static void test_leaders(void **state)
{
    static const struct {
        int q, given;
        size_t bytes;
        int leaders;
    } is[] = {{64, 0, 8, 4}, {64, 0, 64 << 10, 8}, {64, 0, 1 << 20, 16}, {6, 0, 64 << 10, 6},
              {2, 0, 8, 2},  {64, 32, 8, 32},      {6, 32, 8, 6}};
    (void)state;
    for (size_t i = 0; i < sizeof is / sizeof *is; i++) {
        place_init(2, is[i].q, true);
        struct vc_shape s = shape_of(VC_ALLREDUCE, 2, is[i].q);
        s.bytes = is[i].bytes;
        s.leaders = is[i].given;
        assert_int_equal(vc_leaders(&s), is[i].leaders);
    }
}

/* ---- the checker notices when a composition is broken ---- */

static const struct vc_alg *whole;

/* The plan of the last rank without its last step. */
static int build_cut(const struct vc_shape *shape, int rank, struct vc_plan *p)
{
    int err = whole->build(shape, rank, p);
    if (!err && rank == shape->size - 1 && p->nsteps)
        p->nsteps--;
    return err;
}

static void test_cut_plans_fail(void **state)
{
    (void)state;
    place_init(3, 4, true);
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
        struct vc_shape s = shape_of(promises[i].coll, 3, 4);
        char text[512];
        whole = vc_alg_find(s.coll, promises[i].name);
        if (vc_alg_refuses(whole, &s))
            continue;
        struct vc_alg cut = *whole;
        cut.build = build_cut;
        if (vc_check_plan(whole, &s, false, text, sizeof text))
            fail_msg("%s %s: %s", vc_coll_name(s.coll), whole->name, text);
        if (!vc_check_plan(&cut, &s, false, text, sizeof text))
            fail_msg("%s %s passes without its last step", vc_coll_name(s.coll), whole->name);
    }
}

/* ---- helpers ---- */

static void test_copier(void **state)
{
    (void)state;
    struct vc_plan p;
    vc_plan_init(&p);
    struct vc_ref src = vc_plan_tmp(&p, 64), dst = vc_plan_tmp(&p, 64);
    struct vc_copier c = {.plan = &p};
    vc_copier_add(&c, vc_ref_sub(src, 0, 8), vc_ref_sub(dst, 16, 8));
    vc_copier_add(&c, vc_ref_sub(src, 8, 8), vc_ref_sub(dst, 24, 8));  /* joins */
    vc_copier_add(&c, vc_ref_sub(src, 16, 8), vc_ref_sub(dst, 40, 8)); /* a gap in dst */
    vc_copier_add(&c, vc_ref_sub(src, 32, 8), vc_ref_sub(dst, 48, 8)); /* a gap in src */
    vc_copier_flush(&c);
    vc_copier_flush(&c);
    assert_int_equal(p.nsteps, 3);
    assert_int_equal(p.steps[0].src.len, 16);
    assert_int_equal(p.steps[0].dst.off, dst.off + 16);
    assert_int_equal(p.steps[2].src.off, src.off + 32);
    vc_plan_free(&p);
}

static void test_groups(void **state)
{
    (void)state;
    place_init(3, 4, false); /* node of rank r is r % 3 */
    struct vc_shape s = shape_of(VC_BCAST, 3, 4);
    struct vc_group g = vc_group_leaders(&s, 5, 7); /* rank 7 is local 2 of node 1 */
    assert_int_equal(g.n, 3);
    assert_int_equal(g.me, 2);
    assert_int_equal(vc_group_rank(&g, 0), 0);
    assert_int_equal(vc_group_rank(&g, 1), 7);
    assert_int_equal(vc_group_rank(&g, 2), 2);
    g = vc_group_of_local(&s, 10, 3);
    assert_int_equal(g.me, 1);
    assert_int_equal(vc_group_rank(&g, 2), 11);
    assert_int_equal(vc_leaders(&s), 4);
    s.leaders = 2;
    assert_int_equal(vc_leaders(&s), 2);
    s.leaders = 9;
    assert_int_equal(vc_leaders(&s), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copier),         cmocka_unit_test(test_groups),
        cmocka_unit_test(test_all_counted),    cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_size_of_plans),  cmocka_unit_test(test_leaders),
        cmocka_unit_test(test_cut_plans_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The plan builder's dependencies and scratch, the registry, and the rank arithmetic of patterns.h. */
#include "coll/double_tree.h"
#include "coll/postal.h"
#include "coll/patterns.h"
#include "coll/registry.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEND(off, len) vc_ref_of(VC_BUF_SEND, off, len)
#define RECV(off, len) vc_ref_of(VC_BUF_RECV, off, len)

static int zeros[64], indices[65], whole[2] = {0, 64};
static struct vc_hier one_node = {1, true, true, zeros, indices, whole, indices, NULL};

static struct vc_shape shape_of(enum vc_coll coll, int size, size_t bytes)
{
    for (int i = 0; i < 65; i++)
        indices[i] = i;
    whole[1] = size;
    return (struct vc_shape){
        .coll = coll, .size = size, .bytes = bytes, .esize = 1, .commutative = true, .hier = &one_node};
}

static bool depends(const struct vc_plan *p, int step, int on)
{
    for (int i = 0; i < p->steps[step].dep_count; i++)
        if (p->deps[p->steps[step].dep_first + i] == on)
            return true;
    return false;
}

static void test_hazards(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 4, 100);
    struct vc_plan p;
    vc_plan_begin(&p, &s, 1);
    int a = vc_plan_recv(&p, 0, RECV(0, 50)), b = vc_plan_recv(&p, 0, RECV(50, 50));
    int low = vc_plan_send(&p, 2, RECV(0, 50)), all = vc_plan_send(&p, 2, RECV(0, 100));
    int again = vc_plan_recv(&p, 0, RECV(40, 20)), mid = vc_plan_send(&p, 3, RECV(45, 10));
    int edge = vc_plan_send(&p, 3, RECV(60, 40));
    assert_int_equal(p.steps[a].dep_count, 0);
    assert_int_equal(p.steps[b].dep_count, 0);
    assert_true(depends(&p, low, a) && p.steps[low].dep_count == 1);
    assert_true(depends(&p, all, a) && depends(&p, all, b) && p.steps[all].dep_count == 2);
    /* The writer waits for both readers; the receives before are implied by them. */
    assert_true(depends(&p, again, low) && depends(&p, again, all) && p.steps[again].dep_count == 2);
    assert_true(depends(&p, mid, again) && p.steps[mid].dep_count == 1);
    assert_true(depends(&p, edge, b) && p.steps[edge].dep_count == 1);
    vc_plan_after(&p, edge, mid);
    vc_plan_after(&p, edge, mid);
    vc_plan_after(&p, edge, -1);
    assert_true(depends(&p, edge, mid) && p.steps[edge].dep_count == 2);
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    vc_plan_free(&p);
    vc_plan_free(&p);
    assert_null(p.steps);
}

/* A send from SEND and a receive into RECV: ordered where IN_PLACE may make them one place, and only there.
 */
static bool ordered(enum vc_coll coll, int rank, struct vc_ref from, struct vc_ref into)
{
    struct vc_shape s = shape_of(coll, 4, 16);
    struct vc_plan p;
    vc_plan_begin(&p, &s, rank);
    vc_plan_send(&p, (rank + 1) % 4, from);
    int r = vc_plan_recv(&p, (rank + 3) % 4, into);
    bool dep = p.steps[r].dep_count > 0;
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    vc_plan_free(&p);
    return dep;
}

static void test_alias(void **state)
{
    (void)state;
    assert_true(ordered(VC_ALLREDUCE, 1, SEND(0, 8), RECV(7, 4)));
    assert_false(ordered(VC_ALLREDUCE, 1, SEND(0, 8), RECV(8, 8)));
    assert_false(ordered(VC_ALLTOALL, 1, SEND(0, 16), RECV(0, 16)));
    assert_true(ordered(VC_ALLGATHER, 1, SEND(0, 16), RECV(16, 16)));
    assert_false(ordered(VC_ALLGATHER, 1, SEND(0, 16), RECV(0, 16)));
    assert_false(ordered(VC_ALLGATHER, 1, SEND(0, 16), RECV(32, 16)));
    struct vc_plan p;
    vc_plan_init(&p);
    vc_plan_send(&p, 1, SEND(0, 4));
    assert_true(depends(&p, vc_plan_recv(&p, 1, RECV(1000, 4)), 0));
    vc_plan_free(&p);
}

static void test_scratch(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 4, 100);
    struct vc_plan p;
    vc_plan_begin(&p, &s, 0);
    struct vc_ref t = vc_plan_tmp(&p, 10), u = vc_plan_tmp(&p, 100);
    assert_int_equal(t.off, 0);
    assert_int_equal(u.off, VC_CACHELINE);
    size_t before = p.tmp_bytes;
    int a = vc_plan_recv_reduce(&p, 1, RECV(0, 100), true),
        b = vc_plan_recv_reduce(&p, 2, RECV(0, 100), true);
    int c = vc_plan_recv_reduce(&p, 3, RECV(0, 50), true);
    assert_int_equal(p.tmp_bytes, before + 128);
    assert_int_equal(p.steps[a].src.off, p.steps[b].src.off);
    assert_int_equal(p.steps[a].src.off, p.steps[c].src.off);
    assert_int_equal(p.steps[c].src.len, 50);
    /* Of no other step's result: its scratch is its own, so that both can be received at once. */
    int d = vc_plan_recv_reduce(&p, 3, vc_ref_sub(u, 0, 50), true);
    assert_int_equal(p.steps[d].dep_count, 0);
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    vc_plan_free(&p);
}

static void test_node_phases(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 4, 100);
    struct vc_plan p;
    for (int rank = 0; rank < 2; rank++) {
        vc_plan_begin(&p, &s, rank);
        vc_plan_send(&p, 3, RECV(0, 50));
        int n = vc_plan_node(&p, VC_PHASE_BCAST, 0, 0, 100, vc_ref_of(VC_BUF_NONE, 0, 0), RECV(0, 100));
        int m = vc_plan_send(&p, 3, RECV(50, 50));
        /* The root only reads. */
        assert_int_equal(p.steps[n].dep_count, rank == 0 ? 0 : 1);
        assert_int_equal(p.steps[m].dep_count, rank == 0 ? 0 : 1);
        assert_int_equal(vc_plan_finish(&p), VC_OK);
        vc_plan_free(&p);
    }
}

/* Two pieces of ten bytes each, 30 apart: what lies between them counts, and one piece is a plain copy. */
static void test_pieces(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 4, 100);
    struct vc_plan p;
    vc_plan_begin(&p, &s, 1);
    struct vc_ref tmp = vc_plan_tmp(&p, 100), none = vc_ref_of(VC_BUF_NONE, 0, 0);
    int below = vc_plan_recv(&p, 0, RECV(0, 20)), between = vc_plan_recv(&p, 0, RECV(35, 5));
    int up = vc_plan_copy_pieces(&p, 2, RECV(20, 10), 30, vc_ref_sub(tmp, 50, 10), -50, none);
    assert_false(depends(&p, up, below));
    assert_true(depends(&p, up, between));
    assert_true(p.steps[up].parts == 2 && p.steps[up].src_step == 30 && p.steps[up].dst_step == -50);
    assert_true(depends(&p, vc_plan_send(&p, 2, vc_ref_sub(tmp, 0, 5)), up));
    assert_int_equal(p.steps[vc_plan_send(&p, 2, vc_ref_sub(tmp, 60, 5))].dep_count, 0);
    int all = vc_plan_copy_pieces(&p, 2, vc_ref_sub(tmp, 70, 5), 10, RECV(90, 5), 5, tmp);
    assert_true(depends(&p, all, up));
    int one = vc_plan_copy_pieces(&p, 1, RECV(0, 10), 0, vc_ref_sub(tmp, 90, 10), 0, none);
    assert_true(p.steps[one].parts == 0 && depends(&p, one, below));
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    vc_plan_free(&p);
}

static void test_copier(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 4, 100);
    struct vc_plan p;
    vc_plan_begin(&p, &s, 1);
    struct vc_ref tmp = vc_plan_tmp(&p, 100);
    for (int rows = 0; rows < 2; rows++) {
        struct vc_copier c = {.plan = &p, .rows = rows};
        int before = p.nsteps;
        /* Three at one distance, two at another, and one; else the last two are neighbours. */
        static const size_t from[] = {0, 20, 40, 50, 70, 75}, into[] = {60, 50, 40, 30, 0, 5};
        for (size_t i = 0; i < sizeof from / sizeof *from; i++)
            vc_copier_add(&c, RECV(from[i], 5), vc_ref_sub(tmp, into[i], 5));
        vc_copier_flush(&c);
        vc_copier_flush(&c);
        assert_int_equal(p.nsteps - before, rows ? 3 : 5);
        const struct vc_step *st = &p.steps[before];
        assert_int_equal(st->parts, rows ? 3 : 0);
        assert_true(!rows || (st->src_step == 20 && st->dst_step == -10));
    }
    assert_int_equal(vc_plan_finish(&p), VC_OK);
    vc_plan_free(&p);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_BCAST, 4, 100);
    struct vc_plan p;
    vc_plan_begin(&p, &s, 0);
    vc_plan_send(&p, 1, RECV(0, 100));
    p.failed = true;
    int step = vc_plan_recv_reduce(&p, 1, RECV(0, 10), true);
    assert_int_equal(step, 0);
    vc_plan_after(&p, step, 0);
    assert_int_equal(p.nsteps, 1);
    assert_int_equal(vc_plan_finish(&p), VC_ERR_NOMEM);
    assert_null(p.steps);
}

static void test_registry(void **state)
{
    (void)state;
    struct vc_shape s = shape_of(VC_ALLREDUCE, 6, 24);
    for (int c = 0; c < VC_COLL_COUNT; c++) {
        int n = 0;
        for (const struct vc_alg *const *a = vc_alg_list((enum vc_coll)c); *a; a++, n++) {
            assert_int_equal((*a)->coll, c);
            assert_non_null((*a)->help);
            assert_true((*a)->kind != VC_ALG_PLAN || (*a)->build);
            assert_ptr_equal(vc_alg_find((enum vc_coll)c, (*a)->name), *a); /* so names are unique */
            assert_int_equal(strspn((*a)->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen((*a)->name));
        }
        assert_true(n > 3);
        assert_int_equal(vc_alg_list((enum vc_coll)c)[0]->kind, VC_ALG_NATIVE);
        assert_non_null(vc_alg_find((enum vc_coll)c, "shm"));
    }
    assert_null(vc_alg_find(VC_BCAST, "no_such"));
    assert_null(*vc_alg_list(VC_COLL_COUNT));
    for (unsigned bit = 1; bit <= VC_PLACEMENT_FREE; bit *= 2)
        assert_true(*vc_restriction_text((enum vc_restriction)bit));

    struct vc_alg a = {.coll = VC_ALLREDUCE};
    struct {
        unsigned bit;
        bool refused;
    } cases[] = {{VC_NEEDS_COMMUTATIVE, true},   {VC_NEEDS_POW2_SIZE, true},     {VC_NEEDS_EVEN_SIZE, false},
                 {VC_NEEDS_ONE_NODE, true},      {VC_NEEDS_UNIFORM_NODES, true}, {VC_NEEDS_BLOCK_NODES, true},
                 {VC_NEEDS_BLOCK_OR_COMM, true}, {VC_NEEDS_MIN_COUNT, true},     {VC_PLACEMENT_FREE, false}};
    struct vc_hier h = one_node;
    h.nnodes = 2;
    h.uniform = h.block = false;
    s.hier = &h;
    s.commutative = false;
    s.esize = 8;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        a.restrictions = cases[i].bit;
        const char *text = vc_alg_refuses(&a, &s);
        assert_int_equal(text != NULL, cases[i].refused);
        if (text)
            assert_string_equal(text, vc_restriction_text((enum vc_restriction)cases[i].bit));
    }
    s = shape_of(VC_ALLREDUCE, 8, 64);
    a.restrictions = (2u * VC_PLACEMENT_FREE - 1);
    assert_null(vc_alg_refuses(&a, &s));
}

static void knomial_tree(int n, int radix)
{
    int children = 0;
    for (int v = 0; v < n; v++) {
        int covered = 1, deepest = vc_knomial_weight(v, n, radix);
        for (int w = 1; w <= deepest; w *= radix)
            for (int d = 1; d < radix && v + d * w < n; d++) {
                assert_int_equal(vc_knomial_parent(v + d * w, n, radix), v);
                /* Subtrees lie one after the other. */
                assert_int_equal(covered, d * w);
                covered += vc_knomial_size(v + d * w, n, radix);
                children++;
            }
        assert_int_equal(covered, vc_knomial_size(v, n, radix));
        if (radix == 2) {
            assert_int_equal(vc_knomial_size(v, n, 2), vc_binomial_size(v, n));
            assert_true(v == 0 || vc_knomial_parent(v, n, 2) == vc_binomial_parent(v));
        }
    }
    assert_int_equal(children, n - 1);
}

/** Everyone is reached in both trees, by neighbours that say the same, and passes on in one at most. */
static void double_tree(int n)
{
    for (int tree = 0; tree < 2; tree++)
        for (int v = 0; v < n; v++) {
            struct vc_double_tree t = vc_double_tree_of(n, v, tree), other = vc_double_tree_of(n, v, !tree);
            int hops = 0;
            for (int c = 0; c < 2; c++)
                if (t.child[c] >= 0)
                    assert_int_equal(vc_double_tree_of(n, t.child[c], tree).parent, v);
            for (int at = v; at; hops++, at = vc_double_tree_of(n, at, tree).parent)
                assert_true(hops < 16);
            if (v == 0)
                assert_true(t.child[1] < 0 && (n == 1) == (t.child[0] < 0));
            else
                assert_true(t.child[0] < 0 || other.child[0] < 0);
            assert_true(t.child[0] >= 0 || t.child[1] < 0);
        }
}

static void test_double_tree(void **state)
{
    (void)state;
    for (int n = 1; n <= 300; n++)
        double_tree(n);
}

/** Neighbours say the same, subtrees are ranges, and if each begins a message a turn and each message takes
 * radix - 1 of them, all are reached in the turns that no schedule can do without. */
static void postal_tree(int n, int radix)
{
    long long reach[VC_POSTAL_TURNS] = {1};
    int least = 0, last = 0, told[300] = {0}, children = 0;
    for (; reach[least] < n; least++)
        reach[least + 1] = reach[least] + (least + 1 >= radix - 1 ? reach[least + 2 - radix] : 0);
    for (int v = 0; v < n; v++) {
        struct vc_postal_tree t, below;
        vc_postal_tree_of(n, v, radix, &t);
        assert_true(v == 0 ? t.parent == -1 : t.parent >= 0 && t.parent < v);
        assert_true(t.nchildren <= vc_bound_postal(n, radix));
        for (int i = 0; i < t.nchildren; i++, children++) {
            vc_postal_tree_of(n, t.child[i], radix, &below);
            assert_int_equal(below.parent, v);
            assert_true(t.child[i] > v && (i == 0 || t.child[i] < t.child[i - 1]));
            told[t.child[i]] = told[v] + i + radix - 1; /* parents come before their children */
            if (told[t.child[i]] > last)
                last = told[t.child[i]];
        }
    }
    assert_int_equal(children, n - 1);
    assert_int_equal(last, least);
}

static void test_postal(void **state)
{
    (void)state;
    for (int n = 1; n <= 300; n++)
        for (int radix = 2; radix <= 12; radix++)
            postal_tree(n, radix);
    struct vc_postal_tree most;
    vc_postal_tree_of(INT_MAX, INT_MAX - 1, VC_MAX_RADIX, &most);
    assert_true(most.parent >= 0 && vc_bound_postal(INT_MAX, VC_MAX_RADIX) < VC_POSTAL_TURNS);
    assert_int_equal(vc_postal_radix(1), 2);
    assert_int_equal(vc_postal_radix(1000), VC_MAX_RADIX);
}

static void test_patterns(void **state)
{
    (void)state;
    for (int n = 1; n <= 300; n++) {
        int below = vc_pow2_below(n), children = 0;
        assert_true(vc_is_pow2(below) && below <= n && 2 * below > n);
        for (int v = 0; v < n; v++) {
            int size = vc_binomial_size(v, n), covered = 1;
            for (int k = 1; k < vc_binomial_span(v, n) && v + k < n; k *= 2) {
                assert_int_equal(vc_binomial_parent(v + k), v);
                /* Subtrees lie one after the other. */
                assert_int_equal(covered, k);
                covered += vc_binomial_size(v + k, n);
                children++;
            }
            assert_int_equal(covered, size);
            assert_int_equal(vc_relative(vc_absolute(v, n / 3, n), n / 3, n), v);
        }
        assert_int_equal(children, n - 1);
        for (int radix = 2; radix <= 9; radix++)
            knomial_tree(n, radix);
        for (int radix = 2; radix <= 9; radix++) {
            int p = vc_smooth_below(n, radix), rest = p, wider = vc_smooth_radix(n, radix);
            assert_true(wider >= radix && (wider == radix || (radix > 2 && wider < 2 * radix && p < n)));
            assert_true(wider == radix || vc_smooth_below(n, wider) == n);
            for (int k = radix; radix > 2 && k < 2 * radix; k++)
                assert_true(k >= wider || vc_smooth_below(n, k) < n);
            for (int k = radix; radix > 2 && wider == radix && p < n && k < 2 * radix; k++)
                assert_true(vc_smooth_below(n, k) < n);
            assert_true(p <= n && p >= below);
            int rounds = 0;
            for (; rest > 1; rounds++) {
                int f = vc_smooth_factor(rest, radix);
                assert_true(f >= 2 && f <= radix && rest % f == 0);
                rest /= f;
            }
            assert_int_equal(vc_smooth_rounds(p, radix), rounds);
            assert_true(p == n || vc_smooth_rounds(n, radix) == -1);
            for (int r = 0, next = 0; r < n; r++) {
                struct vc_fold f = vc_fold_of(n, p, r);
                assert_true(f.first <= r && r < f.first + f.size && f.size >= n / p && f.size <= n / p + 1);
                assert_int_equal(f.first, vc_fold_first(n, p, f.group));
                next += f.first == r ? f.size : 0;
                assert_true(r < next);
            }
        }
    }
    assert_int_equal(vc_segments(0, 1, 10), 1);
    assert_int_equal(vc_segments(100, 1, 0), 1);
    assert_int_equal(vc_segments(100, 1, 30), 4);
    assert_int_equal(vc_segments(100, 50, 1), 2);
    assert_int_equal(vc_segments((size_t)1 << 40, 1, 1), VC_MAX_SEGMENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hazards),       cmocka_unit_test(test_alias),
        cmocka_unit_test(test_scratch),       cmocka_unit_test(test_node_phases),
        cmocka_unit_test(test_pieces),        cmocka_unit_test(test_copier),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_registry),
        cmocka_unit_test(test_patterns),      cmocka_unit_test(test_double_tree),
        cmocka_unit_test(test_postal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

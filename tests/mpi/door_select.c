/* SPDX-License-Identifier: BSD-3-Clause */
/* The built-in rules: valid, total, and obedient to what is forced and to what the communicator lacks. */
#include "tune/select/select.h"
#include "coll/info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { RANKS = 12 };

struct place {
    struct vc_hier hier;
    int node_of[RANKS], local_of[RANKS], members[RANKS], first[RANKS + 1];
    struct vc_topo_key key;
    struct vc_params params;
    struct vc_selection sel;
};

/* `n` ranks, `ppn` of them on a node, consecutively or dealt out. */
static struct place *place(int n, int ppn, bool block)
{
    struct place *p = calloc(1, sizeof *p);
    int nodes = (n + ppn - 1) / ppn, at = 0;
    assert_non_null(p);
    for (int i = 0; i < nodes; i++) {
        p->first[i] = at;
        for (int r = 0, l = 0; r < n; r++)
            if ((block ? r / ppn : r % nodes) == i) {
                p->node_of[r] = i;
                p->local_of[r] = l++;
                p->members[at++] = r;
            }
    }
    p->first[nodes] = at;
    p->hier.nnodes = nodes;
    p->hier.uniform = n % ppn == 0;
    p->hier.block = block || nodes == 1;
    p->hier.node_of = p->node_of;
    p->hier.local_of = p->local_of;
    p->hier.first = p->first;
    p->hier.members = p->members;
    p->key.size = n;
    p->key.nnodes = nodes;
    p->key.max_ppn = ppn;
    p->key.have_node = ppn > 1;
    p->key.have_bulk = true;
    p->key.have_chan = true;
    p->key.hier = &p->hier;
    return p;
}

static const size_t sizes[] = {0,      1,       8,        1000,           8192,    65536,
                               100000, 1 << 20, 16 << 20, (16 << 20) + 1, SIZE_MAX};
enum { NSIZES = sizeof sizes / sizeof sizes[0] };

static void choose(struct place *p)
{
    vc_select_free(&p->sel);
    assert_int_equal(vc_select_init(&p->sel, &p->key, &p->params, NULL), VC_OK);
}

static void leave(struct place *p)
{
    vc_select_free(&p->sel);
    free(p);
}

static const struct vc_alg *chosen(const struct place *p, int coll, size_t bytes, bool commutative)
{
    return vc_select(&p->sel, (enum vc_coll)coll, bytes, commutative)->alg;
}

/* Whatever was chosen can run there. */
static void check_all(const struct place *p)
{
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        for (int i = 0; i < 2 * NSIZES; i++) {
            bool comm = i % 2;
            const struct vc_choice *c = vc_select(&p->sel, (enum vc_coll)coll, sizes[i / 2], comm);
            struct vc_shape shape = {.coll = (enum vc_coll)coll,
                                     .size = p->key.size,
                                     .bytes = SIZE_MAX / 2,
                                     .esize = 1,
                                     .commutative = comm,
                                     .radix = c->radix,
                                     .segment = c->segment,
                                     .leaders = c->leaders,
                                     .hier = &p->hier};
            assert_non_null(c->alg);
            assert_int_equal(c->alg->coll, coll);
            assert_null(vc_alg_refuses(c->alg, &shape));
            if (c->alg->kind == VC_ALG_NODE)
                assert_true(p->key.have_node && p->hier.nnodes == 1);
            if (c->alg->kind == VC_ALG_PLAN)
                assert_true(p->key.have_chan);
            if (c->alg->kind == VC_ALG_PLAN && p->key.reproducible && vc_coll_reduces((enum vc_coll)coll))
                assert_true(c->alg->restrictions & VC_PLACEMENT_FREE);
        }
}

static void every_place_has_an_answer(void **state)
{
    (void)state;
    for (int n = 2; n <= RANKS; n++)
        for (int ppn = 1; ppn <= n; ppn++)
            for (int flags = 0; flags < 16; flags++) {
                struct place *p = place(n, ppn, flags & 1);
                p->key.have_chan = (flags & 2) != 0;
                p->key.have_bulk = (flags & 4) != 0;
                p->key.reproducible = (flags & 8) != 0;
                choose(p);
                check_all(p);
                leave(p);
            }
}

static void one_node_uses_its_memory(void **state)
{
    (void)state;
    struct place *p = place(4, 4, true);
    choose(p);
    for (int coll = 0; coll < VC_COLL_COUNT; coll++) {
        assert_int_equal(chosen(p, coll, 8, true)->kind, VC_ALG_NODE);
        assert_int_equal(chosen(p, coll, 8, false)->kind, VC_ALG_NODE);
    }
    leave(p);
}

static void several_nodes_use_both(void **state)
{
    (void)state;
    struct place *p = place(8, 4, true);
    choose(p);
    for (int coll = 0; coll <= VC_ALLTOALL; coll++) /* the others were not measured there */
        assert_non_null(strstr(chosen(p, coll, 8, true)->name, "two_level"));
    p->key.have_chan = false; /* nothing reaches the other node */
    choose(p);
    for (int coll = 0; coll < VC_COLL_COUNT; coll++)
        for (int i = 0; i < NSIZES; i++)
            assert_int_equal(chosen(p, coll, sizes[i], true)->kind, VC_ALG_NATIVE);
    leave(p);
}

static void forced_wins_where_it_can(void **state)
{
    (void)state;
    struct place *p = place(6, 3, true);
    const struct vc_alg *ring = vc_alg_find(VC_ALLREDUCE, "ring"), *shm = vc_alg_find(VC_BCAST, "shm");
    p->params.alg[VC_ALLREDUCE].alg = ring;
    p->params.alg[VC_BCAST].alg = shm; /* two nodes: cannot */
    choose(p);
    for (int i = 0; i < NSIZES; i++)
        assert_ptr_equal(chosen(p, VC_ALLREDUCE, sizes[i], true), ring);
    assert_ptr_not_equal(chosen(p, VC_BCAST, 8, true), shm);
    check_all(p);
    p->params.alg[VC_ALLREDUCE].alg = vc_alg_find(VC_ALLREDUCE, "native");
    choose(p);
    assert_int_equal(chosen(p, VC_ALLREDUCE, 8, false)->kind, VC_ALG_NATIVE);
    leave(p);
}

/* Where not all ranks may read each other's memory, nothing that is called single copy is chosen, forced or
 * not. */
static void single_copy_only_where_agreed(void **state)
{
    (void)state;
    struct place *p = place(2, 2, true);
    const struct vc_alg *cma = vc_alg_find(VC_BCAST, "shm_cma");
    for (int forced = 0; forced < 2; forced++) {
        p->params.alg[VC_BCAST].alg = forced ? cma : NULL;
        p->key.have_cma = true;
        choose(p);
        assert_ptr_equal(chosen(p, VC_BCAST, 1 << 20, true), cma);
        p->key.have_cma = false;
        choose(p);
        for (int i = 0; i < NSIZES; i++)
            assert_ptr_not_equal(chosen(p, VC_BCAST, sizes[i], true), cma);
        check_all(p);
    }
    leave(p);
}

/* Same ranks, other places: the same algorithm. */
static void reproducible_ignores_places(void **state)
{
    (void)state;
    struct place *a = place(8, 8, true), *b = place(8, 2, false), *c = place(8, 1, true);
    struct place *all[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        all[i]->key.reproducible = true;
        choose(all[i]);
    }
    for (int i = 0; i < 2 * NSIZES; i++)
        for (int coll = VC_REDUCE; coll <= VC_ALLREDUCE; coll++) {
            const struct vc_alg *want = chosen(a, coll, sizes[i / 2], i % 2);
            assert_int_equal(want->kind, VC_ALG_PLAN);
            assert_ptr_equal(want, chosen(b, coll, sizes[i / 2], i % 2));
            assert_ptr_equal(want, chosen(c, coll, sizes[i / 2], i % 2));
        }
    for (int i = 0; i < 3; i++)
        leave(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_has_an_answer),     cmocka_unit_test(one_node_uses_its_memory),
        cmocka_unit_test(several_nodes_use_both),        cmocka_unit_test(forced_wins_where_it_can),
        cmocka_unit_test(single_copy_only_where_agreed), cmocka_unit_test(reproducible_ignores_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The cost model of node phases over trees: flags, bytes and lines, against flat nodes. */
#include "coll/node/node.h"
#include "tune/model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void same(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("%g, expected %g", got, want);
}

static struct vc_model_phase flat_phase(enum vc_node_phase kind, int ranks, size_t len)
{
    return (struct vc_model_phase){.kind = kind, .ranks = ranks, .parts = 1, .len = len, .waits = true};
}

static struct vc_model_phase tree_phase(enum vc_node_phase kind, int tiers, const int *group, size_t len)
{
    int ranks = 1;
    for (int t = 0; t < tiers; t++)
        ranks *= group[t];
    struct vc_model_phase p = flat_phase(kind, ranks, len);
    p.tiers = tiers;
    memcpy(p.group, group, (size_t)tiers * sizeof *group);
    return p;
}

static double sum_lines(const struct vc_model_phase *p)
{
    double lines[VC_MODEL_TIERS], sum = 0;
    vc_model_node_lines(p, lines);
    for (int t = 0; t < VC_MODEL_TIERS; t++)
        sum += lines[t];
    return sum;
}

/* Counted by hand: eight ranks, four to a group. */
static void test_small_tree(void **state)
{
    (void)state;
    static const int group[] = {4, 2};
    struct vc_model_phase p = tree_phase(VC_PHASE_ALLREDUCE, 2, group, 8);
    struct vc_model_work w = vc_model_node_work(&p);
    double lines[VC_MODEL_TIERS];
    same(w.meetings, 3); /* with the own group, between the leaders, and down again */
    same(w.flags, 3 + 1 + 3);
    same(w.reduced, 3 * 8 + 1 * 8);
    same(w.copied, 8 + 8 + 2 * 8); /* where others wait for the first copy, it counts twice */
    vc_model_node_lines(&p, lines);
    same(lines[0], 2 * 3 + 2 * 3);
    same(lines[1], 2);
    p = tree_phase(VC_PHASE_BARRIER, 2, group, 0);
    same(vc_model_node_work(&p).flags, 7);
    p = tree_phase(VC_PHASE_BCAST, 2, group, 8);
    same(vc_model_node_work(&p).flags, 1 + 3);
    p = tree_phase(VC_PHASE_ALLTOALL, 2, group, 8); /* goes flat */
    same(vc_model_node_work(&p).flags, 7);
    vc_model_node_lines(&p, lines);
    same(lines[0] + lines[1], 8 * 7);
    same(lines[0], 8 * 3);
    p.tiers = 0;
    same(sum_lines(&p), 8 * 7);
}

/* A node of 176 cores, eight to a cache: the numbers are printed. The rank that does the most reads fewer
 * flags over the tree, whatever the size, and fewer lines go between the groups. */
static void test_large_node(void **state)
{
    (void)state;
    static const int group[] = {8, 11, 2};
    static const enum vc_node_phase kinds[] = {VC_PHASE_BARRIER, VC_PHASE_BCAST, VC_PHASE_REDUCE,
                                               VC_PHASE_ALLREDUCE, VC_PHASE_ALLGATHER};
    static const size_t lens[] = {8, 1024, 65536, 1 << 20};
    print_message("176 ranks, 8 x 11 x 2: flags that one rank polls, lines by tier\n");
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            size_t len = kinds[k] == VC_PHASE_BARRIER ? 0 : lens[i];
            struct vc_model_phase tree = tree_phase(kinds[k], 3, group, len), flat = tree;
            double up[VC_MODEL_TIERS], across[VC_MODEL_TIERS];
            vc_model_node_lines(&tree, up);
            /* The same lines without the tree, by how far they go. */
            flat.tiers = 0;
            struct vc_model_work ft = vc_model_node_work(&flat), tt = vc_model_node_work(&tree);
            across[0] = sum_lines(&flat);
            if (kinds[k] == VC_PHASE_ALLGATHER && len > 64)
                continue; /* flat in any case */
            print_message("  %-10s %7zu: flags %4.0f, %3.0f over the tree; lines %9.0f, %.0f + %.0f + %.0f\n",
                          vc_phase_info[kinds[k]].name, len, ft.flags, tt.flags, across[0], up[0], up[1],
                          up[2]);
            assert_true(tt.flags < ft.flags);
            assert_true(up[1] + up[2] < across[0]);
            assert_true(tt.reduced <= ft.reduced || kinds[k] == VC_PHASE_ALLREDUCE);
            if (kinds[k] == VC_PHASE_BARRIER)
                break;
        }
}

/* Flat: who reduces how much. */
static void test_slices(void **state)
{
    (void)state;
    struct vc_model_phase p = flat_phase(VC_PHASE_REDUCE, 16, 1 << 20);
    same(vc_model_node_work(&p).reduced, 15.0 / 16 * (1 << 20));
    p.crowded = true; /* the root alone */
    same(vc_model_node_work(&p).reduced, 15.0 * (1 << 20));
    p = flat_phase(VC_PHASE_ALLREDUCE, 64, 8192); /* two ranks have 4 KiB each */
    same(vc_model_node_work(&p).reduced, 63.0 * 4096);
    p.len = 8;
    same(vc_model_node_work(&p).reduced, 63.0 * 8);
    same(vc_model_node_work(&p).meetings, 2);
    p.crowded = true;
    same(vc_model_node_work(&p).meetings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_tree),
        cmocka_unit_test(test_large_node),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

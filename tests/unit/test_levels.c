/* SPDX-License-Identifier: BSD-3-Clause */
/* Where processes stand, by made-up /sys trees, made-up topologies and maps, and the levels of groups of
 * them. */
#include "coll/levels.h"
#include "transport/topology/levels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int new_tree(void **state)
{
    (void)state;
    strcpy(root, "/tmp/vcoll-levels-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_tree(void **state)
{
    (void)state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -rf %s", root);
    return system(cmd);
}

static void __attribute__((format(printf, 2, 3))) put(const char *text, const char *fmt, ...)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s", root);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap);
    va_end(ap);
    for (char *s = strchr(path + strlen(root) + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        mkdir(path, 0755);
        *s = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    assert_int_equal(fclose(f), 0);
}

static void put_cache(int cpu, int index, const char *level, const char *type, const char *list)
{
    put(level, "/sys/devices/system/cpu/cpu%d/cache/index%d/level", cpu, index);
    put(type, "/sys/devices/system/cpu/cpu%d/cache/index%d/type", cpu, index);
    put(list, "/sys/devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list", cpu, index);
}

/* 16 CPUs: 8 cores of two hardware threads (c, c + 8), last caches of two cores, NUMA nodes of four cores. */
static void put_machine(void)
{
    put("0-15", "/sys/devices/system/cpu/online");
    put("0-1", "/sys/devices/system/node/online");
    put("0-3,8-11", "/sys/devices/system/node/node0/cpulist");
    put("4-7,12-15", "/sys/devices/system/node/node1/cpulist");
    for (int cpu = 0; cpu < 16; cpu++) {
        char core[32], cache[64];
        int c = cpu % 8, first = c / 2 * 2;
        snprintf(core, sizeof core, "%d,%d", c, c + 8);
        snprintf(cache, sizeof cache, "%d-%d,%d-%d", first, first + 1, first + 8, first + 9);
        put(core, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        put_cache(cpu, 0, "1", "Data", core);
        put_cache(cpu, 1, "1", "Instruction", core);
        put_cache(cpu, 2, "2", "Unified", core);
        put_cache(cpu, 3, "3", "Unified", cache);
    }
}

static struct vc_locality stand(const char *cpus)
{
    uint64_t mask[VC_MASK_WORDS];
    struct vc_locality at;
    assert_true(vc_cpu_list_parse(cpus, mask));
    vc_locality_read(root, mask, &at);
    return at;
}

static void expect(struct vc_locality at, int core, int cache, int numa)
{
    if (at.unit[VC_UNIT_CORE] != core || at.unit[VC_UNIT_CACHE] != cache || at.unit[VC_UNIT_NUMA] != numa)
        fail_msg("core %d, cache %d, NUMA node %d; expected %d, %d, %d", at.unit[VC_UNIT_CORE],
                 at.unit[VC_UNIT_CACHE], at.unit[VC_UNIT_NUMA], core, cache, numa);
}

/* ---- lists ---- */

static void test_lists(void **state)
{
    (void)state;
    static const char *const good[] = {"", "0", "0-3", "0-3,8", "63-64,1023", "1,3,5"};
    static const char *const bad[] = {",", "0,", "3-1", "1024", "0-1024", "a", "-1", "1 2", "0-", "0--1"};
    uint64_t mask[VC_MASK_WORDS];
    char text[64];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(vc_cpu_list_parse(good[i], mask));
        assert_string_equal(vc_cpu_list_text(mask, text, sizeof text), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(vc_cpu_list_parse(bad[i], mask));
    assert_true(vc_cpu_list_parse("70,900", mask));
    assert_int_equal(vc_cpu_lowest(mask), 70);
    assert_true(vc_cpu_has(mask, 900) && !vc_cpu_has(mask, 899));
    assert_true(vc_cpu_list_parse("", mask));
    assert_int_equal(vc_cpu_lowest(mask), -1);
}

/* ---- the kernel's word ---- */

static void test_sysfs(void **state)
{
    (void)state;
    expect(stand("3"), 3, -1, -1); /* nothing is to be seen, but one CPU is one core */
    expect(stand("2-3"), -1, -1, -1);
    put_machine();
    expect(stand("0"), 0, 0, 0);
    expect(stand("9"), 1, 0, 0); /* the second thread of core 1 */
    expect(stand("1,9"), 1, 0, 0);
    expect(stand("0-1"), -1, 0, 0);
    expect(stand("2-3,10"), -1, 2, 0);
    expect(stand("0-3"), -1, -1, 0);
    expect(stand("6"), 6, 6, 1);
    expect(stand("3-4"), -1, -1, -1);
    expect(stand("0-15"), -1, -1, -1);
    expect(stand(""), -1, -1, -1);
    /* More CPUs than a mask can tell apart. */
    put("0-2047", "/sys/devices/system/cpu/online");
    expect(stand("0"), -1, -1, -1);
}

static void test_odd_sysfs(void **state)
{
    (void)state;
    /* Older kernels have other names; a guest has no caches, one node; nodes without CPUs are there. */
    put("0-1", "/sys/devices/system/cpu/online");
    put("0-2", "/sys/devices/system/node/online");
    put("", "/sys/devices/system/node/node0/cpulist");
    put("0-1", "/sys/devices/system/node/node2/cpulist");
    put("0-1", "/sys/devices/system/cpu/cpu0/topology/core_cpus_list");
    put("nonsense", "/sys/devices/system/cpu/cpu1/topology/thread_siblings_list");
    expect(stand("0"), 0, -1, 2);
    expect(stand("0-1"), 0, -1, 2);
    expect(stand("1"), 1, -1, 2);
    put_cache(0, 0, "1", "Instruction", "0");
    expect(stand("0"), 0, -1, 2);
    put_cache(0, 1, "2", "Unified", "0-1");
    put_cache(0, 2, "1", "Data", "0");
    expect(stand("0"), 0, 0, 2);
}

static void test_processor(void **state)
{
    (void)state;
    char name[64];
    int cpus;
    vc_processor(root, name, sizeof name, &cpus);
    assert_string_equal(name, "");
    assert_int_equal(cpus, 0);
    put("processor\t: 0\nmodel\t\t: 17\nmodel name\t: Imaginary 9000 @ 1 GHz\nflags\t: fpu\n",
        "/proc/cpuinfo");
    put("0-6,8", "/sys/devices/system/cpu/online");
    vc_processor(root, name, sizeof name, &cpus);
    assert_string_equal(name, "Imaginary 9000 @ 1 GHz");
    assert_int_equal(cpus, 8);
    put("processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x1\nCPU part\t: 0xd0c\n", "/proc/cpuinfo");
    vc_processor(root, name, sizeof name, &cpus);
    assert_string_equal(name, "implementer 0x41 part 0xd0c");
    /* This machine says something, and reading it twice gives the same. */
    char again[64];
    int cpus_again;
    vc_processor(NULL, name, sizeof name, &cpus);
    vc_processor(NULL, again, sizeof again, &cpus_again);
    assert_string_equal(name, again);
    assert_int_equal(cpus, cpus_again);
}

/* ---- made up ---- */

static void test_deal(void **state)
{
    (void)state;
    struct vc_synthetic all = {{8, 4, 2}}, cores = {{4, 0, 0}}, numa = {{0, 0, 2}}, both = {{0, 3, 2}};
    struct vc_locality at;
    vc_locality_deal(&all, 0, 100, &at);
    expect(at, 0, 0, 0);
    vc_locality_deal(&all, 31, 100, &at);
    expect(at, 31, 3, 0);
    vc_locality_deal(&all, 32, 100, &at);
    expect(at, 32, 4, 1);
    vc_locality_deal(&all, 64 + 9, 100, &at); /* from the first again */
    expect(at, 9, 1, 0);
    vc_locality_deal(&cores, 6, 8, &at);
    expect(at, 2, -1, -1);
    /* Without cores each has one of its own, and the others hold equal parts. */
    for (int i = 0; i < 7; i++) {
        vc_locality_deal(&numa, i, 7, &at);
        expect(at, -1, -1, i < 4 ? 0 : 1);
        vc_locality_deal(&both, i, 7, &at);
        assert_int_equal(at.unit[VC_UNIT_NUMA], at.unit[VC_UNIT_CACHE] / 3);
        assert_in_range(at.unit[VC_UNIT_CACHE], 0, 5);
    }
}

static void test_map(void **state)
{
    (void)state;
    static struct vc_cpu_map m;
    uint64_t mask[VC_MASK_WORDS];
    struct vc_locality at;
    vc_cpu_map_none(&m);
    assert_true(vc_cpu_list_parse("0-7", m.over));
    for (int cpu = 0; cpu < 8; cpu++)
        m.unit[VC_UNIT_CACHE][cpu] = (int16_t)(cpu % 2);
    vc_cpu_list_parse("4", mask);
    assert_true(vc_cpu_map_covers(&m, mask));
    vc_locality_map(&m, mask, &at);
    expect(at, 4, 0, -1);
    vc_cpu_list_parse("1,3", mask);
    vc_locality_map(&m, mask, &at);
    expect(at, -1, 1, -1);
    vc_cpu_list_parse("1-2", mask);
    assert_true(vc_cpu_map_covers(&m, mask));
    vc_locality_map(&m, mask, &at);
    expect(at, -1, -1, -1);
    vc_cpu_list_parse("7-8", mask);
    assert_false(vc_cpu_map_covers(&m, mask));
    vc_cpu_list_parse("", mask);
    assert_false(vc_cpu_map_covers(&m, mask));
    vc_locality_map(&m, mask, &at);
    expect(at, -1, -1, -1);
}

static void test_coreless(void **state)
{
    (void)state;
    struct vc_locality of[4] = {{{4, 0, 0}}, {{2, 0, 0}}, {{0, -1, -1}}, {{1, 1, 1}}};
    int other = 7;
    assert_int_equal(vc_locality_coreless(of, 4, &other), -1);
    of[3].unit[VC_UNIT_CORE] = 2;
    assert_int_equal(vc_locality_coreless(of, 4, &other), 3);
    assert_int_equal(other, 1);
    of[1].unit[VC_UNIT_CORE] = -1;
    assert_int_equal(vc_locality_coreless(of, 4, &other), 1);
    assert_int_equal(other, -1);
}

/* ---- levels ---- */

enum { RANKS = 64 };

static struct vc_locality of[RANKS];
static int mem[VC_LEVEL_KINDS * RANKS];

static void expect_level(const struct vc_levels *l, int k, enum vc_level_kind kind, int n,
                         const int *group_of)
{
    int ngroups = 0;
    assert_true(k < l->depth);
    assert_int_equal(l->level[k].kind, kind);
    for (int i = 0; i < n; i++) {
        assert_int_equal(l->level[k].group_of[i], group_of[i]);
        ngroups = group_of[i] >= ngroups ? group_of[i] + 1 : ngroups;
    }
    assert_int_equal(l->level[k].ngroups, ngroups);
}

static void build(const char *cores, const char *caches, const char *nodes, struct vc_levels *out)
{
    int n = (int)strlen(cores);
    const char *const text[] = {cores, caches, nodes};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < VC_UNITS; k++)
            of[i].unit[k] = text[k][i] == '?' ? -1 : text[k][i];
    memset(mem, 0xff, sizeof mem);
    vc_levels_build(of, n, mem, out);
}

static void test_levels(void **state)
{
    (void)state;
    struct vc_levels l;
    char text[128];
    build("01234567", "00112233", "00001111", &l);
    assert_int_equal(l.depth, 2);
    expect_level(&l, 0, VC_LEVEL_CACHE, 8, (const int[]){0, 0, 1, 1, 2, 2, 3, 3});
    expect_level(&l, 1, VC_LEVEL_NUMA, 8, (const int[]){0, 0, 0, 0, 1, 1, 1, 1});
    assert_string_equal(vc_levels_text(&l, 8, text, sizeof text), "8 ranks: cache 4 x 2, numa 2 x 4");
    /* Shuffled and uneven; groups are numbered by their lowest member. */
    build("abacb", "11121", "99999", &l);
    assert_int_equal(l.depth, 2);
    expect_level(&l, 0, VC_LEVEL_CPU, 5, (const int[]){0, 1, 0, 2, 1});
    expect_level(&l, 1, VC_LEVEL_CACHE, 5, (const int[]){0, 0, 0, 1, 0});
    assert_string_equal(vc_levels_text(&l, 5, text, sizeof text), "5 ranks: core 3 x 1..2, cache 2 x 1..4");
    /* All or nothing is no level; nor is one that some rank does not know. */
    build("0123", "0000", "0000", &l);
    assert_int_equal(l.depth, 0);
    assert_string_equal(vc_levels_text(&l, 4, text, sizeof text), "4 ranks, flat");
    build("0123", "0?11", "0011", &l);
    assert_int_equal(l.depth, 1);
    expect_level(&l, 0, VC_LEVEL_NUMA, 4, (const int[]){0, 0, 1, 1});
    build("????", "????", "????", &l);
    assert_int_equal(l.depth, 0);
    build("0", "0", "0", &l);
    assert_int_equal(l.depth, 0);
    /* The same groups twice are one level, named by the finer kind. */
    build("0123", "0011", "0011", &l);
    assert_int_equal(l.depth, 1);
    assert_int_equal(l.level[0].kind, VC_LEVEL_CACHE);
    /* A cache over several NUMA nodes: the finer one comes first, whatever its kind. */
    build("01234567", "00001111", "00112233", &l);
    assert_int_equal(l.depth, 2);
    assert_int_equal(l.level[0].kind, VC_LEVEL_NUMA);
    assert_int_equal(l.level[1].kind, VC_LEVEL_CACHE);
    /* Groups that cross are not nested: the coarser level goes. */
    build("01234567", "01012323", "00011111", &l);
    assert_int_equal(l.depth, 1);
    assert_int_equal(l.level[0].kind, VC_LEVEL_CACHE);
    /* As many groups that are others. */
    build("0123", "0011", "0101", &l);
    assert_int_equal(l.depth, 1);
    assert_int_equal(l.level[0].kind, VC_LEVEL_CACHE);
}

/* Groups of any made-up topology hold together whatever ranks are picked, in whatever order. */
static void test_shuffled(void **state)
{
    (void)state;
    srand(13);
    for (int trial = 0; trial < 500; trial++) {
        struct vc_synthetic s = {{rand() % 5, rand() % 5, rand() % 4}};
        int n = 1 + rand() % RANKS;
        struct vc_locality world[2 * RANKS];
        struct vc_levels l;
        for (int i = 0; i < 2 * RANKS; i++)
            vc_locality_deal(&s, i, 2 * RANKS, &world[i]);
        for (int i = 0; i < n; i++)
            of[i] = world[rand() % (2 * RANKS)];
        vc_levels_build(of, n, mem, &l);
        for (int k = 0; k < l.depth; k++) {
            int next = 0, kind = (int)l.level[k].kind;
            assert_in_range(l.level[k].ngroups, 2, n - 1);
            for (int i = 0; i < n; i++) {
                int group = l.level[k].group_of[i];
                assert_in_range(group, 0, next);
                next += group == next;
                for (int j = 0; j < i; j++) {
                    bool same = l.level[k].group_of[j] == group;
                    assert_int_equal(same, of[i].unit[kind] == of[j].unit[kind]);
                    if (same && k + 1 < l.depth)
                        assert_int_equal(l.level[k + 1].group_of[i], l.level[k + 1].group_of[j]);
                }
            }
            assert_int_equal(next, l.level[k].ngroups);
        }
    }
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, new_tree, drop_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),    TREE_TEST(test_sysfs),         TREE_TEST(test_odd_sysfs),
        TREE_TEST(test_processor),       cmocka_unit_test(test_deal),   cmocka_unit_test(test_map),
        cmocka_unit_test(test_coreless), cmocka_unit_test(test_levels), cmocka_unit_test(test_shuffled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The registration cache and what the application does to its memory: no registration outlives its pages. */
#include "regcache_rig.h"

#include <malloc.h>
#include <sys/syscall.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static void hits(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(BUF);
    uint32_t id = use(&r, p + 100, BUF / 2);
    assert_int_equal(use(&r, p + 100, BUF / 2), id);
    assert_int_equal(use(&r, p, 1), id); /* whole pages are registered */
    assert_int_equal(use(&r, p + PAGE, PAGE), id);
    assert_int_not_equal(use(&r, p + BUF / 2, BUF / 2), id);
    assert_int_equal(use(&r, p + 100, BUF / 2), id);
    check_transfer(&r, p, BUF, 7);
    struct vc_regcache_stats s = rig_stats(&r);
    assert_int_equal(s.hits, 4);
    assert_int_equal(s.misses, 3);
    assert_int_equal(s.entries, 3);
    assert_int_equal(s.bytes, BUF / 2 + PAGE + BUF / 2 + BUF);
    assert_int_equal(s.invalidated, 0);
    struct vc_reg *reg;
    assert_int_equal(vc_regcache_get(r.rc, p, 0, true, &reg), VC_ERR_INVAL);
    assert_int_equal(vc_regcache_get(r.rc, p, SIZE_MAX - 10, true, &reg), VC_ERR_INVAL);
    munmap(p, BUF);
    rig_stop(&r);
}

/* Nested, overlapping and adjacent ranges, against looking at each one. */
static void overlaps(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    enum { PAGES = 40 };
    char *p = map(PAGES * PAGE);
    struct {
        size_t from, to;
    } seen[64] = {{0, 0}};
    int n = 0;
    srandom(5);
    for (int i = 0; i < 3000; i++) {
        size_t from = (size_t)random() % PAGES, to = from + 1 + (size_t)random() % (PAGES - from);
        int covered = 0;
        for (int k = 0; k < n; k++)
            covered |= seen[k].from <= from && to <= seen[k].to;
        int before = r.device.regs;
        use(&r, p + from * PAGE, (to - from) * PAGE);
        assert_int_equal(r.device.regs, before + !covered);
        if (!covered) {
            assert_true(n < 64);
            seen[n].from = from;
            seen[n++].to = to;
        }
        if (i % 20 == 19) { /* drop a page: exactly those that have it go */
            size_t gone = (size_t)random() % PAGES;
            madvise(p + gone * PAGE, PAGE, MADV_DONTNEED);
            int kept = 0;
            for (int k = 0; k < n; k++)
                if (gone < seen[k].from || gone >= seen[k].to)
                    seen[kept++] = seen[k];
            n = kept;
            reaps_down_to(&r, n);
        }
    }
    munmap(p, PAGES * PAGE);
    rig_stop(&r);
}

static void unmapped(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    wake_watcher(&r);
    char *p = map(BUF);
    check_transfer(&r, p, BUF, 1);
    for (int i = 2; i < 20; i++) {
        munmap(p, BUF);
        map_at(p, BUF, MAP_FIXED);
        check_transfer(&r, p, BUF, i);
    }
    assert_int_equal(rig_stats(&r).invalidated, 19); /* the watcher's waking included */
    map_at(p, BUF, MAP_FIXED);                       /* over it, without munmap */
    check_transfer(&r, p, BUF, 20);
    munmap(p + 8 * PAGE, PAGE); /* a page out of the middle, and another put there */
    map_at(p + 8 * PAGE, PAGE, MAP_FIXED);
    check_transfer(&r, p, BUF, 21);
    assert_int_equal(rig_stats(&r).misses, 22);
    munmap(p + BUF / 2, BUF / 2);
    refuses(&r, p, BUF);
    check_transfer(&r, p, BUF / 2, 22);
    munmap(p, BUF / 2);
    rig_stop(&r);
}

static void neighbours_stay(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    wake_watcher(&r);
    char *p = map(3 * BUF);
    uint32_t low = use(&r, p, BUF), mid = use(&r, p + BUF, BUF), high = use(&r, p + 2 * BUF, BUF);
    munmap(p + BUF, BUF);
    assert_int_equal(use(&r, p, BUF), low);
    assert_int_equal(use(&r, p + 2 * BUF, BUF), high);
    map_at(p + BUF, BUF, MAP_FIXED);
    assert_int_not_equal(use(&r, p + BUF, BUF), mid);
    assert_int_equal(r.device.registered, 3);
    munmap(p, 3 * BUF);
    rig_stop(&r);
}

static void heap(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    for (int i = 0; i < 20; i++) { /* mapped by malloc, and unmapped by free */
        char *p = malloc(3 * BUF);
        check_transfer(&r, p, 3 * BUF, i);
        free(p);
    }
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* from here on from the heap, which grows and is trimmed */
    for (int i = 0; i < 20; i++) {
        char *p = malloc(3 * BUF);
        check_transfer(&r, p, 3 * BUF, i);
        char *grown = realloc(p, 4 * BUF - 5000);
        assert_non_null(grown);
        check_transfer(&r, grown, 4 * BUF - 5000, i);
        free(grown);
        malloc_trim(0);
    }
    mallopt(M_MMAP_THRESHOLD, 64 << 10); /* now the end of the heap is ours */
    char *top = sbrk(0), *p = sbrk((intptr_t)BUF);
    if (p == top) {
        check_transfer(&r, p, BUF, 1);
        sbrk(-(intptr_t)BUF);
        assert_ptr_equal(sbrk((intptr_t)BUF), p);
        check_transfer(&r, p, BUF, 2);
        sbrk(-(intptr_t)BUF);
    }
    if (!SANITIZED) /* a sanitizer's malloc gives nothing back */
        assert_true(rig_stats(&r).invalidated >= 40);
    rig_stop(&r);
}

static void moved(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    wake_watcher(&r);
    char *p = map(BUF), *q = map(2 * BUF);
    check_transfer(&r, p, BUF, 1);
    check_transfer(&r, q, 2 * BUF, 2);
    /* p goes to where q is: both are gone, and p's pages are known at a new place. */
    assert_ptr_equal(mremap(p, BUF, 2 * BUF, MREMAP_MAYMOVE | MREMAP_FIXED, q), q);
    map_at(p, BUF, MAP_FIXED_NOREPLACE);
    check_transfer(&r, q, 2 * BUF, 3);
    check_transfer(&r, p, BUF, 4);
    /* The mapping stays and loses its pages. */
    char *moved_to = (char *)syscall(SYS_mremap, p, BUF, BUF, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0ul);
    if (moved_to != MAP_FAILED) {
        check_transfer(&r, p, BUF, 5);
        check_transfer(&r, moved_to, BUF, 6);
        munmap(moved_to, BUF);
    }
    q = mremap(q, 2 * BUF, BUF, 0); /* shrinks */
    refuses(&r, q, 2 * BUF);
    check_transfer(&r, q, BUF, 7);
    munmap(p, BUF);
    munmap(q, BUF);
    rig_stop(&r);
}

/* Communicating with a part of a mapping must not cut it in two: mremap refuses what is not one mapping. */
static void parts_move_with_the_whole(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    wake_watcher(&r);
    char *area = mmap(NULL, 20 * BUF, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *p = map_at(area + BUF, 4 * BUF, MAP_FIXED); /* nothing to merge with */
    uint32_t id = use(&r, p + BUF, BUF);
    munmap(p + 4 * BUF, BUF);
    assert_ptr_equal(mremap(p, 4 * BUF, 5 * BUF, 0), p); /* grows in place: the registration is still good */
    assert_int_equal(use(&r, p + BUF, BUF), id);
    check_transfer(&r, p + 4 * BUF + 10, BUF / 2, 3);
    char *q = mremap(p, 5 * BUF, 8 * BUF, MREMAP_MAYMOVE | MREMAP_FIXED, area + 10 * BUF);
    assert_true(q != MAP_FAILED);
    check_transfer(&r, q + BUF, BUF, 4);
    madvise(q + 6 * BUF, BUF, MADV_DONTNEED); /* the grown part is watched as well */
    check_transfer(&r, q + 6 * BUF, BUF, 5);
    q = mremap(q, 8 * BUF, 9 * BUF, MREMAP_MAYMOVE);
    assert_true(q != MAP_FAILED);
    check_transfer(&r, q + BUF, BUF, 6);
    munmap(q, 9 * BUF);
    munmap(area, BUF); /* what p and q have left may be somebody else's by now */
    munmap(area + 6 * BUF, 4 * BUF);
    munmap(area + 18 * BUF, 2 * BUF);
    rig_stop(&r);
}

static void dropped(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(BUF);
    check_transfer(&r, p, BUF, 1);
    madvise(p + PAGE, PAGE, MADV_DONTNEED);
    assert_int_equal(p[PAGE], 0);
    check_transfer(&r, p, BUF, 2);
    uint32_t id = use(&r, p, BUF);
    madvise(p, BUF, MADV_FREE);
    assert_int_not_equal(use(&r, p, BUF), id);
    mprotect(p, BUF, PROT_NONE); /* takes no pages away */
    mprotect(p, BUF, PROT_READ | PROT_WRITE);
    uint32_t after = use(&r, p, BUF);
    check_transfer(&r, p, BUF, 3);
    assert_int_equal(use(&r, p, BUF), after);
    munmap(p, BUF);
    rig_stop(&r);
}

/* More changes than the log holds, while nobody looks: everything counts as changed. */
static void long_log(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    wake_watcher(&r);
    char *p = map(2 * BUF);
    check_transfer(&r, p, BUF, 1);
    for (int i = 0; i < 1100; i++)
        madvise(p + BUF + PAGE, PAGE, MADV_DONTNEED);
    munmap(p, BUF);
    map_at(p, BUF, MAP_FIXED);
    check_transfer(&r, p, BUF, 2);
    munmap(p, BUF);
    map_at(p, BUF, MAP_FIXED);
    check_transfer(&r, p, BUF, 3);
    munmap(p, 2 * BUF);
    rig_stop(&r);
}

static void held(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    wake_watcher(&r);
    char *p = map(BUF);
    struct vc_reg *old, *again, *fresh;
    assert_int_equal(get(&r, p, BUF, &old), VC_OK);
    assert_int_equal(get(&r, p, BUF, &again), VC_OK);
    assert_ptr_equal(old, again);
    munmap(p, BUF);
    map_at(p, BUF, MAP_FIXED);
    assert_int_equal(get(&r, p, BUF, &fresh), VC_OK);
    assert_ptr_not_equal(old, fresh);
    assert_int_equal(r.device.registered, 2); /* the old one lives while it is held */
    vc_regcache_put(r.rc, old);
    assert_int_equal(r.device.registered, 2);
    vc_regcache_put(r.rc, again);
    assert_int_equal(r.device.registered, 1);
    vc_regcache_put(r.rc, fresh);
    munmap(p, BUF);
    assert_int_equal(r.device.registered, 1);
    reaps_down_to(&r, 0);
    rig_stop(&r);
}

int main(void)
{
    alarm(100); /* a deadlock ends here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hits),     cmocka_unit_test(overlaps),
        cmocka_unit_test(unmapped), cmocka_unit_test(neighbours_stay),
        cmocka_unit_test(heap),     cmocka_unit_test(moved),
        cmocka_unit_test(dropped),  cmocka_unit_test(parts_move_with_the_whole),
        cmocka_unit_test(held),     cmocka_unit_test(long_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

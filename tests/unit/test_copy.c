/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every way to copy that this CPU has, at every small length and many alignments, with pages around both
 * buffers that fault when touched; and the choice among them.
 */
#include "transport/base.h"
#include "transport/copy/variants.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LONGEST 4100
#define ROOM    ((size_t)8192)

/* ROOM bytes between two pages that fault. */
static unsigned char *fenced(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = vc_round_up(ROOM, page);
    unsigned char *p =
        mmap(NULL, room + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p, page, PROT_NONE), 0);
    assert_int_equal(mprotect(p + page + room, page, PROT_NONE), 0);
    return p + page + room - ROOM; /* its end is a fence; its beginning as well where pages divide ROOM */
}

static void check_copy(const struct vc_copy_variant *v, unsigned char *to, const unsigned char *from,
                       size_t n, unsigned char *to_room)
{
    memset(to_room, 0xEE, ROOM);
    v->fn(to, from, n);
    if (memcmp(to, from, n) != 0)
        fail_msg("%d %s: %zu bytes from ..%lx to ..%lx are wrong", (int)v->kind, v->isa, n,
                 (unsigned long)((uintptr_t)from & 0xfff), (unsigned long)((uintptr_t)to & 0xfff));
    for (size_t i = 0; i < ROOM; i++)
        if ((to_room + i < to || to_room + i >= to + n) && to_room[i] != 0xEE)
            fail_msg("%d %s: %zu bytes: byte %zd is written", (int)v->kind, v->isa, n, to_room + i - to);
}

static void test_lengths(void **state)
{
    (void)state;
    unsigned char *src = fenced(), *dst = fenced();
    for (size_t i = 0; i < ROOM; i++)
        src[i] = (unsigned char)(i * 7 + i / 251);
    const struct vc_copy_variant *v;
    int variants = 0;
    for (unsigned i = 0; (v = vc_copy_variant(i)) != NULL; i++, variants++) {
        for (size_t n = 0; n <= LONGEST; n++) {
            check_copy(v, dst, src + ROOM - n, n, dst);
            check_copy(v, dst + ROOM - n, src, n, dst);
            check_copy(v, dst + n % 67, src + n % 61, n, dst);
        }
        for (size_t a = 0; a < 64; a++)
            for (size_t b = 0; b < 64; b++) {
                size_t n = 300 + (a * 64 + b) % 1500;
                check_copy(v, dst + a, src + b, n, dst);
            }
    }
    print_message("%d ways\n", variants);
}

/* Where an address sanitizer watches: blocks that end where the copy ends. */
static void test_blocks(void **state)
{
    (void)state;
    const struct vc_copy_variant *v;
    for (unsigned i = 0; (v = vc_copy_variant(i)) != NULL; i++)
        for (size_t n = 1; n <= LONGEST; n += n < 300 ? 1 : 97) {
            unsigned char *a = malloc(n), *b = malloc(n);
            memset(a, (int)(n | 1), n);
            v->fn(b, a, n);
            assert_memory_equal(a, b, n);
            free(a);
            free(b);
        }
}

enum { BYTES = 40000 };

static void copy_and_compare(unsigned char *a, unsigned char *b, size_t n, enum vc_copy_role role, int turn)
{
    memset(a, turn, n);
    vc_copy(b, a, n, role);
    assert_memory_equal(a, b, n);
}

/* By trial: right results all along, and in the end something is chosen. */
static void test_trial(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1023, 1024, 5000, 8192, BYTES};
    unsigned char *a = malloc(BYTES), *b = malloc(BYTES);
    vc_copy_use(VC_COPY_AUTO);
    for (int role = 0; role < VC_COPY_ROLES; role++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            if (sizes[s] >= VC_COPY_LEAST)
                assert_int_equal(vc_copy_chosen(sizes[s], (enum vc_copy_role)role), VC_COPY_AUTO);
            for (int turn = 0; turn < 200; turn++)
                copy_and_compare(a, b, sizes[s], (enum vc_copy_role)role, turn);
            enum vc_copy_kind k = vc_copy_chosen(sizes[s], (enum vc_copy_role)role);
            print_message("role %d, %zu bytes: %s\n", role, sizes[s], vc_copy_words[k]);
            assert_int_not_equal(k, VC_COPY_AUTO);
            if (k != VC_COPY_MEMCPY)
                assert_true(vc_copy_find(k) != NULL);
            if (sizes[s] == 5000) /* 8192 is of another class */
                assert_int_equal(vc_copy_chosen(8192, (enum vc_copy_role)role), VC_COPY_AUTO);
        }
    free(a);
    free(b);
}

static void test_forced(void **state)
{
    (void)state;
    unsigned char *a = malloc(BYTES), *b = malloc(BYTES);
    for (int k = VC_COPY_MEMCPY; k < VC_COPY_KINDS; k++) {
        vc_copy_use((enum vc_copy_kind)k);
        for (int turn = 0; turn < 200; turn++)
            copy_and_compare(a, b, 9000, VC_COPY_GIVE, turn);
        bool has = vc_copy_find((enum vc_copy_kind)k) != NULL;
        assert_int_equal(vc_copy_chosen(9000, VC_COPY_GIVE), has ? k : VC_COPY_MEMCPY);
    }
    vc_copy_use(VC_COPY_AUTO);
    memset(a, 1, BYTES);
    vc_copy_stream(b, a, BYTES);
    assert_memory_equal(a, b, BYTES);
    free(a);
    free(b);
}

static void *copy_much(void *arg)
{
    unsigned char *a = malloc(BYTES), *b = malloc(BYTES);
    long wrong = 0;
    for (int turn = 0; turn < 3000; turn++) {
        size_t n = 1000 + (size_t)turn * 131 % 30000;
        memset(a, turn, n);
        vc_copy(b, a, n, (enum vc_copy_role)(turn % VC_COPY_ROLES));
        wrong += memcmp(a, b, n) != 0;
    }
    free(a);
    free(b);
    *(long *)arg = wrong;
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t th[4];
    long wrong[4];
    vc_copy_use(VC_COPY_AUTO);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&th[i], NULL, copy_much, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(th[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

/* A race in which one way is said to be faster than the others. */
static void run_race(enum vc_copy_kind fast)
{
    struct vc_copy_race r = {0};
    bool measure;
    int measured = 0;
    vc_copy_fn fn = NULL;
    for (int call = 0; call < 200; call++) {
        fn = vc_copy_race_next(&r, &measure);
        assert_true(fn != NULL);
        measured += measure;
        if (measure)
            vc_copy_race_took(&r, fn == vc_copy_find(fast) ? 700 : 1000 + (unsigned)call % 7);
    }
    assert_true(fn == vc_copy_find(fast));
    assert_true(!measure && measured > 0);
    print_message("%d calls measured\n", measured);
}

static void test_race(void **state)
{
    (void)state;
    vc_copy_use(VC_COPY_AUTO);
    run_race(VC_COPY_MEMCPY);
    for (int k = VC_COPY_REP; k < VC_COPY_STREAM; k++)
        if (vc_copy_find((enum vc_copy_kind)k))
            run_race((enum vc_copy_kind)k);
    /* All measure the same ways in the same calls. */
    struct vc_copy_race a = {0}, b = {0};
    for (int call = 0; call < 300; call++) {
        bool of_a, of_b;
        vc_copy_fn fn_a = vc_copy_race_next(&a, &of_a), fn_b = vc_copy_race_next(&b, &of_b);
        assert_int_equal(of_a, of_b);
        if (!of_a)
            continue;
        assert_true(fn_a == fn_b);
        vc_copy_race_took(&a, 1000 + (unsigned)call);
        vc_copy_race_took(&b, 2000 - (unsigned)call);
    }
    vc_copy_use(VC_COPY_MEMCPY);
    struct vc_copy_race none = {0};
    bool measure;
    for (int call = 0; call < 100; call++) {
        assert_true(vc_copy_race_next(&none, &measure) == vc_copy_find(VC_COPY_MEMCPY));
        assert_false(measure);
    }
    vc_copy_use(VC_COPY_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_blocks),  cmocka_unit_test(test_trial),
        cmocka_unit_test(test_forced),  cmocka_unit_test(test_threads), cmocka_unit_test(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

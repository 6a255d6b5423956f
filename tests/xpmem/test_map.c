/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapped memory of another process, over the stand-in: two processes that take turns. */
#include "transport/base.h"
#include "transport/shm/single.h"
#include "transport/shm/xpmem.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Buffers lie so far apart that no two are in one attachment. */
enum { LEN = 100000, BUFFERS = 100, APART = 33 << 20 };

/* What the other process tells, and what it is told to do. */
struct owner {
    pid_t pid;
    int64_t segment;
    unsigned char *buffer[BUFFERS], *page;
    char *local; /* nothing that the stand-in maps */
};
static struct owner owner;
static int to_owner, from_owner;

static void fill(unsigned char *p, int seed)
{
    for (size_t i = 0; i < LEN; i++)
        p[i] = (unsigned char)(i * 7 + (size_t)seed);
}

static bool is_filled(const unsigned char *p, int seed)
{
    for (size_t i = 0; i < LEN; i++)
        if (p[i] != (unsigned char)(i * 7 + (size_t)seed))
            return false;
    return true;
}

/* 'r': the page becomes another one, 'c': checks that buffer 0 was written, 'e': ends. */
static void own(int in, int out)
{
    static char local[LEN];
    char what;
    struct owner o = {.pid = getpid(), .local = local};
    local[0] = 'x';
    if (vc_map_init(&o.segment) != VC_OK)
        _exit(2);
    for (int i = 0; i < BUFFERS; i++)
        fill(o.buffer[i] = malloc(APART), i);
    o.page = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(o.page, 1000);
    if (write(out, &o, sizeof o) != sizeof o)
        _exit(3);
    while (read(in, &what, 1) == 1 && what != 'e') {
        char answer = 'y';
        if (what == 'r') {
            if (mmap(o.page, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                MAP_FAILED)
                _exit(4);
            fill(o.page, 2000);
        } else {
            answer = is_filled(o.buffer[0], 77) ? 'y' : 'n';
        }
        if (write(out, &answer, 1) != 1)
            _exit(4);
    }
    vc_map_fini();
    _exit(0);
}

static char ask(char what)
{
    char answer = '?';
    assert_int_equal(write(to_owner, &what, 1), 1);
    assert_int_equal(read(from_owner, &answer, 1), 1);
    return answer;
}

static int start(void **state)
{
    (void)state;
    int a[2], b[2];
    if (pipe(a) != 0 || pipe(b) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        own(a[0], b[1]);
    close(a[0]);
    close(b[1]);
    to_owner = a[1];
    from_owner = b[0];
    int64_t segment;
    memset(&vc_map_stats, 0, sizeof vc_map_stats);
    return read(from_owner, &owner, sizeof owner) == sizeof owner && vc_map_init(&segment) == VC_OK ? 0 : -1;
}

static int stop_owner(void **state)
{
    (void)state;
    int status = -1;
    vc_map_fini();
    if (write(to_owner, "e", 1) != 1 || waitpid(owner.pid, &status, 0) != owner.pid)
        return -1;
    close(to_owner);
    close(from_owner);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct vc_map_hold hold(struct vc_map_peer *p, const void *at, size_t len)
{
    return vc_map_range(p, (uintptr_t)at, len);
}

static struct vc_map_peer *open_owner(bool keep)
{
    struct vc_map_peer *p = vc_map_open(owner.segment);
    assert_non_null(p);
    vc_map_keep(keep);
    return p;
}

/* Reading, writing, and single copies that are made of these. */
static void test_copies(void **state)
{
    (void)state;
    struct vc_map_peer *p = open_owner(true);
    unsigned char *mine = malloc(LEN);
    struct vc_map_hold h = hold(p, owner.buffer[3], LEN);
    assert_non_null(h.at);
    assert_true(is_filled(h.at, 3));
    vc_map_drop(&h);
    assert_int_equal(vc_single_read(owner.pid, p, mine, (uintptr_t)owner.buffer[5], LEN, VC_COPY_TAKE),
                     VC_OK);
    assert_true(is_filled(mine, 5));
    fill(mine, 77);
    assert_int_equal(vc_single_write(owner.pid, p, mine, (uintptr_t)owner.buffer[0], LEN), VC_OK);
    assert_int_equal(ask('c'), 'y');
    assert_int_equal(atomic_load(&vc_map_stats.attached), 3);
    assert_null(hold(p, owner.buffer[3], 0).at);
    assert_null(hold(NULL, owner.buffer[3], LEN).at);
    free(mine);
    vc_map_close(p);
}

/* What cannot be mapped is copied by calls, and is not asked for again and again. */
static void test_refused(void **state)
{
    (void)state;
    struct vc_map_peer *p = open_owner(true);
    char got[16] = "";
    for (int i = 0; i < 10; i++) {
        assert_null(hold(p, owner.local, 16).at);
        assert_int_equal(vc_single_read(owner.pid, p, got, (uintptr_t)owner.local, 16, VC_COPY_TAKE), VC_OK);
        assert_int_equal(got[0], 'x');
    }
    assert_int_equal(atomic_load(&vc_map_stats.refused), 1);
    vc_map_close(p);
}

/* Kept attachments are found again, up to a number; those in use stay. */
static void test_kept(void **state)
{
    (void)state;
    struct vc_map_peer *p = open_owner(true);
    struct vc_map_hold used = hold(p, owner.buffer[0], LEN);
    for (int round = 0; round < 3; round++)
        for (int i = 1; i < 20; i++) {
            struct vc_map_hold h = hold(p, owner.buffer[i] + 1000, 5000), all = hold(p, owner.buffer[i], LEN);
            assert_memory_equal(h.at, (unsigned char *)all.at + 1000, 5000);
            vc_map_drop(&all);
            vc_map_drop(&h);
        }
    assert_in_range(atomic_load(&vc_map_stats.attached), 20, 39);
    vc_map_close(p);
    p = open_owner(true);
    used = hold(p, owner.buffer[0], LEN);
    uint64_t before = atomic_load(&vc_map_stats.attached);
    for (int i = 1; i < BUFFERS; i++) {
        struct vc_map_hold h = hold(p, owner.buffer[i], LEN);
        assert_true(is_filled(h.at, i));
        vc_map_drop(&h);
    }
    assert_int_equal(atomic_load(&vc_map_stats.attached) - before, BUFFERS - 1);
    assert_true(atomic_load(&vc_map_stats.evicted) >= BUFFERS - 64);
    assert_true(is_filled(used.at, 0));
    vc_map_drop(&used);
    vc_map_close(p);
}

/* All attachments are in use: the next range is refused. */
static void test_full(void **state)
{
    (void)state;
    struct vc_map_peer *p = open_owner(true);
    struct vc_map_hold h[BUFFERS];
    int n = 0;
    while (n < BUFFERS && (h[n] = hold(p, owner.buffer[n], LEN)).at)
        n++;
    assert_int_equal(n, 64);
    for (int i = 0; i < n; i++) {
        assert_true(is_filled(h[i].at, i));
        vc_map_drop(&h[i]);
    }
    vc_map_close(p);
}

/* An attachment follows its owner's memory. */
static void test_follows(void **state)
{
    (void)state;
    struct vc_map_peer *p = open_owner(true);
    struct vc_map_hold h = hold(p, owner.page, LEN);
    assert_true(is_filled(h.at, 1000));
    assert_int_equal(ask('r'), 'y');
    assert_true(is_filled(h.at, 2000));
    vc_map_drop(&h);
    vc_map_close(p);
}

/* Where it does not, none is kept. */
static void test_not_kept(void **state)
{
    (void)state;
    struct vc_map_peer *p = open_owner(false);
    for (int i = 0; i < 5; i++) {
        struct vc_map_hold h = hold(p, owner.buffer[1], LEN);
        assert_true(is_filled(h.at, 1));
        vc_map_drop(&h);
    }
    assert_int_equal(atomic_load(&vc_map_stats.attached), 5);
    vc_map_close(p);
}

static void test_readable(void **state)
{
    (void)state;
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = 0;
    assert_true(vc_map_readable(&owner));
    assert_false(vc_map_readable(page));
    assert_false(vc_map_readable(NULL));
    munmap(page, 4096);
}

int main(void)
{
    void *there = dlopen(VC_XPMEM_LIBRARY, RTLD_LAZY | RTLD_NOLOAD);
    if (!there) {
        fprintf(stderr, "the stand-in is not preloaded\n");
        return 77;
    }
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop_owner)
    const struct CMUnitTest tests[] = {CASE(test_copies),  CASE(test_refused), CASE(test_kept),
                                       CASE(test_full),    CASE(test_follows), CASE(test_not_kept),
                                       CASE(test_readable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

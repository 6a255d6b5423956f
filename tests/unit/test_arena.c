/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena: ranges that do not overlap, are used again when all have left them, and end with an error code.
 */
#include "transport/shm/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KB ((size_t)1024)
#define MB (KB * KB)

/* n arenas of one segment, all in this process. */
static void make(size_t each, int n, enum vc_seg_backing backing, struct vc_arena *a[])
{
    struct vc_seg seg, more;
    struct vc_seg_handle h;
    assert_int_equal(vc_arena_create(each, n, backing, &seg, &h), VC_OK);
    for (int i = 1; i < n; i++) {
        assert_int_equal(vc_seg_attach(&h, &more), VC_OK);
        assert_int_equal(vc_arena_open(&more, n, i, &a[i]), VC_OK);
        assert_null(more.base);
    }
    assert_int_equal(vc_arena_open(&seg, n, 0, &a[0]), VC_OK);
    for (int i = 0; i < n; i++)
        vc_arena_settle(a[i]);
}

static void unmake(struct vc_arena *a[], int n)
{
    for (int i = 0; i < n; i++)
        vc_arena_close(a[i]);
    vc_arena_close(NULL);
}

static void ranges_are_seen_by_all(void **state)
{
    (void)state;
    for (int b = VC_SEG_AUTO; b <= VC_SEG_SHM; b++) {
        struct vc_arena *a[3];
        struct vc_hold h[3][4];
        make(1 * MB + 100, 3, (enum vc_seg_backing)b, a);
        for (int i = 0; i < 3; i++) {
            *(int *)vc_arena_head(a[i], i) = 100 + i;
            for (int k = 0; k < 4; k++) {
                size_t bytes = 1 + (size_t)k * 5000;
                assert_int_equal(vc_arena_take(a[i], bytes, 0, &h[i][k]), VC_OK);
                assert_int_equal(h[i][k].bytes, bytes);
                memset(vc_arena_at(a[i], i, h[i][k].at), 1 + i * 4 + k, bytes);
            }
        }
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                assert_int_equal(*(int *)vc_arena_head(a[j], i), 100 + i);
                for (int k = 0; k < 4; k++)
                    for (size_t at = 0; at < h[i][k].bytes; at++)
                        assert_int_equal(vc_arena_at(a[j], i, h[i][k].at)[at], 1 + i * 4 + k);
            }
        unmake(a, 3);
    }
}

/* Takes ranges of `bytes` until there is no more room. */
static int fill(struct vc_arena *a, size_t bytes, size_t spare, struct vc_hold *h, int most)
{
    int n = 0, err = VC_OK;
    while (n < most && (err = vc_arena_take(a, bytes, spare, &h[n])) == VC_OK)
        n++;
    assert_true(n == most || err == VC_ERR_UNSUPPORTED);
    assert_true(n == most || h[n].bytes == 0);
    return n;
}

static void exhaustion_fragmentation_and_reuse(void **state)
{
    (void)state;
    struct vc_arena *a;
    struct vc_hold h[600] = {0}, big;
    make(1 * MB, 1, VC_SEG_AUTO, &a);
    assert_int_equal(vc_arena_take(a, 0, 0, &big), VC_ERR_UNSUPPORTED);
    assert_int_equal(vc_arena_take(a, 1 * MB, 0, &big), VC_ERR_UNSUPPORTED);
    assert_int_equal(vc_arena_take(a, SIZE_MAX, 0, &big), VC_ERR_UNSUPPORTED);
    int n = fill(a, 4 * KB, 0, h, 600);
    assert_int_equal(n, 255); /* all but what head and counters take */
    assert_int_equal(vc_arena_used(a), 255 * 4 * KB);
    /* Every second one: much is free, and nothing of it in one piece. */
    for (int i = 0; i < n; i += 2)
        vc_arena_give(a, &h[i]);
    assert_int_equal(vc_arena_take(a, 8 * KB, 0, &big), VC_ERR_UNSUPPORTED);
    vc_arena_give(a, &h[1]);
    assert_int_equal(vc_arena_take(a, 12 * KB, 0, &big),
                     VC_OK); /* three together, and first fit finds them */
    vc_arena_give(a, &big);
    vc_arena_give(a, &big); /* none: legal */
    for (int i = 0; i < n; i++)
        vc_arena_give(a, &h[i]);
    assert_int_equal(vc_arena_used(a), 0);
    assert_int_equal(fill(a, 4 * KB, 0, h, 600), 255);
    for (int i = 0; i < 255; i++)
        vc_arena_give(a, &h[i]);
    /* What must stay free is left. */
    n = fill(a, 64 * KB, 256 * KB, h, 600);
    assert_int_equal(n, (1020 - 256) / 64);
    assert_int_equal(fill(a, 64 * KB, 0, h + n, 600 - n), 4);
    vc_arena_close(a);
}

static size_t resident(char *at, size_t bytes)
{
    static unsigned char in[1 << 14];
    size_t pages = bytes / (4 * KB), n = 0;
    assert_int_equal(mincore(at, bytes, in), 0);
    for (size_t i = 0; i < pages; i++)
        n += in[i] & 1;
    return n * 4 * KB;
}

/* Emulators may take the advice and do nothing. */
static bool advice_frees_memory(void)
{
    size_t bytes = 64 * KB;
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    memset(at, 1, bytes);
    bool frees = madvise(at, bytes, MADV_REMOVE) == 0 && at[0] == 0;
    munmap(at, bytes);
    return frees;
}

/* A range that is reserved becomes memory part by part, and what was memory of it goes back with it. */
static void ranges_become_memory_by_parts(void **state)
{
    (void)state;
    struct vc_arena *a;
    struct vc_hold h[2], later;
    make(16 * MB, 1, VC_SEG_AUTO, &a);
    size_t none = vc_arena_committed(a);
    assert_true(none < 64 * KB);
    assert_int_equal(vc_arena_reserve(a, 2 * MB, 0, &h[0]), VC_OK);
    assert_int_equal(vc_arena_reserve(a, 15 * MB, 0, &later), VC_ERR_UNSUPPORTED);
    assert_int_equal(vc_arena_committed(a), none);
    assert_int_equal(vc_arena_used(a), 2 * MB);
    assert_int_equal(vc_arena_commit(a, &h[0], 0, 0), VC_OK);
    assert_int_equal(vc_arena_commit(a, &h[0], 0, 5000), VC_OK);
    assert_int_equal(vc_arena_committed(a), none + 8 * KB);
    /* Parts of pages, and a part that is memory already. */
    assert_int_equal(vc_arena_commit(a, &h[0], 9 * KB, 4 * KB), VC_OK);
    assert_int_equal(vc_arena_committed(a), none + 16 * KB);
    memset(vc_arena_at(a, 0, h[0].at), 1, 16 * KB);
    assert_int_equal(vc_arena_commit(a, &h[0], 0, 1792 * KB), VC_OK);
    assert_int_equal(vc_arena_committed(a), none + 1792 * KB);
    assert_int_equal(vc_arena_at(a, 0, h[0].at)[5000], 1);
    /* More than is kept for the next ranges goes back at once. */
    vc_arena_give(a, &h[0]);
    assert_int_equal(vc_arena_committed(a), none);
    /* Less is kept, and is the next range's. */
    assert_int_equal(vc_arena_reserve(a, 2 * MB, 0, &h[0]), VC_OK);
    assert_int_equal(vc_arena_commit(a, &h[0], 0, 512 * KB), VC_OK);
    vc_arena_give(a, &h[0]);
    assert_int_equal(vc_arena_committed(a), none + 512 * KB);
    assert_int_equal(vc_arena_reserve(a, 256 * KB, 0, &h[0]), VC_OK);
    assert_int_equal(vc_arena_reserve(a, 1 * MB, 0, &h[1]), VC_OK);
    assert_int_equal(vc_arena_commit(a, &h[1], 0, 1 * MB), VC_OK);
    assert_int_equal(vc_arena_committed(a), none + 256 * KB + 1 * MB);
    vc_arena_give(a, &h[0]);
    vc_arena_give(a, &h[1]);
    assert_true(vc_arena_committed(a) <= none + 1 * MB);
    assert_int_equal(vc_arena_used(a), 0);
    vc_arena_close(a);
}

/* Memory goes back to the system, but for some that the next ranges take, wherever it lies. */
static void memory_goes_back(void **state)
{
    (void)state;
    struct vc_arena *a;
    struct vc_hold h[200], last;
    if (!advice_frees_memory())
        skip();
    make(32 * MB, 1, VC_SEG_AUTO, &a);
    char *mem = vc_arena_at(a, 0, 0);
    for (int round = 0; round < 3; round++) {
        int n = fill(a, 100 * KB, 0, h, 200);
        for (int i = 0; i < n; i++)
            memset(vc_arena_at(a, 0, h[i].at), 1, 100 * KB);
        assert_int_equal(vc_arena_take(a, 100 * KB, 0, &last), VC_OK);
        assert_true(resident(mem, 32 * MB) >= (size_t)n * 100 * KB);
        for (int i = 0; i < n; i++)
            vc_arena_give(a, &h[(i * 7 + round) % n]);
        assert_true(resident(mem, 32 * MB) <= 2 * MB);
        memset(vc_arena_at(a, 0, last.at), 2, 100 * KB);
        vc_arena_give(a, &last);
    }
    vc_arena_close(a);
}

/* Ranges of a group come back when all its members have left, in whatever order. */
static void late_members(void **state)
{
    (void)state;
    enum { N = 3 };
    struct vc_arena *a[N];
    struct vc_hold h[N], all[300];
    make(256 * KB, N, VC_SEG_AUTO, a);
    for (int round = 0; round < 200; round++) {
        int lead = round % N;
        for (int i = 0; i < N; i++)
            assert_int_equal(vc_arena_take(a[i], 100 * KB, 0, &h[i]), VC_OK);
        uint32_t left = vc_arena_left(a[lead], &h[lead]), at = h[lead].at;
        for (int i = 0; i < N; i++)
            vc_hold_share(&h[i], lead, at, left, N);
        for (int k = 0; k < N; k++) {
            int i = (round / N + k * 2) % N;
            vc_arena_give(a[i], &h[i]);
            for (int j = 0; j < N; j++)
                assert_true(k == N - 1 ? vc_arena_used(a[j]) == 0 : vc_arena_used(a[j]) >= 100 * KB);
        }
    }
    /* Groups at once, with leads of all kinds, left one after the other. */
    struct vc_hold many[N][20];
    for (int round = 0; round < 50; round++) {
        for (int g = 0; g < 20; g++) {
            int lead = (g + round) % N;
            for (int i = 0; i < N; i++)
                assert_int_equal(vc_arena_take(a[i], 4 * KB + (size_t)((g + i) % 3) * 4 * KB, 0, &many[i][g]),
                                 VC_OK);
            uint32_t left = vc_arena_left(a[lead], &many[lead][g]), at = many[lead][g].at;
            for (int i = 0; i < N; i++)
                vc_hold_share(&many[i][g], lead, at, left, N);
        }
        for (int i = 0; i < N; i++)
            for (int g = 0; g < 20; g++)
                vc_arena_give(a[i], &many[i][(g * 7 + round) % 20]);
        for (int i = 0; i < N; i++)
            assert_int_equal(vc_arena_used(a[i]), 0);
    }
    assert_int_equal(fill(a[1], 4 * KB, 0, all, 300), 63);
    unmake(a, N);
}

/* Threads take and give at once; nobody finds another's bytes in his range. */
static struct vc_arena *shared;
static _Atomic int bad;

static void *thread(void *arg)
{
    unsigned char mark = *(unsigned char *)arg;
    for (int i = 0; i < 2000; i++) {
        struct vc_hold h;
        if (vc_arena_take(shared, 1 + (size_t)(i * 37 % 9000), 0, &h) != VC_OK)
            continue;
        unsigned char *p = (unsigned char *)vc_arena_at(shared, 0, h.at);
        memset(p, mark, h.bytes);
        if (i % 16 == 0)
            sched_yield();
        for (size_t k = 0; k < h.bytes; k++)
            bad += p[k] != mark;
        vc_arena_give(shared, &h);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t t[4];
    unsigned char mark[4] = {1, 2, 3, 4};
    make(64 * KB, 1, VC_SEG_AUTO, &shared);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, thread, &mark[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(bad, 0);
    assert_int_equal(vc_arena_used(shared), 0);
    vc_arena_close(shared);
}

/* Many processes open it at once; it goes with the last of them, whoever is killed. */
static void processes(void **state)
{
    (void)state;
    enum { N = 24 };
    struct vc_seg seg;
    struct vc_seg_handle h;
    struct vc_arena *mine;
    struct vc_hold own;
    pid_t pid[N];
    assert_int_equal(vc_arena_create(256 * KB, N, VC_SEG_SHM, &seg, &h), VC_OK);
    for (int i = 1; i < N; i++)
        if ((pid[i] = fork()) == 0) {
            struct vc_seg s;
            struct vc_arena *a;
            struct vc_hold hold;
            munmap(seg.base, 4096);
            if (vc_seg_attach(&h, &s) != VC_OK || vc_arena_open(&s, N, i, &a) != VC_OK ||
                vc_arena_take(a, 100 * KB, 0, &hold) != VC_OK)
                _exit(1);
            memset(vc_arena_at(a, i, hold.at), i, 100 * KB);
            /* Release: pairs with the acquire below. */
            atomic_store_explicit((_Atomic uint32_t *)vc_arena_head(a, i), hold.at, memory_order_release);
            if (i % 2)
                raise(SIGKILL);
            pause();
            _exit(0);
        }
    assert_int_equal(vc_arena_open(&seg, N, 0, &mine), VC_OK);
    assert_int_equal(vc_arena_take(mine, 4 * KB, 0, &own), VC_OK);
    for (int i = 1; i < N; i++) {
        uint32_t at;
        while ((at = atomic_load_explicit((_Atomic uint32_t *)vc_arena_head(mine, i),
                                          memory_order_acquire)) == 0)
            sched_yield();
        for (size_t k = 0; k < 100 * KB; k++)
            assert_int_equal(vc_arena_at(mine, i, at)[k], i);
    }
    vc_arena_settle(mine);
    struct vc_seg late;
    assert_true(vc_seg_attach(&h, &late) < 0);
    for (int i = 1; i < N; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }
    vc_arena_close(mine);
}

/* A full /dev/shm is an error code, what was tried is given back, and less can still be had. 77: not allowed.
 */
static int small_system(void)
{
    struct vc_arena *a[2];
    struct vc_hold h;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/dev/shm", "tmpfs", 0, "size=1m") != 0)
        return 77;
    make(8 * MB, 2, VC_SEG_SHM, a);
    if (vc_arena_take(a[0], 2 * MB, 0, &h) != VC_ERR_NOMEM || !strstr(vc_error_text(), "/dev/shm"))
        return 1;
    for (int i = 0; i < 2; i++) {
        if (vc_arena_take(a[i], 400 * KB, 0, &h) != VC_OK)
            return 2;
        memset(vc_arena_at(a[i], i, h.at), 1, 400 * KB); /* SIGBUS would be the failure */
    }
    if (vc_arena_take(a[1], 400 * KB, 0, &h) != VC_ERR_NOMEM || vc_arena_used(a[1]) != 400 * KB)
        return 3;
    vc_arena_give(a[1], &h);
    unmake(a, 2);
    return 0;
}

static void little_memory(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(small_system());
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Kernels before 5.14 know no other way than the descriptor, which a program may close, or use for a file. */
static int old_kernel(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 23 /* MADV_POPULATE_WRITE */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof code / sizeof code[0], code};
    struct vc_arena *a[2];
    struct vc_hold h;
    int before = open("/dev/null", O_RDONLY);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
        return 77;
    make(1 * MB, 2, VC_SEG_AUTO, a);
    for (int i = 0; i < 2; i++) {
        if (vc_arena_take(a[i], 100 * KB, 0, &h) != VC_OK)
            return 1;
        memset(vc_arena_at(a[i], i, h.at), 1, 100 * KB);
    }
    char name[] = "/tmp/test_arena.XXXXXX";
    int file = mkstemp(name);
    unlink(name);
    for (int fd = before + 1; fd < file; fd++)
        dup2(file, fd);
    struct stat st;
    if (vc_arena_take(a[0], 100 * KB, 0, &h) != VC_ERR_SYS || !strstr(vc_error_text(), "closed a descriptor"))
        return 2;
    unmake(a, 2);
    for (int fd = before + 1; fd <= file; fd++) /* none of the program's was touched or closed */
        if (fstat(fd, &st) != 0 || st.st_size != 0)
            return 3;
    return 0;
}

static void without_populating(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(old_kernel());
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_seen_by_all),
        cmocka_unit_test(exhaustion_fragmentation_and_reuse),
        cmocka_unit_test(ranges_become_memory_by_parts),
        cmocka_unit_test(memory_goes_back),
        cmocka_unit_test(late_members),
        cmocka_unit_test(threads),
        cmocka_unit_test(processes),
        cmocka_unit_test(little_memory),
        cmocka_unit_test(without_populating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

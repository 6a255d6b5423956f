/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory segments: shared for real, honest about limits, gone when everybody is gone. */
#include "transport/shm/segment.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KB ((size_t)1024)
#define MB (KB * KB)

/** Objects of process `pid` (0: of any) in /dev/shm. */
static int left_behind(pid_t pid)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, pid ? "vcoll-%ld-" : "vcoll-", (long)pid);
    DIR *d = opendir("/dev/shm");
    if (!d)
        return 0;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return n;
}

/** Runs fn in a child. Its result, or -signal. 77 means: not permitted here. */
static int in_child(int (*fn)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn());
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define NEED(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #cond, vc_error_text());     \
            return 1;                                                                                        \
        }                                                                                                    \
    } while (0)

static void shared_between_processes(enum vc_seg_backing backing)
{
    struct vc_seg seg;
    struct vc_seg_handle h;
    const size_t len = 100 * KB + 3;
    assert_int_equal(vc_seg_create(len, backing, &seg, &h), VC_OK);
    assert_int_equal(seg.len, len);
    assert_int_equal((uintptr_t)seg.base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    assert_true(fcntl(seg.fd, F_GETFD) & FD_CLOEXEC);
    char *p = seg.base;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(p[i], 0);
    p[0] = 'a';
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_seg mine;
        munmap(seg.base, len); /* nothing inherited may help */
        if (vc_seg_attach(&h, &mine) != VC_OK)
            _exit(2);
        char *q = mine.base;
        if (q[0] != 'a' || mine.len != len || mine.fd != -1)
            _exit(3);
        q[len - 1] = 'z';
        vc_seg_detach(&mine);
        _exit(mine.base == NULL ? 0 : 4);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(p[len - 1], 'z');
    assert_int_equal(left_behind(getpid()), backing == VC_SEG_SHM ? 1 : 0);
    vc_seg_settle(&seg);
    assert_int_equal(seg.fd, -1);
    assert_int_equal(left_behind(getpid()), 0);
    assert_int_equal(p[len - 1], 'z'); /* the mapping stays */
    struct vc_seg late;
    assert_true(vc_seg_attach(&h, &late) < 0);
    assert_null(late.base);
    vc_seg_detach(&seg);
    assert_null(seg.base);
    vc_seg_detach(&seg);
}

static void memfd_is_shared(void **state)
{
    (void)state;
    shared_between_processes(VC_SEG_MEMFD);
}

static void posix_object_is_shared(void **state)
{
    (void)state;
    shared_between_processes(VC_SEG_SHM);
}

static void detach_unlinks_what_was_not_settled(void **state)
{
    (void)state;
    struct vc_seg seg, zero;
    struct vc_seg_handle h;
    struct stat st;
    char path[64];
    assert_int_equal(vc_seg_create(4 * KB, VC_SEG_SHM, &seg, &h), VC_OK);
    snprintf(path, sizeof path, "/dev/shm%s", seg.name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    vc_seg_detach(&seg);
    assert_int_equal(left_behind(getpid()), 0);
    memset(&zero, 0, sizeof zero);
    vc_seg_settle(&zero);
    vc_seg_detach(&zero);
    assert_int_not_equal(fcntl(0, F_GETFD), -1); /* descriptor 0 of a zeroed struct is not ours */
}

static void other_memory_is_not_mistaken(void **state)
{
    (void)state;
    for (int b = VC_SEG_MEMFD; b <= VC_SEG_SHM; b++) {
        struct vc_seg seg, got;
        struct vc_seg_handle h, bad;
        assert_int_equal(vc_seg_create(8 * KB, (enum vc_seg_backing)b, &seg, &h), VC_OK);
        bad = h;
        bad.nonce++;
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_SYS);
        bad = h;
        bad.len += 64 * KB; /* a mapping that long would end in SIGBUS */
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_SYS);
        bad = h;
        bad.len--;
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_SYS);
        bad = h;
        bad.len = UINT64_MAX - 100;
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_INVAL);
        bad = h;
        bad.fd = 1 << 20;
        bad.name[7] ^= 1;
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_SYS);
        bad = h;
        memset(&bad.name, 'x', sizeof bad.name); /* not terminated */
        bad.fd = 1 << 20;
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_SYS);
        bad = h;
        bad.backing = 0;
        assert_int_equal(vc_seg_attach(&bad, &got), VC_ERR_INVAL);
        assert_null(got.base);
        vc_seg_detach(&seg);
    }
    struct vc_seg seg;
    struct vc_seg_handle h;
    assert_int_equal(vc_seg_create(0, VC_SEG_AUTO, &seg, &h), VC_ERR_INVAL);
    assert_int_equal(vc_seg_create(SIZE_MAX, VC_SEG_AUTO, &seg, &h), VC_ERR_INVAL);
    assert_int_equal(h.backing, 0);
}

static bool small_dev_shm(const char *size)
{
    char opt[32];
    snprintf(opt, sizeof opt, "size=%s", size);
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, opt) == 0;
}

/** Fits and is fully there; does not fit and is said so; memfd does not care. */
static int in_dev_shm(const char *size, size_t fits, size_t too_much)
{
    struct vc_os_id before, after;
    vc_os_id_get(&before);
    if (!small_dev_shm(size))
        return 77;
    vc_os_id_get(&after);
    NEED(before.shm_dev != after.shm_dev);
    NEED(memcmp(before.boot_id, after.boot_id, sizeof after.boot_id) == 0);

    struct vc_seg seg;
    struct vc_seg_handle h;
    NEED(vc_seg_create(too_much, VC_SEG_SHM, &seg, &h) == VC_ERR_NOMEM);
    NEED(seg.base == NULL && h.backing == 0);
    NEED(left_behind(0) == 0);
    char needed[32];
    snprintf(needed, sizeof needed, "%zu KiB", (too_much + (size_t)sysconf(_SC_PAGESIZE)) >> 10);
    NEED(strstr(vc_error_text(), needed));
    NEED(strstr(vc_error_text(), "--shm-size"));
    NEED(strstr(vc_error_text(), "VCOLL_SHM_BACKING=memfd"));

    NEED(vc_seg_create(fits, VC_SEG_SHM, &seg, &h) == VC_OK);
    memset(seg.base, 1, fits); /* SIGBUS here is the failure this test is about */
    struct vc_seg second;
    NEED(vc_seg_create(too_much - fits, VC_SEG_SHM, &second, &h) == VC_ERR_NOMEM);
    vc_seg_detach(&seg);
    NEED(left_behind(0) == 0);

    NEED(vc_seg_create(too_much, VC_SEG_AUTO, &seg, &h) == VC_OK);
    NEED(h.backing == VC_SEG_MEMFD);
    memset(seg.base, 1, too_much);
    vc_seg_detach(&seg);
    return 0;
}

static int one_megabyte(void)
{
    return in_dev_shm("1m", 512 * KB, 2 * MB);
}

static int sixty_four_megabytes(void)
{
    return in_dev_shm("64m", 40 * MB, 100 * MB);
}

static void expect_child(int (*fn)(void))
{
    int rc = in_child(fn);
    if (rc == 77) {
        print_message("not permitted here: needs the right to mount, or to filter system calls\n");
        skip();
    }
    assert_int_equal(rc, 0);
}

static void tiny_dev_shm_is_an_error(void **state)
{
    (void)state;
    expect_child(one_megabyte);
}

static void default_container_dev_shm(void **state)
{
    (void)state;
    expect_child(sixty_four_megabytes);
}

static int limited_file_size(void)
{
    struct rlimit lim = {64 * KB, 64 * KB};
    struct vc_seg seg;
    struct vc_seg_handle h;
    NEED(setrlimit(RLIMIT_FSIZE, &lim) == 0);
    NEED(vc_seg_create(1 * MB, VC_SEG_AUTO, &seg, &h) == VC_ERR_NOMEM); /* and no SIGXFSZ */
    NEED(strstr(vc_error_text(), "ulimit -f"));
    NEED(vc_seg_create(16 * KB, VC_SEG_AUTO, &seg, &h) == VC_OK);
    vc_seg_detach(&seg);
    return 0;
}

static void file_size_limit_does_not_kill(void **state)
{
    (void)state;
    expect_child(limited_file_size);
}

static int without_memfd(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
        return 77;
    struct vc_seg seg;
    struct vc_seg_handle h;
    NEED(vc_seg_create(64 * KB, VC_SEG_MEMFD, &seg, &h) == VC_ERR_SYS);
    NEED(strstr(vc_error_text(), "memfd_create"));
    NEED(vc_seg_create(64 * KB, VC_SEG_AUTO, &seg, &h) == VC_OK);
    NEED(h.backing == VC_SEG_SHM);
    vc_seg_detach(&seg);
    NEED(left_behind(getpid()) == 0);
    return 0;
}

static void auto_does_without_memfd(void **state)
{
    (void)state;
    expect_child(without_memfd);
}

/** Kills a creator that has reached a known point; what does it leave? */
static int killed_after(enum vc_seg_backing backing, bool settle)
{
    int fds[2];
    char c;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_seg seg;
        struct vc_seg_handle h;
        if (vc_seg_create(1 * MB, backing, &seg, &h) != VC_OK)
            _exit(1);
        if (settle)
            vc_seg_settle(&seg);
        if (write(fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(fds[0], &c, 1), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
    return left_behind(pid);
}

static void sigkill_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(killed_after(VC_SEG_MEMFD, false), 0);
    assert_int_equal(killed_after(VC_SEG_MEMFD, true), 0);
    assert_int_equal(killed_after(VC_SEG_SHM, true), 0);
}

static void os_fingerprint(void **state)
{
    (void)state;
    struct vc_os_id a, b, zero;
    memset(&zero, 0, sizeof zero);
    vc_os_id_get(&a);
    vc_os_id_get(&b);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(a.boot_id, zero.boot_id, sizeof a.boot_id);
    assert_int_not_equal(a.pid_ns, 0);
    assert_int_not_equal(a.shm_dev, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memfd_is_shared),
        cmocka_unit_test(posix_object_is_shared),
        cmocka_unit_test(detach_unlinks_what_was_not_settled),
        cmocka_unit_test(other_memory_is_not_mistaken),
        cmocka_unit_test(tiny_dev_shm_is_an_error),
        cmocka_unit_test(default_container_dev_shm),
        cmocka_unit_test(file_size_limit_does_not_kill),
        cmocka_unit_test(auto_does_without_memfd),
        cmocka_unit_test(sigkill_leaves_nothing),
        cmocka_unit_test(os_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The registration cache: what it refuses, what it gives up, when it is not there at all. */
#include "regcache_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void refused_memory(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    int fd = memfd_create("vcoll-test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)BUF), 0);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct {
        const char *what;
        int prot, flags, fd;
    } kinds[] = {
        {"shared anonymous", PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1},
        {"shared file", PROT_READ | PROT_WRITE, MAP_SHARED, fd},
        {"private view of shared memory", PROT_READ | PROT_WRITE, MAP_PRIVATE, fd},
        {"private view of a file", PROT_READ | PROT_WRITE, MAP_PRIVATE, file},
        {"read-only", PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1},
        {"write-only", PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1},
        {"inaccessible", PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1},
    };
    /* Surrounded by what cannot be used, so that each kind has addresses of its own. */
    char *area = mmap(NULL, 32 * BUF, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char *p =
            mmap(area + (2 * i + 1) * BUF, BUF, kinds[i].prot, kinds[i].flags | MAP_FIXED, kinds[i].fd, 0);
        assert_true(p != MAP_FAILED);
        refuses(&r, p, PAGE);
        refuses(&r, p + PAGE, BUF - PAGE);
        assert_non_null(strstr(vc_error_text(), "0x"));
    }
    char *p = map_at(area + 20 * BUF, BUF, MAP_FIXED), *q = map_at(area + 22 * BUF, BUF, MAP_FIXED);
    munmap(p + BUF, BUF);
    refuses(&r, p, 3 * BUF); /* with a hole */
    assert_true(mmap(p + BUF, BUF, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + BUF);
    mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC); /* several mappings, all good */
    use(&r, p, BUF);
    use(&r, q, BUF);
    refuses(&r, q, 2 * BUF); /* with nothing behind it */
    use(&r, q, BUF);
    assert_true(mmap(q + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == q + PAGE);
    refuses(&r, q, BUF); /* shared memory in its middle */
    use(&r, q, PAGE);
    use(&r, q + 2 * PAGE, BUF - 2 * PAGE);
    assert_int_equal(r.device.registered, 3);
    munmap(area, 32 * BUF);
    refuses(&r, area, 32 * BUF); /* nothing there */
    close(fd);
    close(file);
    rig_stop(&r);
}

static void remembers_refusals(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(4 * BUF);
    r.device.fail_next = VC_ERR_SYS;
    refuses(&r, p, 2 * BUF);
    assert_string_equal(vc_error_text(), "told to fail");
    use(&r, p, BUF); /* a part may still work */
    for (int i = 0; i < 1000; i++)
        refuses(&r, p, 2 * BUF);
    use(&r, p, 2 * BUF); /* tried again */
    assert_int_equal(rig_stats(&r).refused, 1001);
    munmap(p, 4 * BUF);
    rig_stop(&r);
}

static void locked_memory_runs_out(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(8 * BUF);
    struct vc_reg *held;
    assert_int_equal(get(&r, p, BUF, &held), VC_OK);
    use(&r, p + BUF, BUF);
    use(&r, p + 2 * BUF, BUF);
    r.device.room = 3;
    use(&r, p + 3 * BUF, BUF);
    assert_int_equal(r.device.registered, 3); /* the oldest that was not held has made room */
    assert_int_equal(rig_stats(&r).evictions, 1);
    r.device.room = 1; /* held by `held`: nothing can give way */
    refuses(&r, p + 4 * BUF, BUF);
    assert_int_equal(r.device.registered, 1);
    vc_regcache_put(r.rc, held);
    /* Not refused for good: it was only for memory. */
    for (int i = 0; i < 16; i++)
        refuses(&r, p + 4 * BUF, BUF);
    use(&r, p + 4 * BUF, BUF);
    assert_int_equal(r.device.registered, 1);
    assert_true(vc_regcache_shrink(r.rc));
    assert_int_equal(r.device.registered, 0);
    assert_false(vc_regcache_shrink(r.rc));
    munmap(p, 8 * BUF);
    rig_stop(&r);
}

/* What is only sent gives the peer no right to write; both kinds of a buffer live side by side. */
static void rights(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(2 * BUF);
    struct vc_reg *sent, *received, *again;
    wake_watcher(&r);
    assert_int_equal(vc_regcache_get(r.rc, p, BUF, false, &sent), VC_OK);
    assert_false(sent->remote);
    assert_int_equal(vc_regcache_get(r.rc, p, BUF, true, &received), VC_OK);
    assert_true(received->remote);
    assert_ptr_not_equal(sent, received);
    assert_int_equal(vc_regcache_get(r.rc, p, BUF / 2, true, &again), VC_OK);
    assert_ptr_equal(again, received);
    vc_regcache_put(r.rc, again);
    vc_regcache_put(r.rc, received);
    vc_regcache_put(r.rc, sent);
    munmap(p, 2 * BUF);
    rig_stop(&r);
}

static void evicts_oldest(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    vc_regcache_destroy(r.rc);
    struct vc_regcache_cfg cfg = rig_cfg(&r);
    cfg.max_entries = 4;
    rig_start_with(&r, cfg);
    char *p = map(16 * BUF);
    uint32_t id[4];
    for (size_t i = 0; i < 4; i++)
        id[i] = use(&r, p + i * BUF, BUF);
    assert_int_equal(use(&r, p, BUF), id[0]); /* now 1 is the oldest */
    use(&r, p + 4 * BUF, BUF);
    assert_int_equal(use(&r, p, BUF), id[0]);
    assert_int_equal(use(&r, p + 2 * BUF, BUF), id[2]);
    assert_int_equal(use(&r, p + 3 * BUF, BUF), id[3]);
    assert_int_not_equal(use(&r, p + BUF, BUF), id[1]);
    assert_int_equal(rig_stats(&r).evictions, 2);
    assert_int_equal(r.device.registered, 4);
    struct vc_reg *held[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(get(&r, p + i * BUF, BUF, &held[i]), VC_OK);
    refuses(&r, p + 8 * BUF, BUF); /* all in use */
    vc_regcache_put(r.rc, held[2]);
    use(&r, p + 8 * BUF, BUF);
    for (size_t i = 0; i < 4; i++)
        if (i != 2)
            vc_regcache_put(r.rc, held[i]);
    rig_stop(&r);

    cfg.max_entries = 64;
    cfg.max_bytes = 4 * BUF;
    rig_start_with(&r, cfg);
    for (size_t i = 0; i < 16; i++) {
        use(&r, p + i * BUF, BUF);
        assert_true(rig_stats(&r).bytes <= 4 * BUF);
    }
    refuses(&r, p, 4 * BUF + 1);
    assert_int_equal(r.device.registered, 4);
    use(&r, p, 4 * BUF);
    assert_int_equal(r.device.registered, 1);
    assert_int_equal(get(&r, p, 3 * BUF, &held[0]), VC_OK);
    refuses(&r, p + 4 * BUF, BUF);
    vc_regcache_put(r.rc, held[0]);
    use(&r, p + 4 * BUF, BUF);
    munmap(p, 16 * BUF);
    rig_stop(&r);
}

static void gives_up(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    vc_regcache_destroy(r.rc);
    struct vc_regcache_cfg cfg = rig_cfg(&r);
    cfg.patience = 100;
    rig_start_with(&r, cfg);
    char *p = map(BUF);
    for (int i = 0; i < 350; i++) { /* used often enough: stays */
        madvise(p, PAGE, MADV_DONTNEED);
        use(&r, p, BUF);
        use(&r, p, BUF);
    }
    assert_false(rig_stats(&r).off);
    struct vc_reg *held;
    assert_int_equal(get(&r, p, PAGE, &held), VC_OK);
    for (int i = 0; i < 250; i++)
        madvise(p + PAGE, PAGE, MADV_DONTNEED);
    refuses(&r, p, BUF);
    assert_true(rig_stats(&r).off);
    assert_int_equal(r.device.registered, 1);
    vc_regcache_put(r.rc, held);
    assert_int_equal(r.device.registered, 0);
    vc_regcache_reap(r.rc);
    munmap(p, BUF); /* nobody watches any more, and nobody waits */
    refuses(&r, p, BUF);
    rig_stop(&r);
}

static void bad_limits(void **state)
{
    (void)state;
    struct rig r = {.rc = NULL};
    struct vc_regcache_cfg cfg = rig_cfg(&r);
    cfg.max_entries = 0;
    assert_int_equal(vc_regcache_create(&cfg, &r.rc), VC_ERR_INVAL);
    cfg = rig_cfg(&r);
    cfg.max_bytes = 0;
    assert_int_equal(vc_regcache_create(&cfg, &r.rc), VC_ERR_INVAL);
}

static int child_status(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* As in a container whose seccomp profile forbids userfaultfd, or on a kernel without it. */
static void no_userfaultfd(void **state)
{
    (void)state;
    int errors[] = {EPERM, ENOSYS};
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errors[i]),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
            };
            struct sock_fprog prog = {sizeof code / sizeof code[0], code};
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
                _exit(3); /* no seccomp here */
            struct rig r = {.rc = NULL};
            struct vc_regcache_cfg cfg = rig_cfg(&r);
            int err = vc_regcache_create(&cfg, &r.rc);
            int named =
                strstr(vc_error_text(), "userfaultfd") && strstr(vc_error_text(), strerror(errors[i]));
            _exit(err != VC_ERR_UNSUPPORTED ? 1 : !named ? 2 : 0);
        }
        int status = child_status(pid);
        if (status == 3)
            skip();
        assert_int_equal(status, 0);
    }
}

/* An application that closes every file it does not know, and perhaps opens others in their place. */
static int lose_the_file(bool reopen, bool change)
{
    struct rig r = {.rc = NULL};
    struct vc_regcache_cfg cfg = rig_cfg(&r);
    if (vc_regcache_create(&cfg, &r.rc))
        return 3;
    char *p = map(BUF);
    struct vc_reg *reg;
    if (vc_regcache_get(r.rc, p, BUF, true, &reg))
        return 1;
    vc_regcache_put(r.rc, reg);
    for (int fd = 3; fd < 200; fd++)
        close(fd);
    int ends[2] = {-1, -1};
    for (int i = 0; reopen && i < 20; i++)
        if (pipe(ends)) /* blocks whoever reads it */
            return 4;
    for (size_t i = 0; change && i < 4; i++)
        munmap(p + i * PAGE, PAGE);
    if (vc_regcache_get(r.rc, p + BUF / 2, PAGE, true, &reg) != VC_ERR_UNSUPPORTED)
        return 2;
    vc_regcache_destroy(r.rc);
    munmap(p, BUF);
    return 0;
}

static void closed_by_application(void **state)
{
    (void)state;
    if (TSAN) /* which rightly calls this a race on the file */
        skip();
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(lose_the_file(i & 1, i & 2));
        int status = child_status(pid);
        if (status == 3)
            skip();
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    alarm(100); /* a deadlock ends here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_memory),
        cmocka_unit_test(remembers_refusals),
        cmocka_unit_test(locked_memory_runs_out),
        cmocka_unit_test(rights),
        cmocka_unit_test(evicts_oldest),
        cmocka_unit_test(gives_up),
        cmocka_unit_test(bad_limits),
        cmocka_unit_test(no_userfaultfd),
        cmocka_unit_test(closed_by_application),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

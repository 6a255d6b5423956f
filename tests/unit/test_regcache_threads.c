/* SPDX-License-Identifier: BSD-3-Clause */
/* The registration cache among threads and processes: nobody sees a stale registration, nobody waits for
 * ever. */
#include "regcache_rig.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static int child_status(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void forked(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(BUF);
    uint32_t id = use(&r, p, BUF);
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_reg *reg;
        if (vc_regcache_get(r.rc, p, BUF, true, &reg) != VC_ERR_UNSUPPORTED)
            _exit(1);
        memset(p, 2, BUF);
        munmap(p, BUF); /* nobody is asked, and the parent not told */
        vc_regcache_reap(r.rc);
        int before = r.device.registered;
        vc_regcache_destroy(r.rc);
        _exit(r.device.registered == before ? 0 : 2);
    }
    assert_int_equal(child_status(pid), 0);
    assert_int_equal(use(&r, p, BUF), id);
    assert_int_equal(rig_stats(&r).changes, 0);
    munmap(p, BUF);
    refuses(&r, p, BUF);
    rig_stop(&r);
}

/* A child that lives on must not keep the watch alive when the parent has ended it. */
static void outlived_by_child(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(BUF);
    use(&r, p, BUF);
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    rig_stop(&r);
    madvise(p, BUF, MADV_DONTNEED);
    munmap(p, BUF); /* would wait for ever */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void executes_programs(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(BUF);
    uint32_t id = use(&r, p, BUF);
    assert_int_equal(system("true"), 0);
    char *argv[] = {(char[]){"true"}, NULL};
    pid_t pid;
    assert_int_equal(posix_spawnp(&pid, "true", NULL, NULL, argv, environ), 0);
    assert_int_equal(child_status(pid), 0);
    pid = fork();
    if (pid == 0) {
        execvp("true", argv);
        _exit(127);
    }
    assert_int_equal(child_status(pid), 0);
    assert_int_equal(use(&r, p, BUF), id);
    munmap(p, BUF);
    rig_stop(&r);
}

static char *meddled;

static void unmap_something(void)
{
    munmap(meddled, PAGE);
    meddled += PAGE;
}

/* Registering and deregistering allocate and free, which may change watched memory: the watcher must not need
 * anything that the caller of these holds. */
static void callbacks_unmap(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    char *p = map(BUF), *q = meddled = map(BUF);
    use(&r, q, BUF);
    r.device.meddle = unmap_something;
    check_transfer(&r, p, BUF / 2, 1);
    check_transfer(&r, p, BUF, 2);
    madvise(p, BUF, MADV_DONTNEED);
    check_transfer(&r, p, BUF, 3);
    r.device.meddle = NULL;
    munmap(p, BUF);
    munmap(meddled, (size_t)(q + BUF - meddled));
    rig_stop(&r);
}

static void on_signal(int sig)
{
    (void)sig;
    munmap(meddled, PAGE);
}

/* A garbage collector unmaps in a signal handler, wherever the thread is: also in the cache, with its lock.
 */
static void raise_signal(void)
{
    raise(SIGUSR1);
}

static void signals_unmap(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    signal(SIGUSR1, on_signal);
    char *p = map(BUF);
    meddled = map(BUF);
    use(&r, meddled, BUF);
    r.device.meddle = raise_signal;
    check_transfer(&r, p, BUF, 1);
    r.device.meddle = NULL;
    signal(SIGUSR1, SIG_DFL);
    munmap(p, BUF);
    munmap(meddled, BUF);
    rig_stop(&r);
}

/* A thread's stack is watched when buffers on it were used; its end drops the stack's pages. */
static void *uses_its_stack(void *arg)
{
    struct rig *r = arg;
    char buffer[3 * 4096];
    check_transfer(r, buffer, sizeof buffer, 5);
    return NULL;
}

static void stacks(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, uses_its_stack, &r), 0);
        pthread_join(t, NULL);
    }
    uses_its_stack(&r);
    rig_stop(&r);
}

enum { THREADS = 4, ROUNDS = 400 };

struct worker {
    struct rig *r;
    unsigned seed;
    int transfers, stale;
};

/* Uses a buffer that is surely this thread's own, at addresses that were another's a moment ago. */
static void transfer(struct worker *w, char *p, size_t len, uint64_t value)
{
    struct vc_reg *reg;
    for (size_t at = 0; at < len; at += PAGE)
        memcpy(p + at, &value, sizeof value);
    if (len == 0 || vc_regcache_get(w->r->rc, p, len, true, &reg))
        return;
    char *seen = malloc(len);
    pipe_device_read(reg, p, seen, len);
    for (size_t at = 0; at < len; at += PAGE)
        w->stale |= memcmp(seen + at, &value, sizeof value) != 0;
    free(seen);
    vc_regcache_put(w->r->rc, reg);
    w->transfers++;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t value = ((uint64_t)w->seed << 32 | i) * 0x9e3779b97f4a7c15u;
        size_t len = (4 + (size_t)rand_r(&w->seed) % 28) * PAGE;
        switch (rand_r(&w->seed) % (TSAN ? 4 : 5)) {
        case 0: {
            char *p = malloc(len);
            transfer(w, p, len, value);
            free(p);
            break;
        }
        case 1: {
            char *p = map(len);
            transfer(w, p, len, value);
            transfer(w, p, len, ~value);
            munmap(p, len);
            break;
        }
        case 2: {
            char *p = map(len);
            transfer(w, p, len, value);
            madvise(p, len / 2, MADV_DONTNEED);
            transfer(w, p, len, ~value);
            munmap(p, len);
            break;
        }
        case 3: {
            char *p = map(len);
            transfer(w, p, len, value);
            map_at(p, len / 2, MAP_FIXED);
            transfer(w, p, len, ~value);
            munmap(p, len);
            break;
        }
        default: {
            char *p = map(len);
            transfer(w, p, len, value);
            p = mremap(p, len, len + 4 * PAGE, MREMAP_MAYMOVE);
            transfer(w, p, len + 4 * PAGE, ~value);
            munmap(p, len + 4 * PAGE);
        }
        }
        vc_regcache_reap(w->r->rc);
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r);
    vc_regcache_destroy(r.rc);
    struct vc_regcache_cfg cfg = rig_cfg(&r);
    cfg.max_entries = 24;
    rig_start_with(&r, cfg);
    struct worker w[THREADS];
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){&r, (unsigned)i + 1, 0, 0};
        assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    }
    int transfers = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].stale, 0);
        transfers += w[i].transfers;
    }
    struct vc_regcache_stats s = rig_stats(&r);
    print_message(
        "%d transfers: %lu hits, %lu misses, %lu refused, %lu evicted, %lu invalidated, %lu changes\n",
        transfers, s.hits, s.misses, s.refused, s.evictions, s.invalidated, s.changes);
    assert_true(transfers > THREADS * ROUNDS);
    assert_true(s.invalidated > ROUNDS);
    assert_int_equal(s.entries, r.device.registered);
    rig_stop(&r);
}

int main(void)
{
    alarm(100); /* a deadlock ends here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forked),
        cmocka_unit_test(outlived_by_child),
        cmocka_unit_test(executes_programs),
        cmocka_unit_test(callbacks_unmap),
        cmocka_unit_test(signals_unmap),
        cmocka_unit_test(stacks),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

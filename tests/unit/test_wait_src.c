/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits that a descriptor may end, alone and together with a park word, and participants that give up. */
#include "transport/wait.h"

#include "transport/park.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct shared {
    _Atomic int turn;
    struct vc_peer_id ids[2];
    _Alignas(VC_LINE_PAIR) char park[2048];
};

/* An eventfd that counts what is done with it. */
struct source {
    struct vc_wake_src src;
    int arms, clears, checks, fails;
};

static int arm(struct vc_wake_src *s)
{
    ((struct source *)(void *)s)->arms++;
    return VC_OK;
}

static void clear(struct vc_wake_src *s)
{
    uint64_t n;
    assert_int_equal(read(s->fd, &n, sizeof n), sizeof n);
    ((struct source *)(void *)s)->clears++;
}

static int check(struct vc_wake_src *s)
{
    struct source *x = (struct source *)(void *)s;
    x->checks++;
    return x->fails ? vc_fail(VC_ERR_SYS, "the device is gone") : VC_OK;
}

static struct source make_source(void)
{
    struct source s = {
        .src = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .arm = arm, .clear = clear, .check = check}};
    assert_true(s.src.fd >= 0);
    return s;
}

static int no_progress(void)
{
    return -1;
}

static struct vc_wait_cfg config(enum vc_wait_mode mode)
{
    struct vc_wait_cfg cfg = {mode, 50000, false, 900000000, 900000000, no_progress, NULL, NULL, NULL, false};
    return cfg;
}

static struct shared *shared_memory(void)
{
    struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    assert_true(vc_park_bytes(2) <= sizeof s->park);
    return s;
}

static struct vc_parking parking(struct shared *s, int me)
{
    struct vc_parking p = {(struct vc_park_area *)(void *)s->park, 2, me, s->ids, NULL};
    return p;
}

static uint32_t word(struct shared *s, int i)
{
    return atomic_load(&((struct vc_park_area *)(void *)s->park)->word[i]);
}

static int wait_turn(struct shared *s, int value, const struct vc_wait_cfg *cfg, struct vc_parking *p,
                     struct vc_wake_src *src, enum vc_wakers wakers)
{
    struct vc_waiter w;
    int err = VC_OK;
    uint64_t end = vc_now_ns() + 5000000000u;
    vc_wait_begin_src(&w, cfg, p, src);
    w.wakers = (uint8_t)wakers;
    while (atomic_load_explicit(&s->turn, memory_order_acquire) != value && err == VC_OK && vc_now_ns() < end)
        err = vc_wait_idle(&w, VC_WAIT_ANY);
    vc_wait_end(&w);
    return err;
}

/* Sleeps of 0.9 s: only the descriptor can end them sooner. */
static void a_descriptor_wakes(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    struct source x = make_source();
    struct vc_wait_cfg cfg = config(VC_WAIT_EVENT);
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t one = 1;
        usleep(30000);
        atomic_store_explicit(&s->turn, 1, memory_order_release);
        _exit(write(x.src.fd, &one, sizeof one) == sizeof one ? 0 : 1);
    }
    uint64_t t = vc_now_ns();
    assert_int_equal(wait_turn(s, 1, &cfg, NULL, &x.src, VC_WAKERS_ALL), VC_OK);
    assert_true(vc_now_ns() - t < 800000000u);
    assert_true(x.arms >= 1 && x.clears == 1);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(x.src.fd);
    munmap(s, sizeof *s);
}

/* A waiter that sleeps on descriptors is woken by a park word's waker through its pipe. */
static void a_park_word_wakes_who_sleeps_on_descriptors(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    s->ids[0] = vc_peer_self();
    atomic_store(&vc_wait_stats.wake_cost_ns, 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_parking p = parking(s, 1);
        for (int i = 1; i <= 20; i++) {
            while (word(s, 0) == 0)
                usleep(100);
            if (!(word(s, 0) & VC_PARK_PIPE))
                _exit(2);
            usleep(200);
            atomic_store_explicit(&s->turn, i, memory_order_release);
            vc_wake_all(&p);
        }
        _exit(0);
    }
    struct source x = make_source();
    struct vc_wait_cfg cfg = config(VC_WAIT_EVENT);
    struct vc_parking p = parking(s, 0);
    s->ids[1] = (struct vc_peer_id){0, 0};
    for (int i = 1; i <= 20; i++)
        assert_int_equal(wait_turn(s, i, &cfg, &p, &x.src, VC_WAKERS_ALL), VC_OK);
    assert_int_equal(x.clears, 0);
    /* Learned from a wake-up that came through the pipe, and from nothing else. */
    assert_true(atomic_load(&vc_wait_stats.wake_cost_ns) > 0);
    assert_int_equal(word(s, 0), 0);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(x.src.fd);
    munmap(s, sizeof *s);
}

/* A wait for messages through shared memory, from a device and through memory of the host, which wakes
 * nobody: the arrival of each of them ends it, and none has to last the 0.9 s that other sleeps have here. */
static void each_kind_of_arrival_ends_a_wait(void **state)
{
    (void)state;
    enum { SHM, DEVICE, HOST, KINDS };
    struct shared *s = shared_memory();
    struct source x = make_source();
    s->ids[0] = vc_peer_self();
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_parking p = parking(s, 1);
        uint64_t one = 1;
        for (int kind = SHM; kind < KINDS; kind++) {
            while (word(s, 0) == 0)
                usleep(100);
            usleep(20000);
            atomic_store_explicit(&s->turn, kind + 1, memory_order_release);
            if (kind == SHM)
                vc_wake_all(&p);
            else if (kind == DEVICE && write(x.src.fd, &one, sizeof one) != sizeof one)
                _exit(1);
        }
        _exit(0);
    }
    struct vc_wait_cfg cfg = config(VC_WAIT_EVENT);
    struct vc_parking p = parking(s, 0);
    for (int kind = SHM; kind < KINDS; kind++) {
        uint64_t t = vc_now_ns(), sleeps = atomic_load(&vc_wait_stats.sleeps);
        assert_int_equal(wait_turn(s, kind + 1, &cfg, &p, &x.src, VC_WAKERS_SOME), VC_OK);
        assert_true(vc_now_ns() - t < 800000000u);
        assert_true(atomic_load(&vc_wait_stats.sleeps) > sleeps);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(x.src.fd);
    munmap(s, sizeof *s);
}

/* The sleeper has closed its pipe and put a file of its own in its place: nobody writes into that, nor reads.
 */
static void files_of_the_program_stay_untouched(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    char name[] = "/tmp/vc_test_wait.XXXXXX", text[8] = "";
    int file = mkstemp(name);
    assert_true(file >= 0);
    assert_int_equal(write(file, "precious", 8), 8);
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_parking p = parking(s, 1);
        s->ids[1] = vc_peer_self();
        int first = vc_park_pipe(); /* and its other end behind it */
        vc_park_announce(&p, VC_PARK_ANY | VC_PARK_PIPE, true);
        for (int fd = first; fd < first + 2; fd++)
            if (dup2(file, fd) != fd || lseek(fd, 0, SEEK_SET) != 0)
                _exit(1);
        atomic_store_explicit(&s->turn, 1, memory_order_release);
        while (atomic_load_explicit(&s->turn, memory_order_acquire) != 2)
            usleep(1000);
        vc_park_drain_pipe();
        _exit(lseek(first, 0, SEEK_CUR) == 0 && vc_park_pipe() == -1 ? 0 : 2);
    }
    while (atomic_load_explicit(&s->turn, memory_order_acquire) != 1)
        usleep(1000);
    struct vc_parking p = parking(s, 0);
    assert_int_equal(word(s, 1), VC_PARK_ANY | VC_PARK_PIPE);
    vc_wake_all(&p);
    assert_int_equal(word(s, 1), 0);
    atomic_store_explicit(&s->turn, 2, memory_order_release);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(pread(file, text, sizeof text, 0), 8);
    assert_memory_equal(text, "precious", 8);
    close(file);
    unlink(name);
    munmap(s, sizeof *s);
}

/* The same on the waker's side: what it keeps open of another's pipe was closed, and the number used again.
 */
static void own_files_stay_untouched(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    char name[] = "/tmp/vc_test_wait.XXXXXX", text[8] = "";
    pid_t pid = fork();
    if (pid == 0) {
        struct vc_parking p = parking(s, 1);
        struct pollfd pfd = {.fd = vc_park_pipe(), .events = POLLIN};
        s->ids[1] = vc_peer_self();
        for (int i = 1; i <= 2; i++) {
            vc_park_announce(&p, VC_PARK_ANY | VC_PARK_PIPE, true);
            atomic_store_explicit(&s->turn, i, memory_order_release);
            if (poll(&pfd, 1, 10000) != 1)
                _exit(i);
            vc_park_drain_pipe();
        }
        _exit(0);
    }
    int file = mkstemp(name);
    assert_true(file >= 0);
    assert_int_equal(write(file, "precious", 8), 8);
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the next number to be given */
    close(first);
    struct vc_parking p = parking(s, 0);
    for (int i = 1; i <= 2; i++) {
        while (atomic_load_explicit(&s->turn, memory_order_acquire) != i)
            usleep(1000);
        vc_wake_all(&p);
        if (i == 1) {
            assert_true(fcntl(first, F_GETFD) >= 0); /* kept open there */
            assert_int_equal(dup2(file, first), first);
            lseek(first, 0, SEEK_SET);
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0); /* woken the second time, too */
    assert_int_equal(pread(file, text, sizeof text, 0), 8);
    assert_memory_equal(text, "precious", 8);
    assert_true(fcntl(first, F_GETFD) >= 0); /* and it was not closed, either */
    close(first);
    close(file);
    unlink(name);
    munmap(s, sizeof *s);
}

static void what_the_source_reports_ends_the_wait(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    static const enum vc_wait_mode modes[] = {VC_WAIT_POLL, VC_WAIT_EVENT, VC_WAIT_AUTO};
    for (int i = 0; i < 3; i++) {
        struct source x = make_source();
        struct vc_wait_cfg cfg = config(modes[i]);
        cfg.slice_min_ns = cfg.slice_max_ns = 5000000;
        x.fails = 1;
        assert_int_equal(wait_turn(s, 1, &cfg, NULL, &x.src, VC_WAKERS_ALL), VC_ERR_SYS);
        assert_string_equal(vc_error_text(), "the device is gone");
        close(x.src.fd);
    }
    munmap(s, sizeof *s);
}

static void sleeps_are_as_short_as_the_source_wants(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    struct source x = make_source();
    struct vc_wait_cfg cfg = config(VC_WAIT_EVENT);
    struct vc_waiter w;
    x.src.max_slice_ns = 2000000;
    uint64_t sleeps = atomic_load(&vc_wait_stats.sleeps), end = vc_now_ns() + 200000000;
    vc_wait_begin_src(&w, &cfg, NULL, &x.src);
    while (vc_now_ns() < end)
        assert_int_equal(vc_wait_idle(&w, VC_WAIT_ANY), VC_OK);
    vc_wait_end(&w);
    assert_true(atomic_load(&vc_wait_stats.sleeps) - sleeps > 5);
    assert_int_equal(x.arms, 1); /* nothing came, so it stays armed */
    close(x.src.fd);
    munmap(s, sizeof *s);
}

/* A software device needs the CPU: auto does not spin. */
static void auto_leaves_the_cpu_to_a_software_device(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    struct source x = make_source();
    struct vc_wait_cfg cfg = config(VC_WAIT_AUTO);
    cfg.spin_ns = 1000000000;
    x.src.needs_cpu = true;
    x.src.max_slice_ns = 1000000;
    struct vc_waiter w;
    uint64_t sleeps = atomic_load(&vc_wait_stats.sleeps);
    vc_wait_begin_src(&w, &cfg, NULL, &x.src);
    for (int i = 0; i < 6; i++)
        assert_int_equal(vc_wait_idle(&w, VC_WAIT_ANY), VC_OK);
    vc_wait_end(&w);
    assert_true(atomic_load(&vc_wait_stats.sleeps) > sleeps);
    close(x.src.fd);
    munmap(s, sizeof *s);
}

static void who_gives_up_is_told_of(void **state)
{
    (void)state;
    struct shared *s = shared_memory();
    static const int ranks[2] = {20, 21};
    struct vc_parking me = parking(s, 0), other = parking(s, 1);
    me.ids = other.ids = NULL;
    me.ranks = other.ranks = ranks;
    vc_park_give_up(&other, "its cable was pulled");
    vc_park_give_up(&other, "and that is not news");
    static const enum vc_wait_mode modes[] = {VC_WAIT_POLL, VC_WAIT_EVENT, VC_WAIT_HYBRID};
    for (int i = 0; i < 3; i++) {
        struct vc_wait_cfg cfg = config(modes[i]);
        cfg.slice_min_ns = cfg.slice_max_ns = 5000000;
        assert_int_equal(wait_turn(s, 1, &cfg, &me, NULL, VC_WAKERS_ALL), VC_ERR_PEER);
        assert_string_equal(vc_error_text(), "rank 21 gave up: its cable was pulled");
    }
    munmap(s, sizeof *s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_wakes),
        cmocka_unit_test(a_park_word_wakes_who_sleeps_on_descriptors),
        cmocka_unit_test(each_kind_of_arrival_ends_a_wait),
        cmocka_unit_test(files_of_the_program_stay_untouched),
        cmocka_unit_test(own_files_stay_untouched),
        cmocka_unit_test(what_the_source_reports_ends_the_wait),
        cmocka_unit_test(sleeps_are_as_short_as_the_source_wants),
        cmocka_unit_test(auto_leaves_the_cpu_to_a_software_device),
        cmocka_unit_test(who_gives_up_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
